"""What a machine of Vertex AI custom training costs in a region, with the fee of Vertex AI.

The table `vertex_prices` holds Compute Engine's prices, dated, and the share that Vertex AI asks on
top; where they come from is written there. A figure that is not in it is not known: none is made up
from another region or machine.
"""

from __future__ import annotations

from dataclasses import dataclass

from ftdoctor.tables import table

#: GB of the boot disk that a custom job gets when it names none.
BOOT_DISK_GB = 100


@dataclass(frozen=True, slots=True)
class Price:
    """USD an hour of one machine with its GPUs, its boot disk and the fee.

    `spot` is None where it is not known.
    """

    on_demand: float
    spot: float | None


def hourly(machine: str, accelerator: str, count: int, region: str) -> Price | None:
    """Return the price of a machine with `count` GPUs, None when the table has no figure."""
    prices = table("vertex_prices")
    base = prices["machines"].get(machine, {}).get(region)
    if base is None:
        return None
    share = prices["fee"].get(machine.split("-")[0][:2], prices["fee"][""])
    parts = [(base[0], base[1], share)]
    if machine.startswith("n1-") and accelerator:
        gpu = prices["gpus"].get(accelerator, {}).get(region)
        if gpu is None:
            return None
        parts.append((gpu[0] * count, gpu[1] * count, prices["fee_gpu"]))
    disk = prices["disk_usd_per_gb_hour"] * BOOT_DISK_GB
    on_demand = sum(usual * (1 + fee) for usual, _, fee in parts) + disk
    if any(spot is None for _, spot, _ in parts):
        return Price(on_demand, None)
    return Price(on_demand, sum(spot + usual * fee for usual, spot, fee in parts) + disk)


def disk(gigabytes: int) -> float:
    """Return USD an hour of the disk space beyond the usual boot disk."""
    rate: float = table("vertex_prices")["disk_usd_per_gb_hour"]
    return max(0, gigabytes - BOOT_DISK_GB) * rate


def dated() -> str:
    """Return the day of the prices, ISO 8601."""
    return str(table("vertex_prices")["date"])
