"""Where text stands: a place in a file, and fragments of a file that are texts of their own.

A job is often written inside another file: a heredoc in a shell script, a fenced block in a
README, a cell of a notebook, a string in a Python call. Readers parse the fragment; what they
find must point into the file that the user has open. `Source` does that arithmetic once.
"""

from __future__ import annotations

from bisect import bisect_right
from functools import cached_property

from ftdoctor.records import dataclass, field


@dataclass(frozen=True)
class Place:
    """A span in a file. Lines and columns count from 1; columns count characters.

    `end_line`/`end_column` is the position just past the span; 0 when only a point is known.
    `context` says in words where in the file this is ("heredoc job.yaml", "cell 3").
    """

    path: str
    line: int
    column: int = 1
    end_line: int = 0
    end_column: int = 0
    context: str = ""

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}"


@dataclass(frozen=True)
class Source:
    """A text and where it stands in its file.

    `text` is the fragment as its own language sees it (indentation stripped, quotes removed).
    `lines` maps line i of the fragment (from 0) to (line in the file, column of its first
    character), both from 1; empty when the fragment is the whole file. `exact` is False when
    columns inside a line cannot be mapped (escapes were resolved): then no edit is made there.
    """

    path: str
    text: str
    lines: tuple[tuple[int, int], ...] = ()
    context: str = ""
    exact: bool = True
    #: The whole file; the same object when this source is the file itself.
    whole: str = field(default="", repr=False)
    #: Each line stands inside a JSON string of the file (a notebook): columns count its escapes.
    escapes: bool = False

    @property
    def is_file(self) -> bool:
        """Whether this source is a whole file rather than a fragment of one."""
        return not self.lines

    @cached_property
    def _starts(self) -> list[int]:
        starts = [0]
        position = self.text.find("\n")
        while position >= 0:
            starts.append(position + 1)
            position = self.text.find("\n", position + 1)
        return starts

    def line_text(self, line: int) -> str:
        """Return line `line` (from 1) of the fragment, without its line end."""
        return self.text[self.offset(line, 1) :].split("\n", 1)[0].rstrip("\r")

    def offset(self, line: int, column: int) -> int:
        """Return the character offset in the fragment of a (line, column), both from 1."""
        starts = self._starts
        if line > len(starts):
            return len(self.text)
        return min(starts[line - 1] + column - 1, len(self.text))

    def line_column(self, offset: int) -> tuple[int, int]:
        """Return the (line, column), both from 1, of a character offset in the fragment."""
        index = bisect_right(self._starts, offset) - 1
        return index + 1, offset - self._starts[index] + 1

    def _outer(self, line: int, column: int) -> tuple[int, int]:
        if not self.lines:
            return line, column
        index = min(line - 1, len(self.lines) - 1)
        outer_line, first_column = self.lines[index]
        if self.escapes:
            from ftdoctor.job.escaped import column_of

            found = column_of(self.whole, outer_line, first_column, self.line_text(line), column)
            return outer_line, found or first_column
        return outer_line, first_column + column - 1

    def _found(self, line: int) -> bool:
        """Whether a line stands in the file as it is here; it does not where it was rewritten."""
        from ftdoctor.job.escaped import column_of

        outer_line, first_column = self.lines[min(line - 1, len(self.lines) - 1)]
        return column_of(self.whole, outer_line, first_column, self.line_text(line), 1) > 0

    def place(self, line: int, column: int = 1, end_line: int = 0, end_column: int = 0) -> Place:
        """Return the place in the file of a span of the fragment (all from 1)."""
        outer_line, outer_column = self._outer(line, column)
        if end_line and self.escapes and not (self._found(line) and self._found(end_line)):
            end_line = 0
        if not end_line:
            return Place(self.path, outer_line, outer_column, context=self.context)
        outer_end_line, outer_end_column = self._outer(end_line, end_column)
        return Place(
            self.path, outer_line, outer_column, outer_end_line, outer_end_column, self.context
        )

    def span(self, start: int, end: int) -> Place:
        """Return the place in the file of the characters [start, end) of the fragment."""
        return self.place(*self.line_column(start), *self.line_column(end))

    def fragment(
        self, text: str, lines: tuple[tuple[int, int], ...], context: str, exact: bool = True
    ) -> Source:
        """Return a source for a text found inside this one.

        `lines` is in coordinates of *this* source; the result maps straight to the file.
        """
        outer = tuple(self._outer(line, column) for line, column in lines)
        joined = f"{self.context}, {context}" if self.context and context else context
        return Source(
            self.path,
            text,
            outer,
            joined or self.context,
            exact and self.exact,
            self.whole or self.text,
            self.escapes,
        )

    def block(self, first_line: int, last_line: int, context: str, indent: int = 0) -> Source:
        """Return lines first..last (from 1, inclusive) as a fragment, `indent` columns removed."""
        texts = []
        lines = []
        for number in range(first_line, last_line + 1):
            line = self.line_text(number)
            cut = min(indent, len(line) - len(line.lstrip()))
            texts.append(line[cut:])
            lines.append((number, cut + 1))
        return self.fragment("\n".join(texts) + "\n", tuple(lines) or ((first_line, 1),), context)
