"""Text, paths and comparisons: what they come to when some of their parts are not known."""

from __future__ import annotations

import ast
import posixpath
import re
from typing import TYPE_CHECKING, Any

from ftdoctor.job.py_abstract import Abstract, Cls, Const, Func, Map, Obj, Ref, Seq, Unk

if TYPE_CHECKING:
    from ftdoctor.job.py_abstract import At

_PATHS = ("pathlib.Path", "pathlib.PurePath", "pathlib.PurePosixPath", "pathlib.PosixPath", "Path")
_MAX_TEXT = 200_000
_MAX_PARTS = 2_000
#: Around the unknown parts of a template; private-use characters, which no job has.
_OPEN, _CLOSE = "\ue000", "\ue001"


def is_path(value: Abstract) -> bool:
    """Whether a value is a pathlib path."""
    return isinstance(value, Obj) and value.callee in _PATHS


def path_text(value: Abstract) -> Abstract:
    """Return the text of a pathlib path, or the value itself."""
    if isinstance(value, Obj) and value.callee in _PATHS:
        inner = value.cells.get("_text")
        return (
            inner if isinstance(inner, Abstract) else Unk("it is a path of the machine", value.at)
        )
    return value


def joined_path(parts: list[Abstract], at: At | None) -> Abstract:
    """Return a pathlib path made of parts."""
    made = Obj("pathlib.Path", at)
    made.cells["_text"] = joined([path_text(part) for part in parts], at)
    return made


def joined(parts: list[Abstract], at: At | None) -> Abstract:
    """Return `os.path.join` of parts (POSIX, as in a job's container)."""
    if all(isinstance(part, Const) and isinstance(part.value, str) for part in parts):
        return Const(posixpath.join(*[part.value for part in parts if isinstance(part, Const)]), at)
    pieces: list[Abstract] = []
    for index, part in enumerate(parts):
        if index and not template(pieces[-1]).endswith("/"):
            pieces.append(Const("/"))
        pieces.append(part)
    return concatenated(pieces, at)


def template(value: Abstract) -> str:
    """Return a value as text, with what is unknown between two marks (see `render`)."""
    if isinstance(value, Const):
        return str(value.value)
    if isinstance(value, Unk) and value.template:
        return value.template
    if is_path(value):
        return template(path_text(value))
    raw = value.at.raw if value.at is not None else ""
    return _OPEN + (" ".join(raw.split())[:80] or "...") + _CLOSE


def render(text: str, shell: bool = False) -> str:
    """Return a template as a reader may see it: unknown parts as `{name}`, in a shell `${name}`."""
    if _OPEN not in text:
        return text
    if not shell:
        return text.replace(_OPEN, "{").replace(_CLOSE, "}")

    return "".join(piece for piece, _ in pieces(text))


def pieces(text: str) -> list[tuple[str, bool]]:
    """Return the parts of a template as a shell would have them: (text, whether it is unknown)."""
    found: list[tuple[str, bool]] = []
    for part in re.split(f"({_OPEN}[^{_CLOSE}]*{_CLOSE})", text):
        if not part.startswith(_OPEN):
            found += [(part, False)] if part else []
            continue
        quoted = re.search(r"""["'](\w+)["']""", part)
        name = quoted[1] if quoted is not None else part[1:-1]
        found.append(("${" + (re.sub(r"\W+", "_", name).strip("_") or "UNKNOWN") + "}", True))
    return found


def named(value: Abstract, use: At) -> Abstract:
    """Return an unknown part of a text under the name that the text uses for it."""
    if (
        isinstance(value, (Const, Seq))
        or is_path(value)
        or (isinstance(value, Unk) and value.template)
    ):
        return value
    from ftdoctor.job.py_ops import reason_of

    words = " ".join(use.raw.split())[:80]
    default = value.default if isinstance(value, Unk) else None
    choices = value.choices if isinstance(value, Unk) else ()
    where = value.at if value.at is not None else use
    return Unk(reason_of(value), where, default, choices, _OPEN + (words or "...") + _CLOSE)


def is_text(value: Abstract) -> bool:
    """Whether a value is a text, known or known in part."""
    if isinstance(value, Const):
        return isinstance(value.value, str)
    return isinstance(value, Unk) and bool(value.template)


def concatenated(parts: list[Abstract], at: At | None) -> Abstract:
    """Return the text made of parts; unknown, with a template, when a part is unknown."""
    from ftdoctor.job.py_ops import reason_of

    unknown = next((part for part in parts if not isinstance(part, Const)), None)
    if unknown is not None and is_path(unknown):
        parts = [path_text(part) for part in parts]
        unknown = next((part for part in parts if not isinstance(part, Const)), None)
    text = "".join(template(part) for part in parts)
    if len(text) > _MAX_TEXT:
        return Unk("it is very long", at)
    spread = _parts(parts)
    if unknown is None:
        made = Const(text, at)
        made.parts = spread
        return made
    if sum(isinstance(part, Unk) for part in parts) == len(parts) == 1:
        return unknown
    defaults = [part.default if isinstance(part, Unk) else part for part in parts]
    default: Abstract | None = None
    if all(isinstance(part, Const) for part in defaults):
        default = Const("".join(str(p.value) for p in defaults if isinstance(p, Const)), at)
    partly = Unk(reason_of(unknown), at, default=default, template=text)
    partly.parts = spread
    return partly


def _parts(parts: list[Abstract]) -> tuple[tuple[str, At | None], ...]:
    found: list[tuple[str, At | None]] = []
    for part in parts:
        if part.parts:
            found += part.parts
        elif len(found) < _MAX_PARTS:
            found.append((template(part), part.at))
    return tuple(found) if len(found) > 1 else ()


def formatted(value: Abstract, spec: Abstract, conversion: int) -> Abstract:
    """Return one `{value!r:spec}` of an f-string."""
    value = path_text(value)
    if not isinstance(value, Const):
        return value
    try:
        shown = repr(value.value) if conversion == ord("r") else value.value
        if isinstance(spec, Const) and isinstance(spec.value, str) and len(spec.value) < 12:
            return Const(format(shown, spec.value), value.at)
    except (TypeError, ValueError, OverflowError):
        pass
    return Unk("it is formatted when the code runs", value.at)


def percent(left: Const, right: Abstract, at: At | None) -> Abstract:
    """Return `"..." % values`."""
    values = list(right.items) if isinstance(right, Seq) else [right]
    pieces = re.split(r"(%(?:\(\w+\))?[-+ #0]*\d*(?:\.\d+)?[sdrif%])", left.value)
    parts: list[Abstract] = []
    index = 0
    for piece in pieces:
        if piece == "%%":
            parts.append(Const("%"))
        elif piece.startswith("%") and len(piece) > 1:
            name = re.match(r"%\((\w+)\)", piece)
            if name is not None:
                found = right.get(name[1]) if isinstance(right, Map) else None
                parts.append(found or Unk("it is formatted when the code runs", at))
                continue
            if index >= len(values):
                return Unk("it is formatted when the code runs", at)
            value = values[index]
            index += 1
            if isinstance(value, Const):
                try:
                    parts.append(Const(piece % (value.value,)))
                except (TypeError, ValueError, OverflowError):
                    return Unk("it is formatted when the code runs", at)
            else:
                parts.append(value)
        else:
            parts.append(Const(piece))
    return concatenated(parts, at)


def format_method(text: str, args: list[Abstract], kwargs: dict[str, Abstract], at: At) -> Abstract:
    """Return `"...".format(...)`."""
    from string import Formatter

    parts: list[Abstract] = []
    counter = 0
    try:
        for literal, field, spec, conversion in Formatter().parse(text):
            parts.append(Const(literal))
            if field is None:
                continue
            value: Abstract | None
            if not field or field.isdigit():
                index = int(field) if field else counter
                counter += 1
                value = args[index] if index < len(args) else None
            else:
                value = kwargs.get(field)
            if value is None:
                value = Unk("it is formatted when the code runs", at)
            parts.append(formatted(value, Const(spec or ""), ord(conversion) if conversion else -1))
    except ValueError:
        return Unk("it is formatted when the code runs", at)
    return concatenated(parts, at)


def sliced(owner: Abstract, bounds: list[Abstract], at: At) -> Abstract:
    """Return `owner[a:b:c]`."""
    from ftdoctor.job.py_ops import reason_of

    limits = [
        bound.value if isinstance(bound, Const) and isinstance(bound.value, int) else None
        for bound in bounds
    ]
    if all(isinstance(bound, Const) for bound in bounds) and limits[2] != 0:
        cut = slice(*limits)
        if isinstance(owner, Const) and isinstance(owner.value, str):
            return Const(owner.value[cut], at)
        if isinstance(owner, Seq) and not owner.now.open:
            return Seq(owner.items[cut], at, "", owner.kind)
    if isinstance(owner, (Obj, Unk)):
        return owner
    return Unk(reason_of(owner), at)


def compared(op: ast.cmpop, left: Abstract, right: Abstract) -> bool | None:
    """Return the outcome of a comparison, or None when it is not known."""
    left, right = path_text(left), path_text(right)
    if isinstance(op, (ast.Is, ast.IsNot, ast.Eq, ast.NotEq)):
        equal = _equal(left, right)
        if equal is None:
            return None
        return equal if isinstance(op, (ast.Is, ast.Eq)) else not equal
    if isinstance(op, (ast.In, ast.NotIn)):
        inside = _inside(left, right)
        if inside is None:
            return None
        return inside if isinstance(op, ast.In) else not inside
    if isinstance(left, Const) and isinstance(right, Const):
        try:
            if isinstance(op, ast.Lt):
                return bool(left.value < right.value)
            if isinstance(op, ast.LtE):
                return bool(left.value <= right.value)
            if isinstance(op, ast.Gt):
                return bool(left.value > right.value)
            return bool(left.value >= right.value)
        except TypeError:
            return None
    return None


def _never_none(value: Abstract) -> bool:
    if isinstance(value, (Seq, Map, Func, Cls)):
        return True
    if isinstance(value, Ref):
        return value.imported
    return isinstance(value, Obj) and (
        value.cls is not None or value.name[:1].isupper() or value.name.endswith("from_pretrained")
    )


def _equal(left: Abstract, right: Abstract) -> bool | None:
    if isinstance(left, Const) and isinstance(right, Const):
        return bool(left.value == right.value)
    for one, other in ((left, right), (right, left)):
        if isinstance(one, Const) and one.value is None and _never_none(other):
            return False
    if isinstance(left, Ref) and isinstance(right, Ref) and left.name == right.name:
        return True
    return None


def _inside(left: Abstract, right: Abstract) -> bool | None:
    if not isinstance(left, Const):
        return None
    if isinstance(right, Const) and isinstance(right.value, str) and isinstance(left.value, str):
        return left.value in right.value
    if isinstance(right, Map):
        if left.value.__hash__ is not None and left.value in right.data:
            return True
        return None if right.now.open else False
    if isinstance(right, Seq):
        if any(isinstance(item, Const) and item.value == left.value for item in right.items):
            return True
        if right.now.open or not all(isinstance(item, Const) for item in right.items):
            return None
        return False
    return None


def text_method(owner: Const, name: str, args: list[Abstract], at: At) -> Abstract:
    """Return a method of a known text: only those that cannot do harm."""
    values: list[Any] = []
    for arg in args:
        arg = path_text(arg)
        if isinstance(arg, Seq) and name == "join" and isinstance(owner.value, str):
            parts: list[Abstract] = []
            for index, item in enumerate(arg.items):
                if index:
                    parts.append(Const(owner.value))
                parts.append(item)
            if arg.now.open:
                parts.append(Unk(arg.now.open, at))
            return concatenated(parts, at) if parts else Const("", at)
        if not isinstance(arg, Const):
            from ftdoctor.job.py_ops import reason_of

            return Unk(reason_of(arg), at)
        values.append(arg.value)
    if name in _TEXT_METHODS:
        if (
            len(owner.value) * max([len(v) for v in values if isinstance(v, str)] or [1])
            > 2_000_000
        ):
            return Unk("it is very long", at)
        try:
            result = getattr(owner.value, name)(*values)
        except (TypeError, ValueError, AttributeError, OverflowError, LookupError):
            return Unk("it is computed when the code runs", at)
        if isinstance(result, (list, tuple)):
            return Seq([Const(item, at) for item in result], at)
        if isinstance(result, (str, bool, int, bytes)):
            return Const(result, at)
    return Unk("it is computed when the code runs", at)


_TEXT_METHODS = frozenset(
    "capitalize casefold count encode decode endswith find index isalnum isalpha isdigit islower "
    "isupper lower lstrip partition removeprefix removesuffix replace rfind rpartition rsplit "
    "rstrip split splitlines startswith strip swapcase title upper".split()
)
