"""YAML (and JSON) with the place of every value, tolerant of templates.

The tree of nodes is used as it is: nothing is constructed, so a tag or an alias cannot run or
blow up anything. Template expressions (`${VAR}`, `{{ x }}`, `<% %>`) would break the grammar; they
are covered by private-use characters of the same length before parsing, so that places stay true.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import yaml

from ftdoctor.job.value import known, unknown
from ftdoctor.lazy import lazy
from ftdoctor.records import dataclass, field

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ftdoctor.job.readenv import ReadEnv
    from ftdoctor.job.source import Place, Source
    from ftdoctor.job.value import Value

Node = yaml.nodes.Node
Mapping = yaml.nodes.MappingNode
Sequence = yaml.nodes.SequenceNode
Scalar = yaml.nodes.ScalarNode

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
#: A template's own line, and an expression inside a value.
_STATEMENT = lazy(
    r"(?m)^[ \t]*(?:\{%[^\n]{0,300}?%\}"
    r"|\{\{-?[ ]*(?:if|else|end|range|with)\b[^\n]{0,300}?\}\})[ \t]*$"
)
#: What fills a template in, and `$(...)`, `\$` of a here-document, which must not be parsed.
_HOLE = re.compile(
    r"\{\{[^{}\n]{0,300}\}\}|\$\{[^{}\n]{0,300}\}|<%[^%\n]{0,300}%>|@[A-Z][A-Z0-9_]{0,60}@"
    r"|%\([A-Za-z_]\w{0,60}\)s"
)
_EXPRESSION = lazy(_HOLE.pattern + r"|\$\$?\([^()\n]{0,300}\)|\\\$")
#: Block sequences opened on one line, or an indentation that only nesting gives.
_MANY_ITEMS = lazy(r"(?m)^[ ]*(?:[-?][ \t]+){60}|^[ ]{600}[ ]*\S")
_BRACKETS = lazy(r"[\[\]{}]")
_DEEPEST = 300
_COVER = 0xE000
_MARKS = lazy("[\ue000-\ue0ff]")


class BrokenYaml(ValueError):
    """A text that is not YAML; `line` and `column` (from 1) say where, `what` says why."""

    def __init__(self, what: str, line: int, column: int) -> None:
        super().__init__(what)
        self.what = what
        self.line = line
        self.column = column


@dataclass
class Template:
    """How the text is filled in before it is used.

    `expand` is set for an unquoted heredoc: it maps a scalar's text to its value as the shell
    would. `replaced` are words that a `sed` puts in the place of, and `filled` names the tool that
    fills `${VAR}` later ("envsubst"); both make values that hold them unknown.
    """

    expand: Callable[[str, Place], Value[str]] | None = None
    replaced: tuple[str, ...] = ()
    filled: str = ""
    #: True when lines are appended to the file in a way that is not followed.
    more: bool = False


@dataclass
class Reader:
    """Composed YAML of one source: nodes, and values with places."""

    source: Source
    env: ReadEnv
    template: Template = field(default_factory=Template)
    #: Names of `${...}`/`{{...}}` holes that were met, in order.
    holes: list[str] = field(default_factory=list)

    def documents(self) -> list[Node]:
        """Return the root node of each document. Raises BrokenYaml."""
        text = _cover(self.source.text)
        if too_deep(text):
            raise BrokenYaml("it is nested too deeply", 1, 1)
        try:
            return [node for node in yaml.compose_all(text, Loader=_LOADER) if node is not None]
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            what = getattr(error, "problem", None) or "not YAML"
            raise BrokenYaml(
                _uncover(str(what)), mark.line + 1 if mark else 1, mark.column + 1 if mark else 1
            ) from None
        except (RecursionError, ValueError) as error:
            raise BrokenYaml(f"not readable ({type(error).__name__})", 1, 1) from None

    def place(self, node: Node) -> Place:
        """Return where a node stands; a scalar's span includes its quotes."""
        start, end = node.start_mark, node.end_mark
        if isinstance(node, Scalar) and node.style in ("|", ">"):
            return self.source.place(start.line + 1, start.column + 1, end.line + 1, 1)
        return self.source.place(start.line + 1, start.column + 1, end.line + 1, end.column + 1)

    def pairs(self, node: Node | None) -> Iterator[tuple[str, Scalar, Node]]:
        """Yield (key, key node, value node) of a mapping, `<<` merges followed one level."""
        if not isinstance(node, Mapping):
            return
        for key, value in node.value:
            if not isinstance(key, Scalar):
                continue
            if key.tag == "tag:yaml.org,2002:merge" or key.value == "<<":
                for part in value.value if isinstance(value, Sequence) else [value]:
                    if isinstance(part, Mapping) and part is not node:
                        yield from (
                            (_uncover(k.value), k, v)
                            for k, v in part.value
                            if isinstance(k, Scalar)
                        )
                continue
            yield _uncover(key.value), key, value

    def items(self, node: Node | None) -> list[Node]:
        """Return the items of a sequence, else an empty list."""
        return list(node.value) if isinstance(node, Sequence) else []

    def text(self, node: Node) -> Value[str]:
        """Return a scalar as text; anything else is unknown."""
        place = self.place(node)
        if not isinstance(node, Scalar):
            kind = "a mapping" if isinstance(node, Mapping) else "a list"
            return unknown(f"{kind} stands where a text belongs", place)
        raw = _uncover(node.value)
        value = self._filled(raw, place, multiline="\n" in raw)
        self._keep(node, value, place)
        return value

    def whole_number(self, node: Node) -> Value[int]:
        """Return a scalar as a whole number; `"1"` counts as 1."""
        text = self.text(node)
        if not text.known or text.value is None:
            return unknown(text.unknown, text.place, text.raw, text.default)
        digits = text.value.strip().replace("_", "")
        if re.fullmatch(r"[+-]?\d{1,18}", digits):
            return known(int(digits), text.place, text.value)
        return unknown(f"{text.value!r} is not a whole number", text.place, text.value)

    def truth(self, node: Node) -> Value[bool]:
        """Return a scalar as a truth value."""
        text = self.text(node)
        if not text.known or text.value is None:
            return unknown(text.unknown, text.place, text.raw)
        word = text.value.strip().lower()
        if word in ("true", "yes", "on", "false", "no", "off"):
            return known(word in ("true", "yes", "on"), text.place, text.value)
        return unknown(f"{text.value!r} is not true or false", text.place, text.value)

    def _filled(self, raw: str, place: Place, multiline: bool) -> Value[str]:
        if self.template.expand is not None:
            if "$" in raw or "\\" in raw or "`" in raw:
                return self.template.expand(raw, place)
            return self._replaced(raw, place)
        holes = _HOLE.findall(raw)
        if not holes:
            return self._replaced(raw, place)
        # Inside a script `${X}` belongs to the shell of the container; elsewhere nothing expands
        # it, so the file is a template that something fills in first.
        own = [hole for hole in holes if not hole.startswith("${")]
        if multiline and not own and not self.template.filled:
            return self._replaced(raw, place)
        self.holes.extend(holes)
        by = self.template.filled or "something"
        return unknown(f"{holes[0]} is filled in by {by} before the job is sent", place, raw)

    def _replaced(self, raw: str, place: Place) -> Value[str]:
        for word in self.template.replaced:
            if word and word in raw:
                return unknown(f"`sed` replaces {word} before the job is sent", place, raw)
        return known(raw, place, raw)

    def _keep(self, node: Scalar, value: Value[str], place: Place) -> None:
        text = value.value if value.known else value.raw
        if not text or (node.style not in ("|", ">") and "\n" not in text and " " not in text):
            return
        fragment = self.source.fragment(
            text, _line_map(self.source, node, text), "", _is_exact(node, text)
        )
        self.env.keep(place, fragment)


def too_deep(text: str) -> bool:
    """Whether a YAML text nests deeper than any job: libyaml would run out of stack on it."""
    if _MANY_ITEMS.search(text):
        return True
    depth = 0
    for bracket in _BRACKETS.findall(text):
        depth += 1 if bracket in "[{" else -1
        if depth > _DEEPEST:
            return True
        depth = max(depth, 0)
    return False


def _cover(text: str) -> str:
    if "{%" in text or "{{" in text:
        text = _STATEMENT.sub(lambda m: "#" + " " * (len(m.group()) - 1), text)
    if "{{" in text or "$" in text or "<%" in text or "@" in text or "%(" in text:
        text = _EXPRESSION.sub(
            lambda m: "".join(chr(_COVER + ord(c)) if ord(c) < 128 else c for c in m.group()), text
        )
    return text


def _uncover(text: str) -> str:
    return _MARKS.sub(lambda m: chr(ord(m.group()) - _COVER), text)


def _is_exact(node: Scalar, text: str) -> bool:
    if node.style == "|":
        return True
    width = node.end_mark.index - node.start_mark.index
    return "\n" not in text and width == len(text) + (2 if node.style in ("'", '"') else 0)


def _line_map(source: Source, node: Scalar, text: str) -> tuple[tuple[int, int], ...]:
    """Return for each line of a scalar's text the (line, column) in the source where it starts."""
    first = node.start_mark.line + 1
    count = text.count("\n") + 1
    if node.style not in ("|", ">"):
        start = (first, node.start_mark.column + 1 + (node.style in ("'", '"')))
        return tuple(start for _ in range(count))
    last = node.end_mark.line + 1
    rows = [(number, source.line_text(number)) for number in range(first + 1, last + 1)]
    # What the first line lost is the indentation of the block (also with an explicit digit).
    outer = next((len(r) - len(r.lstrip(" ")) for _, r in rows if r.strip()), 0)
    inner = next((len(t) - len(t.lstrip(" ")) for t in text.split("\n") if t.strip()), 0)
    indent = max(outer - inner, 0)
    if node.style == "|":
        found = [(number, indent + 1) for number, _ in rows]
    else:
        found = _folded(text, rows, indent)
    while len(found) < count:
        found.append(found[-1] if found else (first, 1))
    return tuple(found[:count])


def _folded(text: str, rows: list[tuple[int, str]], indent: int) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    at = 0
    for line in text.split("\n"):
        while at < len(rows) and not rows[at][1].strip() and line.strip():
            at += 1
        number = rows[at][0] if at < len(rows) else (rows[-1][0] if rows else 1)
        found.append((number, indent + 1))
        eaten = 0
        while at < len(rows) and eaten < len(line):
            eaten += len(rows[at][1].strip()) + 1
            at += 1
        if not line.strip() and at < len(rows):
            at += 1
    return found
