"""`--format github`: workflow commands that GitHub Actions shows as annotations.

Format: https://docs.github.com/en/actions/reference/workflow-commands-for-github-actions
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftdoctor.redact import redact
from ftdoctor.report.summary import not_read

if TYPE_CHECKING:
    from ftdoctor.inspection import Inspection

_LEVELS = {"error": "error", "warning": "warning", "note": "notice"}


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def render(inspection: Inspection) -> str:
    """Return one workflow command a finding."""
    rows = []
    for _, finding in inspection.findings():
        properties = [f"title={_property(redact(f'{finding.code} {finding.name}'))}"]
        place = finding.place
        if place is not None:
            properties += [
                f"file={_property(place.path)}",
                f"line={place.line}",
                f"col={place.column}",
            ]
            if place.end_line:
                properties.append(f"endLine={place.end_line}")
        text = finding.summary
        if finding.fixes:
            text += f"\nFix: {finding.fixes[0].text}"
            if finding.fixes[0].command:
                text += f"\n{finding.fixes[0].command}"
        rows.append(f"::{_LEVELS[finding.severity]} {','.join(properties)}::{_data(redact(text))}")
    for unread in inspection.broken:
        rows.append(f"::warning ::{_data(redact(not_read(unread)))}")
    return "\n".join(rows)
