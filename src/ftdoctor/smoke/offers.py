"""Names of GPUs -> what a platform has of them: HF Jobs flavors, Vertex AI machines.

A name is the user's (`l4`, `a100-80gb`, `4xl4`), the platform's own (`l4x4`, `g2-standard-8`), or
`cpu`. The tables are `flavors` (sizes and prices), `machines`, `regions` and `vertex_prices`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ftdoctor.errors import UsageError
from ftdoctor.job.value import get
from ftdoctor.tables import table

if TYPE_CHECKING:
    from ftdoctor.job.model import Job

#: Less host memory than this does not hold torch, CUDA and a small model.
LEAST_RAM_GB = 14.0
#: Vertex AI's smallest machine without a GPU that has it.
CPU_MACHINE = "n1-standard-4"


@dataclass(frozen=True, slots=True)
class Offer:
    """One machine of a platform. `memory_gb` is of one GPU; a price of None is not known."""

    platform: str
    machine: str
    gpu: str
    count: int
    memory_gb: float
    usd_per_hour: float | None
    vcpu: float = 0.0
    ram_gb: float = 0.0
    accelerator: str = ""

    @property
    def label(self) -> str:
        """The GPU as the user would write it."""
        return f"{self.count}x{self.gpu}" if self.count > 1 else self.gpu

    def names(self) -> set[str]:
        """Return the exact names that mean this GPU, in plain form."""
        base = _plain(self.gpu)
        return {base, f"{base.removesuffix(f'{self.memory_gb:g}')}{self.memory_gb:g}"}


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower()).removesuffix("gb")


def offers(platform: str, region: str = "") -> list[Offer]:
    """Return what a platform has, cheapest first; without prices (no region given), smallest."""
    found = _flavors() if platform == "hf-jobs" else _machines(region)

    def order(offer: Offer) -> tuple[bool, float, float, float, int]:
        unknown = offer.usd_per_hour is None
        return unknown, offer.usd_per_hour or 0.0, offer.vcpu, offer.ram_gb, offer.count

    return sorted(found, key=order)


def _flavors() -> list[Offer]:
    found = []
    for name, row in table("flavors")["flavors"].items():
        count = int(row["count"] or 0)
        gpu = str(row["gpu"] or "cpu").lower()
        found.append(
            Offer(
                "hf-jobs",
                name,
                {"rtxpro6000": "rtx-pro-6000"}.get(gpu, gpu),
                max(count, 1),
                row["gpu_total_gb"] / count if count else 0.0,
                row["usd_per_hour"],
                row["vcpu"] or 0.0,
                row["ram_gb"] or 0.0,
            )
        )
    return found


def _vertex(machine: str, gpu: str, count: int, row: dict[str, Any], region: str) -> Offer:
    """Return one machine of Vertex AI with its price in the region."""
    from ftdoctor.smoke.vertex_prices import hourly

    accelerator = str(row.get("accelerator_type") or "")
    price = hourly(machine, accelerator, count, region) if region else None
    return Offer(
        "vertex",
        machine,
        gpu,
        count,
        float(row.get("gpu_mem_gb") or 0),
        price.on_demand if price else None,
        row["vcpu"],
        row["ram_gb"],
        accelerator,
    )


def _machines(region: str) -> list[Offer]:
    here: set[str] | None = None
    if region:
        regions = table("regions")["regions"]
        if region in regions:
            here = {_plain(name) for name in regions[region]["training"]}
        elif not re.fullmatch(r"[a-z]+-[a-z]+\d{1,2}", region):
            raise UsageError(
                f"No Vertex AI region {region!r} is known here.",
                f"Known are: {', '.join(sorted(regions))}",
            )  # else it may be newer than the table: any machine, no price
    found = [_vertex(CPU_MACHINE, "cpu", 1, {"vcpu": 4, "ram_gb": 15}, region)]
    for row in table("machines")["machines"]:
        gpu = str(row["accelerator_type"]).removeprefix("NVIDIA_").removeprefix("TESLA_")
        memory = float(row["gpu_mem_gb"])
        names = {_plain(gpu), _plain(gpu).removesuffix(f"{memory:g}")}
        # "A100" in a region's list is the card of 40 GB: the one of 80 GB is listed by its size.
        names -= {"a100"} if memory == 80 else set()
        if (here is not None and not names & here) or row["ram_gb"] < LEAST_RAM_GB:
            continue
        label = gpu.lower().replace("_", "-")
        for count in row["counts"]:
            found.append(_vertex(row["machine_type"], label, int(count), row, region))
    return found


def choose(name: str, platform: str, region: str = "") -> Offer:
    """Return the cheapest machine for a GPU.

    Raises:
        UsageError: the platform (in that region) has no such GPU; the message lists what it has.
    """
    known = offers(platform, region)
    own = [o for o in known if o.machine == name.lower()]
    if not own and platform == "vertex":
        # The table of regions is advisory: who names a machine may know better.
        own = [o for o in offers(platform) if o.machine == name.lower()]
    if own:  # an N1 is a machine with or without a GPU: who names it here means one with
        return next((o for o in own if o.accelerator), own[0])
    times = re.fullmatch(r"(\d+)x(.+)", name.lower().strip())
    count, wanted = (int(times[1]), _plain(times[2])) if times else (1, _plain(name))
    wanted = wanted.removeprefix("nvidia").removeprefix("tesla")
    same = [o for o in known if wanted in o.names() and wanted]
    # "a100" where only the card of 80 GB exists, "h100" for H100_80GB.
    same = same or [
        o for o in known if _plain(o.gpu).removesuffix(f"{o.memory_gb:g}") == wanted and wanted
    ]
    for offer in same:
        if offer.count == count:
            return offer
    where = f"{platform}{f' in {region}' if region else ''}"
    raise UsageError(f"{where} has no GPU {name!r}.", f"It has:\n{listing(same or known)}")


def listing(known: list[Offer]) -> str:
    """Return one line for each GPU and count: name, memory, machine, price."""
    seen: dict[str, Offer] = {}
    for offer in known:
        seen.setdefault(offer.label, offer)
    return "\n".join(
        f"    {label:<18} {memory(offer):<12} {offer.machine:<18} {price(offer)}"
        for label, offer in seen.items()
    )


def memory(offer: Offer) -> str:
    """Return the GPU memory in words."""
    if not offer.memory_gb:
        return "no GPU"
    each = f"{offer.memory_gb:g} GB"
    return f"{offer.count} x {each}" if offer.count > 1 else each


def price(offer: Offer) -> str:
    """Return the price in words."""
    if offer.usd_per_hour is None:
        return "price not known here"
    return f"${offer.usd_per_hour:.2f} an hour"


def larger(job: Job | None, offer: Offer, region: str = "") -> str:
    """Return the job's own machine where it has more host memory than an offer, "" otherwise."""
    if job is None or job.platform != offer.platform:
        return ""
    name = get(job.flavor)
    if job.platform == "vertex":
        name = get(job.pool.machine_type) if job.pool is not None else None
    rows = [o for o in offers(offer.platform, region) if o.machine == name]
    return name if name and rows and rows[0].ram_gb > offer.ram_gb > 0 else ""
