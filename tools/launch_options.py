"""Write the table of the options of `accelerate launch`, by release, and of torchrun.

Usage: python tools/launch_options.py ACCELERATE_WHEELS_FOLDER TORCH_RUN_PY DATE

The folder holds the wheels of all final releases of accelerate; TORCH_RUN_PY is
torch/distributed/run.py of the newest torch (its options have only been added to so far). Both are
read as syntax trees; nothing is imported. The output is rules/tables/launch_options.json.
"""

from __future__ import annotations

import ast
import json
import re
import sys
import zipfile
from pathlib import Path
from typing import Any

from packaging.version import Version

OUT = Path(__file__).parent.parent / "rules" / "tables" / "launch_options.json"


def _parsers(tree: ast.Module, name: str) -> list[ast.AST]:
    return [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name == name]


def options(text: bytes, function: str) -> dict[str, dict[str, Any]]:
    """Return the options that a function's `add_argument` calls make, dashes as underscores."""
    found: dict[str, dict[str, Any]] = {}
    for parser in _parsers(ast.parse(text), function):
        for node in ast.walk(parser):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            if node.func.attr != "add_argument":
                continue
            words = [a.value for a in node.args if isinstance(a, ast.Constant)]
            keywords = {k.arg: k.value for k in node.keywords}
            action = keywords.get("action")
            flag = isinstance(action, ast.Constant) and str(action.value).startswith(
                ("store_true", "store_false", "help")
            )
            kind = keywords.get("type")
            for word in words:
                if not str(word).startswith("-"):
                    continue
                name = str(word).lstrip("-").replace("-", "_")
                row: dict[str, Any] = {"flag": True} if flag else {}
                if isinstance(kind, ast.Name) and kind.id == "int":
                    row["int"] = True
                choices = keywords.get("choices")
                if isinstance(choices, ast.List) and all(
                    isinstance(e, ast.Constant) for e in choices.elts
                ):
                    row["choices"] = [e.value for e in choices.elts if isinstance(e, ast.Constant)]
                found[name] = row
    return found


def main(folder: str, torch_run: str, date: str) -> None:
    """Read every wheel and write the table."""
    wheels = {
        match[1]: path
        for path in Path(folder).glob("accelerate-*.whl")
        if (match := re.match(r"accelerate-(\d[\d.]*)-", path.name))
    }
    versions = sorted(wheels, key=Version)
    seen: dict[str, list[str]] = {}
    rows: dict[str, dict[str, Any]] = {}
    for version in versions:
        with zipfile.ZipFile(wheels[version]) as wheel:
            text = wheel.read("accelerate/commands/launch.py")
        for name, row in options(text, "launch_command_parser").items():
            seen.setdefault(name, []).append(version)
            if "choices" in row and "choices" in rows.get(name, {}):
                # The values of all releases together: a job may run any of them.
                row["choices"] = sorted({*row["choices"], *rows[name]["choices"]})
            rows[name] = row
    accelerate: dict[str, dict[str, Any]] = {}
    for name, there in sorted(seen.items()):
        first, last = versions.index(there[0]), versions.index(there[-1])
        if there != versions[first : last + 1]:
            raise SystemExit(f"{name} went and came back: the table cannot say that")
        rows[name]["since"] = there[0]
        if there[-1] != versions[-1]:
            rows[name]["last"] = there[-1]
        accelerate[name] = rows[name]
    torchrun = options(Path(torch_run).read_bytes(), "get_args_parser")
    # torch.distributed.launch adds this one to the parser of torchrun.
    torchrun["use_env"] = {"flag": True}
    lines = [
        f' "date": {json.dumps(date)}',
        ' "source": "add_argument calls of accelerate/commands/launch.py of every final release '
        f"from {versions[0]} to {versions[-1]} (choices: of all of them together), and of "
        'torch/distributed/run.py of torch 2.13.0"',
        f' "oldest": "{versions[0]}"',
        f' "newest": "{versions[-1]}"',
    ]
    for title, table in (("accelerate", accelerate), ("torchrun", torchrun)):
        inner = ",\n".join(f"  {json.dumps(n)}: {json.dumps(r)}" for n, r in sorted(table.items()))
        lines.append(f' "{title}": {{\n{inner}\n }}')
    OUT.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:4])
