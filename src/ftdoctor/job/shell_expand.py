"""Words into values: what is known of a word when the variables in force are known."""

from __future__ import annotations

import fnmatch
import re
from typing import TYPE_CHECKING

from ftdoctor.job.shell_text import Hole, ShellText, as_text, make, span
from ftdoctor.job.shell_words import heredoc_word
from ftdoctor.records import dataclass, field

if TYPE_CHECKING:
    from ftdoctor.job.shell_words import Part, Word
    from ftdoctor.job.source import Place, Source
    from ftdoctor.job.value import Value

#: A longer value is not followed: nobody writes it by hand, and it could grow without end.
MOST_CHARS = 40_000


@dataclass
class Scope:
    """Variables in force. `arrays` hold items; `positional` is `$1...` (None: not known here)."""

    source: Source
    variables: dict[str, ShellText] = field(default_factory=dict)
    arrays: dict[str, list[ShellText]] = field(default_factory=dict)
    positional: list[ShellText] | None = None
    #: Who sets a variable that this text does not: completes "... is not set in this file".
    owner: str = "shell variable"

    def copy(self) -> Scope:
        """Return a scope whose assignments do not touch this one."""
        return Scope(
            self.source, dict(self.variables), dict(self.arrays), self.positional, self.owner
        )


def words_of(word: Word, scope: Scope) -> list[ShellText]:
    """Return the words that one written word gives: more than one for arrays and `$ARGS`."""
    spread = _spread(word, scope)
    if spread is not None:
        return spread
    value = text_of(word, scope)
    if not value.body and not word.quoted:
        return []
    loose = [p for p in word.parts if p.kind == "var" and not p.quoted]
    if loose and len(word.parts) == 1 and value.known and any(c.isspace() for c in value.body):
        return _split_blanks(value)
    return [value]


def text_of(word: Word, scope: Scope) -> ShellText:
    """Return a word as one text."""
    body: list[str] = []
    chars: list[int] = []
    holes: list[Hole] = []
    length = 0
    for part in word.parts:
        piece = _part(part, scope)
        if length + len(piece.body) > MOST_CHARS:
            where = scope.source.span(word.start, word.end)
            raw = scope.source.text[word.start : min(word.end, word.start + 200)]
            return _hole(raw, "it is too long to be followed", where)
        body.append(piece.body)
        chars.extend(piece.chars if piece.source is scope.source else (-1,) * len(piece.body))
        holes.extend(
            Hole(length + h.start, length + h.end, h.reason, h.default) for h in piece.holes
        )
        length += len(piece.body)
    place = scope.source.span(word.start, max(word.end, word.start))
    text = "".join(body)
    raw = scope.source.text[word.start : word.end]
    if len(word.parts) == 1 and word.parts[0].kind == "var" and not holes:
        only = _part(word.parts[0], scope)
        if only.known:
            # The literal stands where the variable is set: that is what a fix changes.
            return make(text, tuple(chars), (), scope.source, only.place or place, raw)
    literal = word.literal() is not None
    return make(text, tuple(chars), tuple(holes), scope.source, place, "" if literal else raw)


def _spread(word: Word, scope: Scope) -> list[ShellText] | None:
    """Expand `"$@"`, `$*` and `"${NAME[@]}"` standing alone or at the end of a word."""
    if len(word.parts) != 1 or word.parts[0].kind != "var":
        return None
    part = word.parts[0]
    place = scope.source.span(word.start, word.end)
    raw = scope.source.text[word.start : word.end]
    if part.text in ("@", "*"):
        if scope.positional is not None:
            return list(scope.positional)
        return [_hole(raw, "the arguments that this script is given are not known", place)]
    if part.op.startswith(("[@]", "[*]")):
        items = scope.arrays.get(part.text)
        if items is not None:
            return list(items)
        if part.text in scope.variables:
            return [scope.variables[part.text]]
        return [_hole(raw, f"the array {part.text} is not set in this file", place)]
    return None


def _split_blanks(value: ShellText) -> list[ShellText]:
    return [value.slice(m.start(), m.end()) for m in re.finditer(r"\S+", value.body)]


def _hole(raw: str, reason: str, place: Place | None, default: str | None = None) -> ShellText:
    holes = (Hole(0, len(raw), reason, default),)
    return make(raw, (-1,) * len(raw), holes, None, place)


def _part(part: Part, scope: Scope) -> ShellText:
    source = scope.source
    raw = source.text[part.start : part.end]
    if part.kind == "text":
        return make(part.text, part.chars, (), source, span(source, part.chars))
    place = source.span(part.start, part.end)
    if part.kind == "command":
        return _at(_hole(raw, f"it is printed by {_shorten(raw)}", place), part, source)
    if part.kind != "var":
        by = "filled in by GitHub Actions" if raw.startswith("${{") else "computed by the shell"
        return _at(_hole(raw, f"{_shorten(raw)} is {by}", place), part, source)
    return _at(_variable(part, scope, raw, place), part, source)


def _at(value: ShellText, part: Part, source: Source) -> ShellText:
    """Give the characters of an unexpanded part their offsets."""
    if value.source is None and value.body == source.text[part.start : part.end]:
        offsets = tuple(range(part.start, part.end))
        return make(value.body, offsets, value.holes, source, value.place)
    return value


def _shorten(raw: str) -> str:
    one = " ".join(raw.split())
    return f"`{one}`" if len(one) <= 60 else f"`{one[:57]}...`"


def _variable(part: Part, scope: Scope, raw: str, place: Place) -> ShellText:
    name = part.text
    current = _lookup(name, part, scope)
    operator = part.op[part.op.find("]") + 1 :] if part.op.startswith("[") else part.op
    if part.argument is not None and operator in (":-", "-", ":=", "="):
        return _or_default(part, scope, current, raw, place, operator)
    if part.argument is not None and operator in (":+", "+"):
        if current is not None and current.known:
            return text_of(part.argument, scope) if current.value else _empty(place)
        return _hole(raw, _not_set(name, scope), place, "")
    if current is None:
        return _hole(raw, _not_set(name, scope), place)
    if operator and operator not in (":?", "?"):
        return _modified(part, operator, current, scope, raw, place)
    if not current.known and sum(h.end - h.start for h in current.holes) < len(current.body):
        # Known in part: readers cut the known parts out of it.
        return current
    if not current.known:
        # As written here, for the reader of the message; the reason comes from the assignment.
        return _hole(raw, current.unknown, place, current.default)
    return current


def _empty(place: Place) -> ShellText:
    return make("", (), (), None, place)


def _not_set(name: str, scope: Scope) -> str:
    if name.isdigit() or name in "@*#":
        return "the arguments that this script is given are not known"
    return f"{scope.owner} {name} is not set in this file"


def _lookup(name: str, part: Part, scope: Scope) -> ShellText | None:
    if part.op.startswith("["):
        items = scope.arrays.get(name)
        index = part.op[1 : part.op.find("]")]
        if items is not None and index.isdigit() and int(index) < len(items):
            return items[int(index)]
        return None
    if name.isdigit() and scope.positional is not None:
        at = int(name) - 1
        if at < 0:
            return None
        place = scope.source.place(1)
        return scope.positional[at] if at < len(scope.positional) else _empty(place)
    if name in scope.variables:
        return scope.variables[name]
    items = scope.arrays.get(name)
    return items[0] if items else None


def _or_default(
    part: Part, scope: Scope, current: ShellText | None, raw: str, place: Place, operator: str
) -> ShellText:
    if current is not None and current.known and (current.value or operator in ("-", "=")):
        return current
    default = text_of(part.argument, scope) if part.argument else None
    if default is not None and current is not None and current.known:
        # Set to nothing in this very file: the default is what runs.
        return default
    text = None
    if default is not None:
        text = default.value if default.known else default.default
    if current is not None and not current.known:
        return _hole(raw, current.unknown, place, current.default or text)
    return _hole(raw, _not_set(part.text, scope), place, text)


def _modified(
    part: Part, operator: str, current: ShellText, scope: Scope, raw: str, place: Place
) -> ShellText:
    argument = text_of(part.argument, scope) if part.argument else None
    known = current.known and (argument is None or argument.known)
    result = _apply(current.body, operator, argument.body if argument else "") if known else None
    if result is None:
        reason = current.unknown or f"{_shorten(raw)} is computed by the shell"
        return _hole(raw, reason, place)
    return make(result, (-1,) * len(result), (), None, place, raw)


def _apply(text: str, operator: str, argument: str) -> str | None:
    """Return `${text<operator>argument}`, or None for what is not worth computing."""
    if len(text) > 2000:
        return None
    if operator in (",,", "^^"):
        return text.lower() if operator == ",," else text.upper()
    if operator in ("%", "%%", "#", "##"):
        ends = range(len(text), -1, -1) if operator in ("%", "##") else range(len(text) + 1)
        for at in ends:
            piece = text[at:] if operator[0] == "%" else text[:at]
            if fnmatch.fnmatchcase(piece, argument):
                return text[:at] if operator[0] == "%" else text[at:]
        return text
    if operator in ("/", "//"):
        old, _, new = argument.partition("/")
        if not old or re.search(r"[*?\[]", old):
            return None
        return text.replace(old, new, -1 if operator == "//" else 1)
    return None


def expand_text(text: str, scope: Scope, place: Place | None = None) -> ShellText:
    """Return the body of an unquoted here-document, or a part of it, as the shell writes it."""
    from ftdoctor.job.source import Source

    local = Source(scope.source.path, text)
    inner = Scope(local, scope.variables, scope.arrays, scope.positional, scope.owner)
    value = text_of(heredoc_word(text, 0, len(text)), inner)
    if value.known:
        return ShellText(
            value.value, place, "", text, None, value.body, (-1,) * len(value.body), (), None
        )
    return make(value.body, (-1,) * len(value.body), value.holes, None, place)


def plain(value: Value[str]) -> str:
    """Return the text of a value, or as much of it as is written."""
    text = as_text(value)
    return text.body
