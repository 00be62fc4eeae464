"""The header of a uv script (PEP 723): dependencies, Python, and the tables of uv and HF Jobs.

https://peps.python.org/pep-0723/ ; `[tool.hf-jobs]`: huggingface_hub 2.4.0,
huggingface_hub/cli/_uv_script_header.py.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ftdoctor.job.requirements import parse_requirement, with_uv_sources
from ftdoctor.job.value import Value, known
from ftdoctor.records import dataclass, field

if TYPE_CHECKING:
    from ftdoctor.job.model import Requirement
    from ftdoctor.job.source import Place, Source


@dataclass(slots=True)
class Header:
    """A PEP 723 header.

    `broken` says why it cannot be read ("" when it can); uv then refuses the script. `hf_jobs`
    holds the launch options of `[tool.hf-jobs]` (None: no such table), `uv` the table `[tool.uv]`.
    """

    place: Place
    requirements: list[Requirement] = field(default_factory=list)
    requires_python: Value[str] | None = None
    hf_jobs: dict[str, Value[Any]] | None = None
    uv: dict[str, Any] = field(default_factory=dict)
    broken: str = ""
    #: The text of the header without its comment signs, with places.
    source: Source | None = None


def read_header(source: Source) -> Header | None:
    """Return the PEP 723 header of a script, or None when it has none.

    A header that opens and is not closed, or that is no TOML, is returned with `broken` set.
    """
    if "/// script" not in source.text:
        return None
    lines = source.text.split("\n")
    for index, line in enumerate(lines):
        if line.rstrip("\r") != "# /// script":
            continue
        last = 0
        end = index + 1
        while end < len(lines) and _is_content(lines[end]):
            if lines[end].rstrip("\r") == "# ///":
                last = end
            end += 1
        if not last:
            place = source.place(index + 1, 1, index + 1, len(line) + 1)
            return Header(place, broken="the header is not closed by a line '# ///'")
        return _read(source, lines, index, last)
    return None


def _is_content(line: str) -> bool:
    return line.rstrip("\r") == "#" or line.startswith("# ")


def _read(source: Source, lines: list[str], first: int, last: int) -> Header:
    import tomllib

    texts, spots = [], []
    for number in range(first + 1, last):
        line = lines[number].rstrip("\r")
        texts.append(line[2:])
        spots.append((number + 1, 3))
    content = "\n".join(texts) + "\n"
    inner = source.fragment(content, tuple(spots) or ((first + 1, 1),), "PEP 723 header")
    header = Header(source.place(first + 1, 1, last + 1, 6), source=inner)
    try:
        data = tomllib.loads(content)
    except (tomllib.TOMLDecodeError, ValueError, RecursionError) as error:
        header.broken = f"the header is no TOML: {error}"
        return header
    _fill(header, data, inner)
    return header


def _fill(header: Header, data: dict[str, Any], inner: Source) -> None:
    python = data.get("requires-python")
    if isinstance(python, str):
        header.requires_python = known(python, _string_place(inner, python, 0), python)
    dependencies = data.get("dependencies")
    start = max(inner.text.find("dependencies"), 0)
    for item in dependencies if isinstance(dependencies, list) else ():
        if not isinstance(item, str):
            continue
        offset = _find(inner.text, item, start)
        place = inner.span(offset, offset + len(item) + 2) if offset >= 0 else header.place
        requirement = parse_requirement(item, "pep723", place)
        if requirement is not None:
            header.requirements.append(requirement)
            start = max(offset, start)
        elif item.strip():
            header.broken = header.broken or f"'{item[:60]}' is no requirement"
    tool = data.get("tool")
    if not isinstance(tool, dict):
        return
    if isinstance(tool.get("uv"), dict):
        header.uv = tool["uv"]
        header.requirements = with_uv_sources(header.requirements, header.uv)
    table = tool.get("hf-jobs")
    if isinstance(table, dict):
        section = max(inner.text.find("[tool.hf-jobs"), 0)
        header.hf_jobs = {
            key: known(value, _key_place(inner, key, section), str(value))
            for key, value in table.items()
        }


def _find(text: str, item: str, start: int) -> int:
    """Return where a quoted string stands, its opening quote, or -1."""
    for quoted in (f'"{item}"', f"'{item}'"):
        offset = text.find(quoted, start)
        if offset >= 0:
            return offset
    return -1


def _string_place(inner: Source, text: str, start: int) -> Place:
    offset = _find(inner.text, text, start)
    return inner.span(offset, offset + len(text) + 2) if offset >= 0 else inner.place(1)


def _key_place(inner: Source, key: str, start: int) -> Place:
    match = re.compile(rf"^[ \t]*[\"']?{re.escape(key)}[\"']?[ \t]*=[ \t]*(.*)$", re.M).search(
        inner.text, start
    )
    if match is None:
        return inner.place(1)
    return inner.span(match.start(1), match.end(1))
