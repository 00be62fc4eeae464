"""A log in blocks of about a megabyte: lines of a plain log, messages of one that comes as data."""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING

from ftdoctor.lazy import lazy_bytes
from ftdoctor.logs.clean import strip_ansi
from ftdoctor.logs.forms import detect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftdoctor.logs.envelope import Record
    from ftdoctor.logs.lines import Line
    from ftdoctor.logs.reading import RawLog

#: Every carriage return becomes a newline.
AS_LINES = bytes(10 if c == 13 else c for c in range(256))
_ANSI = lazy_bytes(rb"\x1b(?:\[[0-9;:?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\^_=>])")
#: A block without a newline is cut here.
LONGEST = 4 << 20


class Scan:
    """What was read: the lines kept, in the order of the run, and how much there was."""

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self.total_lines = 0
        self.total_bytes = 0
        #: "json", "sse", "csv", "yaml" or "" for plain text.
        self.form = ""
        #: Why the end could not be read, "" when all was.
        self.truncated = ""


class Block:
    """Lines of one chunk. In `flat` each \\r is a \\n, so that every redraw of a bar is a row."""

    __slots__ = (
        "_ends",
        "_flat",
        "_offsets",
        "_redrawn",
        "_rows",
        "first",
        "metas",
        "original",
        "sequence",
    )

    def __init__(
        self, original: bytes, first: int, sequence: int, metas: list[Record] | None = None
    ) -> None:
        self.original = original
        self._redrawn = b"\r" in original
        #: Number in the file of the first line, and number of the first row in the whole log.
        self.first = first
        self.sequence = sequence
        self.metas = metas
        self._flat: bytes | None = None
        self._rows: list[bytes] | None = None
        self._offsets: list[int] | None = None
        self._ends: list[int] = []

    @property
    def flat(self) -> bytes:
        """The text with one row a line, the same length as `original`."""
        if self._flat is None:
            whole = self.original
            self._flat = whole.translate(AS_LINES) if self._redrawn else whole
        return self._flat

    @property
    def rows(self) -> list[bytes]:
        """The rows of `flat`."""
        if self._rows is None:
            self._rows = self.flat.split(b"\n")
        return self._rows

    def meta(self, row: int) -> tuple[int, str, str]:
        """(file line, stream, time) of a row."""
        if self.metas is not None:
            record = self.metas[row]
            return record.number, record.stream, record.time
        if not self._redrawn:
            return self.first + row, "", ""
        if self._offsets is None:
            self._offsets = [0, *accumulate(len(text) + 1 for text in self.rows)]
            ends = (len(text) + 1 for text in self.original.split(b"\n"))
            self._ends = list(accumulate(ends))
        number = bisect_right(self._ends, self._offsets[row])
        return self.first + number, "", ""


def blocks(raw: RawLog, result: Scan) -> Iterator[Block]:
    """Yield a log in blocks and count its lines and bytes into `result`."""
    chunks = raw.chunks()
    head = next(chunks, b"")
    result.form = detect(head[: 64 << 10])

    def rest() -> Iterator[bytes]:
        yield head
        yield from chunks

    if result.form:
        yield from _record_blocks(rest(), result)
        return
    carry = b""
    first = 1
    sequence = 0
    crlf = b"\r\n" in head
    for chunk in rest():
        result.total_bytes += len(chunk)
        cut = chunk.rfind(b"\n") + 1
        if not cut:
            carry += chunk
            cut = carry.rfind(b"\r") + 1
            if not cut:
                if len(carry) < LONGEST:
                    continue
                cut = carry.rfind(b" ") + 1 or len(carry)
            body, carry = carry[:cut], carry[cut:]
        else:
            # One copy a chunk: what was left over goes before, what is left over stays behind.
            body = carry + memoryview(chunk)[:cut] if carry else chunk[:cut]
            carry = chunk[cut:]
        if crlf:
            body = body.replace(b"\r\n", b"\n")
        newlines = body.count(b"\n")
        yield _plain(body, first, sequence)
        first += newlines
        sequence += newlines + (body.count(b"\r") if b"\r" in body else 0) + 1
    if carry:
        yield _plain(carry.replace(b"\r\n", b"\n"), first, sequence)
        first += 1
    result.total_lines = first - 1


def _plain(body: bytes, first: int, sequence: int) -> Block:
    """Return the block of a piece of text, without its last line end and without colours."""
    if body[-1:] in (b"\n", b"\r"):
        body = body[:-1]
    if b"\x1b" in body:
        body = _ANSI.sub(b"", body)
    if b"\x00" in body:
        body = body.replace(b"\x00", b"")
    return Block(body, first, sequence)


def _record_blocks(chunks: Iterator[bytes], result: Scan) -> Iterator[Block]:
    from ftdoctor.logs.envelope import records

    texts: list[str] = []
    metas: list[Record] = []
    size = sequence = 0

    def counted() -> Iterator[bytes]:
        for chunk in chunks:
            result.total_bytes += len(chunk)
            yield chunk

    for record in records(result.form, counted()):
        result.total_lines = max(result.total_lines, record.number)
        for text in strip_ansi(record.message).replace("\r", "\n").split("\n"):
            texts.append(text)
            metas.append(record)
            size += len(text) + 1
        if size > 1 << 20:
            yield Block("\n".join(texts).encode("utf-8", "replace"), 0, sequence, metas)
            sequence += len(texts)
            texts, metas, size = [], [], 0
    if texts:
        yield Block("\n".join(texts).encode("utf-8", "replace"), 0, sequence, metas)
