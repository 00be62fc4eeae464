"""Imports of names that the release does not have."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ftdoctor.api.changes import import_change
from ftdoctor.api.model import ApiFinding
from ftdoctor.api.table import PACKAGES

if TYPE_CHECKING:
    from ftdoctor.api.exports import History
    from ftdoctor.api.lint import Script


def check_imports(script: Script) -> None:
    """Check `import x.y`, `from x import y`, and attributes of imported modules."""
    for node in script.tree.imports:
        if isinstance(node, ast.ImportFrom):
            if node.level or not node.module or node.module.split(".")[0] not in PACKAGES:
                continue
            for alias in node.names:
                _from_import(script, node, alias)
        else:
            for alias in node.names:
                if alias.name.split(".")[0] in PACKAGES:
                    _module_import(script, node, alias, alias.name)
    _attributes(script)


def _protected(script: Script, node: ast.AST, what: str) -> bool:
    if script.guards.dead(node):
        return True
    if any(
        "TYPE_CHECKING" in ast.unparse(a.test)
        for a, _ in script.tree.ancestors(node)
        if isinstance(a, ast.If)
    ):
        return True
    reason = script.guards.probed(node) or script.guards.caught(node, importing=True)
    if reason:
        script.leave(node, what, reason)
    return bool(reason)


def _module_import(script: Script, node: ast.AST, place: ast.AST, module: str) -> bool:
    """Return whether the module is there as far as one can tell."""
    if script.world.has_module(module) is not False:
        return True
    if not _protected(script, node, f"import {module}"):
        history = script.world.module_history(module)
        parent, _, name = module.rpartition(".")
        _report(script, place, module, parent, name, history)
    return False


def _from_import(script: Script, node: ast.ImportFrom, alias: ast.alias) -> None:
    module = node.module or ""
    world = script.world
    if world.has_module(module) is False:
        if not _protected(script, node, f"from {module} import {alias.name}"):
            history = world.module_history(module)
            _report(script, alias, f"{module}.{alias.name}", module, alias.name, history)
        return
    if alias.name == "*" or world.has_name(module, alias.name) is not False:
        return
    if not _protected(script, node, f"from {module} import {alias.name}"):
        history = world.name_history(module, alias.name)
        _report(script, alias, f"{module}.{alias.name}", module, alias.name, history)


def _report(
    script: Script, place: ast.AST, symbol: str, module: str, name: str, history: History
) -> None:
    line, column = script.text.start(place)
    end_line, end_column = script.text.end(place)
    package, version = history.package, history.version
    change = import_change(symbol, script.world)
    known = history.last_ok or history.first_ok
    where = f"`{module}`" if module else "the package"
    if history.last_ok:
        told = f"is not in {history.spoken}: {history.last_ok} was the last to have it"
    elif history.first_ok:
        told = f"is not in {history.spoken}: it comes with {history.first_ok}"
    else:
        told = f"is not in {where} of {history.spoken}, nor of any release read"
    if history.last_ok and history.first_ok:
        told += f", and {history.first_ok} has it again"
    message = f"`{symbol}` {told}." + (f" {change.text}" if change.text else "")
    # A name that no release ever had may still be made at run time by a package that loads lazily.
    certain = known or package in ("trl", "peft")
    script.add(
        ApiFinding(
            kind="missing-import",
            severity="error" if certain else "warning",
            symbol=symbol,
            parameter=name,
            package=package,
            version=version,
            message=message,
            line=line,
            column=column,
            end_line=end_line,
            end_column=end_column,
            last_ok=history.last_ok,
            first_bad=history.first_bad,
            first_ok=history.first_ok,
            replacement=change.replacement,
            rule=_rule(package, history),
            edit=change.edit(script, place) if change.edit else None,
        )
    )


def _rule(package: str, history: History) -> str:
    gone = {
        "trl": "trl-symbol-removed",
        "transformers": "transformers-symbol-removed",
        "peft": "peft-symbol-removed",
    }
    later = {"trl": "trl-too-old-symbol", "peft": "peft-too-old-symbol"}
    if history.last_ok:
        return gone.get(package, "")
    return later.get(package, "") if history.first_ok else ""


def _attributes(script: Script) -> None:
    """`import trl; trl.X(...)`: an attribute of a module that is not there."""
    seen: set[tuple[int, int]] = set()
    for call in script.tree.calls:
        node = call.func
        while isinstance(node, ast.Attribute):
            base = script.names.resolve(node.value)
            if base is not None and base.kind == "module":
                name = node.attr
                if script.world.has_name(base.path, name) is False:
                    place = (node.lineno, node.end_col_offset or 0)
                    symbol = f"{base.path}.{name}"
                    history = script.world.name_history(base.path, name)
                    # A submodule that some other import loads is an attribute, too.
                    if (
                        place not in seen
                        and (history.last_ok or history.first_ok)
                        and not _protected(script, node, symbol)
                    ):
                        seen.add(place)
                        _report(script, node, symbol, base.path, name, history)
                break
            node = node.value
