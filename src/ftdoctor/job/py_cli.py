"""The command line as a script reads it: argparse, HfArgumentParser/TrlParser, absl, click, typer.

With a known command line (`Run.argv`) the arguments are known; without one they are unknown and
keep their defaults.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ftdoctor.job.py_abstract import (
    Abstract,
    At,
    Const,
    Func,
    Obj,
    Ref,
    Seq,
    Unk,
    text_of,
)
from ftdoctor.job.py_arguments import note_parsed
from ftdoctor.job.py_objects import from_value
from ftdoctor.job.py_ops import reason_of
from ftdoctor.job.py_text import template

if TYPE_CHECKING:
    from ftdoctor.job.py_builtins import Arguments
    from ftdoctor.job.py_run import Run

_HF = ("HfArgumentParser", "TrlParser", "H4ArgumentParser")
PARSERS = frozenset(
    {
        "argparse.ArgumentParser",
        "ArgumentParser",
        *(f"{module}.{name}" for module in ("transformers", "trl") for name in _HF),
        "transformers.hf_argparser.HfArgumentParser",
        "alignment.H4ArgumentParser",
        *_HF,
    }
)


def is_parser(owner: Obj) -> bool:
    """Whether an object parses a command line in a way that is understood."""
    return owner.callee in PARSERS or (owner.name in _HF and not owner.derived)


def parser_method(run: Run, owner: Obj, name: str, given: Arguments, at: At) -> Abstract | None:
    """Return what a method of a parser gives, None when it is nothing that is understood."""
    if owner.name in _HF:
        if name == "parse_args_and_config" or name.startswith(
            ("parse_args", "parse_yaml", "parse_json", "parse_dict", "parse")
        ):
            from ftdoctor.job.py_dataclasses import parsed

            return parsed(run, owner, name, given, _argv(run, given), at)
        return None
    if name in (
        "add_argument_group",
        "add_mutually_exclusive_group",
        "add_subparsers",
        "add_parser",
    ):
        if name in ("add_subparsers", "add_parser"):
            owner.cells["_open"] = True
        return owner
    if name == "add_argument":
        specs = owner.cells.setdefault("_specs", [])
        names = [t for arg in given.args if (t := text_of(arg))]
        if len(names) < len(given.args) or given.open or run.loops or run.conditions:
            owner.cells["_open"] = True  # whatever becomes of the branch
        if names:
            run.put(owner.cells, "_specs", [*specs, (names, given, at)])
        return Const(None)
    if name == "set_defaults":
        run.put(owner.cells, "_defaults", {**owner.cells.get("_defaults", {}), **given.kwargs})
        return Const(None)
    if name in ("parse_args", "parse_known_args"):
        if owner.name not in _HF:
            note_parsed(run, owner, given, name, at)
        space = _namespace(run, owner, given, at)
        return Seq([space, Seq([], at, "they are left over")], at) if "known" in name else space
    return None


def _argv(run: Run, given: Arguments) -> list[Abstract] | None:
    explicit = given.arg("args", 0)
    if isinstance(explicit, Seq) and not explicit.now.open:
        return list(explicit.items)
    if explicit is not None and not (isinstance(explicit, Const) and explicit.value is None):
        return None
    return None if run.argv is None else [from_value(value) for value in run.argv]


def options(
    argv: list[Abstract], flags: frozenset[str] = frozenset()
) -> tuple[dict[str, Abstract], list[Abstract]]:
    """Split a command line into options by name (dashes become underscores) and the rest.

    An option takes the words up to the next option; several words become a list, none is True.
    `flags` are names that take no value.
    """
    named: dict[str, Abstract] = {}
    rest: list[Abstract] = []
    index = 0
    while index < len(argv):
        word = template(argv[index])
        if not word.startswith("-") or word == "-" or _is_number(word):
            rest.append(argv[index])
            index += 1
            continue
        name, equals, _ = word.partition("=")
        key = name.lstrip("-").replace("-", "_")
        if equals:
            named[key] = _after(argv[index], len(name) + 1)
            index += 1
            continue
        index += 1
        taken: list[Abstract] = []
        while index < len(argv) and key not in flags:
            following = template(argv[index])
            if following.startswith("-") and not _is_number(following) and following != "-":
                break
            taken.append(argv[index])
            index += 1
        if not taken:
            named[key] = Const(True, argv[index - 1].at)
        else:
            named[key] = taken[0] if len(taken) == 1 else Seq(taken, taken[0].at)
    return named, rest


def _after(word: Abstract, start: int) -> Abstract:
    """Return the part of a `--name=value` word behind the equals sign."""
    if isinstance(word, Const):
        return Const(str(word.value)[start:], _narrowed(word, start, len(str(word.value))))
    if isinstance(word, Unk):
        default = word.default
        if isinstance(default, Const):
            default = Const(str(default.value)[start:], default.at)
        return Unk(word.reason, word.at, default, template=word.template[start:])
    return Unk(reason_of(word), word.at)


def _narrowed(word: Abstract, start: int, length: int) -> At | None:
    """Return the place of the value inside `--name=value`, when columns can be counted on."""
    place = word.at.place if word.at is not None else None
    if place is None or place.line != place.end_line:
        return word.at
    quotes = place.end_column - place.column - length
    if quotes not in (0, 2):
        return word.at
    first = place.column + quotes // 2 + start
    inner = type(place)(
        place.path, place.line, first, place.line, place.end_column - quotes // 2, place.context
    )
    return At(None, None, inner)


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _namespace(run: Run, owner: Obj, given: Arguments, at: At) -> Obj:
    space = Obj("argparse.Namespace", at)
    argv = _argv(run, given)
    specs: list[tuple[list[str], Arguments, At]] = owner.cells.get("_specs", [])
    flags = frozenset(
        name.lstrip("-").replace("-", "_")
        for names, spec, _ in specs
        if (text_of(spec.kwargs.get("action")) or "").startswith(("store_t", "store_f", "count"))
        for name in names
    )
    named, rest = options(argv, flags) if argv is not None else ({}, [])
    for names, spec, spec_at in specs:
        dest = text_of(spec.kwargs.get("dest"))
        longest = next((n for n in names if n.startswith("--")), names[0])
        dest = dest or longest.lstrip("-").replace("-", "_")
        default = spec.kwargs.get("default")
        default = default or owner.cells.get("_defaults", {}).get(dest)
        action = text_of(spec.kwargs.get("action")) or ""
        if action.startswith(("store_t", "store_f")) and default is None:
            default = Const(action.startswith("store_f"), spec_at)
        if default is None:
            default = Const(None, spec_at)
        found = next(
            (named[k] for n in names if (k := n.lstrip("-").replace("-", "_")) in named), None
        )
        if not names[0].startswith("-") and rest:
            found = rest.pop(0)
        space.cells[dest] = _argument(dest, found, default, action, spec, argv is not None)
    return space


def _argument(
    dest: str, found: Abstract | None, default: Abstract, action: str, spec: Arguments, told: bool
) -> Abstract:
    if found is not None:
        if action.startswith("store_"):
            return Const(action.startswith("store_t"), found.at)
        return _typed(found, spec.kwargs.get("type"))
    default = _typed_default(default, spec.kwargs.get("type"))
    required = spec.kwargs.get("required")
    if told and not (isinstance(required, Const) and required.value is True):
        return default
    reason = f"it is the argument {dest} of the command line"
    if isinstance(default, Const) and default.value is None:
        return Unk(reason, default.at)
    if isinstance(default, Unk):
        return Unk(reason, default.at, default.default, default.choices)
    return Unk(reason, default.at, default)


def _typed_default(default: Abstract, kind: Abstract | None) -> Abstract:
    """Return a default as argparse leaves it: it converts one that is a text."""
    if isinstance(default, Unk) and isinstance(default.default, Const):
        inner = _typed(default.default, kind)
        return Unk(default.reason, default.at, inner, default.choices, default.template)
    return _typed(default, kind)


def _typed(found: Abstract, kind: Abstract | None) -> Abstract:
    if not isinstance(found, Const) or not isinstance(found.value, str):
        return found
    name = kind.name if isinstance(kind, Ref) else ""
    if name in ("int", "float"):
        try:
            return Const(int(found.value) if name == "int" else float(found.value), found.at)
        except (ValueError, OverflowError):
            return Unk("it is no number", found.at)
    if isinstance(kind, Func) or name == "bool":
        low = found.value.lower()
        if low in ("true", "yes", "1", "t", "y") and isinstance(kind, Func):
            return Const(True, found.at)
        if low in ("false", "no", "0", "f", "n") and isinstance(kind, Func):
            return Const(False, found.at)
        return Const(True, found.at) if name == "bool" else found
    return found


def guessed(found: Abstract) -> Abstract:
    """Give a word the type that the field of a library's dataclass most likely has."""
    if not isinstance(found, Const) or not isinstance(found.value, str):
        return found
    low = found.value.strip().lower()
    if low in ("true", "false"):
        # "no" is a value of its own: eval_strategy, save_strategy.
        return Const(low == "true", found.at)
    for kind in (int, float):
        try:
            return Const(kind(low), found.at)
        except (ValueError, OverflowError):
            continue
    return found


def absl_flag(run: Run, name: str, at: At) -> Abstract:
    """Return the value of an absl flag."""
    if run.argv is not None:
        named, _ = options([from_value(value) for value in run.argv])
        if name in named:
            return named[name]
    for call in run.calls:
        if ".DEFINE_" in call.callee and text_of(call.arg("name", 0)) == name:
            default = call.arg("default", 1)
            if run.argv is not None and default is not None:
                return default
            where = default.at if default is not None else at
            return Unk(f"it is the flag --{name} of the command line", where, default)
    return Unk(f"it is the flag --{name} of the command line", at)


def unwrapped_option(default: Abstract) -> Abstract:
    """Return the default behind `typer.Option("x", ...)`."""
    if isinstance(default, Obj) and default.callee in ("typer.Option", "typer.Argument"):
        inner = default.arg("default", 0)
        return Unk("it is an option of the command line", default.at, inner)
    return default


def decorated_option(run: Run, func: Func, name: str) -> Abstract | None:
    """Return what a `@click.option` says about a parameter, or None."""
    for decorator in getattr(func.node, "decorator_list", []):
        if not isinstance(decorator, ast.Call):
            continue
        word = getattr(decorator.func, "attr", getattr(decorator.func, "id", ""))
        if word not in ("option", "argument"):
            continue
        names = [a.value for a in decorator.args if isinstance(a, ast.Constant)]
        if name not in [str(n).lstrip("-").split("/")[0].replace("-", "_") for n in names]:
            continue
        default = next((k.value for k in decorator.keywords if k.arg == "default"), None)
        named: dict[str, Abstract] = {}
        if run.argv is not None:
            named, _ = options([from_value(value) for value in run.argv])
        if name in named:
            return named[name]
        inner = run.eval(default) if default is not None else None
        if run.argv is not None and inner is not None:
            return inner
        where = inner.at if inner is not None else At(func.source, decorator)
        return Unk(f"it is the option {name} of the command line", where, inner)
    return None
