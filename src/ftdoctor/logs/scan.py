"""Read a log of any size and keep the lines that can matter, in bounded memory.

Training logs repeat themselves: with the digits taken out, millions of lines become a few dozen
templates. A template that holds none of the literals (digits taken out as well) can never match a
rule, so it is looked at once. What is kept: the first and the last part of the log whole, every
line that holds a literal (with its surroundings), capped per template.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING

from ftdoctor.lazy import lazy_bytes
from ftdoctor.logs.clean import clean_line, looks_numbered, strip_ansi
from ftdoctor.logs.forms import detect
from ftdoctor.logs.markers import MARKERS
from ftdoctor.logs.prefilter import Prefilter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftdoctor.logs.envelope import Record
    from ftdoctor.logs.lines import Line
    from ftdoctor.logs.patterns import Patterns
    from ftdoctor.logs.reading import RawLog

DIGITS = b"0123456789"
_CR = bytes(10 if c == 13 else c for c in range(256))
_ANSI = lazy_bytes(rb"\x1b(?:\[[0-9;:?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\^_=>])")
#: Bytes kept whole at each end of a log.
END = 256 << 10
#: A block without a newline is cut here.
LONGEST = 4 << 20
#: How often one template is kept outside the two ends.
PER_TEMPLATE = 100
BEFORE, AFTER, AFTER_TRACEBACK = 40, 60, 400
#: Bytes of surroundings kept in all, and templates remembered.
BUDGET = 16 << 20
COLD = 60_000
_LONG_LINE = 32 << 10


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


class _Block:
    """Lines of one chunk. In `flat` each \\r is a \\n, so that every redraw of a bar is a row."""

    __slots__ = ("_ends", "_flat", "_offsets", "_rows", "first", "metas", "original", "sequence")

    def __init__(
        self, original: bytes, first: int, sequence: int, metas: list[Record] | None = None
    ) -> None:
        self.original = original
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
        if self._flat is None:
            has_cr = b"\r" in self.original
            self._flat = self.original.translate(_CR) if has_cr else self.original
        return self._flat

    @property
    def rows(self) -> list[bytes]:
        if self._rows is None:
            self._rows = self.flat.split(b"\n")
        return self._rows

    def count(self) -> int:
        """Return the number of rows."""
        return self.original.count(b"\n") + self.original.count(b"\r") + 1

    def meta(self, row: int) -> tuple[int, str, str]:
        """(file line, stream, time) of a row."""
        if self.metas is not None:
            record = self.metas[row]
            return record.number, record.stream, record.time
        if b"\r" not in self.original:
            return self.first + row, "", ""
        if self._offsets is None:
            self._offsets = [0, *accumulate(len(text) + 1 for text in self.rows)]
            ends = (len(text) + 1 for text in self.original.split(b"\n"))
            self._ends = list(accumulate(ends))
        number = bisect_right(self._ends, self._offsets[row])
        return self.first + number, "", ""


def scan(raw: RawLog, patterns: Patterns, *, engine: str = "auto") -> Scan:
    """Read one log. `engine`: "plain", "fast" (hyperscan) or "auto" (fast when it is installed)."""
    result = Scan()
    keeper = _Keeper(patterns, engine)
    for block in _blocks(raw, result):
        keeper.take(block)
    result.lines = keeper.finish(result)
    result.truncated = raw.truncated
    return result


def _blocks(raw: RawLog, result: Scan) -> Iterator[_Block]:
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
        block = _plain(body, first, sequence)
        yield block
        first += body.count(b"\n")
        sequence += block.count()
    if carry:
        yield _plain(carry.replace(b"\r\n", b"\n"), first, sequence)
        first += 1
    result.total_lines = first - 1


def _plain(body: bytes, first: int, sequence: int) -> _Block:
    """Return the block of a piece of text, without its last line end and without colours."""
    if body[-1:] in (b"\n", b"\r"):
        body = body[:-1]
    if b"\x1b" in body:
        body = _ANSI.sub(b"", body)
    if b"\x00" in body:
        body = body.replace(b"\x00", b"")
    return _Block(body, first, sequence)


def _record_blocks(chunks: Iterator[bytes], result: Scan) -> Iterator[_Block]:
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
            yield _Block("\n".join(texts).encode("utf-8", "replace"), 0, sequence, metas)
            sequence += len(texts)
            texts, metas, size = [], [], 0
    if texts:
        yield _Block("\n".join(texts).encode("utf-8", "replace"), 0, sequence, metas)


class _Keeper:
    """Decides, block by block, which rows are kept."""

    def __init__(self, patterns: Patterns, engine: str) -> None:
        self._patterns = patterns
        self._engine = engine
        self._finder: Prefilter | None = None
        self._fast: object | None = None
        self._cold: set[bytes] = set()
        self._hot: dict[bytes, list[int]] = {}
        self._kept: dict[int, tuple[bytes, int, str, str]] = {}
        self._size = 0
        self._after = 0
        self._held: list[_Block] = []
        self._head_done = False
        self._count = 0

    def take(self, block: _Block) -> None:
        """Look at a block; the last two are held back because the end is kept whole."""
        self._held.append(block)
        if len(self._held) > 2:
            self._process(self._held.pop(0))

    def finish(self, result: Scan) -> list[Line]:
        """Return the kept lines, cleaned, oldest first."""
        held = self._held
        if sum(len(block.original) for block in held) > 2 * END or self._kept:
            for block in held:
                self._process(block)
            self._keep_end(held)
        else:
            for block in held:
                self._keep_rows(block, 0, len(block.rows), cap=False)
        order = sorted(self._kept)
        sample = [self._kept[i][0][:80].decode("utf-8", "replace") for i in order[:40]]
        numbered = not result.form and looks_numbered(sample)
        lines: list[Line] = []
        last = -1
        for index in order:
            row, number, stream, time = self._kept[index]
            cleaned = clean_line(
                row.decode("utf-8", "replace"), number, stream, time, numbered=numbered
            )
            cleaned[0].gap = index != last + 1
            last = index
            lines += cleaned
        if result.form and _newest_first(lines):
            lines = _reversed(lines)
        for at, line in enumerate(lines):
            line.at = at
        return lines

    # -- keeping ---------------------------------------------------------------------------------

    def _keep(self, block: _Block, row: int) -> None:
        index = block.sequence + row
        if index in self._kept:
            return
        text = block.rows[row]
        if len(text) > _LONG_LINE:
            text = self._shorten(text)
        self._kept[index] = (text, *block.meta(row))
        self._size += len(text) + 100

    def _keep_rows(self, block: _Block, start: int, stop: int, *, cap: bool) -> None:
        rows = block.rows
        for row in range(max(0, start), min(stop, len(rows))):
            if cap and (self._size > BUDGET or _is_bar(rows[row])):
                continue
            self._keep(block, row)

    def _keep_end(self, blocks: list[_Block]) -> None:
        left = END
        for block in reversed(blocks):
            row = len(block.rows)
            while row and left > 0:
                row -= 1
                left -= len(block.rows[row]) + 1
                self._keep(block, row)
            if left <= 0:
                break

    def _keep_head(self, block: _Block) -> None:
        left = END
        for row, text in enumerate(block.rows):
            self._keep(block, row)
            left -= len(text) + 1
            if left <= 0:
                break
        self._head_done = True

    def _shorten(self, row: bytes) -> bytes:
        """Cut a very long row to its ends and to what stands round the literals in it."""
        assert self._finder is not None or self._ready()
        assert self._finder is not None
        pieces = [row[:4096]]
        for literal, _ in self._finder.present(row.translate(None, DIGITS)):
            words = [re.escape(part) for part in re.split(rb"[0-9]+", literal)]
            found = re.search(rb"[0-9]*".join(words) if words else re.escape(literal), row)
            if found is None:
                # The digits stand elsewhere: allow them between any two characters.
                found = re.search(rb"[0-9]*".join(re.escape(bytes([c])) for c in literal), row)
            if found:
                pieces.append(row[max(0, found.start() - 1500) : found.end() + 1500])
            if len(pieces) > 12:
                break
        pieces.append(row[-8192:])
        return b" ".join(pieces)

    # -- looking ---------------------------------------------------------------------------------

    def _ready(self) -> bool:
        """Build the finder for templates (digits taken out) on first use."""
        if self._finder is None:
            self._finder = Prefilter(
                [
                    *(
                        (entry[4].encode(), entry[3].encode(), 0)
                        for entry in self._patterns.literals
                        if entry[4]
                    ),
                    *((text, word, kind) for text, word, kind in MARKERS),
                ]
            )
            if self._engine != "plain":
                from ftdoctor.logs.fast import Fast

                self._fast = Fast.make(self._patterns, required=self._engine == "fast")
        return True

    def _process(self, block: _Block) -> None:
        self._ready()
        if not self._head_done:
            self._keep_head(block)
        rows = block.rows if self._after else None
        if rows is not None:
            self._keep_rows(block, 0, self._after, cap=True)
            self._after = max(0, self._after - len(rows))
        hits = self._fast_hits(block) if self._fast is not None else self._template_hits(block)
        count: int | None = None
        for row, kind in hits:
            if count is None:
                count = len(block.rows)
            after = AFTER_TRACEBACK if kind == 1 else AFTER
            self._keep(block, row)
            self._keep_rows(block, row - BEFORE, row + after, cap=True)
            if row + after > count:
                self._after = max(self._after, row + after - count)

    def _template_hits(self, block: _Block) -> list[tuple[int, int]]:
        """(row, kind) of the rows whose template holds a literal; kind 1 is a traceback's head."""
        stripped = block.original.translate(_CR, DIGITS)
        rows = stripped.split(b"\n")
        unique = set(rows)
        unique -= self._cold
        if not unique:
            return []
        new = [row for row in unique if row not in self._hot]
        if new:
            self._classify(new)
        here = {row for row in unique if row in self._hot}
        if not here:
            return []
        hits: list[tuple[int, int]] = []
        for number, row in enumerate(rows):
            if row in here:
                entry = self._hot.get(row)
                if entry is None:
                    continue
                entry[0] += 1
                hits.append((number, entry[1]))
                if entry[0] >= PER_TEMPLATE:
                    del self._hot[row]
                    self._cold.add(row)
        return hits

    def _classify(self, new: list[bytes]) -> None:
        """Sort new templates into hot and cold."""
        assert self._finder is not None
        block = b"\n".join(new)
        found: dict[int, int] = {}
        starts: list[int] | None = None
        for literal, kind in self._finder.present(block):
            if starts is None:
                starts = [0, *accumulate(len(row) + 1 for row in new)]
            at = block.find(literal)
            while at >= 0:
                line = bisect_right(starts, at) - 1
                found[line] = max(kind, found.get(line, 0))
                at = block.find(literal, starts[line + 1]) if line + 1 < len(new) else -1
        for line, kind in found.items():
            self._hot[new[line]] = [0, kind]
        if len(self._cold) > COLD:
            self._cold.clear()
        if len(self._hot) > COLD:
            self._hot.clear()
        if len(found) < len(new):
            self._cold.update(row for number, row in enumerate(new) if number not in found)

    def _fast_hits(self, block: _Block) -> list[tuple[int, int]]:
        hits: list[tuple[int, int]] = self._fast.hits(block.flat)  # type: ignore[union-attr,attr-defined]
        return hits


def _is_bar(row: bytes) -> bool:
    return row[-1:] == b"]" and b"%|" in row and (b"it/s" in row or b"s/it" in row or b"B/s" in row)


def _newest_first(lines: list[Line]) -> bool:
    """Whether entries stand in descending time, as `gcloud logging read` gives them."""
    times = [line.time for line in lines if line.time]
    if len(times) < 2 or times[0][:19] == times[-1][:19]:
        return len(times) >= 2 and times[0] > times[-1]
    return times[0] > times[-1]


def _reversed(lines: list[Line]) -> list[Line]:
    """Turn the order of entries round, keeping the lines inside one entry in order."""
    groups: list[list[Line]] = []
    for line in lines:
        last = groups[-1][-1] if groups else None
        if last is not None and last.number == line.number and last.time == line.time:
            groups[-1].append(line)
        else:
            groups.append([line])
    return [line for group in reversed(groups) for line in group]
