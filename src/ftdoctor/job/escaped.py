"""Columns in a line of a JSON file, for a text that stands inside one of its strings."""

from __future__ import annotations

import re
from functools import lru_cache

from ftdoctor.lazy import lazy

#: One character of a JSON string; a pair of surrogates is one character of Python's.
_PIECE = lazy(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\.|[^\"\\]"
)


@lru_cache(maxsize=4)
def _rows(whole: str) -> list[str]:
    return whole.split("\n")


@lru_cache(maxsize=64)
def _decoded(row: str, start: int) -> tuple[str, list[int]]:
    """Return the string of JSON that goes on at `start` of a row, and where its characters are."""
    import json

    pieces: list[str] = []
    spots: list[int] = []
    at = start
    while match := _PIECE.match(row, at):
        spots.append(at)
        pieces.append(match[0])
        at = match.end()
    try:
        text = str(json.loads(f'"{"".join(pieces)}"', strict=False))
    except ValueError:
        return "", []
    return text, [*spots, at]


def column_of(whole: str, line: int, first: int, text: str, column: int) -> int:
    """Return the column in the file of column `column` of a text; all count from 1.

    The text is one line that should begin at column `first` of line `line` of the file, inside a
    string. 0 when something else stands there.
    """
    rows = _rows(whole)
    if not 0 < line <= len(rows):
        return 0
    decoded, spots = _decoded(rows[line - 1].rstrip("\r"), first - 1)
    if not decoded.startswith(text) or column > len(text) + 1 or len(spots) != len(decoded) + 1:
        return 0
    return spots[column - 1] + 1


def written(text: str, like: str, indent: str) -> str:
    """Return a text as it is written inside a JSON string of the file `like`.

    A line end in it begins another string of the list, as notebooks keep their lines.
    """
    import json

    ascii_only = like.isascii()
    rows = [json.dumps(row, ensure_ascii=ascii_only)[1:-1] for row in text.split("\n")]
    return f'\\n",\n{indent}"'.join(rows)


def plain(text: str) -> str | None:
    """Return what a part of a JSON string stands for; None when it is no such part."""
    import json

    if not re.fullmatch(r'(?:\\.|[^"\\\n])*', text):
        return None
    try:
        return str(json.loads(f'"{text}"', strict=False))
    except ValueError:
        return None
