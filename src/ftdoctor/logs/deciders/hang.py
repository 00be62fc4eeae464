"""Lines that tell of a failure only when nothing else follows: a wait, a warning."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftdoctor.lazy import lazy

if TYPE_CHECKING:
    from ftdoctor.logs.causes import Run
    from ftdoctor.logs.match import Match

#: What may follow a hang: the wait itself, and how somebody or the platform put an end to it.
_ENDED = lazy(
    r"[Tt]rackio|[Tt]imed? ?out|CANCEL|[Cc]ancel|KeyboardInterrupt|SIGTERM|death signal|^\W*$"
    r"|\bJob (?:failed|ended|stopped)"
)


#: A warning after which a run says more than this many lines was no hindrance.
_WENT_ON = 8


def decide_warned(match: Match, run: Run) -> str | None:
    """Return the rule's own name unless the run went on after the warning and never failed."""
    if match.block is not None or any(block.last > match.line.at for block in run.blocks):
        return run.name(match)
    after = [line for line in run.lines if line.at > match.line.at and line.text.strip()]
    return run.name(match) if len(after) <= _WENT_ON else None


def decide(match: Match, run: Run) -> str | None:
    """Return the rule's own name when nothing but an end by force follows the line."""
    for line in run.lines:
        if line.at <= match.line.at or line.stream != match.line.stream:
            continue
        if not _ENDED.search(line.text):
            return None
    return run.name(match)
