"""From the seconds of a smoke run's step to the time and the price of the real job, with a range.

The range: a step of the smoke run has every row filled to its full length, and its first step,
which warms kernels and caches up, is left out. So what it took is the most that a step will take:
the upper end is that, with a tenth on top for logging, checkpoints and evaluation. The lower end
is the quickest step; where rows are not packed, half of it, because time goes with tokens while a
part of each step (unpacking 4-bit weights, launching kernels, the optimizer) does not. Half is a
judgement, not a measurement: ordinary chat rows are far below max_length. Where the run
accumulated fewer batches than the job, the payload has scaled its steps. Both ends have the time
until the first step as it was in the smoke run; where that had random weights, downloading and
loading the real ones comes on top.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ftdoctor.job.value import get

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftdoctor.job.model import Job, Training

#: Steps that are told where the number of the job's steps is not known.
PER = 1000
#: On top of the steps: logging, checkpoints, evaluation.
REST = 1.10
#: Share of a full step that a step of ordinary rows takes at least.
SHORT_ROWS = 0.5


def steps_of(training: Training, rows: int | None, *, processes: int = 1) -> tuple[int | None, str]:
    """Return the optimizer steps of the real job and how they were found, or None and why not.

    As transformers' Trainer counts them (5.23 trainer.py, set_initial_training_values): batches of
    an epoch, divided by the accumulation, rounded up, times the epochs.
    """
    known: dict[str, float] = {}
    for name, default in (
        ("max_steps", -1),
        ("num_train_epochs", 3),
        ("gradient_accumulation_steps", 1),
        ("per_device_train_batch_size", 8),
    ):
        value = training.arguments.get(name)
        if value is not None and not value.known:
            return None, f"{name} is not known here"
        found = default if value is None else get(value)
        try:
            known[name] = float(found)  # type: ignore[arg-type]
        except (TypeError, ValueError):
            return None, f"{name} is not a number"
    if known["max_steps"] > 0:
        return int(known["max_steps"]), "max_steps"
    if training.method == "grpo":
        return None, "steps of GRPO depend on its generations"
    if processes > 1 and get(training.model_kwargs.get("device_map")) == "auto":
        return None, 'device_map="auto" spreads one copy over the GPUs'
    if not rows:
        return None, "the number of rows is not known here"
    if training.open:
        return None, f"the arguments are not all known: {training.open}"
    batch = max(1, int(known["per_device_train_batch_size"])) * max(1, processes)
    accumulation = max(1, int(known["gradient_accumulation_steps"]))
    epoch = max(1, math.ceil(math.ceil(rows / batch) / accumulation))
    steps = math.ceil(epoch * known["num_train_epochs"])
    told = f"{rows} rows, {known['num_train_epochs']:g} epochs, batch {batch} x {accumulation}"
    return (steps, told) if steps > 0 else (None, "the job trains no steps")


def rows_of(plan: Mapping[str, Any], data: Mapping[str, Any], training: Training) -> int | None:
    """Return the rows of the job's data as the plan or the stage `data` counted them, else None.

    Where the job takes a part of a split ("train[:10%]"), the rows of the whole say nothing.
    """
    parts = (get(d.split) for d in training.datasets if d.split is not None)
    rows = data.get("total_rows") or plan.get("total_rows")
    if not isinstance(rows, int) or any("[" in str(part) for part in parts):
        return None
    return rows


def _gpus(job: Job | None) -> int:
    """Return how many GPUs share the batches of the real job."""
    from ftdoctor.job.hardware import hardware

    if job is None:
        return 1
    replicas = (get(pool.replica_count) for pool in job.pools if pool.replica_count is not None)
    nodes = sum(int(n) for n in replicas if isinstance(n, int))
    return max(1, hardware(job).count or 1) * max(1, nodes)


def price_of(job: Job, run: Mapping[str, Any] | None) -> tuple[float | None, str]:
    """Return the dollars an hour of the job's own machines, and whose price it is.

    From the tables (HF flavors; Vertex AI machines, on demand, with its fee), else that of the
    machine which the run was started on, which may be a smaller one with the same GPU.
    """
    from ftdoctor.job.hardware import hardware

    machine = hardware(job)
    if machine.usd_per_hour:
        return machine.usd_per_hour, f"{machine.name} of the job"
    pool = job.pool
    if job.platform == "vertex" and pool is not None and pool.machine_type is not None:
        from ftdoctor.smoke.vertex_prices import hourly

        kind = get(pool.machine_type) or ""
        accelerator = (get(pool.accelerator_type) or "") if pool.accelerator_type else ""
        region = (get(job.region) or "") if job.region is not None else ""
        price = hourly(kind, accelerator, machine.count or 1, region)
        if price is not None:
            nodes = _gpus(job) // max(1, machine.count or 1)
            return price.on_demand * nodes, f"{kind} of the job in {region}"
    usd = (run or {}).get("usd_per_hour")
    return (float(usd), f"{(run or {}).get('machine')} of the run") if usd else (None, "")


def outlook(
    job: Job | None,
    train: Mapping[str, Any],
    plan: Mapping[str, Any],
    *,
    rows: int | None,
    start_seconds: float,
    usd_per_hour: float | None,
    priced: str = "",
) -> dict[str, Any]:
    """Return the time and price of the real job, as the JSON has them.

    Args:
        job: the job; None gives the numbers for 1000 steps.
        train: the line of the stage `train`.
        plan: the plan that ran, with the job's own shape.
        rows: rows of the job's data, None when not known.
        start_seconds: seconds until the first step.
        usd_per_hour: price of all machines, None when not known.
        priced: whose price it is, in words.
    """
    usual = float(train["seconds_per_step"])
    each = [float(s) for s in train.get("step_seconds") or () if s]
    quickest = min([usual, *each])
    training = job.training if job is not None else None
    steps, told = (
        steps_of(training, rows, processes=_gpus(job)) if training else (None, "there is no job")
    )
    packed = bool(plan.get("packs") or (plan.get("arguments") or {}).get("packing"))
    if packed and told not in ("", "max_steps"):
        steps, told = None, "the rows are packed, and how many sequences they fill is not known"
    low = quickest * (1.0 if packed else SHORT_ROWS)
    high = usual * REST
    count = steps or PER
    seconds = [count * low + start_seconds, count * high + start_seconds]
    price = None
    if usd_per_hour:
        price = [round(usd_per_hour * s / 3600, 4) for s in seconds]
    return {
        "steps": steps,
        "steps_from": told,
        "per_steps": count,
        "seconds_low": round(seconds[0], 1),
        "seconds_high": round(seconds[1], 1),
        "usd_per_hour": round(usd_per_hour, 4) if usd_per_hour else None,
        "priced": priced,
        "usd_low": price[0] if price else None,
        "usd_high": price[1] if price else None,
    }
