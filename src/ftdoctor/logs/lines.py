"""The unit that everything after reading works on: one cleaned line, and where it came from."""

from __future__ import annotations


class Line:
    """One line of the run's output, without envelope, prefix and colour.

    number: line in the file (or of the entry that held it), from 1.
    text:   what the program wrote.
    stream: the rank, replica or task that wrote it; "" when the log does not say.
    time:   the stamp as written, "" for none.
    at:     order in the run; the reader numbers the lines that it keeps.
    gap:    lines before this one were left out (they held nothing of interest).
    """

    __slots__ = ("at", "gap", "number", "stream", "text", "time")

    def __init__(
        self, number: int, text: str, stream: str = "", time: str = "", *, gap: bool = False
    ) -> None:
        self.number = number
        self.text = text
        self.stream = stream
        self.time = time
        self.at = -1
        self.gap = gap

    def __repr__(self) -> str:
        return f"Line({self.number}, {self.text!r}, {self.stream!r})"


#: Streams that are the platform itself and not the user's program.
PLATFORM_STREAMS = frozenset({"service", "platform"})
