"""Judgements about values, and changes of values: shared by everything that follows code."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from ftdoctor.job.py_abstract import (
    Abstract,
    At,
    Cls,
    Const,
    Entries,
    Func,
    Items,
    Map,
    Obj,
    Ref,
    Seq,
    Space,
    Unk,
)
from ftdoctor.job.py_join import join_values

if TYPE_CHECKING:
    from ftdoctor.job.py_run import Run

CONDITION = "it depends on a condition"


def set_attribute(run: Run, owner: Abstract, name: str, value: Abstract) -> None:
    """Set an attribute of an object or class."""
    if isinstance(owner, (Obj, Cls)):
        run.put(owner.cells, name, value)
    elif isinstance(owner, Space):
        run.put(owner.scope.cells, name, value)


def set_item(run: Run, owner: Abstract, key: Abstract, value: Abstract, at: At | None) -> None:
    """Set an entry of a dict or an item of a list, or an environment variable."""
    if isinstance(owner, Map):
        now = owner.now
        if isinstance(key, Const) and isinstance(key.value, (str, int, float, bool, type(None))):
            data = dict(now.data)
            data[key.value] = (value, at)
            run.put(owner.cells, "entries", Entries(data, now.open))
        else:
            choices = key.choices if isinstance(key, Unk) else ()
            reason = f"a key is not known: {reason_of(key)}"
            data = dict(now.data)
            for choice in choices:
                if isinstance(choice, Const) and isinstance(choice.value, str):
                    data[choice.value] = (Unk(CONDITION, value.at, choices=(value,)), at)
            run.put(owner.cells, "entries", Entries(data, now.open or reason))
    elif isinstance(owner, Seq):
        now_items = owner.now
        if isinstance(key, Const) and isinstance(key.value, int):
            index = key.value
            if -len(now_items.items) <= index < len(now_items.items):
                changed = list(now_items.items)
                changed[index] = value
                run.put(owner.cells, "items", Items(changed, now_items.open))
    elif isinstance(owner, Ref) and owner.name == "os.environ":
        if isinstance(key, Const) and isinstance(key.value, str):
            run.put(run.env_set, key.value, value)
    elif isinstance(owner, Obj) and isinstance(key, Const) and isinstance(key.value, str):
        run.put(owner.cells, key.value, value)


def drop_item(run: Run, owner: Abstract, key: Abstract) -> None:
    """Remove an entry of a dict."""
    if isinstance(owner, Map) and isinstance(key, Const) and key.value in owner.data:
        data = dict(owner.data)
        data.pop(key.value)
        run.put(owner.cells, "entries", Entries(data, owner.now.open))


def update(run: Run, owner: Map, other: Abstract) -> None:
    """Merge a mapping into a dict, as `dict.update` and `**` do."""
    now = owner.now
    if isinstance(other, Map):
        data = {**now.data, **other.data}
        run.put(owner.cells, "entries", Entries(data, now.open or other.now.open))
    elif isinstance(other, Seq):
        data = dict(now.data)
        reason = now.open or other.now.open
        for pair in other.items:
            if isinstance(pair, Seq) and len(pair.items) == 2 and isinstance(pair.items[0], Const):
                data[pair.items[0].value] = (pair.items[1], pair.items[0].at)
            else:
                reason = reason or "entries are not known"
        run.put(owner.cells, "entries", Entries(data, reason))
    elif not (isinstance(other, Const) and not other.value):
        run.put(owner.cells, "entries", Entries(now.data, now.open or reason_of(other)))


def extend(run: Run, owner: Seq, other: Abstract) -> None:
    """Append the items of another value to a list."""
    now = owner.now
    items = iterable(run, other)
    reason = other.now.open if isinstance(other, Seq) else ""
    if items is None:
        reason, items = reason_of(other), []
    run.put(owner.cells, "items", Items(now.items + tuple(items), now.open or reason))


def truth(value: Abstract) -> bool | None:
    """Return whether a value counts as true, or None when that is not known."""
    if isinstance(value, Const):
        return bool(value.value)
    if isinstance(value, Seq):
        return True if value.items else (None if value.now.open else False)
    if isinstance(value, Map):
        return True if value.data else (None if value.now.open else False)
    if isinstance(value, (Func, Cls, Space)):
        return True
    return value.truth if isinstance(value, Unk) else None


def reason_of(value: Abstract) -> str:
    """Return why a value is not known."""
    if isinstance(value, Unk):
        return value.reason
    if isinstance(value, Obj) and value.derived:
        return "it is known only when the code runs"
    if isinstance(value, Obj):
        return f"it is the result of {value.name}() at run time"
    if isinstance(value, Ref):
        if not value.imported:
            return f"the name {value.name} is not defined in the file"
        return f"{value.name} is defined elsewhere"
    for part in value.items if isinstance(value, Seq) else ():
        if not isinstance(part, Const):
            return reason_of(part)
    return "it is computed when the code runs"


def iterable(run: Run, value: Abstract) -> list[Abstract] | None:
    """Return the items that a loop over a value goes through, or None when they are not known."""
    if isinstance(value, Seq):
        return list(value.items) if value.items or not value.now.open else None
    if isinstance(value, Map):
        if value.now.open and not value.data:
            return None
        return [Const(key, entry[1]) for key, entry in value.data.items()]
    if isinstance(value, Const) and isinstance(value.value, str) and len(value.value) <= 64:
        return [Const(character, value.at) for character in value.value]
    return None


def any_of(run: Run, choices: tuple[Abstract, ...], reason: str, at: At | None) -> Abstract:
    """Return a value that is one of several; pairs stay pairs."""
    if choices:
        joined = join_values(choices, reason)
        if not isinstance(joined, Unk):
            return joined
        return Unk(reason, joined.at or at, choices=joined.choices)
    return Unk(reason, at)


def unpack(run: Run, value: Abstract, target: Any) -> list[Abstract]:
    """Return one value for each part of a tuple target."""
    from ftdoctor.job import py_objects

    count = len(target.elts)
    starred = next((i for i, e in enumerate(target.elts) if isinstance(e, ast.Starred)), None)
    if isinstance(value, Seq) and not value.now.open:
        items = list(value.items)
        if starred is not None and len(items) >= count - 1:
            tail = count - starred - 1
            middle = Seq(items[starred : len(items) - tail], value.at)
            return [*items[:starred], middle, *items[len(items) - tail :]]
        if len(items) == count:
            return items
    return [py_objects.part(run, value, i, run.at(e)) for i, e in enumerate(target.elts)]


def as_load(target: Any) -> ast.expr:
    """Return an assignment target as the expression that reads it."""
    copy: ast.expr
    if isinstance(target, ast.Name):
        copy = ast.Name(target.id, ast.Load())
    elif isinstance(target, ast.Attribute):
        copy = ast.Attribute(target.value, target.attr, ast.Load())
    else:
        copy = ast.Subscript(target.value, target.slice, ast.Load())
    return ast.copy_location(copy, target)


def name_of(value: Abstract) -> str:
    """Return the full name behind a reference or call, "" for none."""
    if isinstance(value, Ref):
        return value.name
    return value.callee if isinstance(value, Obj) else ""
