"""The command line of `accelerate launch` and torchrun: options, values, and the script.

Both stop at an option that they do not have (argparse). accelerate does not take abbreviations
(allow_abbrev=False from 0.20 on), torchrun does. Options of the script stand behind its name.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ftdoctor.checks.about import document, near_names, softer
from ftdoctor.checks.installed import shown, version
from ftdoctor.job.launch import launch_of
from ftdoctor.job.pep440 import at_least
from ftdoctor.job.shell_text import as_text
from ftdoctor.job.value import get
from ftdoctor.rulebook.model import Edit, Hit, TextEdit
from ftdoctor.tables import table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftdoctor.checks.context import Context
    from ftdoctor.job.launch import Launch
    from ftdoctor.job.model import Job
    from ftdoctor.job.value import Value

_TOOLS = {"accelerate": "accelerate launch", "torchrun": "torchrun"}


def _launches(job: Job) -> Iterator[tuple[str, Launch]]:
    """Yield (launcher, launch) of every step with exactly one of the two launchers."""
    for step in job.steps:
        if not any((get(w) or "").endswith(("accelerate", "torchrun", "-m")) for w in step.argv):
            continue
        launch = launch_of(step)
        found = [name for name in launch.launchers if name in _TOOLS] if launch else []
        if launch is not None and len(found) == 1 and launch.launchers[-1] == found[0]:
            yield found[0], launch


def _is_known(name: str, tool: str, release: str) -> bool:
    """Whether an option is there, in the release if it is known, else in any."""
    rows = table("launch_options")[tool]
    if tool == "torchrun" or (release and not at_least(release, "0.20.0")):
        return any(row.startswith(name) for row in rows)
    row = rows.get(name)
    if row is None or not release:
        return row is not None
    return at_least(release, row["since"]) and ("last" not in row or at_least(row["last"], release))


def _release(job: Job) -> str:
    """Return the accelerate that will run, "" when the table does not reach to it."""
    found = version(job, "accelerate")
    facts = table("launch_options")
    resolved = job.packages.get("accelerate")
    if not found or resolved is None or resolved.reason:
        return ""
    return found if at_least(found, facts["oldest"]) and at_least(facts["newest"], found) else ""


def wrong(context: Context, **_: object) -> Iterator[Hit]:
    """An option that the launcher does not have, a value that it does not take, or no script."""
    job = context.job
    for tool, launch in _launches(job):
        release = _release(job) if tool == "accelerate" else ""
        options = _words(launch, tool)
        unknown_names = [
            (name, word) for name, word, _ in options if not _is_known(name, tool, release)
        ]
        if unknown_names:
            yield _unknown(job, tool, release, *unknown_names[0])
            continue
        hit = _value(job, tool, options) or _no_script(job, tool, launch)
        if hit is not None:
            yield hit


def _words(launch: Launch, tool: str) -> list[tuple[str, Value[str], Value[str] | None]]:
    """Return (name, word, value) of every option that stands before the script."""
    words = launch.step.argv
    start = next(
        (i + 1 for i, w in enumerate(words) if re.search(rf"(?:^|/|\.){tool}\Z", get(w) or "")),
        next((i + 2 for i, w in enumerate(words) if get(w) == "-m"), len(words)),
    )
    end = len(words) - len(launch.args) - (1 if launch.target is not None else 0)
    found: list[tuple[str, Value[str], Value[str] | None]] = []
    for at in range(start, end):
        text = as_text(words[at])
        name, equals, value = text.partition("=")
        key = name.body.lstrip("-").replace("-", "_")
        if not text.body.startswith("-") or not key or key not in launch.options:
            continue
        after: Value[str] | None = value if equals else None
        if not equals and launch.options[key] is not None and at + 1 < end:
            after = words[at + 1]
        if not re.fullmatch(r"-{1,2}\w[\w-]*", name.body):
            continue
        found.append((key, words[at], after))
    return found


def _unknown(job: Job, tool: str, release: str, name: str, word: Value[str]) -> Hit:
    rows = table("launch_options")[tool]
    there = [row for row in rows if _is_known(row, tool, release)]
    near = near_names(name, there, 1, 0.75)
    label = shown(job, "accelerate") if release else _TOOLS[tool]
    row = rows.get(name)
    if row is not None:
        came = not at_least(release, row["since"])
        why = f"it came with {row['since']}" if came else f"{row['last']} is the last one with it"
    elif near:
        why = f"did you mean --{near[0]}?"
    else:
        why = "an option of the script stands after the script's name"
    edits = {}
    place = word.place
    text = get(word) or ""
    if near and place is not None and place.line == place.end_line and word.raw == text:
        new = f"--{near[0]}" + (f"={text.partition('=')[2]}" if "=" in text else "")
        edits["change"] = Edit(f"--{name} becomes --{near[0]}", (TextEdit(place, new),))
    return Hit(
        place or job.place,
        {"tool": _TOOLS[tool], "option": name},
        {"option": name, "replacement": near[0] if near else "", "version": release},
        edits,
        severity=softer(place),
        summary=f"{label} has no option --{name}: {why}.",
    )


def _value(
    job: Job, tool: str, options: list[tuple[str, Value[str], Value[str] | None]]
) -> Hit | None:
    rows = table("launch_options")[tool]
    for name, word, value in options:
        row: dict[str, Any] = rows.get(name) or {}
        given = get(value)
        if value is None or not isinstance(given, str) or "$" in given or "{" in given:
            continue
        given = given.strip("\"'")
        takes = ""
        if row.get("int") and not re.fullmatch(r"-?\d+", given):
            takes = "a whole number"
        elif "choices" in row and given not in row["choices"]:
            takes = ", ".join(row["choices"])
        if not takes or not given or re.search(r"[<>\[\]]|\.\.\.", given):
            continue
        place = value.place or word.place
        return Hit(
            place or job.place,
            {"tool": _TOOLS[tool], "option": name, "value": given},
            {"option": name, "value": given, "takes": takes},
            severity=softer(place),
            summary="{tool} stops at --{option} {value}: it takes " + takes + ".",
        )
    return None


def _no_script(job: Job, tool: str, launch: Launch) -> Hit | None:
    """A launcher that is told no script, or is told "true" as one."""
    place = launch.step.place
    words = launch.step.argv
    target = get(launch.target) if launch.target is not None else None
    if launch.kind == "python" and target in ("true", "false", "True", "False") and launch.args:
        names = [n for n, _, _ in _words(launch, tool)]
        last = names[-1] if names else ""
        rows = table("launch_options")[tool]
        if (
            not rows.get(last, {}).get("flag")
            or (get(launch.args[0]) or "").endswith(".py") is False
        ):
            return None
        return Hit(
            (launch.target.place if launch.target else None) or place,
            {"tool": _TOOLS[tool], "option": last},
            {"option": last, "value": target},
            severity=softer(place),
            summary="--{option} takes no value: {tool} would run a script of the name " + target,
        )
    if launch.target is not None or launch.kind != "program" or document(place):
        return None
    if any(w.unknown for w in words) or launch.step.inside:
        return None
    texts = [get(w) or "" for w in words]
    if any(t in ("-h", "--help", "--version") or "..." in t or "$" in t for t in texts):
        return None
    return Hit(
        place,
        {"tool": _TOOLS[tool]},
        {"command": " ".join(texts)[:200]},
        severity=softer(place),
        summary="{tool} is given no script to run.",
    )
