"""`--format sarif`: SARIF 2.1.0, with every rule that ran, so that alerts close when mended.

Schema: https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from ftdoctor import __version__
from ftdoctor.redact import redact, redact_tree

if TYPE_CHECKING:
    from ftdoctor.inspection import Inspection
    from ftdoctor.job.source import Place
    from ftdoctor.rulebook.model import Finding, Fix, Rule

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_HOME = "https://github.com/ftdoctor/ftdoctor"


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.code,
        "name": "".join(part.capitalize() for part in rule.name.split("-")),
        "shortDescription": {"text": rule.summary},
        "fullDescription": {"text": rule.explain},
        "help": {"text": "\n".join(fix.text for fix in rule.fixes) or rule.explain},
        **({"helpUri": rule.references[0]} if rule.references else {}),
        "defaultConfiguration": {"level": rule.severity},
    }


def _region(place: Place) -> dict[str, int]:
    region = {"startLine": place.line, "startColumn": place.column}
    if place.end_line:
        region |= {"endLine": place.end_line, "endColumn": place.end_column}
    return region


def _fix(fix: Fix) -> dict[str, Any] | None:
    if fix.edit is None:
        return None
    files: dict[str, list[dict[str, Any]]] = {}
    for change in fix.edit.changes:
        files.setdefault(change.place.path, []).append(
            {
                "deletedRegion": _region(change.place),
                "insertedContent": {"text": redact(change.text.replace("\0", ""))},
            }
        )
    return {
        "description": {"text": fix.text},
        "artifactChanges": [
            {"artifactLocation": {"uri": _uri(path)}, "replacements": replacements}
            for path, replacements in files.items()
        ],
    }


def _uri(path: str) -> str:
    from urllib.parse import quote

    return quote(path.replace("\\", "/").removeprefix("./"))


def _result(finding: Finding, index: dict[str, int]) -> dict[str, Any]:
    result: dict[str, Any] = {
        "ruleId": finding.code,
        "ruleIndex": index[finding.code],
        "level": finding.severity,
        "message": {"text": f"{finding.summary}\n{finding.explain}"},
    }
    place = finding.place
    if place is not None:
        result["locations"] = [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": _uri(place.path)},
                    "region": _region(place),
                }
            }
        ]
        mark = f"{finding.code}:{place.path}:{finding.summary}".encode()
        result["partialFingerprints"] = {"ftdoctor/v1": hashlib.sha256(mark).hexdigest()[:32]}
    fixes = [made for fix in finding.fixes if (made := _fix(fix))]
    if fixes:
        result["fixes"] = fixes
    return result


def render(inspection: Inspection) -> str:
    """Return SARIF 2.1.0 of a check."""
    rules = sorted(inspection.rules, key=lambda rule: rule.code)
    index = {rule.code: number for number, rule in enumerate(rules)}
    skipped = [s for report in inspection.jobs for s in report.skipped]
    notifications = [
        {"level": "note", "message": {"text": f"{s.code} could not tell: {s.reason}"}}
        for s in skipped
    ]
    log = {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "ftdoctor",
                        "version": __version__,
                        "informationUri": _HOME,
                        "rules": [_rule(rule) for rule in rules],
                    }
                },
                "columnKind": "unicodeCodePoints",
                "results": [_result(finding, index) for _, finding in inspection.findings()],
                "invocations": [
                    {
                        "executionSuccessful": not inspection.broken,
                        "toolExecutionNotifications": notifications,
                    }
                ],
            }
        ],
    }
    return json.dumps(redact_tree(log), indent=2, ensure_ascii=False)
