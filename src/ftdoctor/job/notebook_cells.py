"""The code cells of a notebook file, each as a source whose places point into the JSON.

Format: https://nbformat.readthedocs.io/en/latest/format_description.html (version 4; version 3 has
its cells in worksheets, with `input` for `source`).
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from typing import TYPE_CHECKING, Any

from ftdoctor.job.source import Source
from ftdoctor.lazy import lazy
from ftdoctor.records import dataclass, field

if TYPE_CHECKING:
    from collections.abc import Iterator

_SPACE = lazy(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder()
_INSTALLED = lazy(r"Successfully installed ((?:[A-Za-z0-9._-]+-\d\S*[ \t]*)+)")
_SATISFIED = lazy(r"Requirement already satisfied: ([A-Za-z0-9._-]+)[^\n]*\((\d[^)\s]*)\)")


class BrokenNotebook(ValueError):
    """The file is no notebook that can be read; `line` is where that shows (from 1)."""

    def __init__(self, message: str, line: int = 1):
        super().__init__(message)
        self.line = line


@dataclass(slots=True)
class Cell:
    """A code cell: its number among all cells (from 1), and its text."""

    number: int
    source: Source


@dataclass(slots=True)
class Cells:
    """The code cells of a notebook, its metadata, and the versions that saved outputs show."""

    cells: list[Cell] = field(default_factory=list)
    metadata: dict[str, Any] = field(default_factory=dict)
    #: Package to version, as pip printed it when the notebook last ran.
    installed: dict[str, str] = field(default_factory=dict)


def read_cells(source: Source) -> Cells:
    """Return the code cells of a notebook. Raises BrokenNotebook."""
    text = source.text
    try:
        top = dict(_members(text, _start(text, 0)))
    except (ValueError, RecursionError) as error:
        position = getattr(error, "pos", 0)
        message = getattr(error, "msg", "") or "it is nested too deeply"
        raise BrokenNotebook(
            f"it is no JSON: {message}", source.line_column(int(position))[0]
        ) from None
    found = Cells()
    metadata = top.get("metadata")
    if metadata is not None and isinstance(metadata[0], dict):
        found.metadata = metadata[0]
    spans = _cell_spans(text, top)
    if spans is None:
        raise BrokenNotebook("it is JSON, but it has no list of cells")
    starts = [0]
    starts += [match.end() for match in re.finditer("\n", text)]
    for number, start in enumerate(spans, 1):
        members = dict(_members(text, start))
        if members.get("cell_type", ("",))[0] != "code":
            continue
        body = members.get("source") or members.get("input")
        if body is None:
            continue
        cell = _cell(source, starts, body[1], body[0], number)
        if cell is not None:
            found.cells.append(cell)
        outputs = members.get("outputs")
        if outputs is not None:
            _evidence(text[outputs[1] : outputs[2]], found.installed)
    return found


def _start(text: str, position: int) -> int:
    match = _SPACE.match(text, position)
    return match.end() if match is not None else position


def _members(text: str, start: int) -> Iterator[tuple[str, tuple[Any, int, int]]]:
    """Yield the members of the object at `start`: key, (value, first character, end)."""
    if text[start : start + 1] != "{":
        raise json.JSONDecodeError("an object is expected", text, start)
    at = _start(text, start + 1)
    while text[at : at + 1] != "}":
        key, at = _DECODER.raw_decode(text, at)
        at = _start(text, at)
        if text[at : at + 1] != ":":
            raise json.JSONDecodeError("':' is expected", text, at)
        first = _start(text, at + 1)
        value, at = _DECODER.raw_decode(text, first)
        yield str(key), (value, first, at)
        at = _start(text, at)
        if text[at : at + 1] == ",":
            at = _start(text, at + 1)
        elif text[at : at + 1] != "}":
            raise json.JSONDecodeError("',' or '}' is expected", text, at)


def _elements(text: str, start: int) -> Iterator[int]:
    """Yield where each element of the array at `start` begins."""
    at = _start(text, start + 1)
    while text[at : at + 1] not in ("]", ""):
        yield at
        _, at = _DECODER.raw_decode(text, at)
        at = _start(text, at)
        if text[at : at + 1] == ",":
            at = _start(text, at + 1)


def _cell_spans(text: str, top: dict[str, tuple[Any, int, int]]) -> list[int] | None:
    cells = top.get("cells")
    if cells is not None and isinstance(cells[0], list):
        every = zip(cells[0], _elements(text, cells[1]), strict=False)
        return [at for cell, at in every if isinstance(cell, dict)]
    sheets = top.get("worksheets")
    if sheets is None or not isinstance(sheets[0], list):
        return None
    found: list[int] = []
    for sheet in _elements(text, sheets[1]):
        if text[sheet] == "{":
            inner = dict(_members(text, sheet)).get("cells")
            if inner is not None and isinstance(inner[0], list):
                found += [at for at in _elements(text, inner[1]) if text[at] == "{"]
    return found


def _cell(source: Source, starts: list[int], first: int, body: Any, number: int) -> Cell | None:
    """Return a cell; each line of its text maps to the line of the file that holds it."""

    def spot(offset: int) -> tuple[int, int]:
        line = bisect_right(starts, offset)
        return line, offset - starts[line - 1] + 2

    texts: list[str] = []
    lines: list[tuple[int, int]] = []
    if isinstance(body, str):
        texts.append(body)
        lines = [spot(first)] * (body.count("\n") + 1)
    elif isinstance(body, list):
        open_line = False
        for item, at in zip(body, _elements(source.text, first), strict=False):
            if not isinstance(item, str):
                continue
            texts.append(item)
            count = item.count("\n")
            fresh = count + (0 if item.endswith("\n") else 1)
            lines += [spot(at)] * (fresh - (1 if open_line else 0))
            open_line = not item.endswith("\n")
    else:
        return None
    text = "".join(texts)
    if not text.strip():
        return None
    needed = text.count("\n") + 1
    lines += [lines[-1]] * (needed - len(lines)) if lines else [(1, 1)]
    whole = source.whole or source.text
    inner = Source(source.path, text, tuple(lines), f"cell {number}", True, whole, True)
    return Cell(number, inner)


def _evidence(outputs: str, installed: dict[str, str]) -> None:
    """Note the versions that pip printed in saved outputs."""
    if "nstalled" in outputs:
        for match in _INSTALLED.finditer(outputs):
            for word in match[1].replace("\\n", " ").split():
                name, _, version = word.rpartition("-")
                if name and version[:1].isdigit():
                    installed[name.lower().replace("_", "-")] = version.rstrip('",\\n')
    if "already satisfied" in outputs:
        for match in _SATISFIED.finditer(outputs):
            installed.setdefault(match[1].lower().replace("_", "-"), match[2])
