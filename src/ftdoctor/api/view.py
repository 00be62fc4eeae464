"""A symbol at a version: its signature, and the history of each parameter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftdoctor.api.changes import advice
from ftdoctor.api.table import PACKAGES, inside, pick
from ftdoctor.api.world import World
from ftdoctor.records import dataclass, field

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(slots=True)
class Row:
    """One parameter. `default` is source text, None for "required"."""

    name: str
    default: str | None
    package: str
    kind: str
    since: str
    #: Last release that takes it, "" while the newest does.
    until: str = ""
    deprecated: str = ""
    replacement: str = ""
    #: (release, default) of each change of the default.
    defaults: list[tuple[str, str]] = field(default_factory=list)


@dataclass(slots=True)
class Description:
    """What `ftdoctor api` shows."""

    symbol: str
    package: str
    version: str
    #: "class" | "function" | "method" | "name"
    kind: str
    exists: bool
    #: Ranges of releases that have it: (first, last or "").
    releases: list[tuple[str, str]]
    #: Takes keywords that the signature does not name.
    open: bool = False
    parameters: list[Row] = field(default_factory=list)
    #: Parameters that the version does not take and another release does.
    others: list[Row] = field(default_factory=list)
    #: Set when one parameter was asked for.
    asked: str = ""


def describe(symbol: str, versions: Mapping[str, str | None]) -> Description | None:
    """Describe "trl.SFTConfig", "trl.SFTTrainer.tokenizer", "trl.setup_chat_format".

    A package whose version is not given is taken at its newest release. None when no release read
    has the symbol.
    """
    known: dict[str, str | None] = dict(versions)
    world = World(known)
    for package in PACKAGES:
        table = world.table(package)
        if table is not None and not world.versions.get(package):
            known[package] = table.newest
    world = World(known)
    asked = ""
    path = world.locate(symbol)
    if not path and "." in symbol:
        owner, _, last = symbol.rpartition(".")
        path = world.locate(owner)
        asked = last if path else ""
        if path and not _ever(world, path, last):
            return None
    if path:
        return _callable(world, path, asked)
    return _name(world, symbol)


def _ever(world: World, path: str, keyword: str, depth: int = 0) -> bool:
    line = world.callable_line(path)
    if line is None or depth > 5:
        return False
    return keyword in line["p"] or any(
        _ever(world, world.locate(run[2][0]) or run[2][0], keyword, depth + 1)
        for run in line.get("b", ())
    )


def _name(world: World, symbol: str) -> Description | None:
    module, _, name = symbol.rpartition(".")
    spans = world.name_spans(module, name) if module else None
    package = module.split(".", 1)[0]
    if not spans:
        return None
    return Description(
        symbol,
        package,
        world.version(package),
        "name",
        bool(world.has_name(module, name)),
        _ranges(world, package, spans),
    )


def _callable(world: World, path: str, asked: str) -> Description:
    line = world.callable_line(path)
    package = path.split(".", 1)[0]
    kinds = {"c": "class", "f": "function", "m": "method"}
    found = Description(
        path,
        package,
        world.version(package),
        kinds.get(line["i"][-1][2], "name"),
        bool(world.exists(path)),
        _ranges(world, package, line["i"]),
        world.is_open(path),
        asked=asked,
    )
    here = world.parameters(path)
    for name, (owner, owner_line) in _all_parameters(world, path).items():
        if asked and name != asked:
            continue
        row = _row(world, owner, owner_line, name, path)
        taken = here.get(name)
        if taken is not None and found.exists:
            row.default, row.kind = taken.default, taken.kind
            found.parameters.append(row)
        else:
            found.others.append(row)
    order = {name: index for index, name in enumerate(here)}
    found.parameters.sort(key=lambda row: order.get(row.name, 0))
    found.others.sort(key=lambda row: row.name)
    return found


def _all_parameters(world: World, path: str, depth: int = 0) -> dict[str, tuple[str, Any]]:
    """Every parameter that any release took, with the callable that has it."""
    line = world.callable_line(path)
    found: dict[str, tuple[str, Any]] = {}
    if line is None or depth > 5:
        return found
    here = world.positions(path.split(".", 1)[0])[-1:]
    for index in here:
        run = pick(line.get("b", ()), index)
        if run is not None:
            base = world.locate(run[2][0]) or run[2][0]
            found.update(_all_parameters(world, base, depth + 1))
            for name in run[2][2]:
                found.pop(name, None)
    for name, runs in line["p"].items():
        # What the class itself took in other releases only is the base's parameter here.
        if name not in found or any(inside(runs, index) for index in here):
            found[name] = (path, line)
    return found


def _row(world: World, owner: str, line: Any, name: str, path: str) -> Row:
    package = owner.split(".", 1)[0]
    table = world.table(package)
    runs = line["p"][name]
    versions = table.versions if table else []
    last = runs[-1]
    row = Row(name, runs[-1][3], package, last[2], versions[runs[0][0]])
    row.until = "" if last[1] < 0 else versions[last[1] - 1]
    changes = [(versions[run[0]], run[3]) for run in runs if run[3] not in (None, "...")]
    if len({default for _, default in changes}) > 1:
        row.defaults = [
            entry for i, entry in enumerate(changes) if i == 0 or entry[1] != changes[i - 1][1]
        ]
    warned = line.get("d", {}).get(name)
    positions = world.positions(package)
    if warned and positions and warned[0] <= positions[-1] and inside(runs, positions[-1]):
        row.deprecated = f"since {versions[warned[0]]}" + (f": {warned[1]}" if warned[1] else "")
    entry = advice(path, name, world)
    row.replacement = ", ".join(entry.get("rename", ())) or str(entry.get("text", ""))
    if not row.until:
        row.replacement = ""
    return row


def _ranges(world: World, package: str, spans: list[Any]) -> list[tuple[str, str]]:
    table = world.table(package)
    if table is None:
        return []
    merged: list[list[int]] = []
    for span in spans:
        if merged and merged[-1][1] == span[0]:
            merged[-1][1] = span[1]
        else:
            merged.append([span[0], span[1]])
    return [
        (table.versions[first], "" if end < 0 else table.versions[end - 1]) for first, end in merged
    ]
