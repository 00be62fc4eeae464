"""Calls that leave out an argument without a default."""

from __future__ import annotations

import ast
import builtins
from typing import TYPE_CHECKING

from ftdoctor.api.model import ApiFinding

if TYPE_CHECKING:
    from ftdoctor.api.lint import Script


#: What is done with a trainer: documentation shows how one is made and leaves that out.
_USES = frozenset(("train", "step", "evaluate", "learn"))


def _excerpt(script: Script, call: ast.Call) -> bool:
    """Whether a call is written to show a part of it: `...`, names that nothing defines, no use."""
    if not any(isinstance(n, ast.Attribute) and n.attr in _USES for n in script.tree.scopes):
        return True
    for node in ast.walk(call):
        if isinstance(node, ast.Constant) and node.value is Ellipsis:
            return True
        if isinstance(node, ast.Name) and not hasattr(builtins, node.id):
            scope = script.tree.scopes.get(node)
            if scope is None or not script.tree.lookup(node.id, scope)[0]:
                return True
    return False


def missing(script: Script, call: ast.Call, path: str, given: set[str]) -> ApiFinding | None:
    """Return a finding on the parameters of a library's callable that a call does not give.

    `given` are its keywords; all its arguments can be seen. Said only where one release may run and
    how many it takes by place is known: what a subclass or `super().__init__` does is its own.
    """
    world = script.world
    ref = script.names.resolve(call.func)
    package = path.split(".", 1)[0]
    if ref is None or ref.kind != "symbol" or len(world.positions(package)) != 1:
        return None
    if _excerpt(script, call):
        return None
    most = world.most_positional(path)
    if most is None or len(call.args) > most:
        return None
    parameters = world.parameters(path).values()
    needed = [p for p in parameters if p.default is None and p.name not in given]
    # Those without a default come first, so each argument by place covers one of them. Which one is
    # not asked: the table keeps parameters in the order in which releases brought them.
    by_place = [p.name for p in needed if p.kind in "op"]
    lacking = by_place[len(call.args) :] + [p.name for p in needed if p.kind == "k"]
    if not lacking or any(p.package != package for p in needed):
        return None
    version = world.version(package)
    function = call.func
    line, column = script.text.start(function)
    end_line, end_column = script.text.end(function)
    names = " and ".join(f"`{name}`" for name in lacking)
    return ApiFinding(
        kind="missing-argument",
        severity="error",
        symbol=path,
        parameter=", ".join(lacking),
        package=package,
        version=version,
        message=f"`{path}` of {package} {version} needs {names}, which the call does not give.",
        line=line,
        column=column,
        end_line=end_line,
        end_column=end_column,
        rule="api-missing-argument",
    )
