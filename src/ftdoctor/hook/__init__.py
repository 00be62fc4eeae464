"""The git hook: checks what would be committed or pushed, never the working tree."""
