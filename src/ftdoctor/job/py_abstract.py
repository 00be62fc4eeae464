"""What an expression of a Python file can evaluate to, when nothing is run.

Plain classes rather than dataclasses: they are many, and a dataclass costs more to import.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ast
    from collections.abc import Iterable, Mapping

    from ftdoctor.job.source import Place, Source


class At:
    """Where a value was written: a node of a source, or a place that is known already."""

    __slots__ = ("_place", "node", "source")

    def __init__(self, source: Source | None, node: ast.AST | None, place: Place | None = None):
        self.source = source
        self.node = node
        self._place = place

    @property
    def place(self) -> Place | None:
        """The span in the file; columns count characters (ast counts UTF-8 bytes)."""
        if self._place is None and self.source is not None:
            lineno = getattr(self.node, "lineno", 0)
            if not lineno:
                return None
            first = _column(self.source, lineno, getattr(self.node, "col_offset", 0))
            end_line = getattr(self.node, "end_lineno", None) or lineno
            end = getattr(self.node, "end_col_offset", None)
            if end is None:
                self._place = self.source.place(lineno, first)
            else:
                last = _column(self.source, end_line, end)
                self._place = self.source.place(lineno, first, end_line, last)
        return self._place

    @property
    def raw(self) -> str:
        """The text as written; "" when it is not known."""
        source, node = self.source, self.node
        lineno = getattr(node, "lineno", 0)
        if source is None or not lineno:
            return ""
        end_line = getattr(node, "end_lineno", None) or lineno
        start = source.offset(lineno, _column(source, lineno, getattr(node, "col_offset", 0)))
        last = _column(source, end_line, getattr(node, "end_col_offset", None) or 0)
        return source.text[start : source.offset(end_line, last)][:500]


def _column(source: Source, line: int, byte_offset: int) -> int:
    """Return the column (from 1, in characters) of a byte offset in a line of `source`."""
    start = source.offset(line, 1)
    end = source.text.find("\n", start)
    text = source.text[start : end if end >= 0 else len(source.text)]
    if text.isascii():
        return byte_offset + 1
    return len(text.encode("utf-8", "surrogatepass")[:byte_offset].decode("utf-8", "ignore")) + 1


class Abstract:
    """Anything that an expression can be."""

    __slots__ = ("at", "parts")

    def __init__(self, at: At | None = None):
        self.at = at
        #: Of a text that was put together: its parts, each with where it was written.
        self.parts: tuple[tuple[str, At | None], ...] = ()


class Const(Abstract):
    """A text, number, boolean or None that is known."""

    __slots__ = ("value",)

    def __init__(self, value: Any, at: At | None = None):
        super().__init__(at)
        self.value = value


class Unk(Abstract):
    """A value that cannot be known from the files; `reason` completes "because".

    `template` is the text with the unknown parts in braces, when it is a text known in part.
    `default` is the value if nobody sets another; `choices` are the values it may take.
    """

    __slots__ = ("choices", "default", "reason", "template", "truth")

    def __init__(
        self,
        reason: str,
        at: At | None = None,
        default: Abstract | None = None,
        choices: tuple[Abstract, ...] = (),
        template: str = "",
    ):
        super().__init__(at)
        self.reason = reason
        self.default = default
        self.choices = choices
        self.template = template
        #: Whether it counts as true, when that much is known.
        self.truth: bool | None = None


class FileText(Const):
    """The text of a file beside the job, or a file that is open."""

    __slots__ = ("file",)

    def __init__(self, file: Source, at: At | None = None):
        super().__init__(file.text, at)
        self.file = file


class Ref(Abstract):
    """A name that stands for something outside the file ("trl.SFTTrainer").

    `imported` is False for a name that no import of the file explains (a builtin, a fragment).
    """

    __slots__ = ("imported", "name")

    def __init__(self, name: str, at: At | None = None, imported: bool = True):
        super().__init__(at)
        self.name = name
        self.imported = imported


class Items:
    """The items of a list at one moment; `open` says why there may be more ("": there are not)."""

    __slots__ = ("items", "open")

    def __init__(self, items: Iterable[Abstract] = (), open: str = ""):
        self.items = tuple(items)
        self.open = open


class Entries:
    """The entries of a mapping at one moment; `open` says why there may be more."""

    __slots__ = ("data", "open")

    def __init__(
        self, data: Mapping[Any, tuple[Abstract, At | None]] | None = None, open: str = ""
    ):
        self.data: dict[Any, tuple[Abstract, At | None]] = dict(data or {})
        self.open = open


class Cells(dict[Any, Any]):
    """What of an object or scope can change. `born` orders cells by when they came to be."""

    __slots__ = ("born",)

    def __init__(self, **start: Any):
        super().__init__(start)
        self.born = next(_births)


_births = count(1)


class Seq(Abstract):
    """A list, tuple or set. Its items live in `cells["items"]`, so that a branch can be undone."""

    __slots__ = ("cells", "kind")

    def __init__(
        self,
        items: Iterable[Abstract] = (),
        at: At | None = None,
        open: str = "",
        kind: str = "list",
    ):
        super().__init__(at)
        self.cells = Cells(items=Items(items, open))
        self.kind = kind

    @property
    def items(self) -> tuple[Abstract, ...]:
        """The items that are known to be there."""
        return self.now.items

    @property
    def now(self) -> Items:
        """The items at this moment."""
        current: Items = self.cells["items"]
        return current


class Map(Abstract):
    """A dict. Its entries live in `cells["entries"]`."""

    __slots__ = ("cells",)

    def __init__(
        self,
        data: Mapping[Any, tuple[Abstract, At | None]] | None = None,
        at: At | None = None,
        open: str = "",
    ):
        super().__init__(at)
        self.cells = Cells(entries=Entries(data, open))

    @property
    def now(self) -> Entries:
        """The entries at this moment."""
        current: Entries = self.cells["entries"]
        return current

    @property
    def data(self) -> dict[Any, tuple[Abstract, At | None]]:
        """Key to (value, where the key stands)."""
        return self.now.data

    def get(self, key: Any) -> Abstract | None:
        """Return the value under a key, or None."""
        entry = self.now.data.get(key)
        return entry[0] if entry else None


class Obj(Abstract):
    """The result of a call that was not followed: an object of a library, or of a class here.

    `callee` is the full name of what was called; of a method it is "<callee of receiver>().name".
    Attributes set later live in `cells`.
    """

    __slots__ = (
        "args", "callee", "cells", "cls", "condition", "derived", "fallback", "func",
        "imported", "kw_at", "kwargs", "loop", "open", "receiver",
    )  # fmt: skip

    def __init__(
        self,
        callee: str,
        at: At | None = None,
        args: tuple[Abstract, ...] = (),
        kwargs: dict[str, Abstract] | None = None,
        kw_at: dict[str, At] | None = None,
        open: str = "",
        receiver: Abstract | None = None,
        imported: bool = True,
    ):
        super().__init__(at)
        self.callee = callee
        self.args = args
        self.kwargs = kwargs or {}
        self.kw_at = kw_at or {}
        self.open = open
        self.receiver = receiver
        self.imported = imported
        self.cls: Cls | None = None
        self.cells = Cells()
        #: True for an attribute, item or part of the receiver, which no call made.
        self.derived = False
        #: The condition under which the call is made ("" for none), in words.
        self.condition = ""
        #: True in an `except` branch: what is tried when the first way failed.
        self.fallback = False
        #: Why the call may be made several times with other values; "".
        self.loop = ""
        #: Name of the function of the file in which the call stands.
        self.func = ""

    @property
    def name(self) -> str:
        """The last part of the callee's name."""
        return self.callee.rsplit(".", 1)[-1]

    def arg(self, name: str, position: int = -1) -> Abstract | None:
        """Return an argument by keyword, or by position when that is given (from 0)."""
        if name in self.kwargs:
            return self.kwargs[name]
        if 0 <= position < len(self.args):
            return self.args[position]
        return None


class Scope:
    """Names of a module, class or function."""

    __slots__ = ("cells", "outer", "parent")

    def __init__(self, parent: Scope | None = None):
        self.cells = Cells()
        self.parent = parent
        self.outer: dict[str, Scope] = {}


class Func(Abstract):
    """A function, method or lambda of the file."""

    __slots__ = ("bound", "decorators", "node", "owner", "scope", "source")

    def __init__(
        self,
        node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda,
        scope: Scope,
        source: Source,
        bound: Abstract | None = None,
        owner: Cls | None = None,
    ):
        super().__init__(At(source, node))
        self.node = node
        self.scope = scope
        self.source = source
        self.bound = bound
        self.owner = owner
        #: What its decorators evaluate to.
        self.decorators: list[Abstract] = []


class Cls(Abstract):
    """A class of the file. Class attributes live in `cells`."""

    __slots__ = ("annotations", "bases", "cells", "dataclass", "name", "node", "source")

    def __init__(
        self, node: ast.ClassDef, bases: list[Abstract], source: Source, dataclass: bool = False
    ):
        super().__init__(At(source, node))
        self.node = node
        self.name = node.name
        self.bases = bases
        self.source = source
        self.dataclass = dataclass
        self.cells = Cells()
        #: Annotated names, in order: the fields of a dataclass.
        self.annotations: dict[str, ast.expr] = {}

    def find(self, name: str, depth: int = 0) -> Abstract | None:
        """Return a class attribute, from this class or from a base in the file."""
        if name in self.cells:
            found: Abstract = self.cells[name]
            return found
        for base in self.bases:
            if isinstance(base, Cls) and depth < 10:
                inherited = base.find(name, depth + 1)
                if inherited is not None:
                    return inherited
        return None

    def external(self, depth: int = 0) -> Ref | None:
        """Return the first base that is a class of a library."""
        for base in self.bases:
            if isinstance(base, Ref) and base.name not in ("object", "abc.ABC", "typing.Generic"):
                return base
            if isinstance(base, Cls) and depth < 10:
                found = base.external(depth + 1)
                if found is not None:
                    return found
        return None

    def fields(self, depth: int = 0) -> dict[str, ast.expr]:
        """Return the annotated names of this class and its bases in the file, bases first."""
        names: dict[str, ast.expr] = {}
        for base in self.bases:
            if isinstance(base, Cls) and depth < 10:
                names.update(base.fields(depth + 1))
        names.update(self.annotations)
        return names


class Space(Abstract):
    """A module of the job's own files that was read."""

    __slots__ = ("name", "scope")

    def __init__(self, name: str, scope: Scope):
        super().__init__(None)
        self.name = name
        self.scope = scope


def text_of(value: Abstract | None) -> str | None:
    """Return a known text, else None."""
    return value.value if isinstance(value, Const) and isinstance(value.value, str) else None
