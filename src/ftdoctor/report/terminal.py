"""`--format terminal`: what was understood, findings with their source line, one fix each.

Colours are written with ANSI codes and only on a terminal, so the text itself is what tests and
pipes see. Neither click nor rich is needed here, which keeps a check quick.
"""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from ftdoctor.redact import redact
from ftdoctor.report.style import style
from ftdoctor.report.summary import count, not_read, proof_of, sentence
from ftdoctor.report.understood import FORMS, lines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftdoctor.inspection import Inspection, JobReport
    from ftdoctor.job.model import Job
    from ftdoctor.job.source import Place
    from ftdoctor.rulebook.model import Finding

_COLOURS = {"error": "red", "warning": "yellow", "note": "cyan"}


def _wrap(text: str, width: int, indent: str, first: str = "") -> Iterator[str]:
    yield from textwrap.wrap(
        redact(text),
        width,
        initial_indent=first or indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _texts(report: JobReport) -> dict[str, list[str]]:
    """Lines of every file of the job, by path."""
    found: dict[str, list[str]] = {}
    for source in [report.job.source, *report.job.sources]:
        if source.path not in found and (source.is_file or source.whole):
            found[source.path] = (source.whole or source.text).split("\n")
    return found


def _excerpt(place: Place, texts: dict[str, list[str]], colour: str) -> Iterator[str]:
    context = f" ({place.context})" if place.context else ""
    yield style(f"  --> {place}{context}", fg="blue")
    rows = texts.get(place.path, [])
    if not 0 < place.line <= len(rows):
        return
    raw = rows[place.line - 1].rstrip("\r")
    shown = redact(raw).expandtabs(1)
    start = place.column - 1
    window = 96
    cut = max(0, min(start - 20, len(shown) - window)) if len(shown) > window else 0
    number = str(place.line)
    piece = shown[cut : cut + window]
    yield f"{style(f'{number:>5} |', fg='blue')} {'…' if cut else ''}{piece}"
    if redact(raw) != raw or start > len(raw):
        return  # columns moved when the secret was masked
    end = place.end_column - 1 if place.end_line == place.line else len(raw.rstrip())
    width = max(1, min(end - start, cut + window - start)) if place.end_line else 1
    pad = " " * (start - cut + (1 if cut else 0))
    carets = style("^" * width, fg=colour, bold=True)
    yield f"      {style('|', fg='blue')} {pad}{carets}"


def _finding(finding: Finding, job: Job, texts: dict[str, list[str]], width: int) -> Iterator[str]:
    colour = _COLOURS[finding.severity]
    head = style(f"{finding.severity}[{finding.code}]", fg=colour, bold=True)
    yield f"{head} {style(redact(finding.summary), bold=True)}"
    if finding.place is not None:
        yield from _excerpt(finding.place, texts, colour)
    yield from _wrap(finding.explain, width, "      ")
    for fix in finding.fixes[:1]:
        label = style("fix:", fg="green", bold=True)
        automatic = ""
        if fix.edit is not None:
            automatic = " [--fix]" if fix.safe else " [--fix --unsafe-fixes]"
        first, *rest = list(_wrap(fix.text + automatic, width - 11, "           ", " " * 11)) or [
            ""
        ]
        yield f"      {label} {first.strip()}"
        yield from rest
        for line in fix.command.splitlines():
            yield f"           {style('$ ' + redact(line), fg='green')}"
    proof = proof_of(finding, job)
    if proof:
        yield f"      prove: {style('$ ' + redact(proof), fg='green')}"
    yield ""


def _job(report: JobReport, width: int) -> Iterator[str]:
    job = report.job
    title = f"{job.place.path}:{job.place.line}" if job.place.line > 1 else job.place.path
    name = f" {job.name}" if job.name else ""
    yield style(redact(f"{title}{name}"), bold=True) + f"  {FORMS.get(job.form, job.form)}"
    for label, text in (*lines(job), *report.told.items()):
        yield from _wrap(text, width, " " * 12, f"  {label:<10}")
    for unread in job.unread[:4]:
        yield from _wrap(not_read(unread), width, " " * 12, "  not read  ")
    yield ""
    texts = _texts(report)
    for finding in report.findings:
        yield from _finding(finding, job, texts, width)
    for crash in report.crashed:
        yield style(f"crashed[{crash.code}]", fg="magenta", bold=True) + redact(
            f" the check did not complete: {crash.error}"
        )
        yield ""


def render(inspection: Inspection, width: int = 100, *, verbose: bool = False) -> str:
    """Return the report as text with ANSI colours (strip them when not on a terminal)."""
    rows: list[str] = []
    for report in inspection.jobs:
        rows += _job(report, width)
    skipped = [s for report in inspection.jobs for s in report.skipped]
    if skipped:
        shown = skipped if verbose else skipped[:6]
        rows.append(style("Could not tell", bold=True))
        for skip in shown:
            needs = f" [needs {skip.needs}]" if skip.needs else ""
            rows += _wrap(f"{skip.code} {skip.name}: {skip.reason}{needs}", width, "    ", "  ")
        if len(skipped) > len(shown):
            rows.append(f"  and {len(skipped) - len(shown)} more (--verbose)")
        rows.append("")
    for unread in inspection.broken:
        rows += _wrap(f"not read: {not_read(unread)}", width, "  ", "")
    if inspection.passed_over:
        listed = inspection.passed_over if verbose else inspection.passed_over[:5]
        rows.append(style("Passed over", bold=True))
        rows += [redact(f"  {not_read(u)}") for u in listed]
        if len(inspection.passed_over) > len(listed):
            rows.append(f"  and {len(inspection.passed_over) - len(listed)} more (--verbose)")
        rows.append("")
    if not inspection.jobs:
        rows.append("No job found to check.")
        return "\n".join(rows)
    colour = "red" if inspection.count("error") else "yellow" if inspection.findings() else "green"
    rows.append(style(sentence(inspection), fg=colour, bold=True))
    fixable = sum(any(f.edit and f.safe for f in x.fixes) for _, x in inspection.findings())
    if fixable:
        rows.append(
            f"{count(fixable, 'finding')} can be mended with --fix (--diff shows the edits)."
        )
    return "\n".join(rows)
