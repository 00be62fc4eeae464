"""Follows the constants of a Python file, and turns what was found into `Value`s.

`follow` reads a file without running it (`py_run`); the other functions convert. A value that is
known keeps the place of the literal it comes from, so that a finding points at what to change.
"""

from __future__ import annotations

import ast
import warnings
from typing import TYPE_CHECKING, Any

from ftdoctor.job.py_abstract import Abstract, Const, FileText, Map, Obj, Ref, Seq, Unk
from ftdoctor.job.py_ops import reason_of
from ftdoctor.job.py_run import Run
from ftdoctor.job.py_text import is_path, path_text, pieces, render, template
from ftdoctor.job.value import Value, known, unknown
from ftdoctor.records import replace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftdoctor.job.readenv import ReadEnv
    from ftdoctor.job.source import Place, Source


#: So many lines of a broken file are left out at most.
_MOST_BROKEN = 30


def parse(text: str) -> ast.Module | None:
    """Return the syntax tree of Python text, or None when it is not Python that we can read."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def parse_most(text: str) -> tuple[ast.Module | None, str]:
    """Return (tree, "") of Python text; of a broken one (tree of the lines that are left, why).

    A line that is no Python is left out, as are the lines that then make no sense; columns and line
    numbers of the others stay. None when too much is broken.
    """
    tree = parse(text)
    if tree is not None:
        return tree, ""
    lines = text.split("\n")
    problem = ""
    for _ in range(_MOST_BROKEN):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return ast.parse("\n".join(lines)), problem
        except SyntaxError as error:
            number = error.lineno or 0
            problem = problem or f"line {number}: {error.msg}"
            if not 0 < number <= len(lines):
                return None, problem
            row = lines[number - 1]
            blank = row[: len(row) - len(row.lstrip())] + "pass"
            if row == blank or not row.strip():
                # The line before is what does not end well.
                earlier = [i for i in range(number - 1) if lines[i].strip() not in ("", "pass")]
                if not earlier:
                    return None, problem
                number = earlier[-1] + 1
                row = lines[number - 1]
                blank = row[: len(row) - len(row.lstrip())] + "pass"
            lines[number - 1] = "" if error.msg.startswith("unexpected indent") else blank
        except (ValueError, RecursionError, MemoryError):
            return None, problem or "it is nested too deeply, or holds odd characters"
    return None, problem


def follow(
    source: Source,
    tree: ast.Module,
    env: ReadEnv | None = None,
    argv: list[Value[str]] | None = None,
    environment: Mapping[str, Value[str]] | None = None,
    where: str = "the machine that submits",
) -> Run:
    """Follow a file from its first statement to its last, then what nobody calls.

    `argv` is its command line (None: not known); `environment` the variables that the job sets.
    Raises nothing: what cannot be followed is in `Run.notes`.
    """
    run = Run(env, argv, environment, where)
    run.file(source, tree)
    run.rest()
    return run


def place_of(value: Abstract | None) -> Place | None:
    """Return where a value was written."""
    return value.at.place if value is not None and value.at is not None else None


#: Enumerations whose members stand for a plain word, and whether that word is in lower case.
_ENUMS = {
    "IntervalStrategy": True,
    "SaveStrategy": True,
    "SchedulerType": True,
    "OptimizerNames": True,
    "HubStrategy": True,
    "EvaluationStrategy": True,
    "TaskType": False,
    "AcceleratorType": False,
    "Strategy": False,
    "DebugOption": True,
}


def reference_word(name: str) -> str:
    """Return what a reference means as a plain word: `torch.bfloat16` is "bfloat16"."""
    parts = name.split(".")
    if len(parts) >= 3 and parts[-1] in ("name", "value") and parts[-3] in _ENUMS:
        parts.pop()
    if len(parts) >= 2 and parts[-2] in _ENUMS:
        return parts[-1].lower() if _ENUMS[parts[-2]] else parts[-1]
    if parts[0] in ("torch", "th") and len(parts) == 2:
        return parts[1]
    return name


def value(found: Abstract | None) -> Value[Any]:
    """Return any value: Python data when all of it is known."""
    if found is None:
        return unknown("it is not set")
    place = place_of(found)
    raw = found.at.raw if found.at is not None else ""
    if isinstance(found, FileText):
        return known(found.value, place, raw)
    if isinstance(found, Const):
        return known(found.value, place, raw or str(found.value))
    if isinstance(found, Ref):
        word = reference_word(found.name)
        if word != found.name or found.imported:
            return known(word, place, raw or found.name)
        return unknown(reason_of(found), place, raw or found.name)
    if is_path(found):
        return value(_placed(path_text(found), found))
    if isinstance(found, (Map, Seq)):
        data, reason = plain(found)
        if not reason:
            return known(data, place, raw)
        return unknown(reason, place, raw)
    if isinstance(found, Unk):
        return _unknown(found, place, raw)
    return unknown(reason_of(found), place, raw)


def _placed(inner: Abstract, outer: Abstract) -> Abstract:
    if inner.at is None:
        inner.at = outer.at
    return inner


def _unknown(found: Unk, place: Place | None, raw: str) -> Value[Any]:
    default = None
    if found.default is not None:
        inner = value(found.default)
        default = inner.value if not inner.unknown else None
    return unknown(found.reason, place, render(found.template) or raw, default)


def plain(found: Abstract, depth: int = 0) -> tuple[Any, str]:
    """Return (Python data, "") of a value, or (None, why a part of it is not known)."""
    if depth > 20:
        return None, "it is nested too deeply"
    if isinstance(found, Const):
        return found.value, ""
    if isinstance(found, Seq):
        items = []
        for item in found.items:
            data, reason = plain(item, depth + 1)
            if reason:
                return None, reason
            items.append(data)
        return items, found.now.open
    if isinstance(found, Map):
        entries = {}
        for key, (item, _) in found.data.items():
            data, reason = plain(item, depth + 1)
            if reason:
                return None, reason
            entries[key] = data
        return entries, found.now.open
    if isinstance(found, Ref) and found.imported:
        return reference_word(found.name), ""
    if is_path(found):
        return plain(path_text(found), depth + 1)
    return None, reason_of(found)


def text(found: Abstract | None) -> Value[str]:
    """Return a text; numbers become texts, as a command line or environment would have them."""
    if isinstance(found, Obj) and is_path(found):
        found = _placed(path_text(found), found)
    result = value(found)
    if result.unknown or isinstance(result.value, str):
        if result.unknown and isinstance(found, (Seq, Map)):
            return Value(None, result.place, result.unknown, result.raw)
        return result
    if result.value is None:
        return Value(None, result.place, "it is None", result.raw)
    if isinstance(result.value, (bool, int, float)):
        return Value(str(result.value), result.place, "", result.raw)
    return Value(None, result.place, "it is no text", result.raw)


def command_text(found: Abstract, env: ReadEnv | None = None) -> Value[str]:
    """Return a word of a command: like `text`, with unknown parts as `${name}`.

    The lines of a longer text are kept in `env`, so that what a shell reader finds in it points
    into the file.
    """
    result = text(found)
    if isinstance(found, Unk) and found.template:
        result = _with_holes(found, result)
    body = result.value if not result.unknown else result.raw
    if env is not None and body and result.place is not None and " " in body:
        from ftdoctor.job.py_embedded import text_source

        kept = text_source(found, result.place.context, shell=True)
        if kept is not None and kept.text == body:
            env.state.setdefault("fragments", {})[result.place] = kept
    return result


def _with_holes(found: Unk, result: Value[str]) -> Value[str]:
    """Return a text that is known in part, so that `--region=${X}` is known to be `--region=`."""
    from ftdoctor.job.shell_text import Hole, make

    body = ""
    holes = []
    for piece, is_unknown in pieces(found.template):
        if is_unknown:
            holes.append(Hole(len(body), len(body) + len(piece), found.reason))
        body += piece
    made = make(body, (-1,) * len(body), tuple(holes), None, result.place)
    if result.default is None or made.unknown == "":
        return made
    return replace(made, default=result.default)


def command_texts(found: Abstract | None, env: ReadEnv | None = None) -> list[Value[str]]:
    """Return a command line; an item that stands for an unknown rest is unknown."""
    if isinstance(found, Seq):
        items = [command_text(item, env) for item in found.items]
        if found.now.open:
            items.append(unknown(found.now.open, place_of(found)))
        return items
    if found is None or (isinstance(found, Const) and found.value is None):
        return []
    return [command_text(found, env)]


def number(found: Abstract | None) -> Value[int]:
    """Return a whole number; digits in a text count as one."""
    result = value(found)
    if result.unknown:
        return result
    data = result.value
    if isinstance(data, str) and data.strip().isdigit() and len(data) < 18:
        return Value(int(data), result.place, "", result.raw)
    if isinstance(data, float) and data == data and abs(data) < 1e15:
        return Value(int(data), result.place, "", result.raw)
    if isinstance(data, int) and not isinstance(data, bool):
        return Value(data, result.place, "", result.raw)
    return Value(None, result.place, "it is no number", result.raw)


def flag(found: Abstract | None) -> Value[bool]:
    """Return a truth value."""
    result = value(found)
    if result.unknown or isinstance(result.value, bool):
        return result
    if result.value in (0, 1, None):
        return Value(bool(result.value), result.place, "", result.raw)
    return Value(None, result.place, "it is no truth value", result.raw)


def texts(found: Abstract | None) -> list[Value[str]]:
    """Return the items of a list as texts; an item that stands for an unknown rest is unknown."""
    if isinstance(found, Seq):
        items = [text(item) for item in found.items]
        if found.now.open:
            items.append(unknown(found.now.open, place_of(found)))
        return items
    if found is None or (isinstance(found, Const) and found.value is None):
        return []
    return [text(found)]


def shown(found: Abstract) -> str:
    """Return a value as text with its unknown parts in braces."""
    return render(template(found))
