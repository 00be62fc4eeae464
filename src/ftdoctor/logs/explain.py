"""From a log to an explanation: read, find the last attempt, judge, fill the rule's texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftdoctor.logs.attempts import last_attempt
from ftdoctor.logs.causes import Run, Verdict, judge, judge_unwrapped
from ftdoctor.logs.facts import gather
from ftdoctor.logs.scan import scan
from ftdoctor.redact import redact
from ftdoctor.rulebook.text import fill, prose

if TYPE_CHECKING:
    from ftdoctor.logs.chunks import Scan
    from ftdoctor.logs.lines import Line
    from ftdoctor.logs.match import Match
    from ftdoctor.logs.patterns import Patterns
    from ftdoctor.logs.reading import RawLog

#: Longest evidence shown of one line, in characters.
_SHOWN = 600


class Explanation:
    """The answer for one log. `document()` is the JSON form."""

    def __init__(self, source: str, scan: Scan, facts: dict[str, Any], attempts: int = 1) -> None:
        self.source = source
        self.scan = scan
        self.facts = facts
        self.attempts = attempts
        #: Causes seen in the attempts before the last one.
        self.earlier: list[dict[str, Any]] = []
        #: "named" | "unrecognised" | "healthy"
        self.outcome = "healthy"
        self.cause: dict[str, Any] | None = None
        self.also: list[dict[str, Any]] = []
        self.block = ""
        #: What a platform adds about the run: id, state, URL.
        self.run: dict[str, Any] = {}
        #: With --against: the good log, and the lines whose template it has not.
        self.compared = ""
        self.unusual: list[dict[str, Any]] = []

    @property
    def exit_code(self) -> int:
        """0 named or healthy, 3 a failure that was not recognised, 4 not read whole."""
        if self.outcome == "unrecognised":
            return 4 if self.scan.truncated else 3
        return 4 if self.scan.truncated and self.outcome == "healthy" else 0

    def document(self) -> dict[str, Any]:
        """Return the JSON document (schema version 1)."""
        return {
            "schema_version": 1,
            "run": {
                "source": self.source,
                **self.run,
                "form": self.scan.form or "text",
                "lines": self.scan.total_lines,
                "bytes": self.scan.total_bytes,
                "attempts": self.attempts,
                **({"earlier_attempts": self.earlier} if self.earlier else {}),
                **({"not_read_whole": self.scan.truncated} if self.scan.truncated else {}),
                "facts": self.facts,
            },
            "outcome": self.outcome,
            "cause": self.cause,
            "also_seen": self.also,
            "error_block": self.block,
            **({"against": self.compared, "unusual": self.unusual} if self.compared else {}),
        }


def explain_log(
    raw: RawLog,
    patterns: Patterns,
    *,
    platform: str = "",
    job: list[Line] | None = None,
    good: tuple[str, list[Line]] | None = None,
    known: dict[str, Any] | None = None,
    engine: str = "auto",
    failed: bool = False,
    job_file: str = "",
) -> Explanation:
    """Explain one log; `failed` tells that the platform says that the job failed.

    `job` are lines that the platform's job resource adds (its error field); `known` are facts that
    the platform told (GPU, image, cost) and that go before what the log says; `good` is the name
    and the lines of a log of a run that succeeded. `job_file` is the job that the log is of: an
    out-of-memory failure is then read with the memory model.
    """
    found = scan(raw, patterns, engine=engine)
    lines = found.lines
    if job:
        lines = [*lines, *job]
        for at, line in enumerate(lines):
            line.at = at
    facts: dict[str, Any] = {**gather(lines), **(known or {})}
    if platform:
        facts["platform"] = platform
    run = Run(lines, patterns, facts)
    start, attempts = last_attempt(run.text, run.blocks)
    verdict: Verdict | None = None
    earlier: list[dict[str, Any]] = []
    if start:
        before = judge(Run(lines[:start], patterns, facts)).cause
        if before is not None:
            earlier.append(_seen(before, patterns))
        last = Run(lines[start:], patterns, facts)
        verdict = judge(last)
        if verdict.cause is not None:
            run = last
        elif verdict.failed or not run.matches:
            # The last attempt failed without saying why; an earlier one may tell.
            verdict = None
    if verdict is None:
        verdict = judge(run)
    if verdict.cause is None and verdict.failed:
        unwrapped = judge_unwrapped(run)
        if unwrapped is not None:
            unwrapped.block = verdict.block
            verdict = unwrapped
    known_by_tables = ""
    if verdict.cause is None and verdict.failed:
        text = verdict.block.text() if verdict.block else ""
        if "unexpected keyword" in text or "cannot import name" in text:
            from ftdoctor.logs.deciders.api import recognise

            generic = recognise(run, verdict.block)
            if generic is not None:
                verdict.cause, known_by_tables = generic
                verdict.confidence = "high"
    if run.life.steps:
        from ftdoctor.logs.series import trend

        facts["loss"] = trend(run.life.steps)
    result = Explanation(raw.name, found, _shown_facts(facts), attempts)
    result.earlier = earlier
    if verdict.cause is not None:
        result.outcome = "named"
        result.cause = _cause(verdict, patterns, facts)
        if known_by_tables:
            result.cause["explain"] = redact(f"{known_by_tables} {result.cause['explain']}")
        if job_file and result.cause["verify"]:
            from ftdoctor.rulebook.verify import command

            result.cause["prove"] = command(result.cause["code"], result.cause["verify"], job_file)
        if job_file and result.cause["name"].startswith("oom-"):
            from ftdoctor.logs.advice import add_advice

            add_advice(result.cause, verdict.cause, job_file, dict(facts.get("versions") or {}))
    elif verdict.failed or failed:
        result.outcome = "unrecognised"
    best = verdict.cause.rule if verdict.cause else -1
    result.also = [_seen(match, patterns) for match in verdict.also if match.rule != best][:20]
    result.block = _block_text(verdict, lines)
    if result.outcome == "unrecognised" and not result.block:
        told = job or lines[-20:]
        result.block = redact("\n".join(line.text for line in told))
    if good is not None:
        from ftdoctor.logs.against import unusual

        result.compared = good[0]
        result.unusual = [
            {**row, "text": shown(row["text"])} for row in unusual(lines[start:], good[1])
        ]
    return result


def _cause(verdict: Verdict, patterns: Patterns, facts: dict[str, Any]) -> dict[str, Any]:
    from ftdoctor.rulebook.verify import command

    match = verdict.cause
    assert match is not None
    code, name, parent, _, _, _, before, _ = patterns.rules[match.rule]
    row = patterns.row(match.rule)
    values = {**_flat(facts), **match.captures}
    values = {key: redact(str(value)) for key, value in values.items()}
    return {
        "code": code,
        "name": name,
        "parent": parent or None,
        "confidence": verdict.confidence,
        "severity": row["severity"],
        "summary": prose(row["summary"].strip(), values),
        "explain": prose(row["explain"].strip(), values),
        "fixes": [
            {
                "text": prose(fix["text"].strip(), values),
                "command": fill((fix.get("command") or "").strip(), values),
                "edit": fix.get("edit"),
                "safe": bool(fix.get("safe")),
            }
            for fix in row.get("fixes") or ()
        ],
        "references": list(row.get("references") or ()),
        "evidence": _evidence(match, verdict),
        "would_have_been_stopped_by_check": bool(before),
        "verify": list(row.get("verify") or ()),
        "prove": command(code, row.get("verify") or ()) or None,
    }


def _evidence(match: Match, verdict: Verdict) -> list[dict[str, Any]]:
    lines = [match.line]
    block = match.block
    if block is not None and block.final is not None:
        closing = next((line for line in block.members if line.at == block.final.line), None)
        if closing is not None and closing is not match.line:
            lines.append(closing)
    return [{"line": line.number, "text": shown(line.text)} for line in lines]


def shown(text: str) -> str:
    """Return a line fit for a report: redacted, a very long one cut."""
    text = redact(text.strip())
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 100]} … {text[-90:]}"


def _seen(match: Match, patterns: Patterns) -> dict[str, Any]:
    code, name, _, role, *_ = patterns.rules[match.rule]
    return {
        "code": code,
        "name": name,
        "role": role,
        "line": match.line.number,
        "text": shown(match.line.text),
    }


def _block_text(verdict: Verdict, lines: list[Line]) -> str:
    if verdict.block is not None:
        block = verdict.block
        if block.kind == "line":
            around = [line for line in lines if block.first - 6 <= line.at <= block.last + 6]
            return redact("\n".join(line.text for line in around))
        return redact(block.text())
    if verdict.cause is not None:
        return shown(verdict.cause.line.text)
    return ""


def _flat(facts: dict[str, Any]) -> dict[str, Any]:
    """Facts as placeholders: {trl_version}, {gpu}, {model}, ..."""
    flat = {key: value for key, value in facts.items() if not isinstance(value, (dict, list))}
    versions = facts.get("versions")
    if isinstance(versions, dict):
        flat |= {f"{name.replace('-', '_')}_version": version for name, version in versions.items()}
    return flat


def _shown_facts(facts: dict[str, Any]) -> dict[str, Any]:
    from ftdoctor.redact import redact_tree

    tree = redact_tree(facts)
    assert isinstance(tree, dict)
    return tree


def read_lines(path: str, patterns: Patterns) -> list[Line]:
    """Return the kept lines of a log file, for a comparison.

    Raises:
        UsageError: there is no such file.
    """
    from ftdoctor.logs.reading import open_log

    raw = open_log(path)
    try:
        return scan(raw, patterns).lines
    finally:
        raw.close()
