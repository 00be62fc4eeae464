"""Write rules/tables/literal_values.json: values of arguments outside which trl raises.

    python tools/literal_values.py FOLDER      # FOLDER holds trl-X-py3-none-any.whl files

Read from the code of each release: a chain of `if NAME == "a": ... elif NAME in [...]: ... else:
raise` takes the values that it compares with, as does `if NAME not in [...]: raise`. Where several
chains of a file end so, a value has to pass all of them. Old names that the config class turns into
new ones (`if self.NAME == "old": self.NAME = "new"`) are taken too. Nothing of a wheel is run.
"""

from __future__ import annotations

import ast
import json
import sys
import zipfile
from pathlib import Path
from typing import Any

from packaging.version import Version

#: argument -> config class -> (file in the wheel, names under which the code compares it).
WANTED = {
    "loss_type": {
        "SFTConfig": ("trl/trainer/sft_trainer.py", {"loss_type"}),
        "DPOConfig": ("trl/trainer/dpo_trainer.py", {"loss_type"}),
        "GRPOConfig": ("trl/trainer/grpo_trainer.py", {"loss_type"}),
    },
    "packing_strategy": {"SFTConfig": ("trl/data_utils.py", {"strategy", "valid_strategies"})},
    "f_divergence_type": {"DPOConfig": ("trl/trainer/dpo_trainer.py", {"f_divergence_type"})},
    "importance_sampling_level": {
        "GRPOConfig": ("trl/trainer/grpo_trainer.py", {"importance_sampling_level"})
    },
}


def _name(node: ast.expr) -> str:
    return getattr(node, "attr", getattr(node, "id", ""))


def _strings(node: ast.expr) -> set[str] | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return {node.value}
    if isinstance(node, ast.List | ast.Tuple | ast.Set):
        parts = [_strings(item) for item in node.elts]
        return set().union(*[p for p in parts if p]) if all(parts) else None
    return None


def _compared(test: ast.expr, names: set[str], known: dict[str, set[str]]) -> set[str] | None:
    """Return the values for which a test holds, None when it is about something else."""
    if isinstance(test, ast.BoolOp):
        parts = [_compared(value, names, known) for value in test.values]
        if isinstance(test.op, ast.And):  # a further condition: take the part that we know
            found = [p for p in parts if p is not None]
            return found[0] if len(found) == 1 else None
        return set().union(*[p for p in parts if p]) if all(p is not None for p in parts) else None
    if not isinstance(test, ast.Compare) or len(test.ops) != 1 or _name(test.left) not in names:
        return None
    if not isinstance(test.ops[0], ast.Eq | ast.In):
        return None
    right = test.comparators[0]
    return _strings(right) or known.get(_name(right))


def _raises(body: list[ast.stmt]) -> bool:
    return bool(body) and isinstance(body[-1], ast.Raise)


def _chains(tree: ast.AST, names: set[str]) -> list[set[str]]:
    """Return the values of each chain that ends in a raise."""
    known = {
        target.id: values
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and (values := _strings(node.value))
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    inner = {
        id(node.orelse[0])
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and len(node.orelse) == 1 and isinstance(node.orelse[0], ast.If)
    }
    #: A refusal inside another `if` (a kernel that takes few losses) is no rule for all.
    nested = {
        id(below)
        for node in ast.walk(tree)
        if isinstance(node, ast.If)
        for statement in (*node.body, *node.orelse)
        for below in ast.walk(statement)
    }
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.If):
            continue
        test = node.test
        if (
            isinstance(test, ast.Compare)
            and isinstance(test.ops[0], ast.NotIn)
            and _name(test.left) in names
            and _raises(node.body)
            and id(node) not in nested
        ):
            values = _strings(test.comparators[0]) or known.get(_name(test.comparators[0]))
            if values:
                found.append(values)
            continue
        if isinstance(test, ast.Compare) and isinstance(test.ops[0], ast.NotIn):
            continue
        if id(node) in inner:
            continue
        values, step = set(), node
        while True:
            part = _compared(step.test, names, known)
            if part is None:
                values = set()
                break
            values |= part
            if len(step.orelse) == 1 and isinstance(step.orelse[0], ast.If):
                step = step.orelse[0]
                continue
            break
        if values and _raises(step.orelse):
            found.append(values)
    return found


def _aliases(wheel: zipfile.ZipFile, config: str, argument: str) -> set[str]:
    """Return the values that `__post_init__` of a config class turns into others."""
    path = f"trl/trainer/{config.removesuffix('Config').lower()}_config.py"
    found: set[str] = set()
    for node in ast.walk(ast.parse(wheel.read(path)) if path in wheel.namelist() else ast.Module()):
        if not isinstance(node, ast.If):
            continue
        values = _compared(node.test, {argument}, {})
        sets = any(
            isinstance(statement, ast.Assign) and _name(statement.targets[0]) == argument
            for statement in node.body
        )
        if values and sets:
            found |= values
    return found


def main() -> None:
    """Read every wheel and write the table."""
    wheels = {
        Version(path.name.split("-")[1]): path
        for path in sorted(Path(sys.argv[1]).rglob("trl-*-py3-none-any.whl"))
    }
    rows: dict[str, dict[str, dict[str, list[str] | None]]] = {}
    for version in sorted(wheels):
        with zipfile.ZipFile(wheels[version]) as wheel:
            for argument, classes in WANTED.items():
                for config, (path, names) in classes.items():
                    values = None
                    if path in wheel.namelist():
                        chains = _chains(ast.parse(wheel.read(path)), names)
                        if chains:
                            passed = set.intersection(*chains)
                            values = sorted(passed | _aliases(wheel, config, argument))
                    rows.setdefault(f"{config}.{argument}", {})[str(version)] = values
    table: dict[str, Any] = {
        "date": "2026-11-21",
        "source": "trl " + ", ".join(map(str, sorted(wheels))) + ": tools/literal_values.py",
        "releases": [str(v) for v in sorted(wheels)],
        "values": {},
    }
    for key, by_version in rows.items():
        spans: list[list[object]] = []
        for version, values in by_version.items():
            if not spans or spans[-1][1] != values:
                spans.append([version, values])
        table["values"][key] = spans
    target = Path(__file__).resolve().parents[1] / "rules" / "tables" / "literal_values.json"
    target.write_text(json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    main()
