"""What a value is after code that ran in one of several ways."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftdoctor.job.py_abstract import (
    Abstract,
    Cls,
    Const,
    Entries,
    Func,
    Items,
    Map,
    Obj,
    Ref,
    Seq,
    Unk,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Stands for "not set" among the outcomes of a branch.
MISSING: Any = object()
_MAX_CHOICES = 12


def join(values: Sequence[Any], reason: str, depth: int = 0) -> Any:
    """Return the one value that stands for `values`, which different paths left behind.

    What all paths agree on stays known. Where they differ the result is unknown for `reason`, with
    the possible values as choices. Dicts, lists and calls of the same thing are joined by parts.
    """
    first = values[0]
    if all(value is first for value in values[1:]):
        return first
    present = [value for value in values if value is not MISSING]
    if not present:
        return MISSING
    if isinstance(present[0], Entries):
        return _join_entries([v for v in present if isinstance(v, Entries)], reason, depth)
    if isinstance(present[0], Items):
        return _join_items([v for v in present if isinstance(v, Items)], reason, depth)
    if not isinstance(present[0], Abstract):
        return present[-1]
    if len(present) < len(values):
        return Unk(reason, present[0].at, choices=_choices(present))
    return join_values(present, reason, depth)


def join_values(values: Sequence[Abstract], reason: str, depth: int = 0) -> Abstract:
    """Return what stands for several possible values."""
    first = values[0]
    if all(value is first or same(value, first) for value in values[1:]):
        return first
    if depth < 12:
        if all(isinstance(v, Map) for v in values):
            joined = Map(at=first.at)
            joined.cells["entries"] = _join_entries(
                [v.now for v in values if isinstance(v, Map)], reason, depth + 1
            )
            return joined
        if all(isinstance(v, Seq) for v in values):
            seq = Seq(at=first.at, kind=first.kind if isinstance(first, Seq) else "list")
            seq.cells["items"] = _join_items(
                [v.now for v in values if isinstance(v, Seq)], reason, depth + 1
            )
            return seq
        if isinstance(first, Obj) and all(
            isinstance(v, Obj) and v.callee == first.callee and len(v.args) == len(first.args)
            for v in values
        ):
            return _join_calls([v for v in values if isinstance(v, Obj)], reason, depth + 1)
    return Unk(reason, first.at, choices=_choices(values))


def same(one: Abstract, other: Abstract) -> bool:
    """Whether two values are the same for every purpose here."""
    if isinstance(one, Const) and isinstance(other, Const):
        return type(one.value) is type(other.value) and bool(one.value == other.value)
    if isinstance(one, Ref) and isinstance(other, Ref):
        return one.name == other.name
    if isinstance(one, (Func, Cls)) and isinstance(other, (Func, Cls)):
        return one.node is other.node
    return False


def _choices(values: Sequence[Abstract]) -> tuple[Abstract, ...]:
    found: list[Abstract] = []
    for value in values:
        parts = value.choices if isinstance(value, Unk) and value.choices else (value,)
        for part in parts:
            if not any(same(part, known) for known in found):
                found.append(part)
    return tuple(found[:_MAX_CHOICES])


def _join_entries(states: list[Entries], reason: str, depth: int) -> Entries:
    if all(state is states[0] for state in states):
        return states[0]
    data: dict[Any, Any] = {}
    keys: dict[Any, None] = {}
    for state in states:
        keys.update(dict.fromkeys(state.data))
    for key in keys:
        entries = [state.data[key] for state in states if key in state.data]
        values: list[Any] = [value for value, _ in entries]
        if len(entries) < len(states):
            values.append(MISSING)
        data[key] = (join(values, reason, depth), entries[0][1])
    return Entries(data, next((state.open for state in states if state.open), ""))


def _join_items(states: list[Items], reason: str, depth: int) -> Items:
    if all(state is states[0] for state in states):
        return states[0]
    shortest = min(len(state.items) for state in states)
    longest = max(states, key=lambda state: len(state.items))
    items: list[Abstract] = [
        join_values([state.items[i] for state in states], reason, depth) for i in range(shortest)
    ]
    items += [Unk(reason, item.at, choices=(item,)) for item in longest.items[shortest:]]
    open_reason = next((state.open for state in states if state.open), "")
    if len(longest.items) > shortest:
        open_reason = open_reason or reason
    return Items(items, open_reason)


def _join_calls(calls: list[Obj], reason: str, depth: int) -> Obj:
    first = calls[0]
    joined = Obj(first.callee, first.at, receiver=first.receiver, imported=first.imported)
    joined.cls = first.cls
    joined.args = tuple(
        join_values([call.args[i] for call in calls], reason, depth) for i in range(len(first.args))
    )
    names: dict[str, None] = {}
    for call in calls:
        names.update(dict.fromkeys(call.kwargs))
        joined.kw_at.update(call.kw_at)
        joined.open = joined.open or call.open
    joined.kwargs = {
        name: join([call.kwargs.get(name, MISSING) for call in calls], reason, depth)
        for name in names
    }
    cells: dict[str, None] = {}
    for call in calls:
        cells.update(dict.fromkeys(call.cells))
    for name in cells:
        found = [call.cells.get(name, MISSING) for call in calls]
        joined.cells[name] = join(found, reason, depth)
    return joined
