"""Which facts a job needs asked, and asking them side by side before one deadline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ftdoctor.job.model import Job


def gatherer(*, online: bool, deadline: float) -> Callable[[Job], Mapping[str, Any]] | None:
    """Return the function that gathers the facts of a job; None when nothing can be asked."""
    return None
