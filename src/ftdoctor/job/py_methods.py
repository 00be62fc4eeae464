"""Methods of texts, dicts, lists, paths and a few library objects."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from ftdoctor.job import py_objects, py_text
from ftdoctor.job.py_abstract import (
    Abstract,
    At,
    Const,
    Entries,
    FileText,
    Items,
    Map,
    Obj,
    Seq,
    Unk,
    text_of,
)
from ftdoctor.job.py_ops import extend, reason_of, set_item, update

if TYPE_CHECKING:
    from ftdoctor.job.py_builtins import Arguments
    from ftdoctor.job.py_run import Run

_NONE = Const(None)


def of_text(run: Run, owner: Const, name: str, given: Arguments, at: At) -> Abstract:
    """Return a method of a known text."""
    if isinstance(owner, FileText) and name in ("read", "readlines", "read_text", "close"):
        return owner
    if name == "format" and isinstance(owner.value, str):
        return py_text.format_method(owner.value, given.args, given.kwargs, at)
    if name == "format_map" and isinstance(owner.value, str) and given.args:
        values = given.args[0]
        if isinstance(values, Map):
            named = {str(key): value for key, (value, _) in values.data.items()}
            return py_text.format_method(owner.value, [], named, at)
    if isinstance(owner, FileText) and name in ("strip", "rstrip"):
        return owner
    return py_text.text_method(owner, name, given.args, at)


def of_map(run: Run, owner: Map, name: str, given: Arguments, at: At) -> Abstract:
    """Return a method of a dict, and change it where the method does."""
    args = given.args
    if name in ("get", "pop", "setdefault") and args:
        default = args[1] if len(args) > 1 else given.kwargs.get("default", _NONE)
        found = py_objects.map_item(owner, args[0], at, default)
        if name == "setdefault" and isinstance(args[0], Const) and args[0].value not in owner.data:
            set_item(run, owner, args[0], default, at)
        elif name == "pop" and isinstance(args[0], Const) and args[0].value in owner.data:
            data = dict(owner.data)
            data.pop(args[0].value)
            run.put(owner.cells, "entries", Entries(data, owner.now.open))
        return found
    if name == "items":
        pairs = [
            Seq([Const(key, key_at), value], at, kind="tuple")
            for key, (value, key_at) in owner.data.items()
        ]
        return Seq(pairs, at, owner.now.open)
    if name == "keys":
        return Seq([Const(k, key_at) for k, (_, key_at) in owner.data.items()], at, owner.now.open)
    if name == "values":
        return Seq([value for value, _ in owner.data.values()], at, owner.now.open)
    if name == "update":
        for other in args:
            update(run, owner, other)
        extra = Map({k: (v, given.places.get(k)) for k, v in given.kwargs.items()}, at, given.open)
        update(run, owner, extra)
        return _NONE
    if name == "copy":
        return Map(owner.data, at, owner.now.open)
    if name == "clear":
        run.put(owner.cells, "entries", Entries())
        return _NONE
    return Unk("it is computed when the code runs", at)


def of_list(run: Run, owner: Seq, name: str, given: Arguments, at: At) -> Abstract:
    """Return a method of a list, and change it where the method does."""
    now = owner.now
    args = given.args
    if name in ("append", "add") and args:
        run.put(owner.cells, "items", Items((*now.items, args[0]), now.open))
        return _NONE
    if name == "insert" and len(args) == 2 and isinstance(args[0], Const):
        items = list(now.items)
        if isinstance(args[0].value, int):
            items.insert(args[0].value, args[1])
        run.put(owner.cells, "items", Items(items, now.open))
        return _NONE
    if name in ("extend", "update") and args:
        extend(run, owner, args[0])
        return _NONE
    if name == "pop":
        index = args[0].value if args and isinstance(args[0], Const) else -1
        if isinstance(index, int) and -len(now.items) <= index < len(now.items):
            items = list(now.items)
            taken = items.pop(index)
            run.put(owner.cells, "items", Items(items, now.open))
            return taken
        return Unk(now.open or "the list is empty", at)
    if name == "copy":
        return Seq(now.items, at, now.open, owner.kind)
    if name == "clear":
        run.put(owner.cells, "items", Items())
        return _NONE
    if name in ("remove", "sort", "reverse"):
        run.put(
            owner.cells, "items", Items(now.items, now.open or f"the list is changed by {name}")
        )
        return _NONE
    return Unk("it is computed when the code runs", at)


def of_path(run: Run, owner: Obj, name: str, given: Arguments, at: At) -> Abstract:
    """Return a method of a pathlib path; a file beside the job is read."""
    text = py_text.path_text(owner)
    known = text_of(text)
    if name in ("joinpath", "__truediv__"):
        return py_text.joined_path([owner, *given.args], at)
    if name in ("resolve", "absolute", "expanduser"):
        return owner
    if name in ("as_posix", "__str__", "__fspath__"):
        return text
    if name in ("with_suffix", "with_name") and known is not None:
        new = text_of(given.args[0]) if given.args else None
        if new is not None:
            if name == "with_suffix":
                changed = posixpath.splitext(known)[0] + new
            else:
                changed = posixpath.join(posixpath.dirname(known), new)
            return py_text.joined_path([Const(changed, at)], at)
    if name in ("read_text", "open", "read_bytes"):
        mode = text_of(given.arg("mode", 0)) or "r"
        return (
            file_text(run, known, at) if name != "open" or "r" in mode else Unk("it is a file", at)
        )
    if name == "write_text":
        from ftdoctor.job.py_library import write_file

        write_file(run, known, given.arg("data", 0))
        return _NONE
    return Unk(f"it is known only on the machine ({name} of a path)", at)


def file_text(run: Run, path: str | None, at: At) -> Abstract:
    """Return the text of a file beside the job."""
    if path is None:
        return Unk("the name of the file is not known", at)
    source = run.env.read_file(path) if run.env is not None else None
    if source is None:
        return Unk(f"it is the content of {path}, which is not beside the job", at)
    return FileText(source, at)


def of_object(run: Run, owner: Obj, name: str, given: Arguments, at: At) -> Abstract | None:
    """Return a method of the few library objects that are understood, else None."""
    if owner.name == "timedelta" and name == "total_seconds":
        total = 0.0
        for unit, seconds in _SECONDS.items():
            part = owner.arg(unit, 0 if unit == "days" else -1)
            if part is None:
                continue
            if not isinstance(part, Const) or not isinstance(part.value, (int, float)):
                return Unk(reason_of(part), at)
            total += part.value * seconds
        return Const(int(total), at)
    if owner.name in ("copy", "deepcopy"):
        return owner
    return None


_SECONDS = {"days": 86400, "hours": 3600, "minutes": 60, "seconds": 1, "weeks": 604800}
