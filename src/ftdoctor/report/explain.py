"""The formats of `ftdoctor explain`, all made from the same document."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ftdoctor import __version__
from ftdoctor.redact import redact

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftdoctor.logs.explain import Explanation

FORMATS = ("terminal", "json", "jsonl", "sarif", "github", "junit", "markdown")


def render(explanations: Sequence[Explanation], fmt: str, *, width: int = 100) -> str:
    """Return the report of one or more logs; a single log is one object in JSON, several a list."""
    if fmt == "terminal":
        from ftdoctor.report import explain_terminal

        return "\n\n".join(explain_terminal.render(item, width) for item in explanations)
    documents = [item.document() for item in explanations]
    if fmt == "json":
        whole: Any = documents[0] if len(documents) == 1 else documents
        return json.dumps(whole, indent=2, ensure_ascii=False)
    if fmt == "jsonl":
        return "\n".join(json.dumps(document, ensure_ascii=False) for document in documents)
    return {"sarif": _sarif, "github": _github, "junit": _junit, "markdown": _markdown}[fmt](
        documents
    )


def _message(document: dict[str, Any]) -> tuple[str, str, str, int]:
    """(code, level, text, line) of a document that is not healthy."""
    cause = document["cause"]
    if cause:
        text = f"{cause['summary']}\n{cause['explain']}"
        if cause["fixes"]:
            fix = cause["fixes"][0]
            text += f"\nFix: {fix['text']}" + (f"\n{fix['command']}" if fix["command"] else "")
        line = cause["evidence"][0]["line"] if cause["evidence"] else 1
        return cause["code"], cause["severity"], text, line
    tail = document["error_block"].split("\n")[-12:]
    return "FT-UNKNOWN", "error", "A failure that no rule knows:\n" + "\n".join(tail), 1


def _sarif(documents: list[dict[str, Any]]) -> str:
    rules: dict[str, dict[str, Any]] = {}
    results = []
    for document in documents:
        if document["outcome"] == "healthy":
            continue
        code, level, text, line = _message(document)
        cause = document["cause"]
        summary = cause["summary"] if cause else "A failure that no rule knows"
        rules.setdefault(code, {"id": code, "shortDescription": {"text": summary}})
        place = {
            "artifactLocation": {"uri": _uri(document["run"]["source"])},
            "region": {"startLine": max(1, line)},
        }
        results.append(
            {
                "ruleId": code,
                "ruleIndex": list(rules).index(code),
                "level": level,
                "message": {"text": text},
                "locations": [{"physicalLocation": place}],
            }
        )
    log = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "ftdoctor",
                        "version": __version__,
                        "rules": list(rules.values()),
                    }
                },
                "results": results,
            }
        ],
    }
    return json.dumps(log, indent=2, ensure_ascii=False)


def _uri(path: str) -> str:
    from urllib.parse import quote

    return quote(path.strip("<>").replace("\\", "/").removeprefix("./"))


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _github(documents: list[dict[str, Any]]) -> str:
    rows = []
    levels = {"error": "error", "warning": "warning", "note": "notice"}
    for document in documents:
        if document["outcome"] == "healthy":
            continue
        code, level, text, _ = _message(document)
        name = document["cause"]["name"] if document["cause"] else "not recognised"
        title = _escaped(f"{code} {name}").replace(",", "%2C").replace(":", "%3A")
        rows.append(f"::{levels[level]} title={title}::{_escaped(redact(text))}")
    return "\n".join(rows)


def _junit(documents: list[dict[str, Any]]) -> str:
    import re
    from xml.etree import ElementTree

    def safe(text: str) -> str:
        return re.sub(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", text)

    failed = sum(document["outcome"] != "healthy" for document in documents)
    suites = ElementTree.Element("testsuites", name="ftdoctor")
    suite = ElementTree.SubElement(
        suites, "testsuite", name="explain", tests=str(len(documents)), failures=str(failed)
    )
    for document in documents:
        case = ElementTree.SubElement(
            suite, "testcase", classname="explain", name=safe(document["run"]["source"])
        )
        if document["outcome"] == "healthy":
            continue
        code, level, text, line = _message(document)
        failure = ElementTree.SubElement(
            case, "failure", type=level, message=safe(f"{code}: {text.splitlines()[0]}")
        )
        failure.text = safe(f"line {line}\n{text}")
    ElementTree.indent(suites)
    return ElementTree.tostring(suites, encoding="unicode", xml_declaration=True)


def _markdown(documents: list[dict[str, Any]]) -> str:
    rows = ["## ftdoctor explain", ""]
    for document in documents:
        rows += [f"### `{document['run']['source']}`", ""]
        cause = document["cause"]
        if document["outcome"] == "healthy":
            rows += ["No failure in this log.", ""]
            continue
        if cause is None:
            rows += ["A failure that no rule knows.", "", *_fenced(document["error_block"]), ""]
            continue
        rows += [f"**{cause['code']} {cause['name']}** ({cause['confidence']} confidence)", ""]
        rows += [cause["summary"], "", cause["explain"], ""]
        evidence = "\n".join(f"{line['line']}: {line['text']}" for line in cause["evidence"])
        rows += [*_fenced(evidence), ""]
        for fix in cause["fixes"]:
            rows.append(f"- {fix['text']}")
            if fix["command"]:
                rows += ["", *(f"  {line}" for line in _fenced(fix["command"], "sh")), ""]
        rows.append("")
        if cause["would_have_been_stopped_by_check"]:
            rows += ["`ftdoctor check` would have stopped this before the job ran.", ""]
    return "\n".join(rows).rstrip()


def _fenced(text: str, language: str = "") -> list[str]:
    fence = "```"
    while fence in text:
        fence += "`"
    return [f"{fence}{language}", *text.split("\n"), fence]
