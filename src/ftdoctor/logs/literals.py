"""The text that a line must hold before a pattern can match it, read out of the pattern itself.

The engine never runs hundreds of patterns on a line. It looks for the literals (a C-speed search)
and runs only the patterns whose literal is there. `re._parser` is private to CPython but has kept
this shape since 3.11; `tests/logs/test_literals.py` checks the answer against `re` itself.
"""

from __future__ import annotations

import re
from re import _constants, _parser  # type: ignore[attr-defined]
from typing import Any

from ftdoctor.logs.prefilter import SEPARATE
from ftdoctor.records import dataclass

#: Runs shorter than this are no use as a filter.
SHORTEST = 4
_SPACES = frozenset({_constants.CATEGORY_SPACE, _constants.CATEGORY_NOT_WORD})


@dataclass(frozen=True, slots=True)
class Literal:
    """A required run. `left`/`right`: a non-word character or an end of the line stands there."""

    text: str
    left: bool = False
    right: bool = False


class _Runs:
    """Collects the runs of a sequence of parsed nodes."""

    def __init__(self) -> None:
        self.done: list[Literal] = []
        self.either: list[list[Literal]] = []
        self.text = ""
        self.left = False

    def cut(self, *, boundary: bool) -> None:
        if self.text:
            self.done.append(Literal(self.text, self.left, boundary))
        self.text = ""
        self.left = boundary

    def walk(self, nodes: Any) -> None:
        for op, value in nodes:
            if op is _constants.LITERAL:
                self.text += chr(value)
            elif op is _constants.SUBPATTERN:
                self.walk(value[3])
            elif op is _constants.ATOMIC_GROUP:
                self.walk(value)
            elif op is _constants.AT:
                self.cut(boundary=value is not _constants.AT_NON_BOUNDARY)
            elif op in (_constants.MAX_REPEAT, _constants.MIN_REPEAT, _constants.POSSESSIVE_REPEAT):
                self._repeat(value)
            elif op is _constants.BRANCH:
                self.cut(boundary=False)
                self._branch(value[1])
            elif op is _constants.IN:
                self.cut(boundary=_only_spaces(value))
            elif op in (_constants.ASSERT, _constants.ASSERT_NOT):
                self.cut(boundary=False)
            else:
                self.cut(boundary=False)

    def _repeat(self, value: Any) -> None:
        least, most, body = value
        if least == most == 1:
            self.walk(body)
            return
        spaces = len(body) == 1 and body[0][0] is _constants.IN and _only_spaces(body[0][1])
        self.cut(boundary=bool(least) and spaces)
        if least >= 1 and not spaces:
            inner = _Runs()
            inner.walk(body)
            inner.cut(boundary=False)
            self.done += inner.done

    def _branch(self, branches: Any) -> None:
        best: list[Literal] = []
        for branch in branches:
            inner = _Runs()
            inner.walk(branch)
            inner.cut(boundary=False)
            run = _best(inner.done)
            if run is None:
                return
            best.append(run)
        self.either.append(best)


def _only_spaces(items: Any) -> bool:
    return all(
        (op is _constants.CATEGORY and value in _SPACES)
        or (op is _constants.LITERAL and not (chr(value).isalnum() or value == 95))
        for op, value in items
    )


def _best(runs: list[Literal]) -> Literal | None:
    usable = [run for run in runs if len(run.text.strip()) >= SHORTEST]
    return max(usable, key=lambda run: (bool(words_of(run)), len(run.text)), default=None)


def required(pattern: str) -> list[Literal]:
    """Return literals of which at least one stands in every line that the pattern matches.

    An empty list means that no such text is known, and the pattern must be tried on every line.

    Raises:
        re.error: the pattern is not a regular expression.
    """
    parsed = _parser.parse(pattern)
    if parsed.state.flags & (re.IGNORECASE | re.VERBOSE):
        return []
    runs = _Runs()
    runs.left = False
    runs.walk(parsed)
    runs.cut(boundary=False)
    run = _best(runs.done)
    choices = [group for group in runs.either if group]
    if run is not None and (len(run.text) >= 6 or not choices):
        return [run]
    if choices:
        return max(choices, key=lambda group: min(len(item.text) for item in group))
    return [run] if run is not None else []


#: Words too usual in logs to filter anything.
_USUAL = frozenset(
    b"the error Error failed file File line not with from for and import torch python Python model "
    b"loss step epoch train trainer is of to in on at by py packages site lib local usr version "
    b"transformers INFO WARNING ERROR module Warning warning https huggingface co memory load "
    b"data".split()
)


def words_of(run: Literal, *, digits: bool = True) -> list[bytes]:
    """Return the whole words inside a run, the most telling first.

    A word that touches an open end of the run may be part of a longer one in the log, and is left
    out. With `digits=False` the digits are taken out first, as the scanner does with lines.
    """
    raw = run.text.encode()
    if not digits:
        raw = raw.translate(None, b"0123456789")
    separated = raw.translate(SEPARATE)
    words = separated.split()
    if words and not run.left and separated[:1] != b" ":
        words = words[1:]
    if words and not run.right and separated[-1:] != b" ":
        words = words[:-1]
    return sorted(words, key=lambda word: (word in _USUAL, -len(word)))
