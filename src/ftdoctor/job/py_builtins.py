"""The builtin functions whose result can be told without running.

A function answers None when it cannot say more than that it was called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftdoctor.job import py_objects, py_text
from ftdoctor.job.py_abstract import (
    Abstract,
    At,
    Cls,
    Const,
    Func,
    Map,
    Obj,
    Ref,
    Seq,
    Unk,
    text_of,
)
from ftdoctor.job.py_join import join_values
from ftdoctor.job.py_ops import iterable, reason_of, set_attribute, truth, update

if TYPE_CHECKING:
    from collections.abc import Callable

    from ftdoctor.job.py_run import Run


class Arguments:
    """The evaluated arguments of a call; `open` says why there may be more."""

    __slots__ = ("args", "kwargs", "open", "places")

    def __init__(
        self,
        args: list[Abstract],
        kwargs: dict[str, Abstract],
        places: dict[str, At],
        open: str = "",
    ):
        self.args = args
        self.kwargs = kwargs
        self.places = places
        self.open = open

    def arg(self, name: str, position: int = -1) -> Abstract | None:
        """Return an argument by keyword or position."""
        if name in self.kwargs:
            return self.kwargs[name]
        return self.args[position] if 0 <= position < len(self.args) else None


def _text(run: Run, given: Arguments, at: At) -> Abstract | None:
    if not given.args:
        return Const("", at)
    value = py_text.path_text(given.args[0])
    if isinstance(value, Const):
        return Const(str(value.value), value.at or at)
    if isinstance(value, Unk):
        return value
    return Unk(reason_of(value), at)


def _number(kind: type) -> Callable[[Run, Arguments, At], Abstract | None]:
    def convert(run: Run, given: Arguments, at: At) -> Abstract | None:
        if len(given.args) != 1:
            return Const(kind(), at) if not given.args else None
        value = given.args[0]
        if isinstance(value, Const) and isinstance(value.value, (str, int, float)):
            try:
                return Const(kind(value.value), value.at or at)
            except (ValueError, OverflowError):
                return Unk("it is no number", at)
        if isinstance(value, Unk):
            default = value.default
            if isinstance(default, Const):
                try:
                    default = Const(kind(default.value), default.at)
                except (TypeError, ValueError, OverflowError):
                    default = None
            return Unk(value.reason, value.at or at, default, value.choices)
        return Unk(reason_of(value), at)

    return convert


def _bool(run: Run, given: Arguments, at: At) -> Abstract | None:
    if not given.args:
        return Const(False, at)
    known = truth(given.args[0])
    return Unk(reason_of(given.args[0]), at) if known is None else Const(known, at)


def _list(kind: str) -> Callable[[Run, Arguments, At], Abstract | None]:
    def convert(run: Run, given: Arguments, at: At) -> Abstract | None:
        if not given.args:
            return Seq([], at, kind=kind)
        source = given.args[0]
        items = iterable(run, source)
        if items is None:
            return Seq([], at, reason_of(source), kind)
        if kind == "set":
            seen: dict[Any, Abstract] = {}
            for item in items:
                seen.setdefault(item.value if isinstance(item, Const) else id(item), item)
            items = list(seen.values())
        return Seq(items, at, source.now.open if isinstance(source, (Seq, Map)) else "", kind)

    return convert


def make_dict(run: Run, given: Arguments, at: At) -> Abstract | None:
    """Return `dict(...)`."""
    made = Map(at=at)
    for other in given.args:
        update(run, made, other)
    extra = {key: (value, given.places.get(key)) for key, value in given.kwargs.items()}
    update(run, made, Map(extra, at, given.open))
    return made


def _sorted(run: Run, given: Arguments, at: At) -> Abstract | None:
    items = iterable(run, given.args[0]) if given.args else None
    if items is None or "key" in given.kwargs:
        return None
    try:
        ordered = sorted(items, key=lambda item: item.value)  # type: ignore[attr-defined]
    except (AttributeError, TypeError):
        return Seq(items, at, "its order is not known")
    return Seq(reversed(ordered) if "reverse" in given.kwargs else ordered, at)


def _length(run: Run, given: Arguments, at: At) -> Abstract | None:
    value = given.args[0] if given.args else None
    if isinstance(value, (Seq, Map)) and not value.now.open:
        return Const(len(value.items if isinstance(value, Seq) else value.data), at)
    if isinstance(value, Const) and isinstance(value.value, str):
        return Const(len(value.value), at)
    return Unk(reason_of(value) if value is not None else "", at)


def _range(run: Run, given: Arguments, at: At) -> Abstract | None:
    numbers = [arg.value for arg in given.args if isinstance(arg, Const)]
    if len(numbers) != len(given.args) or not all(isinstance(n, int) for n in numbers):
        return None
    try:
        span = range(*numbers)
    except (TypeError, ValueError):
        return None
    return Seq([Const(n, at) for n in span], at) if len(span) <= 300 else None


def _zip(run: Run, given: Arguments, at: At) -> Abstract | None:
    columns = [iterable(run, arg) for arg in given.args]
    if not columns or any(column is None for column in columns):
        return None
    rows = zip(*[column for column in columns if column is not None], strict=False)
    return Seq([Seq(row, at, kind="tuple") for row in rows], at)


def _enumerate(run: Run, given: Arguments, at: At) -> Abstract | None:
    items = iterable(run, given.args[0]) if given.args else None
    if items is None:
        return None
    return Seq([Seq([Const(i, at), item], at, kind="tuple") for i, item in enumerate(items)], at)


def _extreme(choose: Callable[..., Any]) -> Callable[[Run, Arguments, At], Abstract | None]:
    def pick(run: Run, given: Arguments, at: At) -> Abstract | None:
        items = given.args
        if len(items) == 1:
            items = iterable(run, items[0]) or []
        values = [item.value for item in items if isinstance(item, Const)]
        if not values or len(values) != len(items) or given.kwargs:
            return Unk(reason_of(next((i for i in items if not isinstance(i, Const)), Unk(""))), at)
        try:
            return Const(choose(values), at)
        except TypeError:
            return None

    return pick


def _getattr(run: Run, given: Arguments, at: At) -> Abstract | None:
    if len(given.args) < 2:
        return None
    name = text_of(given.args[1])
    owner = given.args[0]
    if name is None:
        asked = given.args[1]
        choices: tuple[Abstract, ...] = ()
        if isinstance(owner, Ref) and isinstance(asked, Unk):
            choices = tuple(Ref(f"{owner.name}.{t}") for c in asked.choices if (t := text_of(c)))
        return Unk(reason_of(asked), at, choices=choices)
    if len(given.args) > 2 and isinstance(owner, (Obj, Cls)):
        inside = owner.cells.get(name)
        if isinstance(inside, Abstract):
            return inside
        if not (isinstance(owner, Obj) and (name in owner.kwargs or owner.cls)):
            return Unk(f"the attribute {name} is known only when the code runs", at, given.args[2])
    return py_objects.attribute(run, owner, name, At(at.source, at.node))


def _setattr(run: Run, given: Arguments, at: At) -> Abstract | None:
    if len(given.args) == 3 and (name := text_of(given.args[1])) is not None:
        set_attribute(run, given.args[0], name, given.args[2])
    return Const(None, at)


def _isinstance(run: Run, given: Arguments, at: At) -> Abstract | None:
    if len(given.args) != 2 or not isinstance(given.args[1], Ref):
        return None
    kinds = {"str": str, "int": int, "float": float, "bool": bool}
    value, wanted = given.args[0], given.args[1].name
    if isinstance(value, Const) and wanted in (*kinds, "list", "dict"):
        return Const(wanted in kinds and isinstance(value.value, kinds[wanted]), at)
    if isinstance(value, (Seq, Map)) and wanted in ("list", "dict", "str"):
        return Const(wanted == ("list" if isinstance(value, Seq) else "dict"), at)
    return None


def unknown_because(reason: str) -> Callable[[Run, Arguments, At], Abstract | None]:
    """Return a function whose result is not known for `reason`."""

    def answer(run: Run, given: Arguments, at: At) -> Abstract | None:
        return Unk(reason, at)

    return answer


def _super(run: Run, given: Arguments, at: At) -> Abstract | None:
    return Obj("super", at)


def _vars(run: Run, given: Arguments, at: At) -> Abstract | None:
    owner = given.args[0] if given.args else None
    if isinstance(owner, Obj):
        cells = {k: (v, v.at) for k, v in owner.cells.items() if isinstance(v, Abstract)}
        extra = {k: (v, owner.kw_at.get(k)) for k, v in owner.kwargs.items()}
        return Map({**extra, **cells}, at, owner.open)
    return Unk("it is known only when the code runs", at)


def first(run: Run, given: Arguments, at: At) -> Abstract | None:
    """Return the first argument."""
    return given.args[0] if given.args else None


def _next(run: Run, given: Arguments, at: At) -> Abstract | None:
    items = iterable(run, given.args[0]) if given.args else None
    return join_values(items, "it is one of several") if items else None


def _map(run: Run, given: Arguments, at: At) -> Abstract | None:
    from ftdoctor.job.py_calls import invoke

    items = iterable(run, given.args[1]) if len(given.args) == 2 else None
    func = given.args[0] if given.args else None
    if items is None or not isinstance(func, (Func, Ref)) or len(items) > 100:
        return None
    return Seq([invoke(run, func, Arguments([item], {}, {}), at) for item in items], at)


BUILTINS: dict[str, Callable[[Run, Arguments, At], Abstract | None]] = {
    "str": _text,
    "int": _number(int),
    "float": _number(float),
    "bool": _bool,
    "list": _list("list"),
    "tuple": _list("tuple"),
    "set": _list("set"),
    "frozenset": _list("set"),
    "dict": make_dict,
    "collections.OrderedDict": make_dict,
    "sorted": _sorted,
    "len": _length,
    "range": _range,
    "zip": _zip,
    "enumerate": _enumerate,
    "map": _map,
    "next": _next,
    "iter": first,
    "max": _extreme(max),
    "min": _extreme(min),
    "sum": _extreme(sum),
    "getattr": _getattr,
    "setattr": _setattr,
    "isinstance": _isinstance,
    "super": _super,
    "vars": _vars,
    "dataclasses.asdict": _vars,
}
