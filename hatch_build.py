"""Build hook: compile the rule files into one JSON file inside the wheel."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CompileRulebook(BuildHookInterface):
    """Validates every rule and writes `ftdoctor/_rulebook.json` for a regular wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile unless the build is editable, where the folder itself is read."""
        if version == "editable":
            return
        root = Path(self.root)
        sys.path.insert(0, str(root / "src"))
        try:
            from ftdoctor.logs.table import write
            from ftdoctor.rulebook.load import compile_folder
        finally:
            sys.path.pop(0)
        target = root / "build" / "_rulebook.json"
        target.parent.mkdir(exist_ok=True)
        rows = compile_folder(root / "rules")
        target.write_text(json.dumps(rows, separators=(",", ":")))
        # What `explain` matches with, ready made: building it takes a second.
        table = root / "build" / "_patterns.jsonl"
        write(str(table), rows, "shipped")
        build_data["force_include"][str(table)] = "ftdoctor/_patterns.jsonl"
        build_data["force_include"][str(target)] = "ftdoctor/_rulebook.json"
