"""One function definition, read from its syntax tree into plain data."""

from __future__ import annotations

import ast
from typing import Any

Function = ast.FunctionDef | ast.AsyncFunctionDef
Signature = dict[str, Any]

#: A default longer than this is not worth its bytes.
LONGEST_DEFAULT = 48
#: What the first parameter of a method is called; some libraries leave @staticmethod out.
_FIRST = {"self", "cls", "mcs", "mcls", "metacls", "_cls", "__self"}
_KEY_METHODS = {"pop", "get", "setdefault"}


def text_of(node: ast.expr | None) -> str | None:
    """Return the source text of a default; "..." when it is long, None when there is none."""
    if node is None:
        return None
    text = ast.unparse(node)
    return text if len(text) <= LONGEST_DEFAULT else "..."


def dotted(node: ast.AST) -> str:
    """Return "a.b.c" for a name or attribute chain, "" for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        base = dotted(node.value)
        return f"{base}.{node.attr}" if base else ""
    if isinstance(node, ast.Subscript):  # Generic[T], Base[Config]
        return dotted(node.value)
    return ""


def constant_text(node: ast.AST | None) -> str | None:
    """Return the value of a string constant."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    return None


def decorators_of(node: Function | ast.ClassDef) -> list[tuple[str, ast.Call | None]]:
    """Return (last part of the name, the call) of each decorator."""
    found = []
    for decorator in node.decorator_list:
        call = decorator if isinstance(decorator, ast.Call) else None
        name = dotted(call.func if call else decorator)
        found.append((name.rsplit(".", 1)[-1], call))
    return found


def read_signature(node: Function, method: bool) -> Signature:
    """Read one definition.

    Returns a dict with
      p: [[name, kind, default or None, annotation]], kind "o" positional only, "p" either way,
         "k" keyword only; the first parameter of a method (self, cls) left out
      a: True with *args
      w: name of **kwargs, or ""
      r: keys that the body reads out of **kwargs
      f: where **kwargs go on: {"to": "super" | dotted name, "drop": [names set], "pos": bool}, or
         None; "?" when the body does something with it that cannot be followed
      l: {old name: new name} added by a deprecation decorator
      d: {parameter: text of the warning} for parameters whose use warns
    """
    arguments = node.args
    names = [*arguments.posonlyargs, *arguments.args]
    defaults: list[ast.expr | None] = [None] * (len(names) - len(arguments.defaults))
    defaults += arguments.defaults
    rows: list[list[Any]] = []
    for index, (argument, default) in enumerate(zip(names, defaults, strict=True)):
        kind = "o" if index < len(arguments.posonlyargs) else "p"
        rows.append([argument.arg, kind, text_of(default), _annotation(argument.annotation)])
    for argument, keyword_default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        rows.append([argument.arg, "k", text_of(keyword_default), _annotation(argument.annotation)])
    decorators = decorators_of(node)
    static = any(name == "staticmethod" for name, _ in decorators)
    if method and not static and rows and rows[0][0] in _FIRST:
        rows = rows[1:]
    signature: Signature = {"p": rows, "a": arguments.vararg is not None, "w": "", "r": []}
    signature["l"] = _aliases(decorators)
    signature["d"] = _warned_arguments(decorators) | warned_names(node)
    signature["f"] = None
    if arguments.kwarg:
        signature["w"] = arguments.kwarg.arg
        reads, forward = _uses_of_kwargs(node, arguments.kwarg.arg)
        signature["r"] = reads
        signature["f"] = forward
    return signature


def _annotation(node: ast.expr | None) -> str:
    if node is None:
        return ""
    text = ast.unparse(node)
    return text if len(text) <= 200 else ""


def _aliases(decorators: list[tuple[str, ast.Call | None]]) -> dict[str, str]:
    """Names that a decorator accepts on top of the signature."""
    found = {}
    for name, call in decorators:
        if name == "deprecate_kwarg" and call:
            given: dict[str, ast.expr] = dict(
                zip(("old_name", "version", "new_name"), call.args, strict=False)
            )
            given |= {k.arg: k.value for k in call.keywords if k.arg}
            old, new = constant_text(given.get("old_name")), constant_text(given.get("new_name"))
            if old:
                found[old] = new or old
        elif name == "validate_hf_hub_args":
            # huggingface_hub < 1.0: `smoothly_deprecate_use_auth_token` accepts it (utils/
            # _validators.py). The linker drops it for the releases that no longer have that.
            found["use_auth_token"] = "token"
    return found


def _warned_arguments(decorators: list[tuple[str, ast.Call | None]]) -> dict[str, str]:
    found = {}
    for name, call in decorators:
        if name in ("_deprecate_arguments", "deprecate_kwarg") and call:
            text = ""
            listed: list[str] = []
            for keyword in call.keywords:
                if keyword.arg in ("custom_message", "additional_message"):
                    text = constant_text(keyword.value) or ""
                if keyword.arg == "deprecated_args" and isinstance(
                    keyword.value, (ast.List, ast.Set, ast.Tuple)
                ):
                    listed = [t for e in keyword.value.elts if (t := constant_text(e))]
            if name == "deprecate_kwarg" and call.args and (t := constant_text(call.args[0])):
                listed = [t]
            found.update(dict.fromkeys(listed, text))
    return found


def _string_parts(node: ast.AST) -> str:
    return " ".join(
        part.value
        for part in ast.walk(node)
        if isinstance(part, ast.Constant) and isinstance(part.value, str)
    )


def warned_names(node: Function) -> dict[str, str]:
    """Return parameter (or field) -> warning text, for `if x is not None: warn("... removed ...")`.

    Only a test that looks at one name, and a warning that speaks of deprecation or removal and
    names the parameter itself, count: anything looser mislabels parameters.
    """
    found: dict[str, str] = {}
    for statement in ast.walk(node):
        if not isinstance(statement, ast.If):
            continue
        tested = {
            part.attr if isinstance(part, ast.Attribute) else part.id
            for part in ast.walk(statement.test)
            if (isinstance(part, ast.Attribute) and dotted(part.value) == "self")
            or (isinstance(part, ast.Name) and part.id != "self")
        }
        for line in statement.body:
            call = line.value if isinstance(line, ast.Expr) else None
            if not isinstance(call, ast.Call) or "warn" not in dotted(call.func):
                continue
            text = _string_parts(call)
            if "deprecat" not in text and "removed" not in text:
                continue
            for name in tested:
                if f"`{name}`" in text or f"{name}" in text.split():
                    found[name] = " ".join(text.split())[:200]
    return found


def _uses_of_kwargs(node: Function, name: str) -> tuple[list[str], Any]:
    """Return (keys read out of **kwargs, where the rest goes); see `read_signature`."""
    reads: list[str] = []
    forwards: list[dict[str, Any]] = []
    explained: set[int] = set()
    for part in ast.walk(node):
        if isinstance(part, ast.Call):
            function = part.func
            if (
                isinstance(function, ast.Attribute)
                and isinstance(function.value, ast.Name)
                and function.value.id == name
                and function.attr in _KEY_METHODS
                and part.args
                and (key := constant_text(part.args[0])) is not None
            ):
                reads.append(key)
                explained.add(id(function.value))
            for keyword in part.keywords:
                value = keyword.value
                if keyword.arg is None and isinstance(value, ast.Name) and value.id == name:
                    explained.add(id(value))
                    forwards.append(_forward(part))
        elif isinstance(part, ast.Subscript):
            key = constant_text(part.slice)
            if isinstance(part.value, ast.Name) and part.value.id == name and key is not None:
                explained.add(id(part.value))
                if not isinstance(part.ctx, ast.Store):
                    reads.append(key)
        elif isinstance(part, ast.Compare) and len(part.comparators) == 1:
            key = constant_text(part.left)
            right = part.comparators[0]
            if isinstance(right, ast.Name) and right.id == name and key is not None:
                explained.add(id(right))
                reads.append(key)
    opaque = any(
        isinstance(part, ast.Name) and part.id == name and id(part) not in explained
        for part in ast.walk(node)
    )
    unique = sorted(set(reads))
    targets = {forward["to"] for forward in forwards}
    if opaque or len(targets) > 1 or "" in targets:
        return unique, "?"
    if not forwards:
        return unique, None
    merged = forwards[0]
    for other in forwards[1:]:
        merged["drop"] = sorted(set(merged["drop"]) & set(other["drop"]))
    return unique, merged


def _forward(call: ast.Call) -> dict[str, Any]:
    target = dotted(call.func)
    if (
        isinstance(call.func, ast.Attribute)
        and isinstance(call.func.value, ast.Call)
        and dotted(call.func.value.func) == "super"
    ):
        target = f"super.{call.func.attr}"
    starred = any(isinstance(argument, ast.Starred) for argument in call.args)
    return {
        "to": target,
        "drop": sorted(k.arg for k in call.keywords if k.arg),
        "given": sum(not isinstance(argument, ast.Starred) for argument in call.args),
        "pos": starred,
    }
