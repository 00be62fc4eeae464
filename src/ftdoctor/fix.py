"""Apply edits to files: whole files or nothing, and only where the file is still what was read."""

from __future__ import annotations

import ast
import difflib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from ftdoctor.job.source import Source
from ftdoctor.records import dataclass, field
from ftdoctor.rulebook.edits import KEEP_QUOTES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ftdoctor.rulebook.model import Edit, Finding

#: Most nested quotes first.
_QUOTES = ('"""', "'''", '"', "'")


@dataclass(slots=True)
class FileChange:
    """One file before and after."""

    path: str
    before: str
    after: str

    def diff(self) -> str:
        """Return the change as a unified diff."""
        return "".join(
            line if line.endswith("\n") else line + "\n\\ No newline at end of file\n"
            for line in difflib.unified_diff(
                self.before.splitlines(keepends=True),
                self.after.splitlines(keepends=True),
                f"a/{self.path}",
                f"b/{self.path}",
            )
        )


@dataclass(slots=True)
class Plan:
    """What --fix would do: changed files, and edits that could not be made with the reason."""

    changes: list[FileChange] = field(default_factory=list)
    made: list[tuple[Finding, Edit]] = field(default_factory=list)
    refused: list[tuple[Finding, str]] = field(default_factory=list)


def _with_quotes(old: str, new: str) -> str:
    if KEEP_QUOTES not in new:
        return new
    quote = next(
        (q for q in _QUOTES if old.startswith(q) and old.endswith(q) and len(old) > len(q)), ""
    )
    return new.replace(KEEP_QUOTES, quote)


def read_text(path: str) -> str:
    """Return a file's text with its line ends as they are.

    Raises:
        OSError, UnicodeDecodeError: it cannot be read as UTF-8 text.
    """
    return Path(path).read_bytes().decode("utf-8")


def _valid(path: str, text: str) -> str:
    """Return why the text would be broken for its kind of file, "" when it is well formed."""
    if path.endswith(".py"):
        try:
            ast.parse(text)
        except (SyntaxError, ValueError) as error:
            return f"the edited Python would not parse ({error})"
    if path.endswith((".ipynb", ".json")):
        import json

        try:
            json.loads(text)
        except ValueError as error:
            return f"the edited JSON would not parse ({error})"
    return ""


def plan(findings: Iterable[Finding], *, unsafe: bool = False) -> Plan:
    """Work out the edits of the findings' first applicable fix each, file by file.

    An edit that overlaps one already taken, or that would break the file, is refused; the next
    run finds it again.
    """
    result = Plan()
    texts: dict[str, str] = {}
    taken: dict[str, list[tuple[int, int, str]]] = {}
    for finding in findings:
        edit = next((f.edit for f in finding.fixes if f.edit and (f.safe or unsafe)), None)
        if edit is None:
            continue
        reason = _take(edit, texts, taken)
        if reason:
            result.refused.append((finding, reason))
        else:
            result.made.append((finding, edit))
    for path, spans in taken.items():
        before = texts[path]
        after = before
        for start, end, text in sorted(set(spans), reverse=True):
            after = after[:start] + text + after[end:]
        if after != before:
            result.changes.append(FileChange(path, before, after))
    return result


def _take(edit: Edit, texts: dict[str, str], taken: dict[str, list[tuple[int, int, str]]]) -> str:
    """Add an edit's spans to `taken`, or return why it cannot be made. Nothing is added then."""
    new: dict[str, list[tuple[int, int, str]]] = {}
    for change in edit.changes:
        place = change.place
        if not place.end_line:
            return "the end of the text to replace is not known"
        if place.path not in texts:
            try:
                texts[place.path] = read_text(place.path)
            except (OSError, UnicodeDecodeError) as error:
                return f"{place.path} cannot be read ({error})"
        text = texts[place.path]
        source = Source(place.path, text)
        start = source.offset(place.line, place.column)
        end = source.offset(place.end_line, place.end_column)
        if place.path.endswith(".ipynb"):
            fresh = _in_notebook(text, start, end, change.text)
            if fresh is None:
                return "the notebook does not keep this line in a string of its own"
        else:
            fresh = _with_quotes(text[start:end], change.text)
        span = (start, end, fresh)
        for other in taken.get(place.path, []):
            if span != other and span[0] < other[1] and other[0] < span[1]:
                return "it overlaps another edit; run --fix again"
            if span != other and span[0] == other[0] == span[1] == other[1]:
                return "another edit inserts at the same place; run --fix again"
        new.setdefault(place.path, []).append(span)
    for path, spans in new.items():
        trial = texts[path]
        for start, end, text in sorted({*taken.get(path, []), *spans}, reverse=True):
            trial = trial[:start] + text + trial[end:]
        broken = _valid(path, trial)
        if broken and not _valid(path, texts[path]):
            return broken
    for path, spans in new.items():
        taken.setdefault(path, []).extend(spans)
    return ""


def _in_notebook(text: str, start: int, end: int, new: str) -> str | None:
    """Return a replacement as it is written in the JSON of a notebook, None when it cannot be.

    Whole lines of the file may be taken out; anything else has to stay inside one string.
    """
    from ftdoctor.job.escaped import plain, written

    line = text.rfind("\n", 0, start) + 1
    if not new and start == line and text[end - 1 : end] == "\n":
        return ""
    old = plain(text[start:end])
    if old is None:
        return None
    indent = text[line : len(text) - len(text[line:].lstrip(" \t"))]
    return written(_with_quotes(old, new), text, indent)


def apply(changes: Iterable[FileChange]) -> None:
    """Write the changed files. Each is replaced whole: written beside, then renamed over.

    Raises:
        OSError: a file cannot be written; those before it have been replaced whole.
    """
    for change in changes:
        path = Path(os.path.realpath(change.path))
        mode = path.stat().st_mode
        handle, partial = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(change.after.encode("utf-8"))
            os.chmod(partial, mode & 0o7777)
            os.replace(partial, path)
        except BaseException:
            Path(partial).unlink(missing_ok=True)
            raise
