"""The files that a script writes: here-documents, and templates put through envsubst or sed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftdoctor.job.shell_expand import text_of
from ftdoctor.job.shell_text import as_text
from ftdoctor.records import dataclass, field

if TYPE_CHECKING:
    from ftdoctor.job.model import Step
    from ftdoctor.job.shell_expand import Scope
    from ftdoctor.job.shell_tree import Block, Redirect
    from ftdoctor.job.shell_words import Heredoc
    from ftdoctor.job.source import Place, Source


@dataclass(slots=True)
class Written:
    """A file that the script writes: its text, and how the text came to be.

    `expands`: the shell fills in variables as it writes. `made_from`/`tool`/`replaced`: it is
    another file put through `envsubst` or `sed`.
    """

    path: str
    source: Source | None
    expands: bool = False
    scope: Scope | None = None
    made_from: str = ""
    tool: str = ""
    replaced: tuple[str, ...] = ()
    #: True when something the script cannot be followed in was appended.
    more: bool = False


@dataclass
class Script:
    """What was read of one script."""

    steps: list[Step] = field(default_factory=list)
    written: dict[str, Written] = field(default_factory=dict)
    #: Scope in force when step i ran, by the identity of the step.
    scopes: dict[int, Scope] = field(default_factory=dict)
    #: Files of variables that were loaded (`source .env`).
    env_files: list[str] = field(default_factory=list)
    #: Variables in force at the end.
    end: Scope | None = None
    #: Backslashes with a blank after them, where the line was meant to go on.
    broken: list[Place] = field(default_factory=list)


class FileFollower:
    """The part of a follower that watches redirections; it says which files come to be."""

    source: Source
    scope: Scope
    script: Script

    def group_redirects(self, block: Block) -> None:
        """Note what a whole block writes (`{ ...; } > file`): its text is not followed."""
        for redirect in block.redirects:
            if redirect.operator.endswith((">", ">>")) and redirect.target is not None:
                path = text_of(redirect.target, self.scope)
                if path.known and path.value:
                    self.script.written[path.value] = Written(path.value, None, more=True)

    def redirects(self, redirects: list[Redirect], step: Step) -> None:
        """Note what one command reads and writes."""
        heredoc = next((r.heredoc for r in redirects if r.heredoc is not None), None)
        body = self._heredoc(heredoc) if heredoc is not None else None
        step.stdin = body
        target = next(
            (r for r in redirects if r.operator in (">", ">>", ">|", "&>") and r.target), None
        )
        program = step.argv[0].value if step.argv else None
        path: str | None = None
        append = False
        if target is not None and target.target is not None:
            value = text_of(target.target, self.scope)
            path, append = value.value or value.body, target.operator == ">>"
        elif program == "tee" and body is not None:
            names = [v.value for v in step.argv[1:] if v.value and not v.value.startswith("-")]
            path, append = (names[0] if names else None), any(v.value == "-a" for v in step.argv)
        if path is None:
            return
        if body is not None and heredoc is not None and not append:
            self.script.written[path] = Written(path, body, heredoc.expands, self.scope.copy())
        elif append and path in self.script.written:
            self.script.written[path].more = True
        elif program in ("envsubst", "sed", "perl", "yq", "jq", "python", "python3"):
            self._filtered(path, program or "", redirects, step)

    def _filtered(self, path: str, tool: str, redirects: list[Redirect], step: Step) -> None:
        made_from = next(
            (
                text_of(r.target, self.scope).value
                for r in redirects
                if r.operator == "<" and r.target
            ),
            None,
        )
        if made_from is None and tool in ("sed", "yq", "jq") and len(step.argv) > 2:
            made_from = step.argv[-1].value
        if made_from is None:
            # `cat template.yaml | envsubst > job.yaml`
            before = self.script.steps[-2] if len(self.script.steps) > 1 else None
            if before is not None and before.joined == "|" and len(before.argv) > 1:
                made_from = before.argv[-1].value
        if made_from:
            words = replaced_words(step) if tool == "sed" else ()
            self.script.written[path] = Written(
                path, None, made_from=made_from, tool=tool, replaced=words
            )

    def _heredoc(self, heredoc: Heredoc) -> Source:
        first = self.source.line_column(heredoc.start)[0]
        last = self.source.line_column(max(heredoc.end - 1, heredoc.start))[0]
        indent = 0
        if heredoc.strip_tabs:
            indent = 1000
        return _lines(self.source, first, last, heredoc, indent)

    def in_place(self, step: Step, argv: list[str | None]) -> None:
        """Note what `sed -i` replaces in a file."""
        path = argv[-1]
        if not path:
            return
        words = replaced_words(step)
        if path in self.script.written:
            entry = self.script.written[path]
            entry.replaced = (*entry.replaced, *words)
            entry.tool = entry.tool or "sed"
        else:
            self.script.written[path] = Written(
                path, None, made_from=path, tool="sed", replaced=words
            )


def _lines(source: Source, first: int, last: int, heredoc: Heredoc, indent: int) -> Source:
    texts = []
    lines = []
    for number in range(first, last + 1):
        line = source.line_text(number)
        cut = len(line) - len(line.lstrip("\t")) if indent else 0
        texts.append(line[cut:])
        lines.append((number, cut + 1))
    if heredoc.end <= heredoc.start:
        return source.fragment("", ((first, 1),), f"heredoc {heredoc.delimiter}")
    return source.fragment("\n".join(texts) + "\n", tuple(lines), f"heredoc {heredoc.delimiter}")


def replaced_words(step: Step) -> tuple[str, ...]:
    """Return what the `s/OLD/new/` expressions of a sed command replace."""
    found = []
    for value in step.argv[1:]:
        text = as_text(value).body
        for match in re.finditer(r"(?:^|;)\s*s([^\w\s\\])(.+?)\1.*?\1[gI0-9]*", text):
            found.append(re.sub(r"\\(.)", r"\1", match.group(2)).strip("^$"))
    return tuple(word for word in found if word)
