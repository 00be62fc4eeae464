"""The command line of trl at a release: subcommands, flags, YAML keys.

`trl sft` parses the fields of several dataclasses (ScriptArguments, SFTConfig, ModelConfig, ...); a
flag that none of them has is handed on to `accelerate launch`, whose parser then refuses it:
"Accelerate launch command: error: unrecognized arguments".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftdoctor.api.changes import advice, renamed
from ftdoctor.api.exports import History
from ftdoctor.api.table import inside, pick
from ftdoctor.api.world import World
from ftdoctor.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: Options that the command line takes besides the fields (trl/scripts/utils.py, trl/cli).
_OWN = {"config", "accelerate_config", "help", "h"}


@dataclass(frozen=True, slots=True)
class CliFinding:
    """A flag, YAML key or subcommand that the release does not have.

    `name` is the flag without dashes, underscores throughout. `replacement` is the new name without
    dashes, "" when there is none or when leaving the flag out is the answer.
    """

    name: str
    symbol: str
    message: str
    package: str
    version: str
    last_ok: str = ""
    first_bad: str = ""
    first_ok: str = ""
    replacement: str = ""


def commands(world: World) -> dict[str, list[str]] | None:
    """Return subcommand -> the dataclasses that it parses; None when the version is not known."""
    table = world.table("trl")
    positions = world.positions("trl")
    line = table.line("L", "commands") if table else None
    if line is None or len(positions) != 1:
        return None
    return {
        name: run[2] for name, runs in line.items() if (run := pick(runs, positions[0])) is not None
    }


def check_command(name: str, versions: Mapping[str, str | None]) -> CliFinding | None:
    """Return a finding when `trl NAME` is no subcommand of this release."""
    from difflib import get_close_matches

    world = World(versions)
    known = commands(world)
    if not known or name.replace("_", "-") in known:
        return None
    table = world.table("trl")
    runs = table.line("L", "commands").get(name, []) if table else []
    history = world.spans_history("trl", runs)
    near = get_close_matches(name, known, n=1)
    told = f"`trl {name}` is not a command of {history.spoken}"
    if history.last_ok:
        told += f": {history.last_ok} was the last to have it"
    elif history.first_ok:
        told += f": it comes with {history.first_ok}"
    told += f". It has {', '.join(sorted(known))}."
    return CliFinding(
        name,
        "trl",
        told,
        "trl",
        history.version,
        history.last_ok,
        history.first_bad,
        history.first_ok,
        near[0] if near else "",
    )


def check_flags(
    command: str, flags: Iterable[str], versions: Mapping[str, str | None], *, yaml: bool = False
) -> list[CliFinding]:
    """Return the flags (or YAML keys) of `trl COMMAND` that this release does not take.

    Nothing is said when one of the dataclasses cannot be followed at these versions.
    """
    world = World(versions)
    classes = (commands(world) or {}).get(command)
    if not classes:
        return []
    found = []
    for flag in flags:
        name = flag.lstrip("-").split("=", 1)[0].replace("-", "_")
        if name and not _taken(world, classes, name, yaml):
            found.append(_finding(world, command, classes, name, yaml))
    return found


def _taken(world: World, classes: list[str], name: str, yaml: bool) -> bool:
    """Whether the parsers take a name, or may take it."""
    if name in _OWN or (yaml and name == "env"):
        return True
    for path in classes:
        for candidate in (name, name.removeprefix("no_")):
            if world.accepts(path, candidate) is not False:
                return True
        # argparse takes any unambiguous beginning of an option (unless it comes from YAML).
        if not yaml and any(field.startswith(name) for field in world.parameters(path)):
            return True
    return _launcher_takes(world, name)


def _launcher_takes(world: World, name: str) -> bool:
    """Whether `accelerate launch` takes an option, in any release when its version is not known."""
    table = world.table("accelerate")
    line = table.line("L", "flags") if table else None
    if not line:
        return True
    positions = world.positions("accelerate")
    for flag, spans in line.items():
        if flag.startswith(name) and (
            not positions or any(inside(spans, index) for index in positions)
        ):
            return True
    return False


def _finding(world: World, command: str, classes: list[str], name: str, yaml: bool) -> CliFinding:
    from difflib import get_close_matches

    owner = next((path for path in classes if path.endswith("Config") and path != _MODEL), "")
    histories = [(path, world.keyword_history(path, name)) for path in classes]
    best = next(((p, h) for p, h in histories if h.last_ok), None) or next(
        ((p, h) for p, h in histories if h.first_ok), None
    )
    path, history = best or (owner or classes[0], History("trl", world.version("trl"), ""))
    new = ""
    for candidate in dict.fromkeys((path, owner, *classes)):
        new = new or (renamed(candidate, name, world) if candidate else "")
    text = str(advice(path, name, world).get("text", ""))
    spoken = history.spoken or world.spoken("trl")
    shown = f"`{name}`" if yaml else f"`--{name}`"
    told = f"`trl {command}` does not take {shown}"
    if history.last_ok:
        told += f" since {history.package} {history.first_bad} (the job has {spoken}; "
        told += f"{history.last_ok} was the last to take it)."
    elif history.first_ok:
        told += f" in {spoken}: it comes with {history.first_ok}."
    else:
        told += f" in {spoken}."
        fields = {field for path in classes for field in world.parameters(path)}
        near = get_close_matches(name, fields, n=1, cutoff=0.85)
        told += f" Did you mean `{near[0]}`?" if near else ""
    if new:
        told += f" Use `{new}`."
    elif text:
        told += f" {text}"
    if not yaml:
        told += (
            " What trl does not know it hands to accelerate, which stops with 'unrecognized "
            "arguments'."
        )
    return CliFinding(
        name,
        path,
        told,
        history.package,
        history.version,
        history.last_ok,
        history.first_bad,
        history.first_ok,
        new,
    )


_MODEL = "trl.ModelConfig"
