"""The API tables: which names and parameters each release of a package has.

One file per package, `rules/tables/api/PACKAGE.gz`, made by `tools/api_tables` from the published
wheels (every final release since the floor given there). The file is decompressed once; a line is
decoded only when asked for, so a lint pays for the symbols that a script uses and no more.

Versions are positions in `Table.versions`; a span is [first, end), end -1 for "to the newest".
"""

from __future__ import annotations

import json
import re
import zlib
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

from ftdoctor.paths import tables_dir

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

PACKAGES = (
    "trl",
    "peft",
    "transformers",
    "accelerate",
    "datasets",
    "huggingface_hub",
    "bitsandbytes",
)
_FINAL = re.compile(r"v?(\d+(?:\.\d+)*)(?:\.post(\d+))?$")


def import_name(package: str) -> str:
    """Return the spelling of a package's name that the tables use ("huggingface_hub")."""
    return package.lower().replace("-", "_")


def release_key(version: str) -> tuple[int, ...] | None:
    """Return a sortable key of a final release, or None for a pre-release or anything else.

    A local part ("+cpu") is not compared. Trailing zeros do not count, as PEP 440 has it.
    """
    found = _FINAL.match(version.strip().split("+", 1)[0])
    if not found:
        return None
    parts = [int(part) for part in found[1].split(".")]
    while parts and parts[-1] == 0:
        parts.pop()
    # A post-release sorts after its release and before the next one.
    post = [-1, int(found[2]) + 1] if found[2] else []
    return (*parts, *post)


class Table:
    """The table of one package."""

    def __init__(self, package: str, text: bytes) -> None:
        self.package = package
        self._text = text
        end = text.index(b"\n")
        header = json.loads(text[:end])
        self._body = end + 1
        #: Day on which the table was made, "2026-11-21".
        self.date: str = header["date"]
        self.versions: list[str] = header["versions"]
        self._positions = {version: i for i, version in enumerate(self.versions)}
        self._decoded: dict[str, Any] = {}

    def line(self, kind: str, name: str) -> Any:
        """Return the decoded line of a module (M), callable (C), enum (E), ..., or None."""
        key = f"{kind} {name}"
        if key not in self._decoded:
            found = self._find(key.encode())
            self._decoded[key] = json.loads(found) if found is not None else None
        return self._decoded[key]

    def _find(self, key: bytes) -> bytes | None:
        """Look a line up by bisection: the lines are sorted by key."""
        text = self._text
        low, high = self._body, len(text)
        while low < high:
            middle = (low + high) // 2
            start = text.rfind(b"\n", low, middle) + 1 or low
            tab = text.index(b"\t", start)
            here = text[start:tab]
            if here == key:
                return text[tab + 1 : text.index(b"\n", tab)]
            if here < key:
                low = text.index(b"\n", tab) + 1
            else:
                high = start
        return None

    def names(self, kind: str) -> list[str]:
        """Return the names of all lines of a kind."""
        pattern = re.compile(rf"^{kind} ([^\t]+)\t".encode(), re.M)
        return [name.decode() for name in pattern.findall(self._text)]

    def modules_naming(self, name: str) -> list[str]:
        """Return the modules whose line has a name as a word."""
        word, text = name.encode(), self._text
        found: dict[str, None] = {}
        at = text.find(word)
        while at >= 0:
            end = at + len(word)
            if text[at - 1 : at] in (b" ", b'"') and text[end : end + 1] in (b" ", b'"'):
                start = text.rfind(b"\n", 0, at) + 1
                if text.startswith(b"M ", start):
                    found[text[start + 2 : text.index(b"\t", start)].decode()] = None
                    end = text.index(b"\n", at)
            at = text.find(word, end)
        return list(found)

    @cached_property
    def _keys(self) -> list[tuple[int, ...] | None]:
        return [release_key(version) for version in self.versions]

    def index(self, version: str) -> int | None:
        """Return the position of a release, or None when the table does not have it."""
        if version in self._positions:
            return self._positions[version]
        key = release_key(version)
        return self._keys.index(key) if key is not None and key in self._keys else None

    def candidates(self, version: str) -> tuple[int, ...]:
        """Return the positions that stand for a version: itself, or its two neighbours.

        A release that the table lacks lies between two that it has; what holds for both holds for
        it. Newer than the table, or not a final release: ().
        """
        exact = self.index(version)
        if exact is not None:
            return (exact,)
        key = release_key(version)
        if key is None:
            return ()
        older = [i for i, known in enumerate(self._keys) if known is not None and known < key]
        if not older or older[-1] + 1 >= len(self.versions):
            return ()
        return (older[-1], older[-1] + 1)

    @property
    def newest(self) -> str:
        """The newest release in the table."""
        return self.versions[-1]


def inside(spans: Iterable[Sequence[int]], index: int) -> bool:
    """Whether a position lies in one of the spans (further items of a span are ignored)."""
    return any(span[0] <= index and (index < span[1] or span[1] < 0) for span in spans)


def pick(spans: Iterable[Sequence[Any]], index: int) -> Sequence[Any] | None:
    """Return the span that holds a position, or None."""
    for span in spans:
        if span[0] <= index and (index < span[1] or span[1] < 0):
            return span
    return None


@cache
def load(package: str) -> Table | None:
    """Return the table of a package, or None when there is none."""
    name = import_name(package)
    if name not in PACKAGES:
        return None
    path = tables_dir() / "api" / f"{name}.gz"
    try:
        packed = path.read_bytes()
    except OSError:
        return None
    return Table(name, zlib.decompress(packed, wbits=31))
