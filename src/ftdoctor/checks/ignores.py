"""Checks on the check itself: the ignores that the inputs carry, a smoke run that is demanded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftdoctor.job.source import Place
from ftdoctor.rulebook.model import Hit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftdoctor.checks.context import Context


def unused(context: Context) -> Iterator[Hit]:
    """An ignore that ignored nothing: the fault is gone, or the code is wrong."""
    for ignore in context.ignores:
        if not ignore.used:
            codes = ", ".join(ignore.codes) or "nothing"
            yield Hit(Place(ignore.path, ignore.line), {"codes": codes})


def without_reason(context: Context) -> Iterator[Hit]:
    """An ignore that gives no reason: nobody will dare to remove it."""
    for ignore in context.ignores:
        if ignore.used and not ignore.reason:
            yield Hit(Place(ignore.path, ignore.line), {"codes": ", ".join(ignore.codes)})


def smoke_missing(context: Context) -> Iterator[Hit]:
    """A passed smoke run is demanded, and none of this very job is fresh enough."""
    if context.lacks_smoke:
        place = context.job.place
        captures = {"age": context.lacks_smoke, "path": place.path, "why": context.lacks_because}
        yield Hit(place, captures, {"why": context.lacks_because})
