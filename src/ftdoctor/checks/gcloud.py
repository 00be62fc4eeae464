"""`gcloud ai custom-jobs create`: what gcloud itself refuses or misreads.

Flags and keys come from the table made of gcloud 528.0.0; the messages were seen by running it. A
newer gcloud may know more flags, so a flag that nobody mixes up is only a warning.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftdoctor.checks.about import near_names
from ftdoctor.rulebook.model import Edit, Hit, Severity, TextEdit
from ftdoctor.tables import table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftdoctor.checks.context import Context
    from ftdoctor.job.gcloud import GcloudCommand
    from ftdoctor.job.model import Job

_ENV = "the environment can only be given in the file for --config"
_POOL = "it is a key of --worker-pool-spec"
#: Flags of other commands, of the old service, or of hope.
_FLAG_HINTS = {
    "--env": _ENV,
    "--env-vars": _ENV,
    "--set-env-vars": _ENV,
    "--environment-variables": _ENV,
    "--machine-type": _POOL,
    "--accelerator-type": _POOL,
    "--accelerator-count": _POOL,
    "--accelerator": f"{_POOL}: accelerator-type and accelerator-count",
    "--replica-count": _POOL,
    "--container-image-uri": _POOL,
    "--executor-image-uri": _POOL,
    "--python-module": _POOL,
    "--local-package-path": _POOL,
    "--image-uri": f"{_POOL}: container-image-uri",
    "--image": f"{_POOL}: container-image-uri",
    "--container-uri": f"{_POOL}: container-image-uri",
    "--boot-disk-size": "the disk can only be given in the file for --config (diskSpec)",
    "--boot-disk-size-gb": "the disk can only be given in the file for --config (diskSpec)",
    "--boot-disk-type": "the disk can only be given in the file for --config (diskSpec)",
    "--timeout": "the timeout can only be given in the file for --config (scheduling.timeout)",
    "--max-wait-duration": "it can only be given in the file for --config (scheduling)",
    "--strategy": "it can only be given in the file for --config (scheduling.strategy)",
    "--scheduling-strategy": "it can only be given in the file for --config (scheduling.strategy)",
    "--spot": "write scheduling.strategy: SPOT in the file for --config",
    "--base-output-dir": "it can only be given in the file for --config (baseOutputDirectory)",
    "--base-output-directory": "it can only be given in the file for --config",
    "--tensorboard": "it can only be given in the file for --config (tensorboard)",
    "--staging-bucket": "gcloud needs none; the SDK for Python does",
    "--location": "the flag is --region",
    "--zone": "custom jobs have a region: --region",
    "--job-name": "the flag is --display-name",
    "--name": "the flag is --display-name",
    "--worker-pool-specs": "the flag is --worker-pool-spec, once for each pool",
    "--job-dir": "it belongs to the old gcloud ai-platform command",
    "--scale-tier": "it belongs to the old gcloud ai-platform command",
    "--master-machine-type": "it belongs to the old gcloud ai-platform command",
    "--master-image-uri": "it belongs to the old gcloud ai-platform command",
    "--package-path": "it belongs to the old gcloud ai-platform command",
    "--module-name": "it belongs to the old gcloud ai-platform command",
    "--runtime-version": "it belongs to the old gcloud ai-platform command",
    "--stream-logs": "run gcloud ai custom-jobs stream-logs JOB afterwards",
    "--async": "the command does not wait anyway",
    "--wait": "run gcloud ai custom-jobs stream-logs JOB afterwards",
    "--service_account": "the flag is --service-account",
    "--display_name": "the flag is --display-name",
    "--worker_pool_spec": "the flag is --worker-pool-spec",
    "--python_package_uris": "the flag is --python-package-uris",
}
_RENAMES = {
    "--location": "--region",
    "--job-name": "--display-name",
    "--name": "--display-name",
    "--worker-pool-specs": "--worker-pool-spec",
}
_KEY_HINTS = {
    "env": _ENV,
    "env-vars": _ENV,
    "args": "use the flag --args, separated by commas",
    "command": "use the flag --command, separated by commas",
    "image-uri": "the key is container-image-uri",
    "image": "the key is container-image-uri",
    "container-image": "the key is container-image-uri",
    "count": "the key is accelerator-count or replica-count",
    "accelerator": "the key is accelerator-type",
    "boot-disk-size": "the disk can only be given in the file for --config (diskSpec)",
    "boot-disk-size-gb": "the disk can only be given in the file for --config (diskSpec)",
    "boot-disk-type": "the disk can only be given in the file for --config (diskSpec)",
}


def _command(job: Job) -> GcloudCommand | None:
    found = job.extra.get("gcloud")
    return found if found is not None and found.path == "ai custom-jobs create" else None


def unknown_flag(context: Context, **_: object) -> Iterator[Hit]:
    """A flag that the command does not have: gcloud stops with "unrecognized arguments"."""
    job = context.job
    command = _command(job)
    if command is None:
        return
    own = table("gcloud_custom_jobs")["commands"]["ai custom-jobs create"]
    for name, place in command.unknown:
        if not re.fullmatch(r"--?[A-Za-z][\w-]*", name):
            continue
        right = _RENAMES.get(name) or name.replace("_", "-")
        if right not in own:
            near = near_names(name, list(own), n=1, cutoff=0.85)
            right = near[0] if near else ""
        hint = _FLAG_HINTS.get(name) or (f"did you mean {right}?" if right else "")
        edits = {}
        if right and place is not None and place.end_line:
            edits["rename"] = Edit(f"Write {right}", (TextEdit(place, right),))
        severity: Severity | None = None if hint else "warning"
        values = {"flag": name, "hint": hint or "see gcloud ai custom-jobs create --help"}
        yield Hit(place or command.place, values, {"flag": name}, edits, severity=severity)


def required_flags(context: Context, **_: object) -> Iterator[Hit]:
    """The name, or the worker pools, are missing: gcloud stops before it sends anything."""
    job = context.job
    command = _command(job)
    if command is None or command.open or "--flags-file" in command.flags:
        return
    if any(flag in command.flags for flag in ("--help", "-h")) or _template(command):
        return
    lacking = []
    if not any(f in command.flags for f in ("--display-name", "--name", "--job-name")):
        lacking.append("--display-name")
    if not any(f in command.flags for f in ("--config", "--worker-pool-spec")):
        lacking.append("--config or --worker-pool-spec")
    if lacking:
        values = {"lacking": " and ".join(lacking)}
        yield Hit(command.place, values, {"lacking": lacking})


def _template(command: GcloudCommand) -> bool:
    """Whether a command is shortened for a text: dots, brackets, or nothing but its name."""
    text = command.step.text
    return bool(re.search(r"\.\.\.|…|\[[A-Z_ -]+\]|\bFLAGS\b", text)) or not command.flags


def unknown_pool_key(context: Context, **_: object) -> Iterator[Hit]:
    """A key that --worker-pool-spec does not have, `env=` above all."""
    job = context.job
    command = _command(job)
    if command is None:
        return
    keys = table("gcloud_custom_jobs")["worker_pool_spec"]
    apart = [(word.split("=", 1)[0], place) for word, place in command.stray if _is_pool_item(word)]
    strange = [(name, place) for name, place in apart if name not in keys]
    for name, place in [*command.pool_keys, *strange]:
        if not re.fullmatch(r"[A-Za-z][\w-]*", name.strip()):
            if "=" in name or not re.search(r"\w", name):
                continue
            values = {"key": name.strip()[:40], "hint": "every item is KEY=VALUE"}
            yield Hit(place or command.place, values, {"key": name}, severity="warning")
            continue
        right = name.replace("_", "-").lower()
        if right not in keys:
            near = near_names(right, list(keys), n=1, cutoff=0.8)
            right = near[0] if near and name not in _KEY_HINTS else ""
        hint = _KEY_HINTS.get(name) or (f"did you mean {right}?" if right else "")
        edits = {}
        if right and place is not None and place.end_line and _is_key(job, place, name):
            end = place.column + len(name)
            spot = type(place)(place.path, place.line, place.column, place.line, end, place.context)
            edits["rename"] = Edit(f"Write {right}", (TextEdit(spot, right),))
        values = {"key": name, "hint": hint or f"it has {', '.join(keys)}"}
        yield Hit(place or command.place, values, {"key": name}, edits)


def _is_key(job: Job, place: object, name: str) -> bool:
    """Whether the file holds the key at its place, so that an edit can be made there."""
    from ftdoctor.job.source import Place

    if not isinstance(place, Place):
        return False
    lines = (job.source.whole or job.source.text).split("\n")
    if place.line > len(lines) or place.path != job.source.path:
        return False
    return lines[place.line - 1][place.column - 1 :].startswith(name)


def pool_incomplete(context: Context, **_: object) -> Iterator[Hit]:
    """Keys of a worker pool that gcloud wants or does not take together.

    The same questions in the same order as gcloud 528, command_lib/ai/custom_jobs/validation.py.
    """
    from ftdoctor.job.gcloud import items_of
    from ftdoctor.job.shell_text import as_text

    command = _command(context.job)
    if command is None or command.open or _broken_by_space(command):
        return
    packaged = False
    for index, value in enumerate(command.flags.get("--worker-pool-spec", [])):
        text = as_text(value)
        keys = [item.partition("=")[0] for item in items_of(text)]
        if not keys or re.search(r"\.\.\.|…|<|\[", text.body):
            continue
        if any(not key.known for key in keys):
            return
        names = {key.body.strip() for key in keys}
        wrong = _pool_fault(names, first=index == 0, packaged=packaged)
        packaged = packaged or "local-package-path" in names
        if wrong:
            yield Hit(value.place or command.place, {"wrong": wrong}, {"keys": sorted(names)})


def _pool_fault(names: set[str], *, first: bool, packaged: bool) -> str:
    if "machine-type" not in names:
        return "machine-type is missing"
    if packaged or (not first and "local-package-path" in names):
        return ""
    if "local-package-path" in names:
        if "executor-image-uri" not in names:
            return "local-package-path needs executor-image-uri, the image to build on"
        if ("python-module" in names) + ("script" in names) != 1:
            return "local-package-path needs either script or python-module"
        return ""
    images = {"executor-image-uri", "container-image-uri"} & names
    if len(images) != 1:
        return "it needs either container-image-uri or executor-image-uri"
    if "container-image-uri" in names and "python-module" in names:
        return "python-module does not go with container-image-uri"
    if "executor-image-uri" in names and "python-module" not in names:
        return "executor-image-uri needs python-module"
    stray = names & {"script", "requirements", "extra-packages", "extra-dirs"}
    return f"{min(stray)} only goes with local-package-path" if stray else ""


def _broken_by_space(command: GcloudCommand) -> bool:
    return any(_is_pool_item(word) for word, _ in command.stray)


def _is_pool_item(word: str) -> bool:
    key = word.split("=", 1)[0]
    return "=" in word and (
        key in _KEY_HINTS or key in table("gcloud_custom_jobs")["worker_pool_spec"]
    )


def space_in_pool_spec(context: Context, **_: object) -> Iterator[Hit]:
    """A space after a comma of --worker-pool-spec: the rest is another word for the shell."""
    job = context.job
    command = _command(job)
    if command is None:
        return
    for word, place in command.stray:
        if _is_pool_item(word):
            yield Hit(place or command.place, {"word": word[:60]}, {"word": word})
            return


def config_not_yaml(context: Context, **_: object) -> Iterator[Hit]:
    """The file for --config is no valid YAML."""
    job = context.job
    broken = job.extra.get("broken_config")
    if broken is not None:
        what, place = broken
        yield Hit(place, {"what": what}, {"what": what})
