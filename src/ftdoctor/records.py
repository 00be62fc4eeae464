"""`dataclass`, `field` and `replace` for the records of this package, made to start fast.

The standard module imports `inspect` and compiles five functions for each class as soon as the
class is defined: together a third of what `check` took to start. Here nothing is compiled when a
class is defined. The first instances are filled in by a loop; a class of which many are made gets
a compiled `__init__` then. For type checkers these are the standard ones, and the functions of
`dataclasses` (`asdict`, `fields`, `replace`) work on these records too.

Supported are frozen, slots and eq, and fields with default, default_factory, repr, compare, hash.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
    from dataclasses import field as field
    from dataclasses import replace as replace
else:
    from operator import attrgetter

    _MISSING = object()
    #: After so many instances a compiled `__init__` pays for itself.
    _FEW = 12
    _set = object.__setattr__

    class _Field:
        """What a class says of one field."""

        __slots__ = ("annotation", "compare", "default", "factory", "hash", "name", "repr")

        def __init__(self, default, factory, show, compare, hashed):
            self.name = self.annotation = ""
            self.default = default
            self.factory = factory
            self.repr = show
            self.compare = compare
            self.hash = compare if hashed is None else hashed

    def field(*, default=_MISSING, default_factory=_MISSING, repr=True, compare=True, hash=None):
        """Say more of a field than its default."""
        return _Field(default, default_factory, repr, compare, hash)

    def dataclass(cls=None, /, *, frozen=False, slots=False, eq=True):
        """Give a class its `__init__`, `__repr__`, `__eq__` and, when frozen, `__hash__`."""
        if cls is None:
            return lambda given: _record(given, frozen, slots, eq)
        return _record(cls, frozen, slots, eq)

    def replace(record, /, **changes):
        """Return a copy of a record with some fields changed."""
        fields = getattr(type(record), "__record__", None)
        if fields is None:
            import dataclasses

            return dataclasses.replace(record, **changes)
        for item in fields:
            if item.name not in changes:
                changes[item.name] = getattr(record, item.name)
        return type(record)(**changes)

    def _own(cls):
        """Return the fields that a class itself states; only plain defaults stay on the class."""
        found = []
        for name, annotation in cls.__annotations__.items():
            if str(annotation).startswith(("ClassVar", "typing.ClassVar")):
                continue
            item = cls.__dict__.get(name, _MISSING)
            if isinstance(item, _Field):
                if item.default is _MISSING:
                    delattr(cls, name)
                else:
                    setattr(cls, name, item.default)
            else:
                item = _Field(item, _MISSING, True, True, None)
            item.name, item.annotation = name, annotation
            found.append(item)
        return found

    def _record(cls, frozen, slots, eq):
        fields = {}
        for base in reversed(cls.__mro__[1:]):
            fields.update((item.name, item) for item in base.__dict__.get("__record__", ()))
        own = _own(cls)
        fields.update((item.name, item) for item in own)
        every = tuple(fields.values())
        if slots:
            cls = _with_slots(cls, own)
        cls.__record__ = every
        cls.__dataclass_fields__ = _StandardFields()
        if "__match_args__" not in cls.__dict__:
            cls.__match_args__ = tuple(fields)
        cls.__init__ = _init(cls, every, frozen)
        if "__repr__" not in cls.__dict__:
            cls.__repr__ = _repr
        if eq:
            _compare(cls, every, frozen)
        if frozen:
            cls.__setattr__ = _refuse_set
            cls.__delattr__ = _refuse_delete
            if slots:
                cls.__getstate__ = _getstate
                cls.__setstate__ = _setstate
        return cls

    def _with_slots(cls, own):
        """Return the class made again with `__slots__`: they cannot be added afterwards."""
        names = [item.name for item in own]
        parts = dict(cls.__dict__)
        for name in (*names, "__dict__", "__weakref__"):
            parts.pop(name, None)
        parts["__slots__"] = tuple(names)
        made = type(cls)(cls.__name__, cls.__bases__, parts)
        made.__qualname__ = cls.__qualname__
        return made

    def _init(cls, fields, frozen):
        names = tuple(item.name for item in fields)
        known = frozenset(names)
        after = hasattr(cls, "__post_init__")
        made = 0

        def __init__(self, *values, **named):
            nonlocal made
            made += 1
            given = dict(zip(names, values, strict=False))
            if (
                made > _FEW
                or len(values) > len(names)
                or not named.keys() <= known
                or not given.keys().isdisjoint(named)
            ):
                full(self, values, named)
                return
            given.update(named)
            for item in fields:
                name = item.name
                if name in given:
                    value = given[name]
                elif item.factory is not _MISSING:
                    value = item.factory()
                elif item.default is not _MISSING:
                    value = item.default
                else:
                    full(self, values, named)  # raises: an argument is missing
                    return
                _set(self, name, value)
            if after:
                self.__post_init__()

        def full(self, values, named):
            compiled = _compiled(fields, frozen, after)
            if cls.__init__ is __init__:
                cls.__init__ = compiled
            compiled(self, *values, **named)

        return __init__

    def _compiled(fields, frozen, after):
        """Return an `__init__` with the fields as parameters."""
        space = {"_set": _set, "_missing": _MISSING}
        parameters, lines = ["self"], []
        for number, item in enumerate(fields):
            name, value = item.name, item.name
            parameter = name
            if item.factory is not _MISSING:
                space[f"_f{number}"] = item.factory
                parameter += "=_missing"
                value = f"_f{number}() if {name} is _missing else {name}"
            elif item.default is not _MISSING:
                space[f"_d{number}"] = item.default
                parameter += f"=_d{number}"
            parameters.append(parameter)
            lines.append(f' _set(self, "{name}", {value})' if frozen else f" self.{name} = {value}")
        if after:
            lines.append(" self.__post_init__()")
        body = "\n".join(lines or [" pass"])
        exec(f"def __init__({', '.join(parameters)}):\n{body}", space)
        return space["__init__"]

    def _key(names):
        """Return a function that gives the values of some fields for comparing and hashing."""
        if not names:
            return lambda record: ()
        return attrgetter(*names)

    def _compare(cls, fields, frozen):
        key = _key([item.name for item in fields if item.compare])
        hashed = _key([item.name for item in fields if item.hash])

        def __eq__(self, other):
            if other.__class__ is self.__class__:
                return key(self) == key(other)
            return NotImplemented

        def __hash__(self):
            return hash(hashed(self))

        if "__eq__" not in cls.__dict__:
            cls.__eq__ = __eq__
        if frozen:
            cls.__hash__ = __hash__
        elif cls.__dict__.get("__hash__") is None:
            cls.__hash__ = None

    def _repr(self):
        shown = (f"{i.name}={getattr(self, i.name)!r}" for i in self.__record__ if i.repr)
        return f"{type(self).__qualname__}({', '.join(shown)})"

    def _refuse_set(self, name, value):
        raise AttributeError(f"cannot assign to field {name!r}")

    def _refuse_delete(self, name):
        raise AttributeError(f"cannot delete field {name!r}")

    def _getstate(self):
        return [getattr(self, item.name) for item in self.__record__]

    def _setstate(self, state):
        for item, value in zip(self.__record__, state, strict=True):
            _set(self, item.name, value)

    class _StandardFields:
        """Stands for `__dataclass_fields__`, made when a function of `dataclasses` asks for it."""

        def __get__(self, record, cls):
            import dataclasses

            rows = []
            for item in cls.__record__:
                more = {"repr": item.repr, "compare": item.compare, "hash": item.hash}
                if item.factory is not _MISSING:
                    more["default_factory"] = item.factory
                elif item.default is not _MISSING:
                    more["default"] = item.default
                rows.append((item.name, item.annotation, dataclasses.field(**more)))
            return dataclasses.make_dataclass("Fields", rows).__dataclass_fields__
