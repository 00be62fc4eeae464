"""Read a log of any size and keep the lines that can matter: see `chunks` and `keep`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftdoctor.logs.chunks import Scan, blocks
from ftdoctor.logs.keep import Keeper

if TYPE_CHECKING:
    from ftdoctor.logs.patterns import Patterns
    from ftdoctor.logs.reading import RawLog


def scan(raw: RawLog, patterns: Patterns, *, engine: str = "auto") -> Scan:
    """Read one log. `engine`: "plain", "fast" (hyperscan) or "auto" (fast when it is installed)."""
    result = Scan()
    keeper = Keeper(patterns, engine)
    for block in blocks(raw, result):
        keeper.take(block)
    result.lines = keeper.finish(result)
    result.truncated = raw.truncated
    return result
