"""`--format markdown`: for a pull request or an issue."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftdoctor.redact import redact
from ftdoctor.report.summary import not_read, sentence
from ftdoctor.report.understood import FORMS, lines

if TYPE_CHECKING:
    from ftdoctor.inspection import Inspection

_MARKS = {"error": "❌", "warning": "⚠️", "note": "ℹ️"}


def _cell(text: str) -> str:
    return redact(text).replace("|", "\\|").replace("\n", " ")


def render(inspection: Inspection) -> str:
    """Return GitHub-flavoured Markdown of a check."""
    rows = ["## ftdoctor check", "", redact(sentence(inspection)), ""]
    for report in inspection.jobs:
        job = report.job
        rows += [f"### `{job.place.path}` ({FORMS.get(job.form, job.form)})", ""]
        rows += [
            f"- **{label}**: {_cell(text)}" for label, text in (*lines(job), *report.told.items())
        ]
        rows.append("")
        if not report.findings:
            rows += ["Nothing found.", ""]
            continue
        rows += ["| | rule | what | where | fix |", "|---|---|---|---|---|"]
        for finding in report.findings:
            fix = finding.fixes[0] if finding.fixes else None
            command = f" `{_cell(fix.command)}`" if fix and fix.command else ""
            place = f"`{finding.place}`" if finding.place else ""
            rows.append(
                f"| {_MARKS[finding.severity]} | {finding.code} | {_cell(finding.summary)} "
                f"| {place} | {_cell(fix.text) if fix else ''}{command} |"
            )
        rows.append("")
        if report.skipped:
            rows += ["<details><summary>Could not tell</summary>", ""]
            rows += [f"- {s.code} {s.name}: {_cell(s.reason)}" for s in report.skipped]
            rows += ["", "</details>", ""]
    for unread in inspection.broken:
        rows.append(f"- not read: {_cell(not_read(unread))}")
    return "\n".join(rows).rstrip()
