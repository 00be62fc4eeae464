"""What replaces a keyword or a name that the running release does not have.

The boundaries come from the tables; the replacements that no table can know are data in
`rules/tables/api_changes.json`. Where a keyword moved from a trainer to its config class is read
from the tables themselves.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from ftdoctor.api.table import load, pick
from ftdoctor.records import dataclass
from ftdoctor.tables import table

if TYPE_CHECKING:
    import ast
    from collections.abc import Callable, Mapping

    from ftdoctor.api.lint import Script
    from ftdoctor.api.model import ApiEdit
    from ftdoctor.api.world import World


@dataclass(frozen=True, slots=True)
class KeywordChange:
    """What to do about one keyword."""

    replacement: str
    text: str
    edit: ApiEdit | None = None


@dataclass(frozen=True, slots=True)
class ImportChange:
    """What to do about one import."""

    replacement: str = ""
    text: str = ""
    #: Makes the edit from the script and the alias node; None where none is safe.
    edit: Callable[[Script, ast.AST], ApiEdit | None] | None = None


def config_of(path: str) -> str:
    """Return the config class that belongs to a trainer ("trl.SFTTrainer" -> "trl.SFTConfig")."""
    if path == "transformers.Trainer" or path == "transformers.Seq2SeqTrainer":
        return path.replace("Trainer", "TrainingArguments")
    return path.removesuffix("Trainer") + "Config" if path.endswith("Trainer") else ""


def advice(path: str, keyword: str, world: World) -> Mapping[str, Any]:
    """Return the entry of `api_changes.json` for a keyword of a callable, {} without one."""
    entries = table("api_changes")["keywords"]
    found: Mapping[str, Any] = entries.get(path, {}).get(keyword, {})
    if found:
        return found
    klass = path.rsplit(".", 1)[-1]
    for pattern, keywords in entries.items():
        if "*" in pattern and keyword in keywords:
            subject = path if "." in pattern else klass
            if fnmatchcase(subject, pattern):
                return dict(keywords[keyword])
    if klass.endswith(("Config", "Arguments")):
        return dict(entries["transformers.TrainingArguments"].get(keyword, {}))
    return {}


def renamed(path: str, keyword: str, world: World) -> str:
    """Return the keyword's name at the running version, or ""."""
    for name in advice(path, keyword, world).get("rename", ()):
        if world.accepts(path, name):
            since = advice(path, keyword, world).get("since", {}).get(name)
            if since and not _from(since[0], since[1], world):
                continue
            return str(name)
    return ""


def _from(package: str, version: str, world: World) -> bool:
    """Whether the job's version of a package is this one or newer."""
    found = load(package)
    first = found.index(version) if found else None
    positions = world.positions(package)
    return first is not None and bool(positions) and positions[0] >= first


def keyword_change(
    script: Script, call: ast.Call, path: str, keywords: list[str]
) -> dict[str, KeywordChange]:
    """Return what to do about each keyword that a call may not have."""
    from ftdoctor.api.fixes import edit_call

    world = script.world
    config = config_of(path)
    config = config if config and world.exists(config) else ""
    plans: dict[str, tuple[str, str]] = {}
    for keyword in keywords:
        found = advice(path, keyword, world)
        new = renamed(path, keyword, world)
        text = str(found.get("text", ""))
        if new:
            plans[keyword] = ("rename", new)
        elif found.get("drop"):
            plans[keyword] = ("drop", "")
        elif "value" in found:
            plans[keyword] = ("value", found["value"])
        elif config and not text:
            there = keyword if world.accepts(config, keyword) else renamed(config, keyword, world)
            if there:
                plans[keyword] = ("move", there)
            elif not text:
                text = str(advice(config, keyword, world).get("text", ""))
                plans[keyword] = ("", text)
        plans.setdefault(keyword, ("", text))
    edits = edit_call(script, call, path, config, plans)
    changes = {}
    for keyword, (kind, new) in plans.items():
        found = advice(path, keyword, world)
        text = str(found.get("text", ""))
        name = config.rsplit(".", 1)[-1]
        replacement = ""
        if kind == "rename":
            replacement, text = new, f"Use `{new}`." + (f" {text}" if text else "")
        elif kind == "move":
            replacement, text = f"{name}({new}=...)", f"Set `{new}` in `{name}` instead."
        elif kind == "drop":
            replacement = "leave it out"
        elif not kind:
            text = text or str(new)
        changes[keyword] = KeywordChange(replacement, text, edits.get(keyword))
    return changes


def import_change(symbol: str, world: World) -> ImportChange:
    """Return what to do about a name that cannot be imported."""
    from ftdoctor.api.fixes import import_edit

    data = table("api_changes")
    text = str(data["imports"].get(symbol, ""))
    module, _, name = symbol.rpartition(".")
    target = str(data["renamed_imports"].get(symbol, ""))
    if target and world.has_name(*target.rsplit(".", 1)) is not True:
        target, text = "", ""
    if not target and not text:
        elsewhere = where_is(module.split(".")[0], name, world)
        target = f"{elsewhere}.{name}" if elsewhere and elsewhere != module else ""
        text = f"It is in `{elsewhere}` now." if target else ""
    if not target:
        return ImportChange(text=text)
    new_module, _, new_name = target.rpartition(".")
    return ImportChange(
        replacement=target,
        text=text,
        edit=lambda script, alias: import_edit(script, alias, new_module, new_name),
    )


def where_is(package: str, name: str, world: World) -> str:
    """Return the shortest public module that has a name at the running version, or ""."""
    found = load(package)
    positions = world.positions(package)
    if found is None or not positions or not name:
        return ""
    best = ""
    for module in found.modules_naming(name):
        spans = world.name_spans(module, name) or []
        here = pick(spans, positions[-1])
        if here is None or here[2].startswith("@"):
            continue
        if not best or (module.count("."), len(module)) < (best.count("."), len(best)):
            best = module
    return best
