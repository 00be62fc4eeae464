"""What a check may look at."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ftdoctor.records import dataclass, field

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ftdoctor.job.model import Job
    from ftdoctor.rulebook.select import InlineIgnore

    Tracked = frozenset[str] | Callable[[], frozenset[str] | None] | None


def now() -> datetime:
    """Return the present time in UTC; SOURCE_DATE_EPOCH fixes it, so that reports reproduce."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    if epoch.isdigit():
        return datetime.fromtimestamp(int(epoch), tz=UTC)
    return datetime.now(tz=UTC)


@dataclass
class Context:
    """A job, the facts that were asked of the world, and the time.

    `facts` maps a fact's name ("hub.whoami", "hub.auth_check:google/gemma-3-1b-it") to its value or
    to `ftdoctor.facts.Unknown`. It is empty in offline checks.
    """

    job: Job
    facts: Mapping[str, Any] = field(default_factory=dict)
    now: datetime = field(default_factory=now)
    #: Files git tracks, as given paths, or what tells them; see `tracked_files`.
    tracked: Tracked = None
    #: The age within which a smoke run had to pass and did not (`--require-smoke`), "" if none.
    lacks_smoke: str = ""
    #: Why it is not proved, in words that complete "because".
    lacks_because: str = ""
    #: Gives the results of the smoke runs that are kept here, newest first; None when there can be
    #: none (a text that is no file). They are read when a check first wants them.
    smoke_results: Callable[[], list[dict[str, Any]]] | None = None
    #: What checks have to say of the job beside findings, for the head of the report: label, text.
    told: dict[str, str] = field(default_factory=dict)
    #: Ignores written in the inputs; set when the other rules have run.
    ignores: list[InlineIgnore] = field(default_factory=list)

    def tracked_files(self) -> frozenset[str] | None:
        """Return the files git tracks, as given paths; None outside a git checkout.

        git is asked for them when the first check wants to know.
        """
        if callable(self.tracked):
            self.tracked = self.tracked()
        return self.tracked
