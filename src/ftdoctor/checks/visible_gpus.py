"""Fewer GPUs made visible to a command than processes that it starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftdoctor.checks.about import _flag, _processes, environments, program, softer, trains, words
from ftdoctor.job.value import get
from ftdoctor.rulebook.model import Hit

if TYPE_CHECKING:
    from ftdoctor.job.model import Job, Step
    from ftdoctor.job.value import Value

_NAME = "CUDA_VISIBLE_DEVICES"


def too_few(job: Job) -> Hit | None:
    """Return a hit for the first launcher with more processes than GPUs that it may see."""
    seen: Value[str] | None = None
    for env in environments(job)[:1]:
        seen = env.get(_NAME)
    for step in job.steps:
        given = step.assignments.get(_NAME)
        if program(step) in ("export", "declare"):
            seen = given if given is not None else seen
            continue
        if program(step) == "unset" and _NAME in words(step):
            seen = None
        if not trains(step):
            continue
        hit = _hit(step, given if given is not None else seen)
        if hit is not None:
            return hit
    return None


def _hit(step: Step, visible: Value[str] | None) -> Hit | None:
    argv = words(step)
    text = " ".join(argv)
    ids = _flag(argv, "--gpu_ids") if "accelerate" in text else None
    listed = ids if ids and ids != "all" else get(visible)
    processes = _processes(argv)
    if not isinstance(listed, str) or processes is None or processes < 2:
        return None
    if "--cpu" in argv or "gloo" in text or "--num_machines" in text or "$" in listed:
        return None
    names = [part for part in listed.split(",") if part.strip()]
    if not names or len(names) >= processes or not all(p.strip().isdigit() for p in names):
        return None
    values = {"ranks": processes, "gpus": len(names)}
    place = next((v.place for v in step.argv if "proc" in (get(v) or "")), None)
    return Hit(
        place or step.place,
        values,
        {**values, "visible": listed},
        severity=softer(step.place),
        summary="{ranks} processes are started, and {gpus} GPU(s) are visible to them.",
    )
