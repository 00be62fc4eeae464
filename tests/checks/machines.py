"""Recorded machines of `fixtures/machines`, as the checks get them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.conftest import FIXTURES

from ftdoctor.environment.interpreter import Installed
from ftdoctor.environment.limits import Memory, Room
from ftdoctor.environment.nvidia import Gpu, Holder, Nvidia
from ftdoctor.facts.machine import Machine, variable, visible

if TYPE_CHECKING:
    from collections.abc import Callable

    from ftdoctor.job.model import Job

MIB, GIB = 1 << 20, 1 << 30


def _gpu(row: dict[str, Any]) -> Gpu:
    holders = tuple(
        Holder(h["pid"], h["name"], h["memory_mib"] * MIB) for h in row.get("holders", ())
    )
    return Gpu(
        row["name"],
        row["memory_mib"] * MIB,
        row["free_mib"] * MIB,
        tuple(row["capability"]),
        len(holders),
        row.get("uuid", ""),
        row.get("mode", "default"),
        row.get("mig", False),
        holders,
    )


def _room(row: dict[str, Any] | None) -> Room | None:
    if row is None:
        return None
    return Room(row["path"], int(row["free_gib"] * GIB), int(row["total_gib"] * GIB), row["disk"])


def recorded(name: str, *, local: bool) -> Callable[[Job], Machine | None]:
    """Return what looks at a recorded machine, in the way of `facts.look.looker`."""
    data = json.loads((FIXTURES / "machines" / f"{name}.json").read_text())
    rows = data["nvidia"].pop("gpus")
    nvidia = Nvidia(gpus=tuple(_gpu(row) for row in rows), **data["nvidia"])
    shm = data["shm_mib"] * MIB

    def look(job: Job) -> Machine | None:
        if job.platform != "local" or not job.trainings:
            return None
        if not local and nvidia.state == "absent":
            return None
        gpus, hidden = visible(nvidia.gpus, variable(job, "CUDA_VISIBLE_DEVICES"))
        return Machine(
            local,
            nvidia,
            gpus,
            hidden,
            Installed(**data["installed"]),
            Memory(int(data["memory_gib"] * GIB), int(data["memory_gib"] * GIB)),
            Room("/dev/shm", shm, shm, 9),
            _room(data.get("cache")),
            _room(data.get("output")),
            frozenset(data.get("cached", ())),
        )

    return look
