"""Requests for packages as they are written: one requirement, and requirements files.

A small reader instead of `packaging.requirements`: it keeps places and is much quicker to import.
Format: https://packaging.python.org/en/latest/specifications/dependency-specifiers/ and
https://pip.pypa.io/en/stable/reference/requirements-file-format/
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ftdoctor.job.model import Requirement, Unread
from ftdoctor.lazy import lazy
from ftdoctor.records import replace

if TYPE_CHECKING:
    from ftdoctor.job.readenv import ReadEnv
    from ftdoctor.job.source import Place, Source

_NAME = lazy(r"\s*([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(?:\[([^\]]*)\])?\s*")
_CLAUSE = r"(?:===|==|~=|!=|<=|>=|<|>)\s*[^\s,;()\"']+"
_SPECIFIER = lazy(rf"\(?\s*({_CLAUSE}(?:\s*,\s*{_CLAUSE})*)\s*,?\s*\)?\s*(?:;|$)")
_URL = lazy(r"(?:(?:git|hg|svn|bzr)\+|https?://|file:)\S+")
_EGG = lazy(r"[#&]egg=([A-Za-z0-9._-]+)")
_WHEEL = lazy(r"([A-Za-z0-9_.]+?)-(\d[A-Za-z0-9_.!]*(?:\+[A-Za-z0-9_.]+)?)-(?:[^/]*-)*[^/]*\.whl")
_SDIST = lazy(r"([A-Za-z0-9_.-]+?)-(\d[A-Za-z0-9.!]*(?:\+[A-Za-z0-9.]+)?)\.(?:tar\.gz|zip)")
_REPOSITORY = lazy(r"/([A-Za-z0-9._-]+?)(?:\.git)?(?:@[^#\s]*)?(?:#\S*)?$")


def normal(name: str) -> str:
    """Return the normalised name of a package (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def parse_requirement(
    text: str, source: str, place: Place | None = None, upgrade: bool = False, order: int = 0
) -> Requirement | None:
    """Return the requirement that a text states, or None when it states none.

    `source` says what kind of file or command states it. A direct URL keeps its text in `url`; its
    name comes from `name @ url`, `#egg=`, the wheel's file name or the repository, and a wheel's
    version becomes an exact pin.
    """
    text = text.strip()
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        text = text[1:-1].strip()
    if not text or len(text) > 2000:
        return None
    body, _, marker = text.partition(" ;") if " ;" in text else text.partition(";")
    url = _URL.search(body)
    if url is not None:
        return _from_url(body, url, marker, source, place, upgrade, order)
    match = _NAME.match(body)
    if match is None:
        return None
    rest = body[match.end() :].strip()
    specifier = ""
    if rest:
        found = _SPECIFIER.match(rest + ";")
        if found is None:
            return None
        specifier = re.sub(r"\s+", "", found[1])
    extras = tuple(e.strip() for e in (match[2] or "").split(",") if e.strip())
    return Requirement(
        normal(match[1]), specifier, source, place, extras, "", marker.strip(), upgrade, order
    )


def _from_url(
    body: str,
    url: re.Match[str],
    marker: str,
    source: str,
    place: Place | None,
    upgrade: bool,
    order: int,
) -> Requirement | None:
    address = url[0]
    head = _NAME.match(body[: url.start()])
    name, specifier = "", ""
    extras: tuple[str, ...] = ()
    if head is not None and "@" in body[head.end() : url.start()]:
        name = head[1]
        extras = tuple(e.strip() for e in (head[2] or "").split(",") if e.strip())
    file = address.split("?")[0].split("#")[0].rsplit("/", 1)[-1].replace("%2B", "+")
    built = _WHEEL.fullmatch(file) or _SDIST.fullmatch(file)
    if built is not None:
        name = name or built[1]
        specifier = f"=={built[2]}"
    egg = _EGG.search(address)
    if not name and egg is not None:
        name = egg[1]
    if not name:
        repository = _REPOSITORY.search(address)
        name = repository[1] if repository is not None else ""
    if not name:
        return None
    return Requirement(
        normal(name), specifier, source, place, extras, address, marker.strip(), upgrade, order
    )


class RequirementsFile:
    """A requirements file read whole: packages, constraints, indexes, and what was not followed."""

    def __init__(self) -> None:
        self.requirements: list[Requirement] = []
        self.constraints: list[Requirement] = []
        #: `--index-url`, `--extra-index-url`, `--find-links` as written, with their places.
        self.indexes: list[tuple[str, Place]] = []
        self.unread: list[Unread] = []


_OPTION = lazy(r"(-[a-zA-Z]|--[a-z-]+)(?:\s*=\s*|\s+|(?<=-[a-zA-Z]))(.*)")


def read_requirements(source: Source, env: ReadEnv | None = None) -> list[Requirement]:
    """Return what a requirements file asks for, files that it includes (`-r`) too."""
    return read_requirements_file(source, env).requirements


def read_requirements_file(
    source: Source, env: ReadEnv | None = None, depth: int = 0
) -> RequirementsFile:
    """Read a requirements file. Raises nothing; what is not understood is in `unread`."""
    result = RequirementsFile()
    lines = source.text.split("\n")
    index = 0
    while index < len(lines):
        first = index
        line = lines[index]
        while line.rstrip().endswith("\\") and index + 1 < len(lines):
            index += 1
            line = line.rstrip()[:-1] + " " + lines[index]
        index += 1
        text = re.sub(r"(^|\s)#.*$", "", line).strip()
        if not text or "\0" in text:
            continue
        start = len(lines[first]) - len(lines[first].lstrip()) + 1
        place = source.place(first + 1, start, first + 1, start + len(lines[first].strip()))
        if text.startswith("-"):
            _option(text, place, result, env, depth)
            continue
        text = re.split(r"\s--(?:hash|global-option|config-settings)\b", text)[0].strip()
        _one(text, first + 1, start, source, result, place)
    _with_index(result)
    return result


def _with_index(result: RequirementsFile) -> None:
    """An index option anywhere in the file holds for all of it (pip's documentation)."""
    addresses = [text.split(maxsplit=1)[1] for text, _ in result.indexes if " " in text]
    if addresses:
        index = next((a for a in addresses if "/whl/" in a), addresses[0])
        result.requirements = [
            item if item.index else replace(item, index=index) for item in result.requirements
        ]


def _one(
    text: str, line: int, start: int, source: Source, result: RequirementsFile, place: Place
) -> None:
    where = source.place(line, start, line, start + len(text))
    requirement = parse_requirement(text, "requirements", where)
    if requirement is not None:
        result.requirements.append(requirement)
    elif text.startswith((".", "/")):
        result.unread.append(Unread(text, "a local package", place))
    else:
        result.unread.append(Unread(text[:80], "it is no requirement that pip reads", place))


def _option(
    text: str, place: Place, result: RequirementsFile, env: ReadEnv | None, depth: int
) -> None:
    match = _OPTION.match(text)
    if match is None:
        return
    name, value = match[1], match[2].strip().strip("\"'")
    if name in ("-r", "--requirement", "-c", "--constraint"):
        included = env.read_file(value) if env is not None and depth < 5 else None
        if included is None:
            result.unread.append(
                Unread(value, "an included requirements file that is not here", place)
            )
            return
        inner = read_requirements_file(included, env, depth + 1)
        if name in ("-c", "--constraint"):
            result.constraints += inner.requirements + inner.constraints
        else:
            result.requirements += inner.requirements
            result.constraints += inner.constraints
        result.indexes += inner.indexes
        result.unread += inner.unread
    elif name in ("-i", "--index-url", "--extra-index-url", "-f", "--find-links"):
        result.indexes.append((f"{name} {value}", place))
    elif name in ("-e", "--editable"):
        requirement = parse_requirement(value, "requirements", place)
        if requirement is not None and requirement.url:
            result.requirements.append(requirement)
        else:
            result.unread.append(Unread(value, "a local package, installed editable", place))


def with_uv_sources(requirements: list[Requirement], uv: dict[str, Any]) -> list[Requirement]:
    """Apply `[tool.uv.sources]` and `[[tool.uv.index]]` to requirements.

    A source names an index ("torch comes from pytorch-cu126"), a repository or an address. An index
    that is not `explicit` serves every package. https://docs.astral.sh/uv/concepts/indexes/
    """
    listed = uv.get("index")
    indexes = (
        [item for item in listed if isinstance(item, dict)] if isinstance(listed, list) else []
    )
    by_name = {str(item.get("name")): str(item.get("url") or "") for item in indexes}
    general = next(
        (str(item.get("url")) for item in indexes if not item.get("explicit") and item.get("url")),
        "",
    )
    if not general:
        extra = uv.get("extra-index-url") or uv.get("index-url")
        first = extra[0] if isinstance(extra, list) and extra else extra
        general = first if isinstance(first, str) else ""
    table = uv.get("sources")
    sources = {normal(str(k)): v for k, v in table.items()} if isinstance(table, dict) else {}
    found: list[Requirement] = []
    for item in requirements:
        source = sources.get(item.name)
        choices = source if isinstance(source, list) else [source]
        chosen = next((c for c in choices if isinstance(c, dict)), {})
        index = by_name.get(str(chosen.get("index")), "") or general
        url = str(chosen.get("git") or chosen.get("url") or "")
        found.append(replace(item, index=item.index or index, url=item.url or url))
    return found
