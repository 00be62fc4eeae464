"""What the lint answers: findings, notes on what was left alone, edits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from ftdoctor.records import dataclass, field

if TYPE_CHECKING:
    from ftdoctor.rulebook.model import Severity

Kind = Literal[
    "unexpected-keyword",
    "missing-import",
    "positional",
    "missing-argument",
    "bad-enum",
    "nested-key",
    "ignored-keyword",
    "silent-default",
    "override",
    "combination",
    "cli-flag",
    "cli-subcommand",
    "config-key",
]


@dataclass(frozen=True, slots=True)
class Change:
    """Replace one span of the text. Lines and columns from 1, columns in characters."""

    line: int
    column: int
    end_line: int
    end_column: int
    text: str


@dataclass(frozen=True, slots=True)
class ApiEdit:
    """Changes that belong together. Findings that one edit answers share an equal edit."""

    title: str
    changes: tuple[Change, ...]
    safe: bool = True


@dataclass(frozen=True, slots=True)
class ApiFinding:
    """One place where a script does not fit the release that will run it.

    `symbol` is the public path ("trl.SFTTrainer"; for an import the name that is missing,
    "trl.setup_chat_format"), `parameter` the keyword, key or value concerned. `package` and
    `version` are the ones that decide. `last_ok`, `first_bad` and `first_ok` are releases of that
    package: the last that accepts it before `version`, the first that does not, and, when the
    thing is not there yet, the first that has it; "" when there is none.
    """

    kind: Kind
    severity: Severity
    symbol: str
    parameter: str
    package: str
    version: str
    message: str
    line: int
    column: int
    end_line: int
    end_column: int
    last_ok: str = ""
    first_bad: str = ""
    first_ok: str = ""
    replacement: str = ""
    #: Name of the rule in the rulebook that this is a case of; "" for the generic one of its kind.
    rule: str = ""
    edit: ApiEdit | None = None


@dataclass(frozen=True, slots=True)
class Note:
    """Something that the lint saw and left alone, and why."""

    line: int
    column: int
    what: str
    reason: str


@dataclass(slots=True)
class Report:
    """The whole answer on one script."""

    findings: list[ApiFinding] = field(default_factory=list)
    left_alone: list[Note] = field(default_factory=list)
    #: Why nothing was said on a package that the script uses ("version of trl is not known").
    skipped: list[str] = field(default_factory=list)
    #: Why the text was not read at all, or "".
    broken: str = ""
