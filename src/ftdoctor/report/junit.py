"""`--format junit`: one test case a rule and job, for CI systems that read JUnit XML."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from ftdoctor.redact import redact

if TYPE_CHECKING:
    from ftdoctor.inspection import Inspection

#: XML 1.0 forbids these even as references.
_FORBIDDEN = re.compile(r"[^\t\n\r\x20-\uD7FF\uE000-\uFFFD\U00010000-\U0010FFFF]")


def _safe(text: str) -> str:
    return _FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", redact(text))


def render(inspection: Inspection) -> str:
    """Return JUnit XML; a finding below `--fail-on` is a passed case with its text."""
    from ftdoctor.rulebook.model import SEVERITIES

    floor = SEVERITIES.get(inspection.fail_on, 99)
    suites = ElementTree.Element("testsuites", name="ftdoctor")
    for report in inspection.jobs:
        failures = sum(SEVERITIES[f.severity] >= floor for f in report.findings)
        total = report.passed + len(report.findings) + len(report.skipped) + len(report.crashed)
        suite = ElementTree.SubElement(
            suites,
            "testsuite",
            name=_safe(report.job.place.path),
            tests=str(total),
            failures=str(failures),
            errors=str(len(report.crashed)),
            skipped=str(len(report.skipped)),
        )
        for finding in report.findings:
            case = ElementTree.SubElement(
                suite, "testcase", classname=finding.code, name=_safe(finding.summary)
            )
            where = f"{finding.place}\n" if finding.place else ""
            text = where + finding.explain + "".join(f"\nFix: {f.text}" for f in finding.fixes[:1])
            if SEVERITIES[finding.severity] >= floor:
                failure = ElementTree.SubElement(
                    case, "failure", type=finding.severity, message=_safe(finding.summary)
                )
                failure.text = _safe(text)
            else:
                ElementTree.SubElement(case, "system-out").text = _safe(text)
        for skip in report.skipped:
            case = ElementTree.SubElement(suite, "testcase", classname=skip.code, name=skip.name)
            ElementTree.SubElement(case, "skipped", message=_safe(skip.reason))
        for crash in report.crashed:
            case = ElementTree.SubElement(suite, "testcase", classname=crash.code, name=crash.name)
            ElementTree.SubElement(case, "error", message=_safe(crash.error))
        for number in range(report.passed):
            ElementTree.SubElement(suite, "testcase", classname="passed", name=f"rule {number + 1}")
    ElementTree.indent(suites)
    return ElementTree.tostring(suites, encoding="unicode", xml_declaration=True)
