"""Project files of Python: `pyproject.toml` and `setup.py`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ftdoctor.job.requirements import normal, parse_requirement, with_uv_sources
from ftdoctor.job.value import Value, known
from ftdoctor.lazy import lazy
from ftdoctor.records import dataclass, field

if TYPE_CHECKING:
    from ftdoctor.job.model import Requirement
    from ftdoctor.job.readenv import ReadEnv
    from ftdoctor.job.source import Place, Source


@dataclass(slots=True)
class Project:
    """What a project file asks for. `broken` says why it cannot be read ("" when it can)."""

    requirements: list[Requirement] = field(default_factory=list)
    #: Optional and development dependencies, by the name of their group.
    groups: dict[str, list[Requirement]] = field(default_factory=dict)
    requires_python: Value[str] | None = None
    #: Groups that `uv sync` installs without being asked.
    default_groups: list[str] = field(default_factory=list)
    #: `[tool.uv]`: indexes, sources, overrides.
    uv: dict[str, Any] = field(default_factory=dict)
    #: Names of the `[tool.*]` tables.
    tools: list[str] = field(default_factory=list)
    broken: str = ""


def read_pyproject(source: Source) -> Project:
    """Read a pyproject.toml: PEP 621, dependency groups (PEP 735), Poetry's own table."""
    import tomllib

    project = Project()
    try:
        data = tomllib.loads(source.text)
    except (tomllib.TOMLDecodeError, ValueError, RecursionError) as error:
        project.broken = f"it is no TOML: {error}"
        return project
    table = _table(data, "project")
    project.requirements = _list(source, table.get("dependencies"), "pyproject")
    for name, items in _table(table, "optional-dependencies").items():
        project.groups[str(name)] = _list(source, items, "pyproject")
    for name, items in _table(data, "dependency-groups").items():
        project.groups[str(name)] = _list(source, items, "pyproject")
    python = table.get("requires-python")
    tool = _table(data, "tool")
    project.tools = [str(name) for name in tool]
    project.uv = _table(tool, "uv")
    default = project.uv.get("default-groups", ["dev"])
    if isinstance(default, list):
        project.default_groups = [group for group in default if isinstance(group, str)]
    else:
        project.default_groups = list(project.groups)
    project.requirements = with_uv_sources(project.requirements, project.uv)
    _poetry(source, _table(tool, "poetry"), project)
    if isinstance(python, str):
        project.requires_python = known(python, place_in(source, python, 0), python)
    return project


def _table(data: dict[str, Any], key: str) -> dict[str, Any]:
    found = data.get(key)
    return found if isinstance(found, dict) else {}


def place_in(source: Source, text: str, start: int) -> Place:
    """Return where a quoted text stands in a file, the first line when it cannot be found."""
    for quoted in (f'"{text}"', f"'{text}'"):
        at = source.text.find(quoted, start)
        if at >= 0:
            return source.span(at, at + len(quoted))
    return source.place(1)


def _list(source: Source, items: Any, origin: str) -> list[Requirement]:
    found: list[Requirement] = []
    for item in items if isinstance(items, list) else ():
        if isinstance(item, str):
            requirement = parse_requirement(item, origin, place_in(source, item, 0))
            if requirement is not None:
                found.append(requirement)
    return found


_CARET = lazy(r"([\^~])\s*(\d+(?:\.\d+)*)")


def _poetry(source: Source, table: dict[str, Any], project: Project) -> None:
    """`[tool.poetry.dependencies]`: `name = "^1.2"` or `{version = "^1.2", extras = [...]}`."""
    for name, item in _table(table, "dependencies").items():
        wanted = item.get("version", "") if isinstance(item, dict) else item
        if not isinstance(wanted, str):
            continue
        place = _key_place(source, name)
        if name == "python":
            project.requires_python = known(poetry_specifier(wanted), place, wanted)
            continue
        extras: tuple[str, ...] = ()
        url = ""
        if isinstance(item, dict):
            listed = item.get("extras")
            extras = tuple(str(e) for e in listed) if isinstance(listed, list) else ()
            url = str(item.get("git") or item.get("url") or "")
        requirement = parse_requirement(f"{name}{poetry_specifier(wanted)}", "pyproject", place)
        if requirement is not None:
            from ftdoctor.records import replace

            project.requirements.append(replace(requirement, extras=extras, url=url))


def poetry_specifier(wanted: str) -> str:
    """Return Poetry's `^1.2`, `~1.2`, `1.2.*` or `*` as PEP 440; "" for any version.

    https://python-poetry.org/docs/dependency-specification/
    """
    wanted = wanted.strip()
    if wanted in ("*", ""):
        return ""
    clauses = []
    for part in wanted.split(","):
        part = part.strip()
        match = _CARET.fullmatch(part)
        if match is None:
            clauses.append(part if part[:1] in "<>=!~" else f"=={part}")
            continue
        numbers = [int(n) for n in match[2].split(".")]
        if match[1] == "~":
            upper = [numbers[0] + 1] if len(numbers) == 1 else [numbers[0], numbers[1] + 1]
        else:
            at = next((i for i, n in enumerate(numbers) if n), len(numbers) - 1)
            upper = [*numbers[:at], numbers[at] + 1]
        clauses.append(f">={match[2]},<{'.'.join(map(str, upper))}")
    return ",".join(clauses)


def _key_place(source: Source, key: str) -> Place:
    match = re.search(rf"(?m)^[ \t]*[\"']?{re.escape(key)}[\"']?[ \t]*=.*$", source.text)
    return source.span(match.start(), match.end()) if match is not None else source.place(1)


def read_setup(source: Source, env: ReadEnv | None = None) -> Project:
    """Read `install_requires` and `python_requires` of a setup.py, without running it."""
    from ftdoctor.job.py_abstract import Map
    from ftdoctor.job.py_values import follow, parse, place_of, text, texts

    project = Project()
    tree = parse(source.text)
    if tree is None:
        project.broken = "it is no Python"
        return project
    run = follow(source, tree, env)
    call = next((c for c in run.calls if c.name == "setup"), None)
    if call is None:
        return project
    for value in texts(call.kwargs.get("install_requires")):
        if not value.unknown and value.value is not None:
            requirement = parse_requirement(value.value, "setup.py", value.place)
            if requirement is not None:
                project.requirements.append(requirement)
        else:
            project.broken = f"install_requires is not known whole: {value.unknown}"
    extras = call.kwargs.get("extras_require")
    if isinstance(extras, Map):
        for name, (items, _) in extras.data.items():
            wanted = [parse_requirement(v.value or "", "setup.py", v.place) for v in texts(items)]
            project.groups[str(name)] = [r for r in wanted if r is not None]
    python = call.kwargs.get("python_requires")
    if python is not None:
        project.requires_python = text(python)
        if place_of(python) is None:
            project.requires_python = None
    return project


def wanted_groups(project: Project, names: list[str]) -> list[Requirement]:
    """Return the requirements of the named groups and extras."""
    found: list[Requirement] = []
    for name in names:
        for group, items in project.groups.items():
            if normal(group) == normal(name):
                found += items
    return found
