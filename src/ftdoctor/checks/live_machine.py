"""What this machine says of a job that trains on it: its GPUs, disks and shared memory.

The facts are in `job.machine`, which is None for a job that runs elsewhere (`facts.machine`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftdoctor.checks.about import launcher_processes
from ftdoctor.checks.installed import true
from ftdoctor.job.value import get
from ftdoctor.rulebook.model import Hit, Unsure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftdoctor.checks.context import Context
    from ftdoctor.environment.limits import Room
    from ftdoctor.environment.nvidia import Gpu
    from ftdoctor.facts.machine import Machine
    from ftdoctor.job.model import Job, Training
    from ftdoctor.job.source import Place

#: What docker gives a container's /dev/shm (docs.docker.com, `docker run --shm-size`).
_DOCKER_SHM = 64 << 20
_ITEM = {"float32": 4, "float16": 2, "bfloat16": 2}


def gib(size: float) -> str:
    """Return bytes as "12.3 GiB"."""
    return f"{size / 2**30:.1f} GiB"


def _model_place(job: Job) -> Place:
    training = job.training
    return (training.model.place if training and training.model else None) or job.place


def _wants_gpu(job: Job) -> bool:
    return not any(
        true(t.arguments.get(name)) for t in job.trainings for name in ("use_cpu", "no_cuda")
    )


def driver_not_running(context: Context, **_: object) -> Iterator[Hit | Unsure]:
    """The driver is installed and does not answer, or all GPUs are hidden from the job."""
    machine = context.job.machine
    if machine is None or not _wants_gpu(context.job):
        return
    nvidia = machine.nvidia
    if machine.hidden and nvidia.gpus:
        values = {"why": f"{machine.hidden} hides the {len(nvidia.gpus)} GPU(s) of this machine"}
    elif nvidia.state == "not-running":
        values = {"why": f"the driver of this machine does not answer ({nvidia.problem})"}
    elif nvidia.state == "unknown":
        yield Unsure(f"the GPUs of this machine could not be read: {nvidia.problem}")
        return
    elif nvidia.state == "ok" and not nvidia.gpus:
        values = {"why": "the driver of this machine lists no GPU"}
    else:
        return
    yield Hit(context.job.place, values, {"said": nvidia.problem}, summary="Here, {why}.")


def driver_mismatch(context: Context, **_: object) -> Iterator[Hit]:
    """The driver's libraries were changed under the loaded kernel module."""
    machine = context.job.machine
    if machine is not None and machine.nvidia.state == "mismatch" and _wants_gpu(context.job):
        said = machine.nvidia.problem
        yield Hit(context.job.place, {"said": said}, {"said": said})


def not_shared(context: Context, **_: object) -> Iterator[Hit]:
    """Every GPU is in a compute mode that lets no further process in."""
    job = context.job
    machine = job.machine
    if machine is None or not machine.gpus or not _wants_gpu(job):
        return
    if not all(_closed(gpu) for gpu in machine.gpus):
        return
    gpu = machine.gpus[0]
    why = "prohibited: no process may use it"
    if gpu.mode == "exclusive":
        why = f"exclusive, and {_holders(gpu)} has it"
    values = {"gpu": gpu.name, "mode": gpu.mode, "why": why}
    summary = "The compute mode of the {gpu} here is {why}."
    yield Hit(job.place, values, values, summary=summary)


def _closed(gpu: Gpu) -> bool:
    return gpu.mode == "prohibited" or (gpu.mode == "exclusive" and bool(gpu.processes))


def _holders(gpu: Gpu) -> str:
    """Return who holds memory of a GPU, the largest first."""
    rows = sorted(gpu.holders, key=lambda h: -(h.memory or 0))[:3]
    named = [
        f"process {h.pid}"
        + (f" ({h.name})" if h.name else "")
        + (f" with {gib(h.memory)}" if h.memory else "")
        for h in rows
    ]
    more = f" and {gpu.processes - len(rows)} more" if gpu.processes > len(rows) else ""
    return (", ".join(named) or "a process that is not seen from here") + more


def memory_taken(context: Context, **_: object) -> Iterator[Hit]:
    """Other processes leave too little of the GPU, though the job would fit an empty one.

    Told when the predicted peak fits the card and not what is free now; without a prediction only
    when less than a tenth of every GPU is free.
    """
    job = context.job
    machine = job.machine
    if machine is None or not machine.gpus or any(gpu.mig for gpu in machine.gpus):
        return
    if not _wants_gpu(job):
        return
    gpu = max(machine.gpus, key=lambda g: g.free)
    if gpu.free > 0.9 * gpu.memory:
        return
    values: dict[str, Any] = {
        "gpu": gpu.name,
        "free": gib(gpu.free),
        "total": gib(gpu.memory),
        "holders": _holders(gpu),
    }
    evidence = {"free_bytes": gpu.free, "total_bytes": gpu.memory, "processes": gpu.processes}
    needed = _needed(context, gpu)
    if needed:
        values["needed"] = gib(needed)
        summary = "The predicted peak is {needed}, and {free} of the {gpu} are free: {holders}."
        evidence["allocated_bytes"] = needed
        yield Hit(_model_place(job), values, evidence, summary=summary)
    elif needed is None and gpu.free < 0.1 * gpu.memory:
        values["needed"] = "not known"
        summary = "Only {free} of {total} of the {gpu} are free: {holders}."
        yield Hit(_model_place(job), values, evidence, severity="warning", summary=summary)


def _needed(context: Context, gpu: Gpu) -> int | None:
    """Return the predicted peak that fits the card but not what is free; 0 when it fits both.

    None when there is no prediction. Bytes.
    """
    from ftdoctor.memory import from_job
    from ftdoctor.memory.closed_form import predict
    from ftdoctor.memory.verdict import judge
    from ftdoctor.records import replace

    try:
        asked = from_job.read(context.job)
    except from_job.Untold:
        return None
    if asked is None:
        return None
    prediction = predict(asked.settings, hopper=asked.card.hopper)
    whole = judge(prediction, asked.card)
    if whole.word == "oom":
        return 0  # it does not fit the empty card: another rule says so
    free = judge(prediction, replace(asked.card, visible=min(gpu.free, asked.card.visible)))
    return prediction.allocated if free.word == "oom" else 0


def small_shared_memory(context: Context, ranks: bool = False, **_: object) -> Iterator[Hit]:
    """/dev/shm has docker's 64 MB, and DataLoader workers or several ranks pass data through it.

    `ranks` asks for the ranks of one machine (NCCL) instead of the workers.
    """
    job = context.job
    room = job.machine.shared_memory if job.machine else None
    if room is None or room.total > _DOCKER_SHM:
        return
    size = f"{room.total / 2**20:.0f} MB"
    if ranks:
        started = launcher_processes(job)
        if started is not None and started > 1:
            values = {"size": size, "ranks": started}
            summary = "/dev/shm has {size}, and {ranks} ranks of this machine talk through it."
            yield Hit(job.place, values, values, severity="warning", summary=summary)
        return
    for training in job.trainings:
        value = training.arguments.get("dataloader_num_workers")
        workers: object = get(value)
        if isinstance(workers, int) and workers > 0 and value is not None:
            values = {"size": size, "workers": workers}
            summary = "/dev/shm has {size}; {workers} DataLoader workers pass batches through it."
            yield Hit(value.place or job.place, values, values, severity="warning", summary=summary)
            return


def disk(context: Context) -> Iterator[Hit]:
    """The weights, or the checkpoints of full fine-tuning, need more than the disk here has."""
    job = context.job
    machine = job.machine
    if machine is None or job.training is None:
        return
    model = get(job.training.model)
    download, saved = _download(job.training, machine), _saved(job.training)
    if model not in machine.cached:
        from ftdoctor.checks.disk import listed_bytes

        download = listed_bytes(context, job.training) or download  # the Hub knows it exactly
    wants: list[tuple[Room, int, str]] = []
    cache, output = machine.cache, machine.output
    if cache is not None and download:
        wants.append((cache, download, f"the download of {model}"))
    if output is not None and saved:
        wants.append((output, saved, "one checkpoint of the whole model"))
    if len(wants) == 2 and wants[0][0].disk == wants[1][0].disk:
        joined = f"{wants[0][2]} and {wants[1][2]}"
        wants.append((wants[1][0], download + saved, joined))
    for room, need, what in wants:
        if need > room.free:
            values = {
                "what": what,
                "need": gib(need),
                "free": gib(room.free),
                "folder": room.path,
                # The text of the rule speaks of the machines of a platform, too.
                "model": model,
                "size": gib(room.total),
                "right": gib(need * 1.2),
            }
            summary = "{what} takes {need}, and the disk of {folder} here has {free} left."
            yield Hit(_model_place(job), values, values, summary=summary)
            return


def _download(training: Training, machine: Machine) -> int:
    """Return the bytes of the weights that are not in the cache yet, 0 when not known."""
    from ftdoctor.memory import shapes

    model = get(training.model)
    if not isinstance(model, str) or "/" not in model or model in machine.cached:
        return 0
    shape = shapes.find(model)
    if shape is None or shapes.quantised_copy(model):
        return 0
    return shape.params * _ITEM.get(shape.dtype, 2)


def _saved(training: Training) -> int:
    """Return the bytes of one checkpoint of full fine-tuning, at the least; 0 when not known.

    Weights in two bytes, and two moments in two bytes each unless the optimizer is left out. An
    adapter is too small to count.
    """
    if training.lora is not None or training.quantization is not None or training.open:
        return 0
    if training.method not in ("sft", "dpo", "grpo", "kto", "reward"):
        return 0
    strategy = training.arguments.get("save_strategy")
    if strategy is not None and get(strategy) not in ("steps", "epoch"):
        return 0
    if any(name.startswith("peft") for name in training.trainer_kwargs):
        return 0
    from ftdoctor.memory import shapes

    model = get(training.model)
    shape = shapes.find(model) if isinstance(model, str) else None
    if shape is None:
        return 0
    optimizer = training.arguments.get("optim")
    adam = optimizer is None or str(get(optimizer)).startswith(("adamw_torch", "OptimizerNames"))
    alone = training.arguments.get("save_only_model")
    moments = 4 if adam and (alone is None or get(alone) is False) else 0
    return shape.params * (2 + moments)
