"""The JSON document of a check: one shape, used by every machine format."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftdoctor import __version__
from ftdoctor.redact import redact_tree
from ftdoctor.report.summary import proof_of
from ftdoctor.report.understood import job_json, place_json

if TYPE_CHECKING:
    from ftdoctor.inspection import Inspection
    from ftdoctor.job.model import Job
    from ftdoctor.rulebook.model import Edit, Finding, Fix

SCHEMA_VERSION = 1
TOOL = {"name": "ftdoctor", "version": __version__}


def _edit(edit: Edit | None) -> dict[str, Any] | None:
    if edit is None:
        return None
    return {
        "title": edit.title,
        "changes": [
            {"location": place_json(c.place), "text": c.text.replace("\0", "")}
            for c in edit.changes
        ],
    }


def fix_json(fix: Fix) -> dict[str, Any]:
    """Return a fix as the contract has it."""
    return {
        "text": fix.text,
        "command": fix.command or None,
        "edit": _edit(fix.edit),
        "safe": fix.safe,
    }


def finding_json(finding: Finding, job: Job | None = None) -> dict[str, Any]:
    """Return a finding as the contract has it; `prove` is the smoke run that proves its fix."""
    return {
        "code": finding.code,
        "name": finding.name,
        "severity": finding.severity,
        "summary": finding.summary,
        "explain": finding.explain,
        "evidence": dict(finding.evidence),
        "location": place_json(finding.place),
        "fixes": [fix_json(fix) for fix in finding.fixes],
        "references": list(finding.references),
        "verify": list(finding.verify),
        "prove": proof_of(finding, job) or None,
    }


def document(inspection: Inspection) -> dict[str, Any]:
    """Return the JSON v1 document of a check, redacted.

    `job` is the first job, `jobs` all of them; every finding names its job by index.
    """
    jobs = [
        {**job_json(report.job), **({"told": dict(report.told)} if report.told else {})}
        for report in inspection.jobs
    ]
    index = {id(report): number for number, report in enumerate(inspection.jobs)}
    result = {
        "schema_version": SCHEMA_VERSION,
        "tool": TOOL,
        "job": jobs[0] if jobs else None,
        "jobs": jobs,
        "findings": [
            {**finding_json(finding, report.job), "job": index[id(report)]}
            for report, finding in inspection.findings()
        ],
        "skipped": [
            {
                "code": s.code,
                "name": s.name,
                "reason": s.reason,
                "needs": s.needs,
                "job": index[id(r)],
            }
            for r in inspection.jobs
            for s in r.skipped
        ],
        "crashed": [
            {"code": c.code, "name": c.name, "error": c.error, "job": index[id(r)]}
            for r in inspection.jobs
            for c in r.crashed
        ],
        "ignored": [
            {
                **finding_json(i.finding, r.job),
                "reason": i.reason,
                "ignored_at": i.where,
                "job": index[id(r)],
            }
            for r in inspection.jobs
            for i in r.ignored
        ],
        "passed_over": [
            {"what": u.what, "reason": u.reason, "location": place_json(u.place)}
            for u in [*inspection.broken, *inspection.passed_over]
        ],
        "summary": {
            "jobs": len(jobs),
            "error": inspection.count("error"),
            "warning": inspection.count("warning"),
            "note": inspection.count("note"),
            "passed": sum(r.passed for r in inspection.jobs),
            "skipped": sum(len(r.skipped) for r in inspection.jobs),
            "crashed": sum(len(r.crashed) for r in inspection.jobs),
            "ignored": sum(len(r.ignored) for r in inspection.jobs),
            "exit_code": inspection.exit_code(),
        },
    }
    redacted: dict[str, Any] = redact_tree(result)  # type: ignore[assignment]
    return redacted
