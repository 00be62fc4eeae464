"""Positions in a script's text: bytes of the syntax tree to characters, and back to spans."""

from __future__ import annotations

import ast
import itertools
from typing import TYPE_CHECKING

from ftdoctor.api.model import Change

if TYPE_CHECKING:
    from typing import Protocol

    class Located(Protocol):
        """A syntax tree node with a position."""

        lineno: int
        col_offset: int
        end_lineno: int | None
        end_col_offset: int | None


class Text:
    """The text of a script by lines."""

    def __init__(self, source: str) -> None:
        self.source = source
        # The tree counts only \n, \r\n and \r as line ends; str.splitlines knows more.
        self.lines = source.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        self._ascii = source.isascii()

    def column(self, line: int, offset: int) -> int:
        """Return the column (from 1, in characters) of a byte offset in a line."""
        if self._ascii:
            return offset + 1
        return len(self.lines[line - 1].encode()[:offset].decode(errors="replace")) + 1

    def start(self, node: ast.AST) -> tuple[int, int]:
        """Return (line, column) of a node's first character."""
        return node.lineno, self.column(node.lineno, node.col_offset)  # type: ignore[attr-defined]

    def end(self, node: ast.AST) -> tuple[int, int]:
        """Return (line, column) just past a node."""
        line: int = node.end_lineno  # type: ignore[attr-defined]
        return line, self.column(line, node.end_col_offset)  # type: ignore[attr-defined]

    def of(self, node: ast.AST) -> str:
        """Return a node's source text."""
        return self.between(self.start(node), self.end(node))

    def between(self, start: tuple[int, int], end: tuple[int, int]) -> str:
        """Return the text between two positions."""
        if start[0] == end[0]:
            return self.lines[start[0] - 1][start[1] - 1 : end[1] - 1]
        middle = self.lines[start[0] : end[0] - 1]
        return "\n".join(
            [
                self.lines[start[0] - 1][start[1] - 1 :],
                *middle,
                self.lines[end[0] - 1][: end[1] - 1],
            ]
        )

    def replace(self, start: tuple[int, int], end: tuple[int, int], text: str) -> Change:
        """Return the change that replaces a span."""
        return Change(start[0], start[1], end[0], end[1], text)

    def applied(self, changes: tuple[Change, ...]) -> str | None:
        """Return the text (line ends as \\n) with changes made, or None when they overlap."""
        starts = [0]
        for line in self.lines:
            starts.append(starts[-1] + len(line) + 1)
        text = "\n".join(self.lines)
        if not text.endswith("\n"):
            text += "\n"
        spans = sorted(
            (
                starts[change.line - 1] + change.column - 1,
                starts[change.end_line - 1] + change.end_column - 1,
                change.text,
            )
            for change in changes
        )
        for before, after in itertools.pairwise(spans):
            if after[0] < before[1]:
                return None
        for first, last, new in reversed(spans):
            text = text[:first] + new + text[last:]
        return text


def parses(source: str) -> bool:
    """Whether a text is Python."""
    import warnings

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True
