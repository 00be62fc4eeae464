"""Variables after several ways through a script were possible."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftdoctor.job.shell_text import ShellText, as_text
from ftdoctor.job.value import unknown

if TYPE_CHECKING:
    from ftdoctor.job.shell_expand import Scope
    from ftdoctor.job.shell_tree import Block
    from ftdoctor.job.source import Source


def several(name: str, items: list[ShellText], source: Source, block: Block) -> ShellText:
    """Return the value of a loop's variable: unknown, its first value as the default."""
    place = source.span(block.start, block.start + 3)
    first = items[0].value if items and items[0].known else None
    return as_text(unknown("it takes several values in a loop", place, f"${name}", first))


def join(target: Scope, ends: list[Scope]) -> None:
    """Set in `target` what its variables are after one of several ways was taken."""
    if not ends:
        return
    names = {name for end in ends for name in end.variables}
    for name in names:
        values = [end.variables.get(name) for end in ends]
        first = values[0]
        if all(
            v is first or (v and first and v.known and v.body == first.body and first.known)
            for v in values
        ):
            if first is not None:
                target.variables[name] = first
            continue
        before = target.variables.get(name)
        set_ = [v for v in values if v is not None]
        given = before if before is not None and before.known else set_[0]
        default = given.value if given.known else given.default
        reason = "it depends on a condition"
        target.variables[name] = as_text(unknown(reason, set_[0].place, f"${{{name}}}", default))
    for name in {name for end in ends for name in end.arrays}:
        lists = [end.arrays.get(name) for end in ends]
        if all(items is lists[0] for items in lists):
            target.arrays[name] = lists[0] or []
            continue
        longest = max((items for items in lists if items is not None), key=len)
        base = target.arrays.get(name)
        if base is not None and all(
            items is not None and items[: len(base)] == base for items in lists
        ):
            target.arrays[name] = [*base, *(_maybe(item) for item in longest[len(base) :])]
        else:
            target.arrays[name] = [_maybe(item) for item in longest]


def _maybe(item: ShellText) -> ShellText:
    reason = "it is given only under a condition"
    return as_text(unknown(reason, item.place, item.body, item.value if item.known else None))
