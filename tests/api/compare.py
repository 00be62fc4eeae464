"""Compares the tables with the packages that this interpreter imports. Run as a program too.

Prints one JSON object: {package: {"version", "compared", "same", "wrong": [...], "names",
"missing": [...]}}. `wrong` and `missing` are what would make a false error: a real parameter that
the table does not have, a real name that the table says is not there.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import inspect
import json
import sys
import warnings
from typing import Any

from ftdoctor.api.table import PACKAGES, inside, load, pick
from ftdoctor.api.world import World

#: transformers' files of model code and command line are not what training scripts call.
_LEFT_OUT = ("transformers.models", "transformers.cli", "transformers.exporters")


def real_signature(path: str, kind: str) -> tuple[set[str], bool, int, bool] | None:
    """Return (parameter names, takes **kwargs, positional count, takes *args), None if not there."""
    module, _, name = path.rpartition(".")
    try:
        if kind == "m":
            module, _, owner = module.rpartition(".")
            found = getattr(getattr(importlib.import_module(module), owner), name)
        else:
            found = getattr(importlib.import_module(module), name)
        signature = inspect.signature(found)
    except BaseException:  # an optional dependency that is not installed here
        return None
    parameters = list(signature.parameters.values())
    if kind == "m" and parameters and parameters[0].name == "self":
        parameters = parameters[1:]
    several = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    names = {p.name for p in parameters if p.kind not in several}
    either = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return (
        names,
        any(p.kind == inspect.Parameter.VAR_KEYWORD for p in parameters),
        sum(p.kind in either for p in parameters),
        any(p.kind == inspect.Parameter.VAR_POSITIONAL for p in parameters),
    )


def compare(package: str, world: World) -> dict[str, Any]:
    """Hold every callable and every module of one package against the real ones."""
    table = load(package)
    version = world.version(package)
    result: dict[str, Any] = {"version": version, "compared": 0, "same": 0, "wrong": []}
    result |= {"names": 0, "missing": []}
    index = table.index(version) if table else None
    if table is None or index is None:
        return result
    for path in table.names("C"):
        line = table.line("C", path)
        life = pick(line["i"], index)
        if life is None or path.startswith(_LEFT_OUT):
            continue
        real = real_signature(path, life[2])
        if real is None:
            continue
        names, more, positional, several = real
        result["compared"] += 1
        mine, is_open = set(world.parameters(path)), world.is_open(path)
        most = world.most_positional(path)
        if not is_open and names - mine - {"self"}:
            result["wrong"].append(f"{path}: {sorted(names - mine)}")
        elif not is_open and most is not None and not several and most < positional:
            result["wrong"].append(f"{path}: {most} positional, really {positional}")
        elif mine == names and is_open == more:
            result["same"] += 1
    for module in table.names("M"):
        if not inside(table.line("M", module)["i"], index) or module.startswith(_LEFT_OUT):
            continue
        try:
            names = set(dir(importlib.import_module(module)))
        except BaseException:
            continue
        for name in names:
            if name.startswith("_") or "." in name:
                continue
            result["names"] += 1
            if world.has_name(module, name) is False:
                result["missing"].append(f"{module}.{name}")
    return result


def main(packages: list[str]) -> dict[str, dict[str, Any]]:
    """Compare several packages."""
    warnings.simplefilter("ignore")
    world = World({package: importlib.metadata.version(package) for package in PACKAGES})
    return {package: compare(package, world) for package in packages}


if __name__ == "__main__":
    print("COMPARED " + json.dumps(main(sys.argv[1:] or list(PACKAGES))))
