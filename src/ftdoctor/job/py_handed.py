"""Functions of the script that it hands to a trainer: what they take and what they return.

Read from their source, never run.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ftdoctor.job.model import RewardFunction
from ftdoctor.job.py_abstract import Abstract, Func, Seq
from ftdoctor.job.py_values import place_of

if TYPE_CHECKING:
    from collections.abc import Iterator


def reward_functions(given: Abstract | None) -> Iterator[RewardFunction]:
    """Yield the functions among `reward_funcs` whose signature stands in the script."""
    for item in given.items if isinstance(given, Seq) else (given,):
        if not isinstance(item, Func) or item.decorators or item.bound is not None:
            continue
        node = item.node
        arguments = node.args
        names = [a.arg for a in (*arguments.args, *arguments.kwonlyargs)]
        name = "lambda" if isinstance(node, ast.Lambda) else node.name
        yield RewardFunction(name, tuple(names), arguments.kwarg is not None, place_of(item))


def formatting_returns(function: Abstract | None) -> str:
    """Return "list", "text" or "dict": what every return of a function gives; else ""."""
    if not isinstance(function, Func):
        return ""
    node = function.node
    if isinstance(node, ast.Lambda):
        return _kind(node.body, {})
    if any(isinstance(inner, (ast.Yield, ast.YieldFrom)) for inner in ast.walk(node)):
        return ""
    named = _assigned(node)
    kinds = {
        _kind(inner.value, named)
        for inner in ast.walk(node)
        if isinstance(inner, ast.Return) and inner.value is not None
    }
    return kinds.pop() if len(kinds) == 1 else ""


def _assigned(node: ast.AST) -> dict[str, list[ast.expr]]:
    """Return every value that a plain assignment in a function gives to a name."""
    named: dict[str, list[ast.expr]] = {}
    for inner in ast.walk(node):
        if isinstance(inner, ast.Assign):
            for target in inner.targets:
                if isinstance(target, ast.Name):
                    named.setdefault(target.id, []).append(inner.value)
        elif (
            isinstance(inner, ast.AnnAssign)
            and isinstance(inner.target, ast.Name)
            and inner.value is not None
        ):
            named.setdefault(inner.target.id, []).append(inner.value)
    return named


def _kind(value: ast.expr, named: dict[str, list[ast.expr]], depth: int = 0) -> str:
    if isinstance(value, (ast.List, ast.ListComp)):
        return "list"
    if isinstance(value, (ast.Dict, ast.DictComp)):
        return "dict"
    if isinstance(value, ast.JoinedStr) or (
        isinstance(value, ast.Constant) and isinstance(value.value, str)
    ):
        return "text"
    if isinstance(value, ast.BinOp) and isinstance(value.op, ast.Add):
        left = _kind(value.left, named, depth)
        return left if left == "text" or left == "list" else _kind(value.right, named, depth)
    if isinstance(value, ast.BinOp) and isinstance(value.op, ast.Mod):
        return "text" if _kind(value.left, named, depth) == "text" else ""
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute):
        # "...".format(...), "".join(...): texts; of any other call nothing is known.
        if value.func.attr in ("format", "join", "strip"):
            return "text" if _kind(value.func.value, named, depth) == "text" else ""
        return ""
    if isinstance(value, ast.Name) and value.id in named and depth < 3:
        kinds = {_kind(item, named, depth + 1) for item in named[value.id]}
        return kinds.pop() if len(kinds) == 1 else ""
    return ""
