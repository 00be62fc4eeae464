"""HfArgumentParser and TrlParser: dataclass objects filled from a command line, YAML or JSON."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

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
    Unk,
    text_of,
)
from ftdoctor.job.py_cli import guessed, options
from ftdoctor.job.py_objects import field_default

if TYPE_CHECKING:
    from ftdoctor.job.py_builtins import Arguments
    from ftdoctor.job.py_run import Run


def parsed(
    run: Run,
    owner: Obj,
    name: str,
    given: Arguments,
    line: list[Abstract] | None,
    at: At,
) -> Abstract:
    """Return the dataclass objects that HfArgumentParser or TrlParser makes."""
    wanted = owner.arg("dataclass_types", 0)
    classes = list(wanted.items) if isinstance(wanted, Seq) else [wanted] if wanted else []
    argv = (
        line
        if name in ("parse_args_and_config", "parse_args_into_dataclasses", "parse", "parse_args")
        else []
    )
    named, rest = options(argv) if argv is not None else ({}, [])
    document: Abstract | None = None
    if name.startswith(("parse_yaml", "parse_json")):
        document = _read(run, given.arg("yaml_file", 0) or given.arg("json_file", 0), at)
    elif name == "parse_dict":
        document = given.arg("args", 0)
    elif "config" in named:
        document = _read(run, named.pop("config"), at)
    elif rest and owner.name == "H4ArgumentParser":
        document = _read(run, rest[0], at)
    told = argv is not None and not isinstance(document, Unk)
    defaults: dict[Any, tuple[Abstract, At | None]] = {}
    if isinstance(document, Map):
        defaults = document.data
    made = [_filled(run, cls, named, defaults, told, at) for cls in classes]
    if len(made) == 1 and name != "parse_args_into_dataclasses" and not isinstance(wanted, Seq):
        return Seq(made, at, kind="tuple")
    if "remaining" in str(list(given.kwargs)):
        made.append(Seq([], at, "they are left over"))
    return Seq(made, at, kind="tuple")


def _read(run: Run, path: Abstract | None, at: At) -> Abstract:
    from ftdoctor.job.py_embedded import parse_document
    from ftdoctor.job.py_methods import file_text

    file = file_text(run, text_of(path), at)
    return parse_document(file.file, at) if isinstance(file, FileText) else file


def _filled(
    run: Run,
    cls: Abstract,
    named: dict[str, Abstract],
    defaults: dict[Any, tuple[Abstract, At | None]],
    told: bool,
    at: At,
) -> Abstract:
    external = cls.name if isinstance(cls, Ref) else ""
    if isinstance(cls, Cls):
        base = cls.external()
        external = base.name if base is not None else ""
    made = Obj(external or (cls.name if isinstance(cls, Cls) else "dataclass"), at)
    given: dict[str, Abstract] = {key: value for key, (value, _) in defaults.items()}
    given.update(named)
    if isinstance(cls, Cls):
        made.cls = cls
        for field, annotation in cls.fields().items():
            default = cls.find(field)
            if field in given:
                made.cells[field] = _annotated(given.pop(field), annotation)
            elif default is not None and told:
                made.cells[field] = field_default(run, default)
            else:
                inner = field_default(run, default) if default is not None else None
                where = inner.at if inner is not None else None
                reason = f"it is the argument {field} of the command line"
                made.cells[field] = Unk(reason, where or at, inner)
    # Attributes that nobody gave come from the command line too, or are defaults of the library.
    made.cells["_parsed"] = "its default" if told else "the command line"
    if external:
        from ftdoctor.job.trl_names import belongs

        last = external.rsplit(".", 1)[-1]
        made.kwargs = {k: guessed(v) for k, v in given.items() if belongs(k, last)}
        plain = {k: v for k, v in made.cells.items() if isinstance(v, Abstract)}
        made.kwargs.update({k: v for k, v in plain.items() if not isinstance(v, (Obj, Func))})
        made.kw_at = {k: v.at for k, v in made.kwargs.items() if v.at is not None}
        if not told:
            made.open = "its other fields come from the command line"
        run.record(made)
    return made


def _annotated(text: Abstract, annotation: ast.expr | None) -> Abstract:
    """Convert a word of the command line to the type of a dataclass field."""
    if not isinstance(text, Const) or not isinstance(text.value, str):
        return text
    words = {n.id for n in ast.walk(annotation) if isinstance(n, ast.Name)} if annotation else set()
    low = text.value.lower()
    if "bool" in words and low in ("true", "false", "yes", "no", "1", "0"):
        return Const(low in ("true", "yes", "1"), text.at)
    for kind in (int, float):
        if kind.__name__ in words:
            try:
                return Const(kind(text.value), text.at)
            except (ValueError, OverflowError):
                continue
    return text
