"""One process or several: what the launch starts against what the GPUs and arguments need."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftdoctor.checks.about import code, gpu_count, launched, launcher_processes, remote, trains
from ftdoctor.checks.setup_args import HF_TRAINERS
from ftdoctor.job.pep440 import at_least
from ftdoctor.job.value import get
from ftdoctor.rulebook.model import Hit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftdoctor.checks.context import Context

#: First trl whose trainer refuses torch.nn.DataParallel, which the Trainer uses when one process
#: sees several GPUs: read from the wheels of trl 1.14.2 to 1.16.0, trl/trainer/*_trainer.py.
_DATA_PARALLEL_REFUSED = {
    "sft": "1.15.0",
    "dpo": "1.15.0",
    "grpo": "1.15.0",
    "kto": "1.15.0",
    "rloo": "1.15.0",
    "reward": "1.16.0",
}


def idle_gpus(context: Context, refuses: bool = False, **_: object) -> Iterator[Hit]:
    """Several GPUs and a plain `python`: one process, so the others stand idle or slow it down.

    With `refuses` only where the trainer of this trl stops for it, without only where it goes on.
    """
    job = context.job
    if not launched(job) or not remote(job):
        return
    gpus = gpu_count(job)
    if gpus is None or gpus < 2 or launcher_processes(job) != 1 or not job.trainings:
        return
    if any(t.written_as == "trl-cli" for t in job.trainings):
        return
    if any("CUDA_VISIBLE_DEVICES" in pool.env for pool in job.pools):
        return
    text = code(job)
    if re.search(
        r"device_map|torchrun|accelerate\s+launch|deepspeed|mp\.spawn|multiprocessing|vllm|notebook_launcher|CUDA_VISIBLE_DEVICES|tensor_parallel|fsdp|DataParallel|ray\b",
        text,
    ):
        return
    step = next((s for s in job.steps if s.where == "container" and trains(s)), None)
    place = step.place if step else job.place
    since = _DATA_PARALLEL_REFUSED.get(job.trainings[0].method, "")
    trl = job.version("trl") or ""
    # A model given by its name is spread over the GPUs by the trainer (device_map="auto").
    named = job.trainings[0].model_as_string
    refused = bool(since and trl and at_least(trl, since) and not named)
    if refused is refuses:
        yield Hit(place, {"gpus": gpus, "trl": trl}, {"gpus": gpus, "trl": trl})


def fsdp_alone(context: Context, **_: object) -> Iterator[Hit]:
    """`fsdp` is set and a plain python starts the training: the Trainer wants torch.distributed.

    transformers 5.23.0 trainer.py: "Using fsdp only works in distributed training."
    """
    job = context.job
    if not launched(job) or launcher_processes(job) != 1:
        return
    if re.search(r"torchrun|accelerate|mp\.spawn|multiprocessing|init_process_group", code(job)):
        return
    for training in job.trainings:
        value = training.arguments.get("fsdp")
        if value is not None and get(value) and training.method in HF_TRAINERS:
            yield Hit(value.place or job.place, {}, {"fsdp": get(value)})
