"""Texts inside a Python file (scripts, YAML, commands in strings) as sources of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftdoctor.job.py_abstract import Abstract, At, Const, FileText, Map, Seq, Unk
from ftdoctor.job.py_text import render
from ftdoctor.job.source import Source
from ftdoctor.lazy import lazy

if TYPE_CHECKING:
    from collections.abc import Sequence

_LITERAL = lazy(r"(?P<prefix>[rRbBuUfF]{0,2})(?P<quote>'''|\"\"\"|'|\")")


def text_source(value: Abstract | None, context: str, shell: bool = False) -> Source | None:
    """Return the text behind a value as a source whose places point into its file.

    A text that is known in part becomes a source too, with its unknown parts in braces; None when
    the value is no text.
    """
    if isinstance(value, FileText):
        return value.file
    if isinstance(value, Const) and isinstance(value.value, str):
        text = value.value
    elif isinstance(value, Unk) and value.template:
        text = render(value.template, shell)
    else:
        return None
    at = value.at
    if value.parts and "\n" in text:
        spread = _spread(value.parts, text, context, shell)
        if spread is not None:
            return spread
    if at is None or at.source is None or at.node is None:
        place = at.place if at is not None else None
        if place is None:
            return Source("", text, ((1, 1),), context, exact=False)
        return Source(place.path, text, ((place.line, place.column),), context, exact=False)
    lines, exact = _lines(at, text)
    return at.source.fragment(text, lines, context, exact)


def _spread(
    parts: tuple[tuple[str, At | None], ...], text: str, context: str, shell: bool
) -> Source | None:
    """Return a text that was put together from literals: each line points at its own literal."""
    first = next((at for _, at in parts if at is not None and at.source is not None), None)
    if first is None or first.source is None:
        return None
    path = first.source.path
    spots: list[tuple[int, int]] = []
    last = (1, 1)
    fresh = True
    joined = ""
    for piece, at in parts:
        shown = render(piece, shell)
        joined += shown
        inner: Source | None = None
        if at is not None and at.source is not None and at.source.path == path:
            literal = Const(piece, at)
            inner = text_source(literal, "", shell)
        lines = inner.lines if inner is not None and inner.path == path else ()
        for index, row in enumerate(shown.split("\n")):
            if index:
                fresh = True
            if lines:
                last = lines[min(index, len(lines) - 1)]
            if fresh and (row or index < shown.count("\n")):
                spots.append(last)
                fresh = False
    if joined != text:
        return None
    spots += [last] * (text.count("\n") + 1 - len(spots))
    whole = first.source.whole or first.source.text
    return Source(
        path, text, tuple(spots), context, exact=False, whole=whole, escapes=first.source.escapes
    )


def _lines(at: At, text: str) -> tuple[tuple[tuple[int, int], ...], bool]:
    """Map each line of a literal's text to (line, column) of the source that holds the literal."""
    first_line = getattr(at.node, "lineno", 1)
    last_line = getattr(at.node, "end_lineno", None) or first_line
    raw = at.raw
    wanted = text.split("\n")
    opening = _LITERAL.match(raw)
    source = at.source
    if opening is None or source is None:
        return ((first_line, 1),), False
    body = raw[opening.end() :]
    closed = body.endswith(opening["quote"])
    body = body[: -len(opening["quote"])] if closed else body
    start_column = source.line_column(source.offset(first_line, 1))[1]
    place_column = _first_column(at) + opening.end()
    rows = body.split("\n")
    columns = [place_column] + [start_column] * (len(rows) - 1)
    if "\\" not in body or "r" in opening["prefix"].lower():
        mapped = _matched(wanted, rows, columns, first_line)
        if mapped is not None:
            return mapped, True
    span = last_line - first_line + 1
    if len(wanted) <= span + 1 and last_line > first_line:
        shift = 1 if rows and not rows[0].strip().strip("\\") and wanted[0].strip() else 0
        return (
            tuple((min(first_line + i + shift, last_line), 1) for i in range(len(wanted))),
            False,
        )
    return ((first_line, place_column),), False


def _first_column(at: At) -> int:
    source, node = at.source, at.node
    if source is None:
        return 1
    line = getattr(node, "lineno", 1)
    text = source.line_text(line).encode("utf-8", "surrogatepass")
    return len(text[: getattr(node, "col_offset", 0)].decode("utf-8", "ignore")) + 1


def _matched(
    wanted: Sequence[str], rows: Sequence[str], columns: Sequence[int], first_line: int
) -> tuple[tuple[int, int], ...] | None:
    """Map lines that are the rows of a literal, with indentation or outer blank lines removed."""
    for skip in range(min(3, len(rows))):
        if skip and any(row.strip() for row in rows[:skip]):
            return None
        mapped = []
        for index, line in enumerate(wanted):
            if index + skip >= len(rows):
                return None
            row = rows[index + skip]
            if row == line:
                cut = 0
            elif (
                line
                and row.rstrip().endswith(line.rstrip())
                and not row[: row.find(line.rstrip())].strip()
            ):
                cut = row.find(line.rstrip())
            elif not line.strip() and not row.strip():
                cut = 0
            else:
                break
            mapped.append((first_line + index + skip, columns[index + skip] + cut))
        else:
            return tuple(mapped)
    return None


def parse_document(source: Source, at: At | None) -> Abstract:
    """Return the content of a YAML or JSON text; places point at its values."""
    import yaml

    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        root = yaml.compose(source.text, Loader=loader)
    except (yaml.YAMLError, ValueError, RecursionError):
        return Unk(f"{source.path} is no YAML or JSON that can be read", at)
    try:
        return _node(source, root, 0) if root is not None else Map(at=at)
    except RecursionError:
        return Unk(f"{source.path} is nested too deeply", at)


def _node(source: Source, node: Any, depth: int) -> Abstract:
    start, end = node.start_mark, node.end_mark
    place = source.place(start.line + 1, start.column + 1, end.line + 1, end.column + 1)
    at = At(None, None, place)
    if depth > 40:
        return Unk("it is nested too deeply", at)
    kind = type(node).__name__
    if kind == "MappingNode":
        data: dict[Any, tuple[Abstract, At | None]] = {}
        for key_node, value_node in node.value:
            key = _node(source, key_node, depth + 1)
            if isinstance(key, Const):
                data[key.value] = (_node(source, value_node, depth + 1), key.at)
        return Map(data, at)
    if kind == "SequenceNode":
        return Seq([_node(source, child, depth + 1) for child in node.value], at)
    return Const(_scalar(node.tag.rsplit(":", 1)[-1], node.value), at)


def _scalar(tag: str, text: str) -> Any:
    try:
        if tag == "int":
            return int(text.replace("_", ""), 0)
        if tag == "float":
            return float(text.replace("_", "").replace(".inf", "inf").replace(".nan", "nan"))
    except ValueError:
        return text
    if tag == "bool":
        return text.lower() in ("true", "yes", "on")
    if tag == "null":
        return None
    return text
