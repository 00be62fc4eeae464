"""The unit that everything after reading works on: one cleaned line, and where it came from."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class Line:
    """One line of the run's output, without envelope, prefix and colour.

    number: line in the file (or of the entry that held it), from 1.
    text:   what the program wrote.
    stream: the rank, replica or task that wrote it; "" when the log does not say.
    time:   the stamp as written, "" for none.
    at:     order in the run; the reader numbers the lines that it keeps.
    gap:    lines before this one were left out (they held nothing of interest).
    mild:   the logger that wrote it put it at WARNING or lower.
    """

    __slots__ = ("at", "gap", "mild", "number", "stream", "text", "time")

    def __init__(
        self, number: int, text: str, stream: str = "", time: str = "", *, gap: bool = False
    ) -> None:
        self.number = number
        self.text = text
        self.stream = stream
        self.time = time
        self.at = -1
        self.gap = gap
        self.mild = False

    def __repr__(self) -> str:
        return f"Line({self.number}, {self.text!r}, {self.stream!r})"


#: Streams that are the platform itself and not the user's program.
PLATFORM_STREAMS = frozenset({"service", "platform"})


class Text:
    """The texts of some lines as one block, to ask at C speed which lines hold something."""

    def __init__(self, lines: list[Line]) -> None:
        self.lines = lines
        self.block = "\n".join([line.text for line in lines]).encode("utf-8", "replace")
        self._starts: list[int] | None = None

    @property
    def starts(self) -> list[int]:
        """Offset of each line in the block."""
        if self._starts is None:
            starts = [0]
            for line in self.block.split(b"\n"):
                starts.append(starts[-1] + len(line) + 1)
            starts.pop()
            self._starts = starts
        return self._starts

    def holding(self, literals: Iterable[bytes]) -> set[int]:
        """Return the indexes of the lines that hold one of the literals."""
        found: set[int] = set()
        block = self.block
        for literal in literals:
            at = block.find(literal)
            while at >= 0:
                row = bisect_right(self.starts, at) - 1
                found.add(row)
                if row + 1 >= len(self.starts):
                    break
                at = block.find(literal, self.starts[row + 1])
        return found
