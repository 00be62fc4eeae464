"""The last line of a report."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ftdoctor.inspection import Inspection
    from ftdoctor.job.model import Job, Unread
    from ftdoctor.rulebook.model import Finding


def count(number: int, word: str) -> str:
    """Return "1 error", "2 errors"."""
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def not_read(unread: Unread) -> str:
    """Return what was not read and why, in one line."""
    what = unread.what
    if what == "broken" and unread.place is not None:
        what = str(unread.place) if unread.place.line > 1 else unread.place.path
    return f"{what}: {unread.reason}"


def proof_of(finding: Finding, job: Job | None) -> str:
    """Return the smoke run that proves the fix of a finding, "" where none can."""
    if not finding.verify:
        return ""
    from ftdoctor.rulebook.verify import command

    if job is None or job.place.path in ("", "-", "<stdin>"):
        return command(finding.code, finding.verify)
    line = job.place.line if job.extra.get("beside_others") else 0
    return command(finding.code, finding.verify, job.place.path, line)


def sentence(inspection: Inspection) -> str:
    """Return what the check came to, in one line."""
    found = [
        count(n, word) for word in ("error", "warning", "note") if (n := inspection.count(word))
    ]
    head = ", ".join(found) if found else "Nothing found"
    tail = [f"{sum(r.passed for r in inspection.jobs)} rules passed"]
    skipped = sum(len(r.skipped) for r in inspection.jobs)
    if skipped:
        tail.append(f"{skipped} could not tell")
    crashed = sum(len(r.crashed) for r in inspection.jobs)
    if crashed:
        tail.append(f"{crashed} did not complete (a bug in ftdoctor)")
    ignored = sum(len(r.ignored) for r in inspection.jobs)
    if ignored:
        tail.append(f"{ignored} ignored")
    return f"{head} in {count(len(inspection.jobs), 'job')} ({', '.join(tail)})."
