"""The quota that a custom job counts against, by either of Google's two quota services.

Cloud Quotas v1, `quotaInfos.get` (https://cloud.google.com/docs/quotas/reference/rest/v1/
projects.locations.services.quotaInfos): `dimensionsInfos[]` of `dimensions`, `applicableLocations`
and `details.value`. Where that may not be asked, Service Usage v1beta1, `consumerQuotaMetrics.get`:
`consumerQuotaLimits[].quotaBuckets[]` of `dimensions` and `effectiveLimit`. Both write int64 as
text and leave out a zero (proto3 JSON); -1 is no limit. SPOT and FLEX_START count against the
preemptible metrics, CPUs too (https://cloud.google.com/vertex-ai/docs/training/schedule-jobs-dws).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ftdoctor.facts.google_call import Answer, Closed, closed
from ftdoctor.facts.value import Unknown
from ftdoctor.job.value import get
from ftdoctor.records import dataclass

if TYPE_CHECKING:
    from ftdoctor.facts.google_call import Caller
    from ftdoctor.job.model import Job

#: Accelerator -> (part of the quota id, part of the metric). Ids: vertex-ai-samples, model_garden
#: common_util.py; metrics: https://cloud.google.com/vertex-ai/docs/quotas#serverless-training.
PARTS = {
    "NVIDIA_L4": ("L4GPUs", "nvidia_l4_gpus"),
    "NVIDIA_TESLA_A100": ("A100GPUs", "nvidia_a100_gpus"),
    "NVIDIA_A100_80GB": ("A10080GBGPUs", "nvidia_a100_80gb_gpus"),
    "NVIDIA_H100_80GB": ("H100GPUs", "nvidia_h100_gpus"),
    "NVIDIA_H100_MEGA_80GB": ("H100MEGAGPUs", "nvidia_h100_mega_gpus"),
    "NVIDIA_H200_141GB": ("H200GPUs", "nvidia_h200_gpus"),
    "NVIDIA_B200": ("B200GPUs", "nvidia_b200_gpus"),
    "NVIDIA_GB200": ("GB200GPUs", "nvidia_gb200_gpus"),
    "NVIDIA_TESLA_T4": ("T4GPUs", "nvidia_t4_gpus"),
    "NVIDIA_TESLA_V100": ("V100GPUs", "nvidia_v100_gpus"),
    "NVIDIA_TESLA_P100": ("P100GPUs", "nvidia_p100_gpus"),
    "NVIDIA_RTX_PRO_6000": ("RTXPRO6000GPUs", "nvidia_rtx_pro_6000_gpus"),
}
_CPUS = ("CPUs", "cpus")
_ROLE = "roles/cloudquotas.viewer"


@dataclass(frozen=True)
class Need:
    """What the job needs of one metric: GPUs, or vCPUs."""

    quota_id: str
    metric: str
    number: int
    #: "gpu" or "cpu".
    kind: str = "gpu"


@dataclass(frozen=True)
class Quota:
    """The limit of one quota metric in one region; -1 is no limit."""

    metric: str
    region: str
    limit: int
    needed: int
    call: str = ""
    kind: str = "gpu"


def needs(job: Job) -> list[Need]:
    """Return what the job counts against which metric, as far as the files tell.

    A job on a persistent resource or in a reservation counts against other quotas.
    """
    if job.extra.get("persistentResourceId") or job.extra.get("reservationAffinity"):
        return []
    strategy = get(job.strategy)
    if job.strategy is not None and not strategy:
        return []
    spot = (strategy or "").upper() in ("SPOT", "FLEX_START")
    numbers: dict[tuple[str, str], int] = {}
    cpus: int | None = 0
    for pool in job.pools:
        replicas = get(pool.replica_count) if pool.replica_count is not None else 1
        part = PARTS.get(str(get(pool.accelerator_type)))
        count = get(pool.accelerator_count)
        if part and isinstance(count, int) and isinstance(replicas, int):
            numbers[part] = numbers.get(part, 0) + count * replicas
        one = _vcpus(get(pool.machine_type) or "")
        known = cpus is not None and one and isinstance(replicas, int)
        cpus = (cpus or 0) + one * (replicas or 0) if known else None
    found = [_need(part, number, "gpu", spot) for part, number in numbers.items() if number]
    if cpus:
        found.append(_need(_CPUS, cpus, "cpu", spot))
    return found


def _need(part: tuple[str, str], number: int, kind: str, spot: bool) -> Need:
    quota_id = f"CustomModelTraining{'Preemptible' if spot else ''}{part[0]}PerProjectPerRegion"
    metric = f"custom_model_training_{'preemptible_' if spot else ''}{part[1]}"
    return Need(quota_id, metric, number, kind)


def _vcpus(machine: str) -> int:
    """Return the vCPUs of a machine type, 0 when they are not known."""
    from ftdoctor.tables import table

    for row in table("machines")["machines"]:
        if row["machine_type"] == machine:
            return int(row["vcpu"] or 0)
    family, _, number = machine.rpartition("-")
    general = family.split("-")[-1] in ("standard", "highmem", "highcpu") and family[:1] in "cen"
    return int(number) if general and number.isdigit() else 0


def quota(caller: Caller, project: str, region: str, need: Need) -> Any:
    """Return the Quota of a metric in a region, or Refused, or Unknown."""
    path = (
        f"/v1/projects/{project}/locations/global/services/aiplatform.googleapis.com"
        f"/quotaInfos/{need.quota_id}"
    )
    first = caller.ask("GET", "cloudquotas", path, pays=project)
    if isinstance(first, Answer):
        limit = from_infos(first.data, region)
        if limit is not None:
            return Quota(need.metric, region, limit, need.number, first.call, need.kind)
    if isinstance(first, Unknown):
        return first
    metric = quote(f"aiplatform.googleapis.com/{need.metric}", safe="")
    path = (
        f"/v1beta1/projects/{project}/services/aiplatform.googleapis.com"
        f"/consumerQuotaMetrics/{metric}"
    )
    second = caller.ask("GET", "serviceusage", path, pays=project)
    if isinstance(second, Answer):
        limit = from_buckets(second.data, region)
        if limit is not None:
            return Quota(need.metric, region, limit, need.number, second.call, need.kind)
    if isinstance(first, Answer) or isinstance(second, Answer):
        call = first.call if isinstance(first, Answer) else second.call
        return Closed(f"the answer names no limit of {need.metric} for {region}", call, _ROLE)
    return closed(first, f"the quota {need.metric}", _ROLE)


def _rows(found: Any) -> list[dict[str, Any]]:
    return [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []


def _whole(value: Any) -> int | None:
    try:
        return int(value)
    except (TypeError, ValueError):
        return None


def from_infos(data: dict[str, Any], region: str) -> int | None:
    """Return the limit of `dimensionsInfos`: the row of the region, else one that covers it."""
    best: tuple[int, int] | None = None
    for row in _rows(data.get("dimensionsInfos")):
        dimensions = row.get("dimensions")
        dimensions = dimensions if isinstance(dimensions, dict) else {}
        places = row.get("applicableLocations")
        places = places if isinstance(places, list) else []
        if dimensions.get("region", region) != region or set(dimensions) - {"region"}:
            continue
        # Without a region a row holds for all that have no row of their own.
        rank = 2 if "region" in dimensions else 1 if not places or region in places else 0
        details = row.get("details")
        limit = _whole(details.get("value", 0)) if isinstance(details, dict) else None
        if rank and limit is not None and (best is None or rank > best[0]):
            best = (rank, limit)
    return best[1] if best else None


def from_buckets(data: dict[str, Any], region: str) -> int | None:
    """Return the limit of `consumerQuotaLimits`: the bucket of the region, else the default."""
    for row in _rows(data.get("consumerQuotaLimits")):
        if "{region}" not in str(row.get("unit", "")):
            continue
        best: tuple[int, int] | None = None
        for bucket in _rows(row.get("quotaBuckets")):
            dimensions = bucket.get("dimensions")
            dimensions = dimensions if isinstance(dimensions, dict) else {}
            if dimensions.get("region", region) != region or set(dimensions) - {"region"}:
                continue
            rank = 2 if "region" in dimensions else 1
            limit = _whole(bucket.get("effectiveLimit", 0))
            if limit is not None and (best is None or rank > best[0]):
                best = (rank, limit)
        if best:
            return best[1]
    return None
