"""Hyperscan as the scanner's engine, where its wheel is installed (extra `fast`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftdoctor.errors import MissingExtra
from ftdoctor.logs.markers import MARKERS

if TYPE_CHECKING:
    from ftdoctor.logs.patterns import Patterns

#: How often one literal is followed up, over the whole log.
PER_LITERAL = 200


class Fast:
    """Literals in a hyperscan database: one pass a block says which literals are there at all."""

    def __init__(self, patterns: Patterns) -> None:
        import hyperscan

        literals = {entry[0].encode(): 0 for entry in patterns.literals if len(entry[0]) >= 3}
        literals.update((text, kind) for text, _, kind in MARKERS)
        self._texts = list(literals.items())
        self._left = [PER_LITERAL] * len(self._texts)
        self._flag = hyperscan.HS_FLAG_SINGLEMATCH
        self._build()

    def _build(self) -> None:
        """Compile the literals that still count; those seen often enough are dropped."""
        import hyperscan

        self._ids = [number for number, left in enumerate(self._left) if left > 0]
        self._database: Any = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
        self._database.compile(
            expressions=[self._texts[number][0] for number in self._ids],
            ids=self._ids,
            elements=len(self._ids),
            flags=[self._flag] * len(self._ids),
            literal=True,
        )
        self._spent = 0

    @classmethod
    def make(cls, patterns: Patterns, *, required: bool) -> Fast | None:
        """Return the engine, or None when hyperscan is not installed and not required.

        Raises:
            MissingExtra: it is required and not there.
        """
        try:
            return cls(patterns)
        except ImportError:
            if required:
                raise MissingExtra("fast", "--engine fast") from None
            return None

    def hits(self, block: bytes) -> list[tuple[int, int]]:
        """Return (row, kind) of the rows of a block that hold a literal."""
        seen: list[int] = []

        def on_match(number: int, _start: int, _end: int, _flags: int, _context: object) -> None:
            seen.append(number)

        self._database.scan(block, match_event_handler=on_match)
        if not seen:
            return []
        found: dict[int, int] = {}
        for number in seen:
            text, kind = self._texts[number]
            at = block.find(text)
            while at >= 0 and self._left[number] > 0:
                self._left[number] -= 1
                found[at] = max(kind, found.get(at, 0))
                end = block.find(b"\n", at)
                at = block.find(text, end) if end >= 0 else -1
            if self._left[number] <= 0:
                self._spent += 1
        if self._spent > 8:
            self._build()
        rows: dict[int, int] = {}
        last = row = 0
        for at, kind in sorted(found.items()):
            row += block.count(b"\n", last, at) + block.count(b"\r", last, at)
            last = at
            rows[row] = max(kind, rows.get(row, 0))
        return sorted(rows.items())
