"""A text that a shell word gives, knowing for each character where it was written.

`--worker-pool-spec=machine-type=g2-standard-4,replica-count=1` is one word with several values;
readers cut it with `slice` and each part keeps its place, or why it is unknown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftdoctor.job.value import Value
from ftdoctor.records import dataclass

if TYPE_CHECKING:
    from ftdoctor.job.source import Place, Source


@dataclass(frozen=True, slots=True)
class Hole:
    """A part of a text, [start, end) in `raw`, that is not known; `default` may stand for it."""

    start: int
    end: int
    reason: str
    default: str | None = None


@dataclass(frozen=True, slots=True)
class ShellText(Value[str]):
    """A shell word's value. `body` is its text with unknown parts as written.

    `chars[i]` is the offset in `source` of character i of `body`; -1 when it came from elsewhere.
    """

    body: str = ""
    chars: tuple[int, ...] = ()
    holes: tuple[Hole, ...] = ()
    source: Source | None = None

    def slice(self, start: int, end: int | None = None) -> ShellText:
        """Return the part [start, end) of the body with its own place."""
        end = len(self.body) if end is None else min(end, len(self.body))
        start = min(start, end)
        holes = tuple(
            Hole(max(h.start, start) - start, min(h.end, end) - start, h.reason, h.default)
            for h in self.holes
            if h.start < end and h.end > start
        )
        chars = self.chars[start:end]
        place = span(self.source, chars) or self.place
        if self.place is not None and start == end:
            place = self.place
        return make(self.body[start:end], chars, holes, self.source, place)

    def partition(self, separator: str) -> tuple[ShellText, bool, ShellText]:
        """Split at the first `separator` that is known; (before, found, after)."""
        at = self._find(separator, 0)
        if at < 0:
            return self, False, self.slice(len(self.body))
        return self.slice(0, at), True, self.slice(at + len(separator))

    def split(self, separator: str) -> list[ShellText]:
        """Split at every known `separator`."""
        parts = []
        start = 0
        while True:
            at = self._find(separator, start)
            if at < 0:
                parts.append(self.slice(start))
                return parts
            parts.append(self.slice(start, at))
            start = at + len(separator)

    def _find(self, separator: str, start: int) -> int:
        at = self.body.find(separator, start)
        while at >= 0:
            hole = next((h for h in self.holes if h.start <= at < h.end), None)
            if hole is None:
                return at
            at = self.body.find(separator, hole.end)
        return -1

    def as_source(self, context: str) -> Source | None:
        """Return the text as a fragment whose lines map to where they were written."""
        if self.source is None or not self.body:
            return None
        lines = []
        exact = not self.holes
        at = 0
        last = (1, 1)
        for text in self.body.split("\n"):
            first = next((c for c in self.chars[at : at + max(len(text), 1)] if c >= 0), -1)
            if first >= 0:
                last = self.source.line_column(first)
            else:
                exact = False
            lines.append(last)
            row = self.chars[at : at + len(text)]
            if row and row[-1] - row[0] != len(row) - 1:
                exact = False
            at += len(text) + 1
        return self.source.fragment(self.body, tuple(lines), context, exact)


def make(
    body: str,
    chars: tuple[int, ...],
    holes: tuple[Hole, ...],
    source: Source | None,
    place: Place | None,
    raw: str = "",
) -> ShellText:
    """Return a shell text: known without holes, else unknown with the default if all have one."""
    if not holes:
        return ShellText(body, place, "", raw or body, None, body, chars, (), source)
    default: str | None = ""
    at = 0
    for hole in holes:
        if default is None or hole.default is None:
            default = None
            break
        default += body[at : hole.start] + hole.default
        at = hole.end
    if default is not None:
        default += body[at:]
    return ShellText(None, place, holes[0].reason, body, default, body, chars, holes, source)


def span(source: Source | None, chars: tuple[int, ...]) -> Place | None:
    """Return the place of characters that stand together in the source, their quotes included."""
    if source is None or not chars or chars[0] < 0 or chars[-1] < chars[0]:
        return None
    if any(c < 0 for c in chars):
        return None
    start, end = chars[0], chars[-1] + 1
    text = source.text
    if start > 0 and end < len(text) and text[start - 1] in "\"'" and text[end] == text[start - 1]:
        start, end = start - 1, end + 1
    return source.span(start, end)


def as_text(value: Value[Any]) -> ShellText:
    """Return any value as a shell text."""
    if isinstance(value, ShellText):
        return value
    if value.known:
        body = str(value.value)
        return ShellText(body, value.place, "", value.raw, None, body, (-1,) * len(body))
    body = value.raw or "?"
    default = value.default if isinstance(value.default, str) else None
    hole = Hole(0, len(body), value.unknown, default)
    return ShellText(
        None, value.place, value.unknown, body, default, body, (-1,) * len(body), (hole,)
    )
