"""What a job runs on: GPU, host memory, disk and price, from its machine or flavor."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from ftdoctor.job.value import get
from ftdoctor.records import dataclass
from ftdoctor.tables import table

if TYPE_CHECKING:
    from ftdoctor.facts.machine import Machine
    from ftdoctor.job.model import Job
    from ftdoctor.job.source import Place

#: Vertex accelerators that the GPU table does not hold.
_CAPABILITY = {"NVIDIA_TESLA_P4": "6.1"}
#: `gpuType` in the metadata of a Colab notebook -> key of table `gpus`.
#: "A100" is left out: Colab hands out cards of 40 and of 80 GB under that name.
_COLAB = {"T4": "T4", "L4": "L4", "V100": "V100-16"}


@dataclass(frozen=True, slots=True)
class Hardware:
    """One machine of the chief worker pool. A field that is not known is None or ""."""

    #: Key of table `gpus` ("A100-40", "L4"); "" when there is no GPU or it is not known.
    gpu: str = ""
    #: As the platform names it ("NVIDIA_L4", "a10g-large").
    name: str = ""
    count: int | None = None
    #: GiB (2^30) of one GPU as torch reports it, the smallest seen.
    memory_gib: float | None = None
    #: CUDA compute capability, "8.9".
    capability: str = ""
    ram_gb: float | None = None
    vcpu: float | None = None
    disk_gb: float | None = None
    usd_per_hour: float | None = None
    arch: str = "x86_64"
    #: True when the job asks for a machine without a GPU; None when that cannot be told.
    cpu_only: bool | None = None
    place: Place | None = None
    #: Where the facts come from, or why they are not known.
    source: str = ""

    @property
    def has_gpu(self) -> bool:
        """Whether a GPU is asked for and known."""
        return bool(self.gpu or self.capability)

    def at_least(self, capability: str) -> bool:
        """Whether the GPU has at least this compute capability."""
        return bool(self.capability) and _pair(self.capability) >= _pair(capability)


def _pair(capability: str) -> tuple[int, int]:
    major, _, minor = capability.partition(".")
    return int(major), int(minor or 0)


@cache
def _gpus() -> dict[str, dict[str, Any]]:
    return {row["key"]: row for row in table("gpus")["gpus"]}


@cache
def _by_vertex_name() -> dict[str, str]:
    names: dict[str, str] = {}
    for key, row in _gpus().items():
        for part in (row.get("vertex_accelerator") or "").split("/"):
            name = part.split("(")[0].strip()
            if name:
                names.setdefault(name, key)
    return names


def gpu_of_accelerator(accelerator: str) -> str:
    """Return the key in table `gpus` of a Vertex accelerator type, "" when it is none."""
    return _by_vertex_name().get(accelerator, "")


def _facts(key: str) -> tuple[str, float | None]:
    row = _gpus().get(key)
    if row is None:
        return "", None
    seen = row.get("torch_total_gib_seen") or []
    return str(row["compute_capability"]), min(seen) if seen else None


def hardware(job: Job) -> Hardware:
    """Return the machine of the chief worker pool, as far as the job says it."""
    if job.platform == "hf-jobs":
        return _flavor(job)
    if job.platform == "vertex":
        return _machine(job)
    if job.platform == "colab":
        return _colab(job)
    if job.machine is not None:
        return _here(job.machine)
    return Hardware(source="the job does not say on what it runs")


def _colab(job: Job) -> Hardware:
    named = _COLAB.get(str(job.extra.get("colab_gpu", "")), "")
    if not named:
        return Hardware(source="the notebook does not say which GPU it gets")
    capability, memory = _facts(named)
    return Hardware(
        gpu=named,
        name=str(job.extra["colab_gpu"]),
        count=1,
        memory_gib=memory,
        capability=capability,
        cpu_only=False,
        place=job.place,
        source="the notebook's metadata",
    )


def gpu_of_name(name: str) -> str:
    """Return the key in table `gpus` of a GPU as NVML and torch name it, "" for any other."""
    for key, row in _gpus().items():
        if name in row["nvidia_smi_names"] or name.removeprefix("NVIDIA ") == key:
            return key
    return ""


#: torch sees a little less than NVML counts: 0.965 to 0.99 on the cards of the table.
_TORCH_SEES = 0.965


def _here(machine: Machine) -> Hardware:
    """Return this machine; the memory of the GPU is what torch would see of it."""
    ram = machine.memory.total / 1e9 if machine.memory else None
    disk = machine.output.free / 1e9 if machine.output else None
    gpu = machine.gpu
    if gpu is None or gpu.mig:
        nothing = machine.meant and machine.without_gpu
        return Hardware(
            name="this machine",
            ram_gb=ram,
            disk_gb=disk,
            cpu_only=True if nothing else None,
            source=machine.nvidia.problem or machine.hidden or "the GPU is cut into MIG instances",
        )
    total = gpu.memory / 2**30
    key = gpu_of_name(gpu.name)
    seen = _facts(key)[1]
    if seen is None or not 0.95 * total < seen <= total:
        key, seen = "", total * _TORCH_SEES
    major, minor = gpu.capability
    return Hardware(
        gpu=key,
        name=f"{gpu.name} of this machine",
        count=len(machine.gpus),
        memory_gib=round(seen, 2),
        capability=f"{major}.{minor}" if major else "",
        ram_gb=ram,
        disk_gb=disk,
        cpu_only=False,
        source=machine.nvidia.source,
    )


def _flavor(job: Job) -> Hardware:
    flavors = table("flavors")
    if job.flavor is None and job.extra.get("open"):
        return Hardware(source=str(job.extra["open"]))
    if job.flavor is None:
        name, place = flavors["default"], None
    else:
        name, place = get(job.flavor) or "", job.flavor.place
    row = flavors["flavors"].get(name)
    if row is None:
        reason = job.flavor.unknown if job.flavor and not job.flavor.known else "unknown flavor"
        return Hardware(name=name, place=place, source=reason)
    capability, memory = _facts(row["gpu"] or "")
    return Hardware(
        gpu=row["gpu"] or "",
        name=name,
        count=row["count"],
        memory_gib=memory,
        capability=capability,
        ram_gb=row["ram_gb"],
        vcpu=row["vcpu"],
        disk_gb=row["disk_gb"],
        usd_per_hour=row["usd_per_hour"],
        cpu_only=row["gpu"] is None,
        place=place,
        source=f"flavors of Hugging Face Jobs, {flavors['date']}",
    )


def _machine(job: Job) -> Hardware:
    pool = job.pool
    if pool is None:
        return Hardware(source="the job names no machine")
    machine = get(pool.machine_type) or ""
    accelerator = get(pool.accelerator_type) or ""
    count = get(pool.accelerator_count)
    rows = [r for r in table("machines")["machines"] if r["machine_type"] == machine]
    if accelerator:
        named = [r for r in rows if r["accelerator_type"] == accelerator]
        rows = named or rows
    row = rows[0] if rows else None
    fixed = row is not None and len({r["accelerator_type"] for r in rows}) == 1
    unwritten = pool.accelerator_type is None and not job.extra.get("open")
    if not accelerator and fixed and row is not None and not machine.startswith("n1-"):
        accelerator = row["accelerator_type"]
    key = gpu_of_accelerator(accelerator)
    capability, memory = _facts(key)
    capability = capability or _CAPABILITY.get(accelerator, "")
    if count is None and row is not None and len(row["counts"]) == 1 and accelerator:
        count = row["counts"][0]
    known_machine = bool(pool.machine_type and pool.machine_type.known)
    cpu_only = None
    if accelerator:
        cpu_only = False
    elif (
        unwritten and known_machine and not machine.startswith(("a2", "a3", "a4", "g2", "g4", "ct"))
    ):
        cpu_only = True
    accelerator_value = pool.accelerator_type or pool.machine_type
    return Hardware(
        gpu=key,
        name=accelerator or machine,
        count=count,
        memory_gib=memory,
        capability=capability,
        ram_gb=row["ram_gb"] if row else None,
        vcpu=row["vcpu"] if row else None,
        disk_gb=get(pool.boot_disk_gb) or (100 if pool.boot_disk_gb is None else None),
        arch="aarch64" if machine.startswith("a4x-") else "x86_64",
        cpu_only=cpu_only,
        place=accelerator_value.place if accelerator_value else pool.place,
        source=f"machines of Vertex AI training, {table('machines')['date']}",
    )
