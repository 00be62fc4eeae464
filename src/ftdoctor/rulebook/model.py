"""Rule, and what a rule can answer. Frozen data; the rule file's fields are a contract.

No slots here and in the job model: making a class twice costs more at start-up than it saves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from ftdoctor.records import dataclass, field

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftdoctor.job.source import Place

Severity = Literal["error", "warning", "note"]
Role = Literal["cause", "consequence", "wrapper"]

#: Order of gravity; higher is worse.
SEVERITIES: Mapping[str, int] = {"note": 0, "warning": 1, "error": 2}


@dataclass(frozen=True)
class Before:
    """How to see the cause coming: a named check (`module.function` in ftdoctor.checks)."""

    check: str
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class After:
    """How to recognise the cause in a log: patterns on one cleaned line each."""

    any: tuple[str, ...]
    unless: tuple[str, ...] = ()
    role: Role = "cause"
    #: Patterns of which one must stand in the same exception block as the `any` line.
    near: tuple[str, ...] = ()
    #: Named arithmetic that decides between children (ftdoctor.logs.deciders), "" for none.
    decide: str = ""


@dataclass(frozen=True)
class FixTemplate:
    """A fix as the rule file states it, placeholders not filled in."""

    text: str
    command: str = ""
    edit: Mapping[str, Any] | None = None
    safe: bool = False


@dataclass(frozen=True)
class Rule:
    """One root cause."""

    code: str
    name: str
    severity: Severity
    since: str
    summary: str
    explain: str
    parent: str = ""
    platforms: tuple[str, ...] = ()
    before: Before | None = None
    after: After | None = None
    fixes: tuple[FixTemplate, ...] = ()
    verify: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    #: Where the rule was read, for errors.
    path: str = ""

    @property
    def area(self) -> str:
        """The AREA part of the code."""
        return self.code.split("-")[1]


@dataclass(frozen=True)
class TextEdit:
    """Replace one span of a file. The place must carry its end; columns count characters."""

    place: Place
    text: str


@dataclass(frozen=True)
class Edit:
    """Edits that belong together: all are made or none."""

    title: str
    changes: tuple[TextEdit, ...]


@dataclass(frozen=True)
class Hit:
    """A check saw the bad state. `captures` fill the placeholders of the rule's texts.

    `edits` are fixes that the check computed, by the name that the rule's `edit: {use: NAME}`
    gives. `severity` replaces the rule's own when the check knows better (never above it
    without need). `summary` replaces the rule's one-liner when one rule covers many cases.
    `advice` are fixes for just this case; they come before those of the rule.
    """

    place: Place | None
    captures: Mapping[str, Any] = field(default_factory=dict)
    evidence: Mapping[str, Any] = field(default_factory=dict)
    edits: Mapping[str, Edit] = field(default_factory=dict)
    severity: Severity | None = None
    summary: str = ""
    advice: tuple[Fix, ...] = ()


@dataclass(frozen=True)
class Unsure:
    """A check could not tell. `needs` is what would let it tell ("--online", "a login", ...)."""

    reason: str
    needs: str = ""


@dataclass(frozen=True)
class Fix:
    """A fix with its placeholders filled in."""

    text: str
    command: str = ""
    edit: Edit | None = None
    safe: bool = False


@dataclass(frozen=True)
class Finding:
    """A rule that applies to this job or run."""

    code: str
    name: str
    severity: Severity
    summary: str
    explain: str
    place: Place | None = None
    evidence: Mapping[str, Any] = field(default_factory=dict)
    fixes: tuple[Fix, ...] = ()
    references: tuple[str, ...] = ()
    verify: tuple[str, ...] = ()


@dataclass(frozen=True)
class Ok:
    """The rule looked and saw nothing wrong."""

    code: str


@dataclass(frozen=True)
class Skipped:
    """The rule could not tell. Never shown as passed."""

    code: str
    name: str
    reason: str
    needs: str = ""


@dataclass(frozen=True)
class Crashed:
    """The check itself failed: a bug of ours, shown as such."""

    code: str
    name: str
    error: str


@dataclass(frozen=True)
class Ignored:
    """A finding that the user chose to ignore, with the reason given."""

    finding: Finding
    reason: str
    where: str


Result = Finding | Ok | Skipped | Crashed
