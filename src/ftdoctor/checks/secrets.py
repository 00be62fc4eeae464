"""Secrets written where others can read them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftdoctor.checks.about import HF_JOBS, env_place, environments
from ftdoctor.checks.token_forms import (
    IN_TEXT,
    OTHER_IN_TEXT,
    WANDB_IN_TEXT,
    filler,
    kind,
    placeholder,
)
from ftdoctor.checks.token_uses import family, uses
from ftdoctor.job.value import get
from ftdoctor.lazy import lazy
from ftdoctor.rulebook.model import Hit, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ftdoctor.checks.context import Context
    from ftdoctor.job.model import Job
    from ftdoctor.job.source import Source

_TRIGGER = lazy(
    r"hf_|api_org_|wandb|AIza|PRIVATE KEY|ya29\.|GOCSPX-|gh[pousr]_|github_pat_|sk-|AKIA", re.I
)


def in_file(context: Context, kinds: Sequence[str] = ("hub",), **_: object) -> Iterator[Hit]:
    """A real secret stands in a file of the job. `kinds`: hub, wandb, other."""
    for source in _files(context.job):
        text = source.whole or source.text
        if not _TRIGGER.search(text):
            continue
        severity = _severity(context, source.path)
        for what, start, end in _secrets(text, kinds):
            whole = source if source.is_file else None
            from ftdoctor.job.source import Source as _Source

            place = (whole or _Source(source.path, text)).span(start, end)
            values = {"what": what, "file": source.path, "length": end - start}
            yield Hit(place, values, values, severity=severity)


def _files(job: Job) -> list[Source]:
    """Return the job's sources, one for each file."""
    found: dict[str, Source] = {}
    for source in (job.source, *job.sources, *(s.source for s in job.scripts)):
        known = found.get(source.path)
        if known is None or (source.is_file and not known.is_file):
            found[source.path] = source
    return list(found.values())


def _severity(context: Context, path: str) -> Severity | None:
    """Return "warning" for a file that git does not track: a leak only when someone shares it."""
    tracked = context.tracked_files()
    if tracked is None:
        return None
    return None if _tracked(tracked, path) else "warning"


def _tracked(tracked: frozenset[str], path: str) -> bool:
    tidy = path.removeprefix("./")
    return path in tracked or tidy in tracked or f"./{tidy}" in tracked


def _secrets(text: str, kinds: Sequence[str]) -> Iterator[tuple[str, int, int]]:
    shapes = (*(IN_TEXT if "hub" in kinds else ()), *(OTHER_IN_TEXT if "other" in kinds else ()))
    for what, marks, shape in shapes:
        if not any(mark in text for mark in marks):
            continue
        for match in shape.finditer(text):
            if not filler(match[0]):
                yield what, match.start(), match.end()
    if "wandb" in kinds and "wandb" in text.lower():
        for shape in WANDB_IN_TEXT:
            for match in shape.finditer(text):
                if not _commit(text, match.start()) and len(set(match["key"])) > 6:
                    yield "Weights & Biases key", match.start("key"), match.end("key")


def _commit(text: str, start: int) -> bool:
    """Whether 40 hex digits on this line are a git commit (a pinned install, a permalink)."""
    line_start = text.rfind("\n", 0, start) + 1
    line_end = text.find("\n", start)
    line = text[line_start : line_end if line_end >= 0 else len(text)]
    return bool(
        re.search(
            r"git\+|@[0-9a-f]{40}|/(?:commit|tree|blob)/|revision|sha|run_id|digest", line, re.I
        )
    )


def on_command_line(context: Context, **_: object) -> Iterator[Hit]:
    """A literal secret in a command: shell history, process list, the job's recorded arguments."""
    job = context.job
    for use in uses(job):
        if kind(use.text.strip()) == "" or placeholder(use.text) or filler(use.text.strip()):
            continue
        if use.where in ("argument", "step") or (
            use.where == "secret" and job.form == "hf-jobs-cli"
        ):
            where = {"argument": "the container's arguments", "step": "a command"}.get(
                use.where, "--secrets NAME=value"
            )
            yield Hit(
                use.place, {"name": use.name, "where": where}, {"name": use.name, "where": where}
            )


def token_in_arguments(context: Context, **_: object) -> Iterator[Hit]:
    """A token handed over as an argument, which the job's record shows to every reader."""
    job = context.job
    if job.platform != "vertex":
        return
    for pool in job.pools:
        values = [*pool.command, *pool.args]
        for index, value in enumerate(values):
            text = value.raw if value.unknown else get(value)
            if not isinstance(text, str):
                continue
            name, equals, given = text.partition("=")
            if not re.fullmatch(
                r"--?(?:hf[-_]|hub[-_]|wandb[-_])?(?:token|hub[-_]token|api[-_]key|key)", name
            ):
                continue
            if not equals:
                following = values[index + 1] if index + 1 < len(values) else None
                given = (following.raw or get(following) or "") if following is not None else ""
            if not given or given.startswith("-") or placeholder(given) or kind(given):
                continue  # nothing, a placeholder, or told by on_command_line
            yield Hit(value.place or pool.place, {"name": name}, {"name": name})


def in_job_record(context: Context, **_: object) -> Iterator[Hit]:
    """Vertex AI keeps `env` in clear in the job: whoever may get the job reads the token."""
    job = context.job
    if job.platform != "vertex" or job.form in HF_JOBS:
        return
    for index, env in enumerate(environments(job)):
        names = [
            name
            for name, value in env.items()
            if family(name)
            and not _harmless(get(value), value.unknown)
            and not re.search(r"SECRET_(?:NAME|ID)|_PATH", name)
        ]
        if names:
            yield Hit(
                env_place(job, index, names[0]),
                {"names": ", ".join(sorted(names))},
                {"names": sorted(names)},
            )
            return


def _harmless(text: str | None, unknown: str) -> bool:
    """Whether a value is no secret: empty, a placeholder, the name of one kept elsewhere."""
    if unknown:
        return False
    return (
        not text
        or not text.strip()
        or placeholder(text)
        or text.startswith(("projects/", "$"))
        or len(text) < 16
    )
