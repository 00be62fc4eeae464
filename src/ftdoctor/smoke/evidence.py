"""The evidence of a verdict: versions, device, token, measured against predicted memory, speed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from ftdoctor.smoke.predicted import NotDescribed, settings_of, stage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftdoctor.job.model import Job
    from ftdoctor.memory.settings import TrainingSettings
    from ftdoctor.smoke.verdict import Verdict

#: Causes of a failure that mean: this step does not fit this GPU. Another process on the card, or
#: the evaluation, are not the step.
_OUT_OF_MEMORY = frozenset(
    "oom-batch-or-activations oom-logits-vocab-x-seq oom-optimizer-states oom-fragmentation "
    "quantized-model-does-not-fit-gpu memory-model-does-not-fit".split()
)


def gather(
    verdict: Verdict,
    plan: Mapping[str, Any],
    job: Job | None,
    run: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the evidence of a run as the JSON has it; what it does not show is left out.

    `run` are the facts of a run on a platform (`usd_per_hour`, ...), None for a run here.
    """
    stages = verdict.stages
    found: dict[str, Any] = {}
    versions = stage(stages, "imports").get("versions")
    if versions:
        found["versions"] = dict(versions)
        if job is not None:
            found["version_differences"] = version_differences(versions, job)
    device = {k: v for k, v in stage(stages, "gpu").items() if k not in ("stage", "ok", "seconds")}
    if device:
        found["device"] = device
    token = stage(stages, "token")
    if token.get("ok"):
        found["token"] = {k: token.get(k) for k in ("token", "account") if token.get(k)}
    memory = _memory(verdict, plan, job, device)
    if memory:
        found["memory"] = memory
    train = stage(stages, "train")
    if train.get("seconds_per_step"):
        found["speed"] = _speed(verdict, plan, job, run, memory)
    return found


def version_differences(installed: Mapping[str, str], job: Job) -> list[dict[str, Any]]:
    """Return the packages whose installed version is not the one that `check` resolved.

    Local parts ("+cu126") do not count. `pinned` is False where the job lets the version float.
    """
    told = []
    for name, version in installed.items():
        expected = job.packages.get(name.lower().replace("_", "-"))
        if expected is None or not expected.version:
            continue
        if str(version).partition("+")[0] != expected.version.partition("+")[0]:
            told.append(
                {
                    "package": name,
                    "installed": version,
                    "expected": expected.version,
                    "pinned": not expected.floating,
                }
            )
    return told


def card_of(device: Mapping[str, Any]) -> str:
    """Return the name of a card in the memory table, "" when the device is none that it knows.

    torch's name ("NVIDIA A100-SXM4-40GB") names the card; its memory tells cards of one name
    apart, and a slice of a card (MIG) from the whole.
    """
    from ftdoctor.memory import gpus

    size = device.get("memory_bytes")
    if not isinstance(size, int) or not size:
        return ""
    words = str(device.get("device", "")).removeprefix("NVIDIA ").removeprefix("Tesla ").split()
    names = [" ".join(words[:n]) for n in range(len(words), 0, -1)]
    found = next((card for name in names if (card := gpus.find(name)) is not None), None)
    if found is None:
        return ""
    near = [c for c in gpus.cards() if c.name.split("-")[0] == found.name.split("-")[0]]
    best = min([found, *near], key=lambda card: abs(card.visible - size))
    return best.name if abs(best.visible - size) < 0.04 * size else ""


def _memory(
    verdict: Verdict, plan: Mapping[str, Any], job: Job | None, device: Mapping[str, Any]
) -> dict[str, Any]:
    """Return measured against predicted memory of a run on a GPU, {} of any other."""
    if plan.get("device", "cpu") == "cpu":
        return {}
    train = stage(verdict.stages, "train")
    allocated = train.get("peak_allocated_bytes")
    reserved = train.get("peak_reserved_bytes")
    cause = (verdict.cause or {}).get("name")
    died = verdict.word == "fails" and cause in _OUT_OF_MEMORY and not _shared(device)
    if not allocated and not died:
        return {}
    found: dict[str, Any] = {
        "outcome": "oom" if died and not allocated else "fits",
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "card": card_of(device),
        "allocated_bytes": allocated,
        "reserved_bytes": reserved,
        "gpu_bytes": device.get("memory_bytes"),
    }
    try:
        settings, assumed = settings_of(plan, verdict.stages)
    except NotDescribed as why:
        return {**found, "not_predicted": str(why)}
    return {
        **found,
        **_predicted(settings, assumed, found),
        **_of_job(settings, job, found["card"]),
    }


def _shared(device: Mapping[str, Any]) -> bool:
    """Whether another process held a good part of the card: what died there may have fitted."""
    total, free = device.get("memory_bytes"), device.get("free_bytes")
    return bool(total and free and free < 0.93 * total)


def _predicted(
    settings: TrainingSettings, assumed: tuple[str, ...], measured: Mapping[str, Any]
) -> dict[str, Any]:
    from ftdoctor.memory import gpus
    from ftdoctor.memory.closed_form import predict
    from ftdoctor.memory.measured import described

    card = gpus.find(str(measured["card"])) if measured["card"] else None
    prediction = predict(settings, hopper=bool(card and card.hopper))
    found: dict[str, Any] = {
        "predicted_allocated_bytes": prediction.allocated,
        "predicted_reserved_bytes": prediction.reserved,
        "confidence": prediction.confidence,
        "assumptions": [*assumed, *prediction.reasons],
        "settings": described(settings),
    }
    for name in ("allocated", "reserved"):
        size = measured[f"{name}_bytes"]
        if size:
            error = 100 * (found[f"predicted_{name}_bytes"] - size) / size
            found[f"{name}_error_percent"] = round(error, 1)
    return found


def _of_job(settings: TrainingSettings, job: Job | None, card: str) -> dict[str, Any]:
    """Say whether the run was the job's own step: then later checks go by its measurement.

    `own_shape` is true where at most the versions differ: its time is then the job's as well.
    """
    from ftdoctor.memory import from_job
    from ftdoctor.memory.measured import described, setting_differences, version_differences

    if job is None:
        return {}
    try:
        own = from_job.read(job)
    except from_job.Untold as why:
        return {"own_shape": False, "of_the_job": False, "not_of_the_job": [why.reason]}
    if own is None:
        reason = "the job names no GPU, or trains nothing that is predicted"
        return {"own_shape": False, "of_the_job": False, "not_of_the_job": [reason]}
    ran, wanted = described(settings), described(own.settings)
    told = setting_differences(ran, wanted)
    if own.card.name != card:
        told.insert(0, f"it ran on {card or 'a GPU that is not known'}, the job on {own.card.name}")
    versions = version_differences(ran, wanted)
    return {
        "own_shape": not told,
        "of_the_job": not told and not versions,
        "not_of_the_job": [*told, *versions],
    }


def _speed(
    verdict: Verdict,
    plan: Mapping[str, Any],
    job: Job | None,
    run: Mapping[str, Any] | None,
    memory: Mapping[str, Any],
) -> dict[str, Any]:
    from ftdoctor.smoke.real_job import outlook, price_of, rows_of

    train = stage(verdict.stages, "train")
    found: dict[str, Any] = {"seconds_per_step": train["seconds_per_step"], "real_job": None}
    if plan.get("device", "cpu") == "cpu":
        return {**found, "not_told": "a small model on a CPU says nothing of the time of the job"}
    if memory.get("own_shape") is not True:
        return {**found, "not_told": "the run had not the job's own shape"}
    assert job is not None
    start = sum(
        float(s.get("seconds") or 0) for s in verdict.stages if s.get("stage") in _BEFORE_STEPS
    )
    data = stage(verdict.stages, "data")
    rows = rows_of(plan, data, job.training) if job.training is not None else None
    usd, machine = price_of(job, run)
    found["real_job"] = outlook(
        job, train, plan, rows=rows, start_seconds=start, usd_per_hour=usd, priced=machine
    )
    return found


_BEFORE_STEPS = frozenset({"imports", "gpu", "token", "download", "tokenizer", "data", "model"})
