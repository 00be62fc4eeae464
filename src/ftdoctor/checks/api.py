"""Scripts held against the exact releases that the job will run (see `ftdoctor.api`).

One lint per script serves all rules of the area: each rule asks for its own share of the findings.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from ftdoctor.api.table import PACKAGES
from ftdoctor.rulebook.model import Edit, Hit, TextEdit, Unsure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftdoctor.api.model import ApiEdit, ApiFinding, Report
    from ftdoctor.checks.context import Context
    from ftdoctor.job.model import Job, Script
    from ftdoctor.job.source import Source

#: The rule that takes a finding that no rule of its own has.
_GENERIC = {
    "unexpected-keyword": "api-unexpected-keyword",
    "missing-import": "api-name-not-importable",
    "positional": "api-too-many-positional",
    "bad-enum": "invalid-argument-value",
    "nested-key": "api-nested-key",
    "ignored-keyword": "api-keyword-ignored",
    "cli-flag": "trl-cli-unknown-argument",
    "cli-subcommand": "trl-cli-bad-subcommand",
}

#: A script without any of these calls nothing that is in the tables.
_WORDS = (*PACKAGES, "Trainer(", "Config(", "Arguments(")


@lru_cache(maxsize=64)
def _report(text: str, path: str, versions: tuple[tuple[str, str | None], ...]) -> Report:
    from ftdoctor.api.lint import examine

    return examine(text, path, dict(versions))


def _versions(job: Job) -> tuple[tuple[str, str | None], ...]:
    return tuple((package, job.version(package)) for package in PACKAGES)


def _scripts(job: Job) -> list[Script]:
    """The scripts that run where the job's versions are; the submitting script does not."""
    return [
        script
        for script in job.scripts
        if script.role != "submit" and any(word in script.source.text for word in _WORDS)
    ]


def rule_for(finding: ApiFinding) -> str:
    """Return the name of the rule that a finding belongs to."""
    return finding.rule or _GENERIC.get(finding.kind, "api-unexpected-keyword")


def findings(context: Context, rule: str) -> Iterator[Hit | Unsure]:
    """Yield what the lint found that belongs to one rule."""
    job = context.job
    versions = _versions(job)
    for script in _scripts(job):
        report = _report(script.source.text, script.source.path, versions)
        for found in report.findings:
            if rule_for(found) == rule:
                yield hit(found, script.source, job)


def unknown_versions(context: Context) -> Iterator[Hit | Unsure]:
    """Say of which packages nothing could be told, because their version is not known."""
    job = context.job
    versions = _versions(job)
    for script in _scripts(job):
        report = _report(script.source.text, script.source.path, versions)
        for reason in report.skipped:
            package = reason.split(" of ")[-1].split(" ")[0] if " of " in reason else ""
            needs = f"--with {package}==VERSION" if package in PACKAGES else ""
            yield Unsure(f"the script's calls were not checked: {reason}", needs)


def _mapped(edit: ApiEdit, source: Source) -> Edit | None:
    """Return an edit in the places of the user's file.

    In a fragment that is indented (Python in a block of YAML) a new line gets the indentation of
    the fragment. None where columns cannot be mapped.
    """
    if not source.exact:
        return None
    changes = []
    for change in edit.changes:
        place = source.place(change.line, change.column, change.end_line, change.end_column)
        text = change.text
        if "\n" in text and not source.is_file and not source.escapes:
            margin = source.place(change.line, 1)
            line = source.whole.split("\n")[margin.line - 1]
            indent = line[: margin.column - 1]
            if indent.strip():
                return None
            text = text.replace("\n", "\n" + indent)
        changes.append(TextEdit(place, text))
    return Edit(edit.title, tuple(changes))


def hit(found: ApiFinding, source: Source, job: Job) -> Hit:
    """Turn a finding of the lint into a hit, its positions mapped to the user's file."""
    place = source.place(found.line, found.column, found.end_line, found.end_column)
    evidence = {
        "symbol": found.symbol,
        "parameter": found.parameter,
        "package": found.package,
        "version": found.version,
        "last_ok": found.last_ok,
        "first_bad": found.first_bad,
        "first_ok": found.first_ok,
        "replacement": found.replacement,
        "kind": found.kind,
    }
    evidence = {key: value for key, value in evidence.items() if value}
    resolved = job.packages.get(found.package.replace("_", "-"))
    if resolved is not None and resolved.floating:
        evidence["floating"] = f"{found.package} is not pinned: {found.version} is what it gets now"
    edits = {}
    edit = _mapped(found.edit, source) if found.edit is not None else None
    if edit is not None:
        edits["change"] = edit
    captures = {
        "argument": found.parameter,
        "symbol": found.symbol.rsplit(".", 1)[-1],
        "change": found.edit.title if found.edit else "",
    }
    return Hit(
        place,
        captures=captures,
        evidence=evidence,
        edits=edits,
        severity=found.severity,
        summary=found.message,
    )
