"""Short ways to read a text in tests of the shell and YAML readers."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from ftdoctor.job.read import read_text
from ftdoctor.job.readenv import ReadEnv
from ftdoctor.job.shell import read_script
from ftdoctor.job.source import Source

if TYPE_CHECKING:
    from ftdoctor.job.model import Job, Step
    from ftdoctor.job.source import Place
    from ftdoctor.job.value import Value


class Texts:
    """Files that exist only in a test."""

    def __init__(self, files: dict[str, str]) -> None:
        self.files = {name: textwrap.dedent(text).encode() for name, text in files.items()}

    def read(self, path: str) -> bytes | None:
        return self.files.get(path)


def env(files: dict[str, str] | None = None) -> ReadEnv:
    return ReadEnv(root="", top=".", files=Texts(files or {}))


def steps(text: str, **options: object) -> list[Step]:
    return read_script(Source("run.sh", textwrap.dedent(text)), **options).steps  # type: ignore[arg-type]


def words(step: Step) -> list[str]:
    return [v.value if v.known and v.value is not None else f"?{v.raw}" for v in step.argv]


def jobs(path: str, text: str, files: dict[str, str] | None = None) -> list[Job]:
    return read_text(textwrap.dedent(text), path, Texts(files or {})).jobs


def job(path: str, text: str, files: dict[str, str] | None = None) -> Job:
    found = jobs(path, text, files)
    assert len(found) == 1, [(j.form, str(j.place)) for j in found]
    return found[0]


def written_at(text: str, place: Place | None) -> str:
    """Return what stands at a one-line place of a text."""
    assert place is not None
    assert place.line == place.end_line
    line = textwrap.dedent(text).split("\n")[place.line - 1]
    return line[place.column - 1 : place.end_column - 1]


def shown(value: Value[object] | None) -> object:
    assert value is not None
    return value.value if value.known else f"?{value.raw}"
