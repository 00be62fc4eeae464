"""JSON values out of a stream: one a line, an array of any length, with or without text between."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: A value that is longer is no log entry (Cloud Logging allows 256 KiB), but broken JSON.
LONGEST = 8 << 20


def lines_of(chunks: Iterable[bytes]) -> Iterator[tuple[int, str]]:
    """Yield (number, text) of each line; a line without end is cut."""
    number = 1
    carry = b""
    for chunk in chunks:
        *whole, carry = (carry + chunk).split(b"\n")
        for line in whole:
            yield number, line.decode("utf-8", "replace").rstrip("\r")
            number += 1
        if len(carry) > 8 << 20:
            yield number, carry.decode("utf-8", "replace")
            carry = b""
    if carry:
        yield number, carry.decode("utf-8", "replace").rstrip("\r")


def values(chunks: Iterable[bytes]) -> Iterator[tuple[int, Any]]:
    """Yield (line where it starts, value) for each object; text that is no JSON comes as texts.

    Objects of an array are yielded one by one, so that an array may be of any length.
    """
    decoder = json.JSONDecoder()
    buffer = ""
    number = 1
    for text, last in _texts(chunks):
        buffer += text
        at = 0
        while True:
            start = _skip(buffer, at)
            number += buffer.count("\n", at, start)
            at = start
            if at >= len(buffer):
                break
            if buffer[at] == "{":
                try:
                    value, end = decoder.raw_decode(buffer, at)
                except ValueError:
                    if not last and len(buffer) - at < LONGEST:
                        break  # the rest of it has not come yet
                    end = _line_end(buffer, at)
                    value = buffer[at:end]
            else:
                end = _line_end(buffer, at)
                if end == len(buffer) and not last and end - at < LONGEST:
                    break
                value = buffer[at:end].rstrip()
            yield number, value
            number += buffer.count("\n", at, end)
            at = end
        buffer = buffer[at:]


def _texts(chunks: Iterable[bytes]) -> Iterator[tuple[str, bool]]:
    """Decode pieces of UTF-8; the last one is marked."""
    import codecs

    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    for chunk in chunks:
        # Small pieces: an unfinished object is tried again with each.
        for start in range(0, len(chunk), 1 << 18):
            yield decoder.decode(chunk[start : start + (1 << 18)]), False
    yield decoder.decode(b"", final=True), True


def _skip(text: str, at: int) -> int:
    """Return the position of the next object or text: brackets and commas of arrays are passed."""
    while at < len(text) and text[at] in " \t\r\n,[]":
        if text[at] == "[" and text[at + 1 : at + 2] not in ("", " ", "\n", "\r", "\t", "{", "]"):
            break  # a line of plain text such as [INFO] ...
        at += 1
    return at


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end
