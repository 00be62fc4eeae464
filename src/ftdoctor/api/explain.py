"""What a log's "unexpected keyword argument" or "cannot import name" means, release by release.

Serves `explain`: the text comes from a log, and often no version is known. Then the releases that
take the keyword are told, and no boundary is claimed to be the one that the job crossed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ftdoctor.api.changes import config_of, import_change, renamed
from ftdoctor.api.nested import is_model_class
from ftdoctor.api.table import load
from ftdoctor.api.world import World
from ftdoctor.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping

_LOOKED_IN = ("trl", "transformers", "peft", "accelerate", "datasets", "huggingface_hub")
_LOADER = "transformers.PreTrainedModel.from_pretrained"


@dataclass(frozen=True, slots=True)
class Explanation:
    """What the tables know of one name in a log.

    `accepted` lists the ranges of releases of `package` that have it, (first, last) with last ""
    for "and newer". `last_ok`, `first_bad`, `first_ok` are set when the version is known.
    """

    symbol: str
    parameter: str
    package: str
    accepted: tuple[tuple[str, str], ...]
    last_ok: str = ""
    first_bad: str = ""
    first_ok: str = ""
    replacement: str = ""
    text: str = ""


def explain_unexpected_keyword(
    callable_text: str, keyword: str, versions: Mapping[str, str | None]
) -> Explanation | None:
    """Explain `X.__init__() got an unexpected keyword argument 'k'`.

    `callable_text` is what stands before "got" ("SFTTrainer.__init__()", "load_dataset()").
    None when the tables do not know the callable or no release ever took the keyword.
    """
    name = re.sub(r"\(\)|\.__init__|\.__new__", "", callable_text.strip()).rsplit(".", 1)[-1]
    world = World(versions)
    path = _callable(name)
    if not path and is_model_class(name):
        # from_pretrained hands what it does not read to the model class.
        path = _LOADER
    if not path:
        return None
    spans, package = _spans(world, path, keyword)
    if not spans:
        return None
    history = world.keyword_history(path, keyword)
    replacement = renamed(path, keyword, world) if world.positions(package) else ""
    text = f"Use `{replacement}`." if replacement else ""
    config = config_of(path)
    if not replacement and config and world.accepts(config, keyword):
        short = config.rsplit(".", 1)[-1]
        replacement, text = f"{short}({keyword}=...)", f"Set `{keyword}` in `{short}` instead."
    return Explanation(
        path,
        keyword,
        package,
        _ranges(package, spans),
        history.last_ok,
        history.first_bad,
        history.first_ok,
        replacement,
        text,
    )


def explain_missing_import(
    module: str, name: str, versions: Mapping[str, str | None]
) -> Explanation | None:
    """Explain `cannot import name 'n' from 'm'`; None when no release of the package had it."""
    world = World(versions)
    package = module.split(".", 1)[0]
    spans = world.name_spans(module, name)
    if not spans:
        return None
    history = world.name_history(module, name)
    change = import_change(f"{module}.{name}", world)
    return Explanation(
        f"{module}.{name}",
        name,
        package,
        _ranges(package, spans),
        history.last_ok,
        history.first_bad,
        history.first_ok,
        change.replacement,
        change.text,
    )


def _callable(name: str) -> str:
    """Return the public path of a class or function by its bare name."""
    for package in _LOOKED_IN:
        table = load(package)
        if table is not None and table.line("C", f"{package}.{name}") is not None:
            return f"{package}.{name}"
    return ""


def _spans(world: World, path: str, keyword: str, depth: int = 0) -> tuple[list[Any], str]:
    """Return (spans, package) of the callable, or of the base class, that ever took a keyword."""
    line = world.callable_line(path)
    package = path.split(".", 1)[0]
    if line is None or depth > 5:
        return [], package
    own = line["p"].get(keyword)
    if own:
        return own, package
    for run in line.get("b", ()):
        found, owner = _spans(world, world.locate(run[2][0]) or run[2][0], keyword, depth + 1)
        if found:
            return found, owner
    return [], package


def _ranges(package: str, spans: list[Any]) -> tuple[tuple[str, str], ...]:
    table = load(package)
    if table is None:
        return ()
    merged: list[list[int]] = []
    for span in spans:
        if merged and merged[-1][1] == span[0]:
            merged[-1][1] = span[1]
        else:
            merged.append([span[0], span[1]])
    return tuple(
        (table.versions[first], "" if end < 0 else table.versions[end - 1]) for first, end in merged
    )
