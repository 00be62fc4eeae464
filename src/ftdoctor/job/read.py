"""Find the jobs in files: which reader reads what, what is linked to what, what is passed over."""

from __future__ import annotations

import os
import posixpath
import sys
from typing import TYPE_CHECKING

from ftdoctor.job.kinds import SKIPPED_FOLDERS, kind_of, worth_reading
from ftdoctor.job.model import Unread
from ftdoctor.job.readenv import MAX_BYTES, Disk, ReadEnv, decode
from ftdoctor.job.source import Place, Source
from ftdoctor.records import dataclass, field

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from ftdoctor.job.model import Job
    from ftdoctor.job.readenv import Files

#: Launchers before what they launch, so that a script or spec is told once, with its launcher.
_ORDER = ("shell", "powershell", "make", "actions", "document", "submit", "terraform")
_LAST = ("notebook", "yaml", "python")
#: At most this many files are looked at below a folder.
_MOST_FILES = 20_000


@dataclass
class Reading:
    """What was found: jobs in the order of the inputs, and what was passed over and why."""

    jobs: list[Job] = field(default_factory=list)
    passed_over: list[Unread] = field(default_factory=list)
    files: int = 0


def read(
    paths: Iterable[Path | str] | None = None, stdin: bool = False, files: Files | None = None
) -> Reading:
    """Read the jobs in files and folders; with none, those of the current folder.

    A folder stands for what git tracks in it (or all of it outside a checkout). "-" or `stdin`
    reads standard input. Never raises on content: what cannot be read is in `passed_over`, with
    `what` "broken" when a file that looked like a job could not be parsed.
    """
    reading = Reading()
    given = [str(path) for path in paths or ()]
    named = {path for path in given if path == "-" or not os.path.isdir(path)}
    store = files or Disk()
    texts: list[tuple[str, str, str]] = []
    for path in _expand(given or ([] if stdin else ["."]), reading):
        text = _text(path, store, reading, path in named)
        if text is not None:
            texts.append((path, kind_of(path, text), text))
    if stdin or "-" in given:
        _take_stdin(texts, reading)
    _read_all(texts, store, reading, named)
    return reading


def read_text(text: str, path: str, files: Files | None = None) -> Reading:
    """Read the jobs of one text that is not (or not as such) on disk: staged content, stdin."""
    reading = Reading(files=1)
    _read_all([(path, kind_of(path, text), text)], files or Disk(), reading, {path})
    return reading


def _take_stdin(texts: list[tuple[str, str, str]], reading: Reading) -> None:
    text = decode(sys.stdin.buffer.read(MAX_BYTES + 1))
    reading.files += 1
    if text is None:
        reading.passed_over.append(Unread("broken", "standard input is not text", Place("-", 1)))
    else:
        texts.append(("-", kind_of("-", text), text))


def _expand(given: list[str], reading: Reading) -> list[str]:
    found: list[str] = []
    for path in given:
        if path == "-":
            continue
        if not os.path.isdir(path):
            found.append(path)
            continue
        listed = _tracked(path)
        found.extend(_walk(path, reading) if listed is None else listed)
    return list(dict.fromkeys(found))


def _tracked(folder: str) -> list[str] | None:
    """Return the files git tracks below a folder, or None outside a checkout."""
    import subprocess

    try:
        done = subprocess.run(
            ["git", "-C", folder, "ls-files", "-z"], capture_output=True, timeout=10, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return None
    names = [name for name in done.stdout.decode("utf-8", "surrogateescape").split("\0") if name]
    if done.returncode != 0 or not names:
        return None
    prefix = "" if os.path.normpath(folder) == "." else folder.rstrip("/") + "/"
    return sorted(prefix + name for name in names[:_MOST_FILES] if _wanted(name))


def _wanted(name: str) -> bool:
    return not any(part in SKIPPED_FOLDERS for part in name.split("/")[:-1])


def _walk(folder: str, reading: Reading) -> list[str]:
    found: list[str] = []
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(
            name for name in folders if name not in SKIPPED_FOLDERS and not name.startswith(".")
        )
        if os.path.isdir(os.path.join(root, ".github", "workflows")):
            folders.append(".github")
        for name in sorted(names):
            found.append(os.path.normpath(os.path.join(root, name)))
        if len(found) > _MOST_FILES:
            reading.passed_over.append(
                Unread("files", f"more than {_MOST_FILES} files: name the folder with the job")
            )
            break
    return found[:_MOST_FILES]


def _text(path: str, files: Files, reading: Reading, named: bool) -> str | None:
    """Return the text of a file that may hold a job, or None; say why when it was asked for."""
    if not named and kind_of(path, "") == "":
        return None
    data = files.read(path)
    if data is None:
        if os.path.isfile(path):
            too_big = _size(path) > MAX_BYTES
            reason = "larger than 5 MB" if too_big else "it cannot be opened"
            what = "broken" if named else path
            reading.passed_over.append(Unread(what, reason, Place(path, 1)))
        return None
    reading.files += 1
    if not named and not worth_reading(path, data):
        return None
    text = decode(data)
    if text is None and named:
        reading.passed_over.append(Unread("broken", "it is not text", Place(path, 1)))
    return text


def _size(path: str) -> int:
    try:
        return os.path.getsize(path)
    except OSError:
        return 0


def _read_all(
    texts: list[tuple[str, str, str]], files: Files, reading: Reading, named: set[str]
) -> None:
    used: set[str] = set()
    found: dict[str, list[Job]] = {}
    for kind in (*_ORDER, *_LAST):
        for path, own, text in texts:
            if own != kind:
                continue
            if posixpath.normpath(path) in used:
                continue
            env = ReadEnv.beside(path, files)
            env.used = used
            found[path] = _read_one(kind, Source(path, text), env, reading)
            if not found[path] and kind in ("python", "submit"):
                from ftdoctor.job.py_job import broken_script, named_script

                read_it = named_script if path in named else broken_script
                found[path] = read_it(Source(path, text))
    for path, kind, _ in texts:
        jobs = found.get(path, [])
        reading.jobs.extend(sorted(jobs, key=lambda job: (job.place.line, job.place.column)))
        if jobs or posixpath.normpath(path) in used or path not in named:
            continue
        if not any(item.place and item.place.path == path for item in reading.passed_over):
            reason = "no job was found in it" if kind else "this kind of file holds no job"
            reading.passed_over.append(Unread(path, reason, Place(path, 1)))


def _read_one(kind: str, source: Source, env: ReadEnv, reading: Reading) -> list[Job]:
    from ftdoctor.job.yaml_values import BrokenYaml

    try:
        return _reader(kind)(source, env, reading)
    except BrokenYaml as error:
        place = source.place(error.line, error.column)
        reading.passed_over.append(Unread("broken", f"not valid YAML: {error.what}", place))
    except RecursionError:
        reading.passed_over.append(Unread("broken", "nested too deeply", Place(source.path, 1)))
    return []


def _reader(kind: str) -> Callable[[Source, ReadEnv, Reading], list[Job]]:
    from ftdoctor.job import dispatch

    reader: Callable[[Source, ReadEnv, Reading], list[Job]] = getattr(dispatch, f"read_{kind}")
    return reader
