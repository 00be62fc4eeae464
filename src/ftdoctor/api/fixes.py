"""Edits of a script: rename, drop and move keywords, change imports.

An edit is made only when the result parses and nothing else of the file changes. All changes that
one call needs are one edit, shared by the findings on that call.
"""

from __future__ import annotations

import ast
import builtins
from typing import TYPE_CHECKING, Any

from ftdoctor.api.entries import append, entries_of, removals
from ftdoctor.api.model import ApiEdit, Change
from ftdoctor.api.text import parses

if TYPE_CHECKING:
    from ftdoctor.api.lint import Script
    from ftdoctor.api.text import Text

Position = tuple[int, int]
Plans = dict[str, tuple[str, Any]]


def edit_call(
    script: Script, call: ast.Call, path: str, config: str, plans: Plans
) -> dict[str, ApiEdit]:
    """Return keyword -> the edit that puts all fixable keywords of a call right.

    `plans` maps a keyword to ("rename", new) | ("drop", "") | ("value", {text: new text}) |
    ("move", name in the config class) | ("", ...) for nothing to do.
    """
    text = script.text
    written = {keyword.arg: keyword for keyword in call.keywords if keyword.arg}
    gone: list[ast.keyword] = []
    moved: list[tuple[ast.keyword, str]] = []
    changes: list[Change] = []
    done: list[str] = []
    titles: list[str] = []
    for name, (kind, new) in plans.items():
        keyword = written.get(name)
        if keyword is None:
            continue
        if kind == "value":
            value = text.of(keyword.value)
            if value in new and new[value].split("=")[0] not in written:
                changes.append(text.replace(text.start(keyword), text.end(keyword), new[value]))
                titles.append(f"`{name}` becomes `{new[value]}`")
            elif value == "False":
                gone.append(keyword)
                titles.append(f"`{name}` is left out")
            else:
                continue
        elif kind == "rename" and new not in written:
            start = text.start(keyword)
            changes.append(text.replace(start, (start[0], start[1] + len(name)), new))
            titles.append(f"`{name}` becomes `{new}`")
        elif kind == "drop":
            gone.append(keyword)
            titles.append(f"`{name}` is left out")
        elif kind == "move":
            moved.append((keyword, new))
        else:
            continue
        done.append(name)
    if moved:
        into = _move(script, call, path, config, moved)
        if into is None:
            done = [name for name in done if plans[name][0] != "move"]
        else:
            changes += into
            names = ", ".join(f"`{keyword.arg}`" for keyword, _ in moved)
            titles.append(f"{names} moved to `{config.rsplit('.', 1)[-1]}`")
            # Without `args=` the config takes the place of the first keyword that it swallows.
            gone += [keyword for keyword, _ in moved if not _replaced(keyword, text, into)]
    entries = entries_of(text, call)
    changes += removals(text, entries, [entry for entry in entries if entry.place in gone])
    edit = checked(text, "; ".join(titles), changes)
    return dict.fromkeys(done, edit) if edit else {}


def checked(text: Text, title: str, changes: list[Change], safe: bool = True) -> ApiEdit | None:
    """Return the edit when its changes do not overlap and the result parses, else None."""
    if not changes:
        return None
    ordered = tuple(sorted(changes, key=lambda c: (c.line, c.column)))
    result = text.applied(ordered)
    return ApiEdit(title, ordered, safe) if result is not None and parses(result) else None


def _replaced(keyword: ast.keyword, text: Text, changes: list[Change]) -> bool:
    start = text.start(keyword)
    return any((change.line, change.column) == start for change in changes)


# --- move into the config class ----------------------------------------------------------------


def _move(
    script: Script, call: ast.Call, path: str, config: str, moved: list[tuple[ast.keyword, str]]
) -> list[Change] | None:
    """Return the changes that put keywords into the config; None when it cannot be done surely."""
    text = script.text
    given = next((k.value for k in call.keywords if k.arg == "args"), None)
    place = script.world.position(path, "args")
    if given is None and len(call.args) > place:
        if any(isinstance(argument, ast.Starred) for argument in call.args):
            return None
        given = call.args[place]
    if any(k.arg is None for k in call.keywords) and given is None:
        return None
    items = [(new, keyword.value) for keyword, new in moved]
    name, imports = _config_name(script, call, path, config)
    if not name:
        return None
    if given is None or (isinstance(given, ast.Constant) and given.value is None):
        return _new_config(script, name, imports, config, moved, given)
    home = _creation(script, given)
    if home is None or home in script.taken or not _values_ready(script, items, call, home):
        return None
    ref = script.names.resolve(home.func)
    if ref is None or ref.kind != "symbol":
        return None
    changes: list[Change] = []
    if ref.path != config:
        if ref.path != "transformers.TrainingArguments":
            return None
        # The plain arguments become the trainer's own config class, which inherits from them.
        changes.append(text.replace(text.start(home.func), text.end(home.func), name))
        changes += imports
    present = {k.arg for k in home.keywords}
    fresh = [f"{new}={text.of(value)}" for new, value in items if new not in present]
    if fresh:
        changes.append(append(text, home, fresh))
    script.taken.add(home)
    return changes


def _new_config(
    script: Script,
    name: str,
    imports: list[Change],
    config: str,
    moved: list[tuple[ast.keyword, str]],
    given: ast.expr | None,
) -> list[Change]:
    text = script.text
    items = [f"{new}={text.of(keyword.value)}" for keyword, new in moved]
    output = script.world.parameters(config).get("output_dir")
    if output is not None and output.default is None:
        items.insert(0, 'output_dir="trainer_output"')
    made = f"{name}({', '.join(items)})"
    if given is not None:
        return [text.replace(text.start(given), text.end(given), made), *imports]
    first = min((keyword for keyword, _ in moved), key=text.start)
    return [text.replace(text.start(first), text.end(first), f"args={made}"), *imports]


def _creation(script: Script, given: ast.expr) -> ast.Call | None:
    """Return the one call that makes the object handed over as `args`."""
    if isinstance(given, ast.Call):
        return given
    if not isinstance(given, ast.Name):
        return None
    bindings, _ = script.tree.lookup(given.id, script.tree.scopes[given])
    if len(bindings) == 1 and isinstance(bindings[0].value, ast.Call):
        return bindings[0].value
    return None


def _values_ready(
    script: Script, items: list[tuple[str, ast.expr]], call: ast.Call, home: ast.Call
) -> bool:
    """Whether every name in the values has its value where the config is made."""
    here = script.tree.scopes[call]
    there = script.tree.scopes[home]
    for _, value in items:
        for part in ast.walk(value):
            if isinstance(part, (ast.NamedExpr, ast.Await, ast.Yield, ast.YieldFrom)):
                return False
            if not isinstance(part, ast.Name) or hasattr(builtins, part.id):
                continue
            bindings, owner = script.tree.lookup(part.id, here)
            _, seen = script.tree.lookup(part.id, there)
            if not bindings or owner is not seen or owner is None:
                return False
            for binding in bindings:
                line = getattr(binding.node, "end_lineno", 0) or 0
                if binding.kind in ("function", "class") and owner is script.tree.module_scope:
                    line = binding.node.lineno  # type: ignore[attr-defined]
                if line >= home.lineno:
                    return False
    return True


def _config_name(
    script: Script, call: ast.Call, path: str, config: str
) -> tuple[str, list[Change]]:
    """Return how the script may write the config class, and the import that this needs."""
    package, _, name = config.rpartition(".")
    function = call.func
    if isinstance(function, ast.Attribute):
        return f"{script.text.of(function.value)}.{name}", []
    bindings = script.tree.module_scope.names.get(name, [])
    if bindings:
        found = script.names.resolve(_name_at(script, name))
        return (name, []) if found is not None and found.path == config else ("", [])
    for node in script.tree.imports:
        if isinstance(node, ast.ImportFrom) and node.level == 0:
            for alias in node.names:
                if f"{node.module}.{alias.name}" == path and node.module == package:
                    start = script.text.start(alias)
                    return name, [script.text.replace(start, start, f"{name}, ")]
    return name, [new_import(script, f"from {package} import {name}")]


def _name_at(script: Script, name: str) -> ast.Name:
    node = ast.Name(name, ast.Load())
    script.tree.scopes[node] = script.tree.module_scope
    return node


def new_import(script: Script, line: str) -> Change:
    """Return the change that adds an import line after the last import at the top level."""
    last = 0
    for node in script.tree.root.body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            last = node.end_lineno or last
        elif last:
            break
    if not last and script.tree.root.body:
        first = script.tree.root.body[0]
        docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
        last = (first.end_lineno or 1) if docstring else first.lineno - 1
    return Change(last + 1, 1, last + 1, 1, f"{line}\n")


# --- imports -----------------------------------------------------------------------------------


def import_edit(script: Script, alias: ast.AST, module: str, name: str) -> ApiEdit | None:
    """Change `from old import name` to where the name is now."""
    node = script.tree.parents.get(alias)
    if not isinstance(node, ast.ImportFrom) or not isinstance(alias, ast.alias):
        return None
    text = script.text
    shown = alias.asname or alias.name
    new = f"{name} as {shown}" if shown != name else name
    title = f"import `{name}` from `{module}`"
    if module == node.module:
        change = text.replace(text.start(alias), text.end(alias), new)
        return checked(text, title, [change])
    if len(node.names) == 1:
        change = text.replace(text.start(node), text.end(node), f"from {module} import {new}")
        return checked(text, title, [change])
    index = node.names.index(alias)
    if index + 1 < len(node.names):
        cut = text.replace(text.start(alias), text.start(node.names[index + 1]), "")
    else:
        cut = text.replace(text.end(node.names[index - 1]), text.end(alias), "")
    line, column = text.start(node)
    indent = text.lines[line - 1][: column - 1]
    if indent.strip():
        return None
    after = (node.end_lineno or line) + 1
    added = Change(after, 1, after, 1, f"{indent}from {module} import {new}\n")
    return checked(text, title, [cut, added])
