"""Facts of a custom job for reports: machine, GPU, image, times."""

from __future__ import annotations

from typing import Any


def between(start: Any, end: Any) -> float | None:
    """Return the seconds between two RFC 3339 times; None when one is missing or no time."""
    from datetime import datetime

    try:
        first = datetime.fromisoformat(str(start).replace("Z", "+00:00"))
        last = datetime.fromisoformat(str(end).replace("Z", "+00:00"))
    except ValueError:
        return None
    return (last - first).total_seconds()


def facts_of(raw: dict[str, Any], state: str) -> dict[str, Any]:
    """Facts of the chief pool and of the run's times."""
    spec = raw.get("jobSpec") or {}
    pools = spec.get("workerPoolSpecs") or [{}]
    machine = pools[0].get("machineSpec") or {}
    image = (pools[0].get("containerSpec") or {}).get("imageUri") or (
        pools[0].get("pythonPackageSpec") or {}
    ).get("executorImageUri")
    facts: dict[str, Any] = {"state": state}
    if machine.get("machineType"):
        facts["machine"] = machine["machineType"]
    accelerator = machine.get("acceleratorType")
    if accelerator and accelerator not in (0, "ACCELERATOR_TYPE_UNSPECIFIED"):
        if isinstance(accelerator, int):
            from google.cloud import aiplatform_v1

            accelerator = aiplatform_v1.AcceleratorType(accelerator).name
        facts["gpu"] = f"{machine.get('acceleratorCount') or 1} x {accelerator}"
    replicas = sum(int(pool.get("replicaCount") or 0) for pool in pools)
    if replicas > 1:
        facts["replicas"] = replicas
    if image:
        facts["image"] = image
    seconds = between(raw.get("startTime"), raw.get("endTime"))
    if seconds is not None:
        facts["duration"] = f"{seconds / 60:.0f} min"
    return facts
