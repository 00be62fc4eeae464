"""Host memory and boot disk against the size of the weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftdoctor.checks.about import environments
from ftdoctor.checks.vertex_spec import DISK_DEFAULT
from ftdoctor.job.value import get
from ftdoctor.rulebook.model import Hit, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftdoctor.checks.context import Context
    from ftdoctor.job.model import Job, Training

_WIDTH = {
    "float32": 4,
    "fp32": 4,
    "float": 4,
    "bfloat16": 2,
    "bf16": 2,
    "float16": 2,
    "fp16": 2,
    "half": 2,
}
#: GB of a boot disk that system, container image and packages take at the least (own estimate).
_SYSTEM_GB = 15


def _parameters(training: Training) -> int | None:
    model = get(training.model)
    if model is None or "/" not in model:
        return None
    from ftdoctor.memory.shapes import find

    shape = find(model)
    return shape.params if shape is not None else None


def _dtype(training: Training) -> str:
    given = training.model_kwargs.get("dtype") or training.model_kwargs.get("torch_dtype")
    return str(get(given) or "").replace("torch.", "")


def host_ram(context: Context, **_: object) -> Iterator[Hit]:
    """Weights that are put together in host memory and do not fit it.

    Told only for a dtype that is written and a load without device_map: other loads go to the GPU
    piece by piece.
    """
    from ftdoctor.job.hardware import hardware

    job = context.job
    ram = hardware(job).ram_gb
    if not ram:
        return
    for training in job.trainings:
        if training.quantization is not None or "device_map" in training.model_kwargs:
            continue
        width = _WIDTH.get(_dtype(training))
        count = _parameters(training)
        if width is None or count is None:
            continue
        need = count * width / 1e9
        if need > ram:
            values = {"model": get(training.model), "need": f"{need:.0f}", "ram": f"{ram:.0f}"}
            place = training.model.place if training.model else None
            summary = "{model} takes {need} GB while it loads, and the machine has {ram} GB of RAM."
            yield Hit(place or job.place, values, values, severity="warning", summary=summary)
            return


def boot_disk(context: Context, **_: object) -> Iterator[Hit]:
    """A disk that the download of the weights alone fills: of the machine, flavor, or here."""
    job = context.job
    if job.machine is not None:
        from ftdoctor.checks.live_machine import disk

        yield from disk(context)
    elif job.platform == "hf-jobs":
        yield from _flavor_disk(context)
    else:
        yield from _boot_disk(context)


def listed_bytes(context: Context, training: Training) -> int | None:
    """Return the bytes of the weights as the Hub listed them, None when it was not asked."""
    if "hub.wanted" not in context.facts:
        return None
    from ftdoctor.facts.value import RepoFiles
    from ftdoctor.facts.weights import download_bytes

    for item in context.facts["hub.wanted"]:
        listed = context.facts.get(f"hub.files:{item.key}")
        if item.repo == get(training.model) and isinstance(listed, RepoFiles):
            return download_bytes(listed.files, item.subfolder, item.variant)
    return None


def _flavor_disk(context: Context) -> Iterator[Hit]:
    """HF Jobs: the disk that the hardware endpoint states for the flavor."""
    job = context.job
    rows, flavor = context.facts.get("hub.hardware"), get(job.flavor)
    row = rows.get(flavor) if isinstance(rows, dict) else None
    if row is None or job.volumes or _cached_elsewhere(job):
        return
    from ftdoctor.facts.told import disk_bytes

    size = disk_bytes(row)
    for training in job.trainings:
        need = listed_bytes(context, training)
        if need is not None and size is not None and need > size:
            values = {
                "model": get(training.model),
                "need": f"{need / 2**30:.0f}",
                "size": f"{size / 2**30:.0f}",
                "flavor": flavor,
            }
            place = job.flavor.place if job.flavor else None
            summary = "{model} has {need} GiB of weights, and the disk of {flavor} {size} GiB."
            yield Hit(place or job.place, values, values, summary=summary)
            return


def _boot_disk(context: Context) -> Iterator[Hit]:
    """Vertex AI: the boot disk."""
    job = context.job
    if job.platform != "vertex" or not job.pools or _cached_elsewhere(job):
        return
    pool = job.pools[0]
    if pool.boot_disk_gb is not None and not pool.boot_disk_gb.known:
        return
    if pool.machine_type is None:
        return
    size = get(pool.boot_disk_gb) or DISK_DEFAULT
    machine = get(pool.machine_type) or ""
    for training in job.trainings:
        listed, count = listed_bytes(context, training), _parameters(training)
        if listed is None and count is None:
            continue
        need = listed / 1e9 if listed is not None else (count or 0) * 2 / 1e9
        if need + _SYSTEM_GB <= size:
            continue
        # Machines of the a3 and a4 families bring local SSDs of their own.
        severity: Severity | None = (
            "warning" if machine.startswith(("a3-", "a4")) or need < size else None
        )
        place = pool.boot_disk_gb.place if pool.boot_disk_gb else None
        right = -(-int(need * 2 + 50) // 50) * 50
        values = {
            "model": get(training.model),
            "need": f"{need:.0f}",
            "size": size,
            "right": right,
        }
        summary = "{model} has {need} GB of weights, and the boot disk {size} GB; give it {right}."
        yield Hit(place or pool.place, values, values, severity=severity, summary=summary)
        return


def _cached_elsewhere(job: Job) -> bool:
    for env in environments(job):
        for name in ("HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "TRANSFORMERS_CACHE"):
            if name in env and not (get(env[name]) or "").startswith(("/root", "/tmp", "/home")):
                return True
    return False
