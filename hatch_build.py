"""Build hook: compile the rule files into JSON files inside the wheel."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CompileRulebook(BuildHookInterface):
    """Validates every rule and writes what is read of them into a regular wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile unless the build is editable, where the folder itself is read."""
        if version == "editable":
            return
        root = Path(self.root)
        sys.path.insert(0, str(root / "src"))
        try:
            from ftdoctor.logs.table import write
            from ftdoctor.rulebook.load import compile_folder
            from ftdoctor.rulebook.packed import pack
        finally:
            sys.path.pop(0)
        rows = compile_folder(root / "rules")
        (root / "build").mkdir(exist_ok=True)
        for name, text in zip(("_rulebook.json", "_before.json"), pack(rows), strict=True):
            (root / "build" / name).write_text(text)
            build_data["force_include"][str(root / "build" / name)] = f"ftdoctor/{name}"
        # What `explain` matches with, ready made: building it takes a second.
        table = root / "build" / "_patterns.jsonl"
        write(str(table), rows, "shipped")
        build_data["force_include"][str(table)] = "ftdoctor/_patterns.jsonl"
