"""Attributes, items and parts of values, and the variables of the environment."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, Any

from ftdoctor.job import py_text
from ftdoctor.job.py_abstract import (
    Abstract,
    At,
    Cls,
    Const,
    FileText,
    Func,
    Map,
    Obj,
    Ref,
    Seq,
    Space,
    Unk,
    text_of,
)
from ftdoctor.job.py_join import join_values
from ftdoctor.job.py_ops import reason_of

if TYPE_CHECKING:
    from ftdoctor.job.py_run import Run
    from ftdoctor.job.value import Value


def from_value(value: Value[Any]) -> Abstract:
    """Return a value that another reader found as one of ours."""
    at = At(None, None, value.place)
    if not value.unknown:
        return Const(value.value, at)
    default = Const(value.default, at) if value.default is not None else None
    return Unk(value.unknown, at, default=default, template=value.raw)


def derived(owner: Obj, name: str, at: At | None) -> Obj:
    """Return a part of an object that a library made."""
    made = Obj(f"{owner.callee}(){name}", at, receiver=owner, imported=owner.imported)
    made.derived = True
    return made


def attribute(run: Run, owner: Abstract, name: str, at: At) -> Abstract:
    """Return an attribute of a value."""
    if isinstance(owner, Ref):
        return _of_reference(run, owner, name, at)
    if isinstance(owner, Obj):
        return _of_object(run, owner, name, at)
    if isinstance(owner, Cls):
        found = owner.find(name)
        if found is not None:
            return field_default(run, found) if not isinstance(found, Func) else found
        if name == "__name__":
            return Const(owner.name, at)
        base = owner.external()
        return Ref(f"{base.name}.{name}", at) if base else Unk("it is not set in the class", at)
    if isinstance(owner, Space):
        inside = owner.scope.cells.get(name)
        if isinstance(inside, Abstract):
            return inside
        return Ref(f"{owner.name}.{name}", at)
    if isinstance(owner, Const) and name == "value":
        return owner
    if isinstance(owner, FileText):
        return owner
    if isinstance(owner, Unk):
        return Unk(owner.reason, at)
    return Unk("it is known only when the code runs", at)


def _of_reference(run: Run, owner: Ref, name: str, at: At) -> Abstract:
    full = f"{owner.name}.{name}"
    if full == "sys.argv":
        if run.argv is None:
            return Seq([], at, "the command line is not known")
        return Seq([Const("script.py"), *(from_value(v) for v in run.argv)], at)
    if owner.name.endswith("flags.FLAGS"):
        from ftdoctor.job import py_cli

        return py_cli.absl_flag(run, name, at)
    space = run.spaces.get(owner.name)
    if space is not None:
        return attribute(run, space, name, at)
    if full in ("os.sep", "posixpath.sep"):
        return Const("/", at)
    return Ref(full, at, owner.imported)


def _of_object(run: Run, owner: Obj, name: str, at: At) -> Abstract:
    if name in owner.cells:
        found: Abstract = owner.cells[name]
        return found
    if owner.cls is not None:
        if name in owner.kwargs:
            return owner.kwargs[name]
        inherited = owner.cls.find(name)
        if isinstance(inherited, Func):
            bound = Func(inherited.node, inherited.scope, inherited.source, owner, inherited.owner)
            if _is_property(inherited):
                return run.inline(bound, [], {}, "", at.node)
            return bound
        if inherited is not None:
            return field_default(run, inherited)
        if owner.cls.external() is None and not owner.open:
            return Unk(f"the attribute {name} is not set in the file", at)
    if "_parsed" in owner.cells and name not in owner.kwargs and owner.imported:
        if owner.cells["_parsed"] == "its default":
            return Unk(f"it is left at the default of {name}", at)
        return Unk(f"it is the argument {name} of the command line", at)
    if owner.callee == "argparse.Namespace":
        return Unk(f"it is the argument {name} of the command line", at)
    if name in owner.kwargs:
        return owner.kwargs[name]
    if py_text.is_path(owner):
        return _of_path(owner, name, at)
    if owner.callee.startswith("absl.flags.DEFINE_") and name == "value":
        flag = text_of(owner.arg("name", 0))
        if flag is not None:
            from ftdoctor.job import py_cli

            return py_cli.absl_flag(run, flag, at)
    return derived(owner, f".{name}", at)


def _is_property(func: Func) -> bool:
    for decorator in getattr(func.node, "decorator_list", []):
        name = getattr(decorator, "attr", getattr(decorator, "id", ""))
        if name in ("property", "cached_property"):
            return True
    return False


def _of_path(owner: Obj, name: str, at: At) -> Abstract:
    text = text_of(py_text.path_text(owner))
    if text is None:
        return (
            owner
            if name in ("parent", "absolute", "resolve")
            else Unk(reason_of(py_text.path_text(owner)), at)
        )
    if name == "parent":
        return py_text.joined_path([Const(posixpath.dirname(text) or ".", at)], at)
    if name == "name":
        return Const(posixpath.basename(text), at)
    if name == "stem":
        return Const(posixpath.splitext(posixpath.basename(text))[0], at)
    if name == "suffix":
        return Const(posixpath.splitext(text)[1], at)
    return Unk("it is known only when the code runs", at)


def item(run: Run, owner: Abstract, key: Abstract, at: At) -> Abstract:
    """Return `owner[key]`."""
    if isinstance(owner, Map):
        return map_item(owner, key, at)
    if isinstance(owner, Seq):
        if isinstance(key, Const) and isinstance(key.value, int):
            if -len(owner.items) <= key.value < len(owner.items):
                return owner.items[key.value]
            return Unk(owner.now.open or "the list has no such item", at)
        if owner.items and not owner.now.open:
            return join_values(list(owner.items), reason_of(key))
        return Unk(owner.now.open or reason_of(key), at)
    if isinstance(owner, Ref) and owner.name == "os.environ":
        return environment(run, key, None, at)
    if isinstance(owner, Const) and isinstance(owner.value, (str, bytes)):
        if isinstance(key, Const) and isinstance(key.value, int):
            try:
                return Const(owner.value[key.value], at)
            except IndexError:
                return Unk("the text is shorter", at)
        return Unk(reason_of(key), at)
    if isinstance(owner, Obj):
        name = text_of(key)
        if name is not None and isinstance(owner.cells.get(name), Abstract):
            found: Abstract = owner.cells[name]
            return found
        if owner.name in ("TypedDict", "EasyDict", "SimpleNamespace") and name in owner.kwargs:
            return owner.kwargs[name]
        return derived(owner, f"[{name!r}]" if name is not None else "[]", at)
    if isinstance(owner, Ref):
        # `list[str]`, `AcceleratorType["NVIDIA_L4"]`
        name = text_of(key)
        return Ref(f"{owner.name}.{name}", at, owner.imported) if name else owner
    return Unk(reason_of(owner), at)


def map_item(owner: Map, key: Abstract, at: At | None, default: Abstract | None = None) -> Abstract:
    """Return the value of a dict under a key; with an unknown key, what all entries agree on."""
    if isinstance(key, Const):
        try:
            entry = owner.data.get(key.value)
        except TypeError:
            entry = None
        if entry is not None:
            return entry[0]
        if owner.now.open:
            return Unk(owner.now.open, at, default=default)
        return default if default is not None else Unk(f"there is no key {key.value!r}", at)
    choices = key.choices if isinstance(key, Unk) else ()
    entries = [
        owner.data[choice.value][0]
        for choice in choices
        if isinstance(choice, Const) and choice.value in owner.data
    ] or [value for value, _ in owner.data.values()]
    if not entries or owner.now.open:
        return Unk(owner.now.open or reason_of(key), at, default=default)
    joined = join_values(entries, reason_of(key))
    known_default = key.default if isinstance(key, Unk) else None
    if isinstance(known_default, Const):
        entry = owner.data.get(known_default.value)
        if entry is not None:
            return with_default(joined, entry[0])
    return joined


def with_default(joined: Abstract, default: Abstract, depth: int = 0) -> Abstract:
    """Return a value that is one of several, knowing which one it is when nothing is chosen."""
    if isinstance(joined, Unk):
        return Unk(joined.reason, joined.at, default, joined.choices, joined.template)
    if depth < 6 and isinstance(joined, Seq) and isinstance(default, Seq):
        pairs = zip(joined.items, default.items, strict=False)
        items = [with_default(one, two, depth + 1) for one, two in pairs]
        return Seq([*items, *joined.items[len(items) :]], joined.at, joined.now.open, joined.kind)
    if depth < 6 and isinstance(joined, Map) and isinstance(default, Map):
        data = {
            key: (with_default(item, inner, depth + 1) if (inner := default.get(key)) else item, at)
            for key, (item, at) in joined.data.items()
        }
        return Map(data, joined.at, joined.now.open)
    return joined


def part(run: Run, value: Abstract, index: int, at: At) -> Abstract:
    """Return part `index` of a value that is taken apart."""
    if isinstance(value, Seq):
        if index < len(value.items):
            return value.items[index]
        return Unk(value.now.open or "there is no such part", at)
    if isinstance(value, Obj):
        return derived(value, f"[{index}]", at)
    return Unk(reason_of(value), at)


def environment(run: Run, key: Abstract, default: Abstract | None, at: At) -> Abstract:
    """Return an environment variable: set by the code, set by the job, or not known here."""
    name = text_of(key)
    if name is None:
        return Unk(f"it is an environment variable of {run.where}", at, default=default)
    if name in run.env_set:
        found: Abstract = run.env_set[name]
        return found
    place = at.place
    if place is not None:
        run.env_read.setdefault(name, place)
    given = run.environment.get(name)
    if given is not None:
        return from_value(given)
    return Unk(f"it is the environment variable {name} of {run.where}", at, default=default)


def field_default(run: Run, value: Abstract) -> Abstract:
    """Return the default behind `dataclasses.field(...)`, or the value itself."""
    if not isinstance(value, Obj) or value.name not in ("field", "Field", "HfArg", "attrib"):
        return value
    default = value.arg("default")
    if default is None and value.name in ("Field", "attrib") and value.args:
        default = value.args[0]
    if default is not None:
        return default
    factory = value.arg("default_factory")
    if isinstance(factory, Func):
        return run.inline(factory, [], {}, "", None)
    if isinstance(factory, Ref):
        if factory.name == "list":
            return Seq([], value.at)
        if factory.name == "dict":
            return Map(at=value.at)
    return Unk("it has no default", value.at)
