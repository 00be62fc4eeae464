"""Hugging Face Jobs: flavor, timeout, what is in the container and what is not."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ftdoctor.checks.about import (
    HF_JOBS,
    code,
    code_gap,
    near_names,
    program,
    softer,
    trains,
    words,
)
from ftdoctor.job.value import get
from ftdoctor.lazy import lazy
from ftdoctor.rulebook.model import Edit, Hit, Severity, TextEdit
from ftdoctor.tables import table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ftdoctor.checks.context import Context
    from ftdoctor.job.model import Job, Step


def _flavors() -> list[str]:
    data = table("flavors")
    return [*data["flavors"], *data["listed_without_sizes"]]


def _offered_now(context: Context) -> Mapping[str, Any]:
    """Return the flavors that the Hub lists now, when it was asked: newer than our table."""
    rows = context.facts.get("hub.hardware")
    return rows if isinstance(rows, dict) else {}


def flavor_unknown(context: Context, **_: object) -> Iterator[Hit]:
    """A flavor that Jobs does not have."""
    job = context.job
    name = get(job.flavor)
    if (
        not isinstance(name, str)
        or not name
        or name in _flavors()
        or re.search(r"[${}<>\s|]", name)
        or name in _offered_now(context)
    ):
        return
    aliases = table("aliases")
    lower = name.lower().replace("_", "-")
    right = lower if lower in _flavors() else aliases["flavor"].get(lower, "")
    choice = right or aliases["flavor_choice"].get(lower, "")
    if not choice:
        choice = " or ".join(near_names(lower, _flavors(), n=3, cutoff=0.75))
    place = job.flavor.place if job.flavor else None
    edits = {}
    if right and place is not None and place.end_line:
        edits["replace"] = Edit(f"Replace {name} by {right}", (TextEdit(place, f"\0{right}\0"),))
    severity: Severity | None = None if choice else "warning"
    values = {"name": name, "right": choice or "a name that 'hf jobs hardware' lists"}
    yield Hit(
        place or job.place,
        values,
        {"given": name, "suggested": right or choice},
        edits,
        severity=severity,
        summary="HF Jobs has no flavor {name}; use {right}.",
    )


def no_timeout(context: Context, **_: object) -> Iterator[Hit]:
    """A training without a timeout: Jobs stops it after 30 minutes."""
    job = context.job
    if job.form not in HF_JOBS or job.timeout is not None or job.extra.get("timeout_open"):
        return
    if not job.trainings and not _trains(job):
        return
    if any((get(t.arguments.get("max_steps")) or 10**9) in range(1, 51) for t in job.trainings):
        return  # a trial run of a few steps
    if (
        any(t.method == "other" for t in job.trainings)
        and not _trains(job)
        and ".train(" not in code(job)
    ):
        return
    yield Hit(
        job.place,
        {},
        {"default": "30 minutes"},
        severity="warning",
        summary="No timeout: HF Jobs stops this training after 30 minutes.",
    )


def _trains(job: Job) -> bool:
    return any(
        program(step) in ("torchrun", "accelerate", "trl", "deepspeed") and trains(step)
        for step in job.steps
    )


def timeout_form(context: Context, **_: object) -> Iterator[Hit]:
    """A timeout that huggingface_hub cannot read: a number, with s, m, h or d at most."""
    job = context.job
    value = job.timeout
    raw = value.raw if value is not None else ""
    if job.form not in HF_JOBS or value is None or not raw or re.search(r"[${}<>()]", raw):
        return
    text = raw.strip().strip("\"'")
    if (
        not text
        or re.fullmatch(r"\d+(?:\.\d+)?[smhd]|\d+", text)
        or not re.match(r"[\d.]+\s*[A-Za-z: ]", text)
    ):
        return
    seconds = _seconds(text)
    right = (
        f"{seconds // 3600}h"
        if seconds and seconds % 3600 == 0
        else f"{seconds // 60}m"
        if seconds
        else "a form such as 90m or 4h"
    )
    edits = {}
    if seconds and value.place is not None and value.place.end_line:
        edits["replace"] = Edit(f"Write {right}", (TextEdit(value.place, f"\0{right}\0"),))
    yield Hit(value.place or job.place, {"raw": text, "right": right}, {"raw": text}, edits)


_UNITS = {"h": 3600, "m": 60, "s": 1, "d": 86400}


def _seconds(text: str) -> int:
    total, rest = 0.0, text.lower()
    for number, unit in re.findall(r"(\d+(?:\.\d+)?)\s*(d|h|m|s)[a-z]*", rest):
        total += float(number) * _UNITS[unit]
    leftover = re.sub(r"(\d+(?:\.\d+)?)\s*(?:d|h|m|s)[a-z]*", "", rest).strip(" ,")
    return int(total) if not leftover and total % 60 == 0 else 0


_FETCHES = lazy(
    r"git\s+clone|\bcurl\b|\bwget\b|hf\s+download|huggingface-cli\s+download|snapshot_download|hf_hub_download|gsutil|gcloud\s+storage|aws\s+s3|base64\s+(?:-d|--decode)|<<|urlretrieve|requests\.get",
    re.I,
)
_PUBLIC = lazy(
    r"(?:docker\.io/)?(?:library/)?(?:python|ubuntu|debian|pytorch/pytorch|nvidia/cuda|huggingface/(?:transformers|trl|accelerate|peft)[\w-]*)(?::|@|\Z)|ghcr\.io/astral-sh/uv"
)


def local_script(context: Context, **_: object) -> Iterator[Hit]:
    """`hf jobs run IMAGE python train.py`: the file stands here, not in the container."""
    job = context.job
    if job.form not in ("hf-jobs-cli", "hf-jobs-python") or job.volumes or not job.pools:
        return
    image = get(job.pools[0].image) or ""
    if not _PUBLIC.match(image) or _is_uv_run(job):
        return
    for step in job.steps:
        if _FETCHES.search(" ".join(words(step))) or program(step) == "cat":
            return
        name = _script_of(step)
        if name and not name.startswith(("http", "/usr", "/opt", "$")):
            index = words(step).index(name)
            values = {"script": name, "image": image}
            spot = step.argv[index].place or step.place
            yield Hit(spot, values, values, severity=softer(spot))
            return


def _is_uv_run(job: Job) -> bool:
    return bool(job.extra.get("uv"))


def _script_of(step: Step) -> str:
    argv = words(step)
    if not argv or not re.fullmatch(
        r"(?:.*/)?(?:python[\d.]*|bash|sh|torchrun|accelerate)", argv[0]
    ):
        return ""
    for word in argv[1:]:
        if word in ("-c", "-m"):
            return ""
        if word.endswith((".py", ".sh")) and not word.startswith("-"):
            return word
    return ""


def call_local_path(context: Context, **_: object) -> Iterator[Hit]:
    """The `hf_jobs` tool gets a path of this machine: it runs elsewhere and cannot read it."""
    job = context.job
    if job.form != "hf-jobs-call":
        return
    given = job.extra.get("local_script")
    text = get(given) if given is not None else None
    if given and isinstance(text, str) and not text.startswith(("http://", "https://")):
        spot = given.place or job.place
        yield Hit(spot, {"path": text}, {"script": text}, severity=softer(spot))


_RELATIVE = lazy(r"(?!https?:|hf:|gs:|s3:|/)[\w.~-][\w./ -]*\Z")
_MAKES = lazy(
    r"to_json|to_csv|to_parquet|save_to_disk|open\([^)\n]*[\"'][wa]b?[\"']|urlretrieve|hf_hub_download|snapshot_download|git\s+clone|wget|curl|gsutil|gcloud\s+storage|zipfile|tarfile|\.write_text|Repository\(|download",
    re.I,
)
_BUILDERS = frozenset(
    (
        "json",
        "csv",
        "parquet",
        "text",
        "arrow",
        "pandas",
        "imagefolder",
        "audiofolder",
        "webdataset",
        "xml",
    )
)


def local_data(context: Context, **_: object) -> Iterator[Hit]:
    """Data or a model read from a relative path: only the script travels to the job."""
    job = context.job
    if job.form not in HF_JOBS or job.volumes or code_gap(job) or _MAKES.search(code(job)):
        return
    image = get(job.pools[0].image) if job.pools and job.pools[0].image else ""
    if image and not _PUBLIC.match(image):
        return
    for training in job.trainings:
        model = get(training.model) or ""
        # A path that stands in the code twice may well be written there first.
        if model.startswith(("./", "../")) and code(job).count(model) == 1:
            place = training.model.place if training.model else None
            if not _shipped(job, model):
                yield Hit(place or job.place, {"path": model}, {"path": model})
        for dataset in training.datasets:
            path, place = "", dataset.place
            name = get(dataset.id)
            if name in _BUILDERS and dataset.data_files is not None:
                path, place = _first_path(get(dataset.data_files)), dataset.data_files.place
            elif (isinstance(name, str) and name.startswith(("./", "../", "data/"))) or (
                isinstance(name, str) and name.endswith((".json", ".jsonl", ".csv", ".parquet"))
            ):
                path, place = name, dataset.id.place
            if path and _RELATIVE.match(path) and not _shipped(job, path):
                yield Hit(place or dataset.place or job.place, {"path": path}, {"path": path})
                return


def _shipped(job: Job, path: str) -> bool:
    """Whether a path is among the arguments: huggingface_hub sends such files along."""
    given = [value.raw or value.value or "" for script in job.scripts for value in script.args]
    return any(path in text for text in given)


def _first_path(given: object) -> str:
    if isinstance(given, str):
        return given
    if isinstance(given, dict):
        given = next(iter(given.values()), "")
    if isinstance(given, (list, tuple)):
        given = given[0] if given else ""
    return given if isinstance(given, str) else ""


def _hint(option: str) -> str:
    hints: dict[str, str] = table("aliases")["hf_jobs_option"]
    return hints.get(option.split("=")[0], "see 'hf jobs run --help'")


def option_as_image(context: Context, **_: object) -> Iterator[Hit]:
    """An unknown option stands before the image: hf takes it for the image or script."""
    job = context.job
    if job.form != "hf-jobs-cli":
        return
    given = job.extra.get("target") or (job.pools[0].image if job.pools else None)
    text = (get(given) or given.raw) if given is not None else ""
    for name, place in job.extra.get("unknown_options", []):
        yield Hit(
            place,
            {"option": name, "hint": _hint(name)},
            {"option": name},
        )
        return
    if isinstance(text, str) and text.startswith("-") and given is not None:
        yield Hit(
            given.place or job.place,
            {"option": text, "hint": _hint(text)},
            {"option": text},
        )


def namespace_mismatch(context: Context, **_: object) -> Iterator[Hit]:
    """The job runs in one namespace and pushes to another."""
    job = context.job
    space = get(job.namespace)
    if not isinstance(space, str) or not space or job.form not in HF_JOBS:
        return
    if getattr(context.facts.get("hub.jobs"), "kind", ""):
        return  # the Hub was asked for the right to start it, and told what it may write
    for training in job.trainings:
        value = training.arguments.get("hub_model_id")
        target = get(value)
        if (
            isinstance(target, str)
            and "/" in target
            and value is not None
            and target.split("/")[0].lower() != space.lower()
        ):
            if re.search(r"[${}<>]|your|username", target, re.I):
                continue
            yield Hit(
                value.place or job.place,
                {"namespace": space, "target": target},
                {"namespace": space, "hub_model_id": target},
            )
            return
