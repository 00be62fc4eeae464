"""Choose the lines of a log that can matter, in bounded memory.

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

from ftdoctor.logs.chunks import AS_LINES
from ftdoctor.logs.clean import clean_line, looks_numbered, looks_quoted
from ftdoctor.logs.markers import MARKERS
from ftdoctor.logs.prefilter import Prefilter

if TYPE_CHECKING:
    from ftdoctor.logs.chunks import Block, Scan
    from ftdoctor.logs.fast import Fast
    from ftdoctor.logs.lines import Line
    from ftdoctor.logs.patterns import Patterns

DIGITS = b"0123456789"
#: Bytes kept whole at each end of a log.
END = 128 << 10
#: How often one template is kept outside the two ends.
PER_TEMPLATE = 100
BEFORE, AFTER, AFTER_TRACEBACK = 40, 60, 400
#: Bytes of surroundings kept in all, and templates remembered.
BUDGET = 16 << 20
COLD, COLD_BYTES = 60_000, 12 << 20
_LONG_LINE = 32 << 10


class Keeper:
    """Decides, block by block, which rows are kept."""

    def __init__(self, patterns: Patterns, engine: str) -> None:
        self._patterns = patterns
        self._engine = engine
        self._finder: Prefilter | None = None
        self._fast: Fast | None = None
        self._cold: set[bytes] = set()
        self._cold_size = 0
        self._giant_count = 0
        self._hot: dict[bytes, list[int]] = {}
        self._kept: dict[int, tuple[bytes, int, str, str]] = {}
        self._size = 0
        self._after = 0
        self._held: list[Block] = []
        self._head_done = False
        self._count = 0

    def take(self, block: Block) -> None:
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
        quoted = not result.form and looks_quoted(sample)
        lines: list[Line] = []
        last = -1
        for index in order:
            row, number, stream, time = self._kept[index]
            text = row.decode("utf-8", "replace")
            if quoted:
                text = text.removeprefix(">").removeprefix(" ")
            cleaned = clean_line(text, number, stream, time, numbered=numbered)
            cleaned[0].gap = index != last + 1
            last = index
            lines += cleaned
        if result.form and _newest_first(lines):
            lines = _reversed(lines)
        for at, line in enumerate(lines):
            line.at = at
        return lines

    # -- keeping ---------------------------------------------------------------------------------

    def _keep(self, block: Block, row: int) -> None:
        index = block.sequence + row
        if index in self._kept:
            return
        text = block.rows[row]
        if len(text) > _LONG_LINE:
            text = self._shorten(text)
        self._kept[index] = (text, *block.meta(row))
        self._size += len(text) + 100

    def _keep_rows(self, block: Block, start: int, stop: int, *, cap: bool) -> None:
        rows = block.rows
        for row in range(max(0, start), min(stop, len(rows))):
            if cap and (self._size > BUDGET or _is_bar(rows[row])):
                continue
            self._keep(block, row)

    def _keep_end(self, blocks: list[Block]) -> None:
        left = END
        for block in reversed(blocks):
            row = len(block.rows)
            while row and left > 0:
                row -= 1
                left -= len(block.rows[row]) + 1
                self._keep(block, row)
            if left <= 0:
                break

    def _keep_head(self, block: Block) -> None:
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

    def _process(self, block: Block) -> None:
        self._ready()
        if not self._head_done:
            self._keep_head(block)
        rows = block.rows if self._after else None
        if rows is not None:
            self._keep_rows(block, 0, self._after, cap=True)
            self._after = max(0, self._after - len(rows))
        if self._fast is not None:
            hits = self._fast.hits(block.original)
        else:
            hits = self._template_hits(block)
        count: int | None = None
        for row, kind in hits:
            if count is None:
                count = len(block.rows)
            after = AFTER_TRACEBACK if kind == 1 else AFTER
            self._keep(block, row)
            self._keep_rows(block, row - BEFORE, row + after, cap=True)
            if row + after > count:
                self._after = max(self._after, row + after - count)

    def _template_hits(self, block: Block) -> list[tuple[int, int]]:
        """(row, kind) of the rows whose template holds a literal; kind 1 is a traceback's head."""
        stripped = block.original.translate(AS_LINES, DIGITS)
        rows = stripped.split(b"\n")
        unique = set(rows)
        unique -= self._cold
        if not unique:
            return []
        giant = {row for row in unique if len(row) > _LONG_LINE}
        if giant:
            unique -= giant
            return [*self._giants(rows, giant), *self._hits(rows, unique)]
        return self._hits(rows, unique)

    def _giants(self, rows: list[bytes], giant: set[bytes]) -> list[tuple[int, int]]:
        """Hits among very long rows: each is searched when it comes and never remembered."""
        assert self._finder is not None
        found: list[tuple[int, int]] = []
        for number, row in enumerate(rows):
            if len(row) > _LONG_LINE and row in giant and self._giant_count < PER_TEMPLATE:
                kinds = [kind for _, kind in self._finder.present(row)]
                if kinds:
                    self._giant_count += 1
                    found.append((number, max(kinds)))
        return found

    def _hits(self, rows: list[bytes], unique: set[bytes]) -> list[tuple[int, int]]:
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
        self._cold_size += len(block)
        if len(self._cold) > COLD or self._cold_size > COLD_BYTES:
            self._cold.clear()
            self._cold_size = 0
        if len(self._hot) > COLD:
            self._hot.clear()
        if len(found) < len(new):
            self._cold.update(row for number, row in enumerate(new) if number not in found)


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
