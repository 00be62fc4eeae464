"""The rulebook: what a rule is, how rules are loaded, chosen, run and scored."""
