"""What a parsed shell script is made of: commands, their words, and compound commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftdoctor.records import dataclass, field

if TYPE_CHECKING:
    from ftdoctor.job.shell_words import Heredoc, Word


@dataclass(slots=True)
class Redirect:
    """`operator` with its target word, or a here-document."""

    operator: str
    target: Word | None
    heredoc: Heredoc | None = None


@dataclass(slots=True)
class Assignment:
    """`NAME=word`, `NAME+=word` or `NAME=(words)`."""

    name: str
    word: Word | None
    array: list[Word] | None = None
    append: bool = False
    #: `NAME[key]=...`: the variable can no longer be told.
    indexed: bool = False


@dataclass(slots=True)
class Simple:
    """One simple command."""

    words: list[Word] = field(default_factory=list)
    assignments: list[Assignment] = field(default_factory=list)
    redirects: list[Redirect] = field(default_factory=list)
    start: int = 0
    end: int = 0


@dataclass(slots=True)
class Block:
    """A list of commands, or a compound command.

    `kind`: "list", "if", "condition", "branch", "loop", "case", "group", "subshell", "function".
    `name` is the function's name, the loop's variable, or the pattern of a case.
    """

    kind: str = "list"
    name: str = ""
    #: (command, what joins it to the next: "&&", "||", ";", "\n", "|", "&", "").
    items: list[tuple[Simple | Block, str]] = field(default_factory=list)
    words: list[Word] = field(default_factory=list)
    redirects: list[Redirect] = field(default_factory=list)
    start: int = 0
    end: int = 0
