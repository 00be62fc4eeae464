"""The functions of the standard library whose result can be told without running.

A function answers None when it cannot say more than that it was called.
"""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from ftdoctor.job import py_objects, py_text
from ftdoctor.job.py_abstract import (
    Abstract,
    At,
    Const,
    FileText,
    Items,
    Map,
    Obj,
    Ref,
    Seq,
    Unk,
    text_of,
)
from ftdoctor.job.py_builtins import BUILTINS, Arguments, make_dict, unknown_because
from ftdoctor.job.py_ops import reason_of, set_item

if TYPE_CHECKING:
    from collections.abc import Callable

    from ftdoctor.job.py_run import Run


def _getenv(run: Run, given: Arguments, at: At) -> Abstract | None:
    if not given.args and "key" not in given.kwargs:
        return None
    key = given.arg("key", 0) or Unk("it is not known")
    return py_objects.environment(run, key, given.arg("default", 1), at)


def _setenv(run: Run, given: Arguments, at: At) -> Abstract | None:
    if len(given.args) == 2:
        name = text_of(given.args[0])
        if name is not None and name not in run.env_set and name not in run.environment:
            # setdefault: what is in the environment wins, and that is not known.
            value = Unk(f"it is the environment variable {name} of {run.where}", at, given.args[1])
            set_item(run, Ref("os.environ"), given.args[0], value, at)
            return value
    return Const(None, at)


def _environ_update(run: Run, given: Arguments, at: At) -> Abstract | None:
    values = make_dict(run, given, at)
    if isinstance(values, Map):
        for key, (value, key_at) in values.data.items():
            set_item(run, Ref("os.environ"), Const(key, key_at), value, at)
    return Const(None, at)


def _path_join(run: Run, given: Arguments, at: At) -> Abstract | None:
    return (
        py_text.joined([py_text.path_text(arg) for arg in given.args], at) if given.args else None
    )


def _path_part(part: Callable[[str], str]) -> Callable[[Run, Arguments, At], Abstract | None]:
    def answer(run: Run, given: Arguments, at: At) -> Abstract | None:
        value = py_text.path_text(given.args[0]) if given.args else None
        known = text_of(value)
        if known is not None:
            return Const(part(known), at)
        return Unk(reason_of(value) if value is not None else "", at)

    return answer


def _path(run: Run, given: Arguments, at: At) -> Abstract | None:
    return py_text.joined_path(given.args or [Const(".", at)], at)


def _open(run: Run, given: Arguments, at: At) -> Abstract | None:
    from ftdoctor.job.py_methods import file_text

    mode = text_of(given.arg("mode", 1)) or "r"
    path = text_of(py_text.path_text(given.args[0])) if given.args else None
    if "w" in mode or "a" in mode or "x" in mode:
        return Obj("open", at, tuple(given.args), given.kwargs)
    return file_text(run, path, at)


def write_file(run: Run, path: str | None, content: Abstract | None) -> None:
    """Note a file that the code writes, so that later commands find it."""
    from ftdoctor.job.py_embedded import text_source

    if path is None or run.env is None or not isinstance(content, Const):
        return
    source = text_source(content, f"{path} written by the script")
    if source is not None:
        run.env.written[path] = source


def _load(run: Run, given: Arguments, at: At) -> Abstract | None:
    from ftdoctor.job.py_embedded import parse_document

    value = given.args[0] if given.args else None
    if isinstance(value, FileText):
        return parse_document(value.file, at)
    if isinstance(value, Const) and isinstance(value.value, str):
        from ftdoctor.job.py_embedded import text_source

        source = text_source(value, "")
        if source is not None:
            return parse_document(source, at)
    return Unk(reason_of(value) if value is not None else "", at)


def _dumps(run: Run, given: Arguments, at: At) -> Abstract | None:
    from ftdoctor.job.py_values import plain

    found, reason = plain(given.args[0]) if given.args else (None, "it is not named")
    if reason:
        return Unk(reason, at)
    import json

    try:
        return Const(json.dumps(found), at)
    except (TypeError, ValueError):
        return None


def _dedent(run: Run, given: Arguments, at: At) -> Abstract | None:
    value = given.args[0] if given.args else None
    if isinstance(value, Const) and isinstance(value.value, str):
        from textwrap import dedent

        return Const(dedent(value.value), value.at)
    return value


def _copied(run: Run, given: Arguments, at: At) -> Abstract | None:
    value = given.args[0] if given.args else None
    return _deep(value, 0) if value is not None else None


def _deep(value: Abstract, depth: int) -> Abstract:
    if depth > 20:
        return value
    if isinstance(value, Map):
        data = {k: (_deep(v, depth + 1), key_at) for k, (v, key_at) in value.data.items()}
        return Map(data, value.at, value.now.open)
    if isinstance(value, Seq):
        copied = Seq(at=value.at, kind=value.kind)
        copied.cells["items"] = Items([_deep(v, depth + 1) for v in value.items], value.now.open)
        return copied
    return value


def _shlex_split(run: Run, given: Arguments, at: At) -> Abstract | None:
    known = text_of(given.args[0]) if given.args else None
    if known is None:
        return None
    import shlex

    try:
        return Seq([Const(word, at) for word in shlex.split(known)], at)
    except ValueError:
        return Unk("its quotes do not match", at)


def _shlex_quote(run: Run, given: Arguments, at: At) -> Abstract | None:
    import shlex

    known = text_of(given.args[0]) if given.args else None
    if known is not None:
        return Const(shlex.quote(known), given.args[0].at)
    return given.args[0] if given.args else None


def _import(run: Run, given: Arguments, at: At) -> Abstract | None:
    name = text_of(given.args[0]) if given.args else None
    return Ref(name, at) if name is not None else None


def _shlex_join(run: Run, given: Arguments, at: At) -> Abstract | None:
    value = given.args[0] if given.args else None
    if isinstance(value, Seq) and not value.now.open:
        import shlex

        parts: list[Abstract] = []
        for index, item in enumerate(value.items):
            known = text_of(item)
            parts += [Const(" ")] if index else []
            parts.append(Const(shlex.quote(known)) if known is not None else item)
        return py_text.concatenated(parts, at)
    return None


def _secret(run: Run, given: Arguments, at: At) -> Abstract | None:
    name = text_of(given.arg("key", 0)) or ""
    return Unk(f"it is the secret {name} of the notebook".replace("  ", " "), at)


_TYPED = unknown_because("it is typed in when the code runs")
_TIME = unknown_because("it is the time of the run")
FUNCTIONS: dict[str, Callable[[Run, Arguments, At], Abstract | None]] = {
    **BUILTINS,
    "__import__": _import,
    "importlib.import_module": _import,
    "open": _open,
    "io.open": _open,
    "getpass.getpass": _TYPED,
    "os.getenv": _getenv,
    "os.environ.get": _getenv,
    "os.environ.pop": _getenv,
    "os.environ.setdefault": _setenv,
    "os.environ.update": _environ_update,
    "os.path.join": _path_join,
    "posixpath.join": _path_join,
    "os.path.basename": _path_part(posixpath.basename),
    "os.path.dirname": _path_part(posixpath.dirname),
    "os.path.expanduser": _path_part(lambda path: path),
    "os.path.expandvars": _path_part(lambda path: path),
    "os.path.abspath": _path_part(lambda path: path),
    "os.path.realpath": _path_part(lambda path: path),
    "os.path.normpath": _path_part(posixpath.normpath),
    "pathlib.Path": _path,
    "pathlib.PurePath": _path,
    "pathlib.PurePosixPath": _path,
    "Path": _path,
    "yaml.safe_load": _load,
    "yaml.load": _load,
    "yaml.full_load": _load,
    "json.load": _load,
    "json.loads": _load,
    "json.dumps": _dumps,
    "textwrap.dedent": _dedent,
    "inspect.cleandoc": _dedent,
    "copy.deepcopy": _copied,
    "copy.copy": _copied,
    "typing.cast": lambda run, given, at: given.arg("val", 1),
    "shlex.quote": _shlex_quote,
    "shlex.split": _shlex_split,
    "shlex.join": _shlex_join,
    "time.time": _TIME,
    "time.strftime": _TIME,
    "datetime.datetime.now": _TIME,
    "datetime.datetime.utcnow": _TIME,
    "datetime.date.today": _TIME,
    "uuid.uuid4": unknown_because("it is made up at every run"),
    "google.colab.userdata.get": _secret,
    "huggingface_hub.get_token": unknown_because("it is the token of the machine that runs this"),
    "huggingface_hub.HfFolder.get_token": unknown_because(
        "it is the token of the machine that runs this"
    ),
}
