"""What is known of this machine for a job that trains on it: GPUs, packages, memory, disk."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from ftdoctor.environment import limits
from ftdoctor.environment.interpreter import Installed, installed
from ftdoctor.job.value import Value, get
from ftdoctor.records import dataclass, field

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftdoctor.environment.limits import Memory, Room
    from ftdoctor.environment.nvidia import Gpu, Nvidia
    from ftdoctor.job.model import Job


@dataclass(frozen=True)
class Machine:
    """The machine on which the check runs, as a training started on it would find it.

    `meant` is True when the user said that the job runs here (`--local`). `gpus` are those that
    CUDA_VISIBLE_DEVICES leaves; `hidden` says what hides the others, "" for nothing.
    """

    meant: bool
    nvidia: Nvidia
    gpus: tuple[Gpu, ...] = ()
    hidden: str = ""
    installed: Installed | None = None
    memory: Memory | None = None
    shared_memory: Room | None = None
    #: Disk of the Hub cache, and of the job's output folder.
    cache: Room | None = None
    output: Room | None = None
    #: Models that lie whole in the Hub cache.
    cached: frozenset[str] = field(default_factory=frozenset)
    #: An accelerator of another maker ("AMD", "Apple"), "" when none is seen.
    other: str = ""

    @property
    def gpu(self) -> Gpu | None:
        """The largest GPU that the job can use, None when it sees none."""
        return max(self.gpus, key=lambda g: (g.memory, g.capability), default=None)

    @property
    def without_gpu(self) -> bool:
        """Whether it is sure that a training here finds no accelerator at all."""
        nothing = self.nvidia.state in ("absent", "not-running") or bool(self.hidden)
        return nothing and not self.gpus and not self.other


def machine(job: Job, found: Nvidia, *, meant: bool) -> Machine:
    """Return this machine as a job would find it; `found` are its GPUs."""
    gpus, hidden = visible(found.gpus, variable(job, "CUDA_VISIBLE_DEVICES"))
    hub = cache_folder(job)
    output = next(_outputs(job), "")
    return Machine(
        meant,
        found,
        gpus,
        hidden,
        installed(os.path.dirname(job.source.path)),
        limits.memory(),
        limits.shared_memory(),
        limits.room(hub) if hub else None,
        limits.room(output) if output else None,
        frozenset(_cached(job, hub)),
        _other(),
    )


def variable(job: Job, name: str) -> str | None:
    """Return a variable as the job will see it; None when it is not set, or not to be known."""
    for step in job.steps:
        if name in step.assignments:
            return get(step.assignments[name])
    for script in job.scripts:
        if name in script.env_set:
            return get(script.env_set[name])
    for pool in job.pools:
        if name in pool.env:
            return get(pool.env[name])
    return os.environ.get(name)


def visible(gpus: tuple[Gpu, ...], setting: str | None) -> tuple[tuple[Gpu, ...], str]:
    """Return the GPUs that CUDA_VISIBLE_DEVICES leaves, and what hides all of them.

    Numbers count in CUDA's order, which for unlike cards is not NVML's: then all stay possible.
    The list ends at the first entry that is no GPU (CUDA C++ Programming Guide, environment
    variables).
    """
    if setting is None or not gpus:
        return gpus, ""
    alike = len({(gpu.name, gpu.memory) for gpu in gpus}) == 1
    taken: list[int] = []
    for word in setting.split(","):
        text = word.strip()
        if text.isdigit() and int(text) < len(gpus):
            taken.append(int(text))
        elif text.startswith("GPU-"):
            taken += [n for n, gpu in enumerate(gpus) if gpu.uuid.startswith(text)][:1]
        elif text.startswith("MIG-"):
            return gpus, ""
        else:
            break
    if not taken:
        return (), f"CUDA_VISIBLE_DEVICES={setting!r}"
    if not alike and any(word.strip().isdigit() for word in setting.split(",")):
        return gpus, ""
    return tuple(gpus[number] for number in sorted(set(taken))), ""


def cache_folder(job: Job) -> str:
    """Return the Hub cache as huggingface_hub 1.x finds it (constants.py), "" when not known."""
    for name, tail in (
        ("HF_HUB_CACHE", ""),
        ("HUGGINGFACE_HUB_CACHE", ""),
        ("HF_HOME", "hub"),
        ("XDG_CACHE_HOME", "huggingface/hub"),
    ):
        found = variable(job, name)
        if found:
            return os.path.join(os.path.expanduser(found), tail) if tail else found
    return os.path.expanduser("~/.cache/huggingface/hub")


def _outputs(job: Job) -> Iterator[str]:
    """Yield the output folders of the job: this folder where one is left to its default."""
    for training in job.trainings:
        value: Value[object] | None = training.arguments.get("output_dir")
        if value is None:
            yield "."
        elif value.known and isinstance(value.value, str) and "://" not in value.value:
            yield value.value


def _cached(job: Job, hub: str) -> Iterator[str]:
    """Yield the job's models that are in the cache: a snapshot with weights, nothing half done."""
    for training in job.trainings:
        model = get(training.model)
        if not isinstance(model, str) or model.count("/") != 1:
            continue
        base = os.path.join(hub, "models--" + model.replace("/", "--"))
        try:
            halves = any(n.endswith(".incomplete") for n in os.listdir(os.path.join(base, "blobs")))
            shots = os.path.join(base, "snapshots")
            names = [n for shot in os.listdir(shots) for n in os.listdir(os.path.join(shots, shot))]
        except OSError:
            continue
        if not halves and any(n.endswith((".safetensors", ".bin")) for n in names):
            yield model


def _other() -> str:
    """Return the maker of an accelerator that is not NVIDIA's, as far as files show it."""
    if sys.platform == "darwin":
        return "Apple"
    marks = {"/dev/kfd": "AMD", "/dev/accel/accel0": "another maker", "/dev/accel0": "Google"}
    marks |= {"/dev/vfio/0": "Google", "/dev/davinci0": "Huawei", "/dev/hl0": "Intel"}
    return next((maker for path, maker in marks.items() if os.path.exists(path)), "")
