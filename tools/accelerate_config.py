"""Write the table of what the config file of `accelerate launch` takes, by release.

Usage: python tools/accelerate_config.py WHEELS_FOLDER DATE

The folder holds the wheels of all final releases (`pip download --no-deps accelerate==X`).
The output is rules/tables/accelerate_config.json.
They are read as syntax trees; nothing is imported.
"""

from __future__ import annotations

import ast
import json
import re
import sys
import zipfile
from pathlib import Path

from packaging.version import Version

OUT = Path(__file__).parent.parent / "rules" / "tables" / "accelerate_config.json"
#: Old keys that process_config turns into new ones in every release.
CONVERTED = ("fp16", "dynamo_backend")


def _classes(text: bytes) -> dict[str, ast.ClassDef]:
    return {n.name: n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.ClassDef)}


def _fields(node: ast.ClassDef) -> list[str]:
    return [
        s.target.id
        for s in node.body
        if isinstance(s, ast.AnnAssign) and isinstance(s.target, ast.Name)
    ]


def _members(node: ast.ClassDef) -> list[str]:
    values = [s.value for s in node.body if isinstance(s, ast.Assign)]
    return [str(v.value) for v in values if isinstance(v, ast.Constant)]


def main(folder: str, date: str) -> None:
    """Read every wheel and write the table."""
    wheels = {
        match[1]: path
        for path in Path(folder).glob("accelerate-*.whl")
        if (match := re.match(r"accelerate-(\d[\d.]*)-", path.name))
    }
    versions = sorted(wheels, key=Version)
    seen: dict[str, dict[str, list[str]]] = {
        "keys": {},
        "distributed_type": {},
        "mixed_precision": {},
    }
    needed = ""
    for version in versions:
        with zipfile.ZipFile(wheels[version]) as wheel:
            config = wheel.read("accelerate/commands/config/config_args.py")
            enums = _classes(wheel.read("accelerate/utils/dataclasses.py"))
        classes = _classes(config)
        rows = {
            "keys": [*_fields(classes["BaseConfig"]), *_fields(classes["ClusterConfig"])],
            "distributed_type": _members(enums["DistributedType"]),
            "mixed_precision": _members(enums["PrecisionType"]),
        }
        rows["keys"] += CONVERTED
        for kind, names in rows.items():
            for name in dict.fromkeys(names):
                seen[kind].setdefault(name, []).append(version)
        if not needed and b"must be specified in the config" in config:
            needed = version
    table: dict[str, object] = {
        "date": date,
        "source": "accelerate/commands/config/config_args.py (BaseConfig, ClusterConfig, "
        "process_config) and accelerate/utils/dataclasses.py (DistributedType, PrecisionType) of "
        f"every final release from {versions[0]} to {versions[-1]}; each row: first release that "
        "has it, last release that has it (empty: still there)",
        "oldest": versions[0],
        "newest": versions[-1],
        "distributed_type_needed_from": needed,
    }
    for kind, found in seen.items():
        rows_out: dict[str, list[str]] = {}
        for name, there in sorted(found.items()):
            first, last = versions.index(there[0]), versions.index(there[-1])
            if there != versions[first : last + 1]:
                raise SystemExit(f"{name} went and came back: the table cannot say that")
            rows_out[name] = [there[0], "" if there[-1] == versions[-1] else there[-1]]
        table[kind] = rows_out
    text = json.dumps(table, indent=1)
    text = re.sub(r"\[\s+(\"[^\"]*\"),\s+(\"[^\"]*\")\s+\]", r"[\1, \2]", text)
    OUT.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:3])
