"""The worker pools of a Vertex AI custom job: machines, accelerators, replicas, disks, places."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

from ftdoctor.job.value import get
from ftdoctor.lazy import lazy
from ftdoctor.rulebook.model import Edit, Hit, Severity, TextEdit
from ftdoctor.tables import table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftdoctor.checks.context import Context
    from ftdoctor.job.model import Job, WorkerPool
    from ftdoctor.job.source import Place

_GPU_FAMILY = lazy(r"(?:a2|a3|a4|a4x|g2|g4|n1)-")
_CPU_FAMILY = lazy(r"(?:e2|n2|n2d|n4|c2|c2d|c3|c3d|c4|m1|m2|m3|t2d)-")
_TEMPLATE = lazy(r"[<>{}$\[\]]|\b(?:MACHINE|ACCELERATOR|YOUR|REPLACE)_?")


@cache
def accelerators() -> tuple[str, ...]:
    """Return the names of accelerators that the API takes."""
    return tuple(table("aliases")["accelerators"])


@cache
def _machines() -> dict[str, dict[str, dict[str, Any]]]:
    """Return the table as machine type -> accelerator type -> row."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for row in table("machines")["machines"]:
        found.setdefault(row["machine_type"], {})[row["accelerator_type"]] = row
    return found


def replacement(place: Place | None, title: str, text: str) -> dict[str, Edit]:
    """Return the edit that replaces the value at a place, its quotes kept; {} without its end."""
    if place is None or not place.end_line:
        return {}
    return {"replace": Edit(title, (TextEdit(place, f"\0{text}\0"),))}


def final(text: str | None) -> str:
    """Return a text of the spec that is meant to be final: not a template, not unknown."""
    return text if isinstance(text, str) and text and not _TEMPLATE.search(text) else ""


def accelerator(pool: WorkerPool) -> str:
    """Return the accelerator's name as it is sent, "" when it is not known or not written.

    An enum of the SDK (`AcceleratorType.NVIDIA_L4`, with `.name` or not) counts as its name.
    """
    text = final(get(pool.accelerator_type))
    match = re.search(r"AcceleratorType\.(\w+?)(?:\.name)?\Z", text)
    return match[1] if match else text if "." not in text else ""


def _core(name: str) -> str:
    """Return what distinguishes an accelerator name: "H200", "A10080", "RTXPRO6000"."""
    text = re.sub(r"[^A-Z0-9]", "", name.upper())
    return re.sub(r"NVIDIA|TESLA|GPU|GB\Z|VWS", "", text)


def suggestion(name: str, machine: str) -> str:
    """Return the accelerator that a misspelt name must mean, or ""."""
    fits = _machines().get(machine, {})
    if len(fits) == 1:
        return next(iter(fits))
    core = _core(name)
    matches = [known for known in accelerators() if core and _core(known) == core]
    if len(matches) == 1:
        return matches[0]
    found = table("aliases")["accelerator_core"].get(core, "")
    return found if not fits or found in fits else ""


def accelerator_name(context: Context, **_: object) -> Iterator[Hit]:
    """An accelerator type that the API does not have."""
    for pool in context.job.pools:
        name = accelerator(pool)
        if (
            not name
            or name in accelerators()
            or not re.search(r"[A-Za-z]\d|TPU|NVIDIA", name, re.I)
        ):
            continue
        right = suggestion(name, get(pool.machine_type) or "")
        place = pool.accelerator_type.place if pool.accelerator_type else None
        values = {"name": name, "right": right or "one of " + ", ".join(accelerators()[:14])}
        edits = replacement(place, f"Replace {name} by {right}", right) if right else {}
        severity: Severity | None = None if right else "warning"
        evidence = {"given": name, "suggested": right}
        yield Hit(place or pool.place, values, evidence, edits, severity=severity)


def _count(job: Job, pool: WorkerPool) -> int | None:
    """Return the accelerator count that is sent; None when none is or it cannot be told."""
    value = pool.accelerator_count
    if value is None and job.form == "vertex-gcloud" and pool.accelerator_type is not None:
        return 1  # gcloud 528 fills it in (custom_jobs_util.py:54)
    return get(value)


def accelerator_pair(context: Context, **_: object) -> Iterator[Hit]:
    """One of accelerator type and count without the other."""
    job = context.job
    for pool in job.pools:
        kind, count = pool.accelerator_type, pool.accelerator_count
        if get(kind) == "ACCELERATOR_TYPE_UNSPECIFIED":
            kind = None
        machine = get(pool.machine_type) or ""
        if kind is not None and (count is None or get(count) == 0):
            if not kind.known or (count is None and job.form == "vertex-gcloud"):
                continue
            values = {
                "given": "accelerator type",
                "lacking": "accelerator count",
                "machine": machine,
            }
            yield Hit(
                (count.place if count else None) or kind.place or pool.place,
                values,
                values,
                summary="The {given} is given without the {lacking}.",
            )
        elif count is not None and kind is None and (get(count) or 0) > 0:
            fits = list(_machines().get(machine, {}))
            values = {
                "given": "accelerator count",
                "lacking": "accelerator type",
                "machine": machine,
            }
            yield Hit(
                count.place or pool.place,
                {**values, "right": fits[0] if len(fits) == 1 else ""},
                values,
                summary="The {given} is given without the {lacking}.",
            )


_PAIR = "Machine and accelerator do not go together: {wrong}."


def accelerator_fits(context: Context, **_: object) -> Iterator[Hit]:
    """Machine, accelerator and count that do not go together."""
    job = context.job
    for pool in job.pools:
        machine = final(get(pool.machine_type))
        kind = accelerator(pool)
        if not machine or not kind or kind not in accelerators() or kind.startswith("TPU"):
            continue
        fits = _machines().get(machine)
        place = pool.accelerator_type.place if pool.accelerator_type else pool.place
        if fits is None:
            wrong = _unlisted(machine, kind)
            if wrong:
                spot = pool.machine_type.place if pool.machine_type else place
                values = {"machine": machine, "accelerator": kind, "wrong": wrong}
                yield Hit(spot or place, values, values, summary=_PAIR)
            continue
        if kind not in fits:
            right = next(iter(fits)) if len(fits) == 1 else ""
            wrong = (
                f"{machine} comes with {right}"
                if right
                else f"{machine} takes {', '.join(sorted(fits))}"
            )
            if kind == "NVIDIA_TESLA_K80":
                wrong = f"the K80 is no longer offered; {wrong}"
            values = {"machine": machine, "accelerator": kind, "wrong": wrong}
            edits = replacement(place, f"Replace {kind} by {right}", right) if right else {}
            yield Hit(place, values, {**values, "right": right}, edits, summary=_PAIR)
            continue
        count = _count(job, pool)
        allowed = fits[kind]["counts"]
        if count is None or count in allowed or count == 0:
            continue
        spot = pool.accelerator_count.place if pool.accelerator_count else place
        right = str(allowed[0]) if len(allowed) == 1 else ""
        some = " or ".join(map(str, allowed))
        wrong = f"with {machine} the count of {kind} must be {some}, not {count}"
        values = {"machine": machine, "accelerator": kind, "wrong": wrong}
        edits = (
            {} if not right or pool.accelerator_count is None else _countreplacement(spot, right)
        )
        yield Hit(
            spot, values, {**values, "allowed": allowed, "count": count}, edits, summary=_PAIR
        )


def _countreplacement(place: Place | None, right: str) -> dict[str, Edit]:
    if place is None or not place.end_line:
        return {}
    return {"replace": Edit(f"Set the count to {right}", (TextEdit(place, f"\0{right}\0"),))}


def _unlisted(machine: str, kind: str) -> str:
    """Return what is wrong with an accelerator on a machine type that the table lacks, or ""."""
    if _CPU_FAMILY.match(machine):
        return f"{machine} takes no accelerator"
    if re.match(r"(?:a2|a3|a4|a4x|g2|g4)-", machine):
        return f"there is no machine type {machine}"
    if kind not in (
        "NVIDIA_TESLA_P4",
        "NVIDIA_TESLA_P100",
        "NVIDIA_TESLA_T4",
        "NVIDIA_TESLA_V100",
        "NVIDIA_TESLA_K80",
    ):
        return f"{kind} does not go on {machine}" if machine.startswith("n1-") else ""
    if re.fullmatch(r"n1-(?:standard-[12]|highcpu-[248])", machine):
        return f"{machine} is too small for training on Vertex AI"
    return ""


def accelerator_missing(context: Context, **_: object) -> Iterator[Hit]:
    """A machine that is made of GPUs (g2, a2, ...) without its accelerator in the spec."""
    for pool in context.job.pools:
        machine = final(get(pool.machine_type))
        if pool.accelerator_type is not None or pool.accelerator_count is not None:
            continue
        fits = _machines().get(machine, {})
        if len(fits) != 1:
            continue
        kind, row = next(iter(fits.items()))
        values = {"machine": machine, "right": kind, "count": row["counts"][0]}
        yield Hit(pool.machine_type.place if pool.machine_type else pool.place, values, values)


#: Types that Compute Engine has and training does not (configure-compute page, mid 2026).
_NOT_FOR_TRAINING = lazy(
    r"n1-standard-[12]|n1-highcpu-[248]|f1-micro|g1-small|e2-(?:micro|small|medium)"
    r"|(?:c3|c3d|c2d|n2d|m2|m3|t2d|t2a|n4|c4)-[a-z]+-\d+"
)


def machine_type_unknown(context: Context, **_: object) -> Iterator[Hit]:
    """A machine type that does not exist, or that training jobs are not offered."""
    for pool in context.job.pools:
        machine = final(get(pool.machine_type))
        place = pool.machine_type.place if pool.machine_type else pool.place
        if not machine or machine in _machines():
            continue
        if _NOT_FOR_TRAINING.fullmatch(machine):
            right = "n1-standard-4 or larger, n2-standard-8, or e2-standard-4"
            values = {"machine": machine, "near": right}
            summary = "Training jobs are not offered {machine}; take {near}."
            yield Hit(place, values, values, severity="warning", summary=summary)
        elif pool.accelerator_type is None and re.match(r"(?:a2|a3|a4|a4x|g2|g4)-", machine):
            from difflib import get_close_matches

            near = get_close_matches(machine, list(_machines()), n=1)
            values = {"machine": machine, "near": near[0] if near else "one of the table"}
            summary = "There is no machine type {machine}; did you mean {near}?"
            yield Hit(place, values, values, summary=summary)


def chief_replicas(context: Context, **_: object) -> Iterator[Hit]:
    """The first worker pool must have exactly one replica."""
    job = context.job
    pool = job.pool
    count = get(pool.replica_count) if pool else None
    if (
        pool is None
        or count is None
        or count == 1
        or job.form not in ("vertex-yaml", "vertex-gcloud", "vertex-python", "vertex-json")
    ):
        return
    if (
        job.form == "vertex-python"
        and job.extra.get("api", "").startswith("Custom")
        and "TrainingJob" in job.extra.get("api", "")
    ):
        return  # run() counts the chief too, and the SDK gives it a pool of its own
    place = pool.replica_count.place if pool.replica_count else None
    edits = replacement(place, "Set the replicas of the first pool to 1", "1")
    yield Hit(place or pool.place, {"count": count}, {"replicaCount": count}, edits)


#: bootDiskSizeGb in GB. https://cloud.google.com/vertex-ai/docs/reference/rest/v1/DiskSpec
DISK_LEAST, DISK_MOST, DISK_DEFAULT = 100, 64000, 100


def disk_range(context: Context, **_: object) -> Iterator[Hit]:
    """A boot disk outside of what the API takes."""
    for pool in context.job.pools:
        size = get(pool.boot_disk_gb)
        if size is None or DISK_LEAST <= size <= DISK_MOST:
            continue
        place = pool.boot_disk_gb.place if pool.boot_disk_gb else pool.place
        right = str(DISK_LEAST if size < DISK_LEAST else DISK_MOST)
        yield Hit(
            place, {"size": size, "right": right}, {"size": size}, _countreplacement(place, right)
        )
