"""`trl sft ...` and its YAML, held against the releases that the job will run."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftdoctor.api.table import PACKAGES
from ftdoctor.job.launch import launch_of
from ftdoctor.job.value import get
from ftdoctor.rulebook.model import Edit, Hit, TextEdit, Unsure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftdoctor.api.cli import CliFinding
    from ftdoctor.checks.context import Context
    from ftdoctor.job.launch import Launch
    from ftdoctor.job.model import Job
    from ftdoctor.job.source import Place
    from ftdoctor.job.value import Value


def _versions(job: Job) -> dict[str, str | None]:
    return {package: job.version(package) for package in PACKAGES}


def _launches(job: Job) -> Iterator[tuple[str, Launch, list[Value[str]]]]:
    """Yield (subcommand, launch, words after it) of every `trl ...` that the job runs."""
    for step in job.steps:
        launch = launch_of(step)
        if launch is None or launch.kind != "trl":
            continue
        words = launch.args
        if launch.target is not None and (get(launch.target) or "").rsplit("/", 1)[-1] != "trl":
            words = [launch.target, *words]
        name = get(words[0]) if words else None
        if name and not name.startswith("-"):
            yield name, launch, words[1:]


def subcommand(context: Context) -> Iterator[Hit | Unsure]:
    """`trl NAME` where the release has no such subcommand."""
    versions = _versions(context.job)
    for name, launch, _ in _launches(context.job):
        from ftdoctor.api.cli import check_command

        found = check_command(name, versions)
        if found is not None:
            place = next((w.place for w in launch.step.argv if get(w) == name), launch.step.place)
            yield _hit(found, place, None)


def flags(context: Context) -> Iterator[Hit | Unsure]:
    """Flags of `trl sft ...`, and keys of its YAML, that the release does not take."""
    job = context.job
    versions = _versions(job)
    told: set[tuple[str, str]] = set()
    for name, _, words in _launches(job):
        from ftdoctor.api.cli import check_flags

        for word in words:
            text = get(word)
            if not text or not text.startswith("--") or len(text) < 3:
                continue
            for found in check_flags(name, [text], versions):
                told.add((name, found.name))
                yield _hit(found, word.place, _flag_edit(word, text, found))
        for training in job.trainings:
            if training.written_as != "trl-cli" or training.method != name:
                continue
            for key, value in training.arguments.items():
                place = value.place
                if (name, key) in told or place is None or not _is_yaml(place, words):
                    continue
                for found in check_flags(name, [key], versions, yaml=True):
                    told.add((name, key))
                    yield _hit(found, *_key_edit(job, place, key, found))


def script_flags(context: Context) -> Iterator[Hit | Unsure]:
    """Arguments that the script's own HfArgumentParser or TrlParser does not know."""
    job = context.job
    versions = _versions(job)
    for script in job.scripts:
        if script.role != "training":
            continue
        for word in script.args:
            text = get(word)
            if not text or not text.startswith("--") or len(text) < 3:
                continue
            from ftdoctor.api.parser_args import check_script_flags

            for found in check_script_flags(script.source.text, [text], versions):
                yield _hit(found, word.place, _flag_edit(word, text, found))


def _is_yaml(place: Place, words: list[Value[str]]) -> bool:
    return not any(word.place is not None and word.place.path == place.path for word in words)


def _flag_edit(word: Value[str], text: str, found: CliFinding) -> Edit | None:
    """Rename the flag in place; only where the word stands in the file as it is."""
    place = word.place
    if not found.replacement or place is None or word.raw != text:
        return None
    if place.line != place.end_line or place.end_column - place.column != len(text):
        return None
    new = f"--{found.replacement}{text[len(text.split('=', 1)[0]) :]}"
    return Edit(f"--{found.name} becomes --{found.replacement}", (TextEdit(place, new),))


def _key_edit(job: Job, place: Place, key: str, found: CliFinding) -> tuple[Place, Edit | None]:
    """Point at the YAML key instead of its value, and rename it, where its line can be read."""
    for source in job.sources:
        if source.path != place.path or not source.is_file:
            continue
        line = source.line_text(place.line)
        match = re.match(rf"\s*{re.escape(key)}(?=\s*:)", line)
        if match is None:
            continue
        here = source.place(place.line, match.end() - len(key) + 1, place.line, match.end() + 1)
        if not found.replacement:
            return here, None
        title = f"{key} becomes {found.replacement}"
        return here, Edit(title, (TextEdit(here, found.replacement),))
    return place, None


def _hit(found: CliFinding, place: Place | None, edit: Edit | None) -> Hit:
    evidence = {
        "symbol": found.symbol,
        "parameter": found.name,
        "package": found.package,
        "version": found.version,
        "last_ok": found.last_ok,
        "first_bad": found.first_bad,
        "first_ok": found.first_ok,
        "replacement": found.replacement,
    }
    return Hit(
        place,
        captures={"argument": found.name},
        evidence={key: value for key, value in evidence.items() if value},
        edits={"change": edit} if edit else {},
        summary=found.message,
    )
