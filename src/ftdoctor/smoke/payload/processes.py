"""Several processes: do they reach each other, and do they go on together."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING, Any

from .telling import rank, time_limit, world

if TYPE_CHECKING:
    from .state import Run

#: Seconds for the first exchange (NCCL sets up its channels in it), and for waiting at a stage's
#: end for the slowest.
FIRST, WAIT = 180.0, 1200.0


def joined() -> bool:
    """Whether this process has joined the others."""
    if world() == 1:
        return False
    import torch.distributed

    return bool(torch.distributed.is_available() and torch.distributed.is_initialized())


def allreduce(run: Run) -> dict[str, Any]:
    """Join the others as the trainer will, add up one number from each, and time a larger sum."""
    import torch
    import torch.distributed as dist

    limit = float(run.plan.get("allreduce_seconds") or FIRST)
    what = f"the first all-reduce of {world()} processes"
    with time_limit(limit, "allreduce", what):
        from accelerate import PartialState

        state = PartialState(cpu=run.cpu)
        if not dist.is_initialized():
            raise RuntimeError(f"accelerate {state.distributed_type} joined no process group")
        number = torch.full((1024,), rank() + 1.0, device=state.device)
        dist.all_reduce(number)
        expected = world() * (world() + 1) / 2
        if not bool((number == expected).all()):
            raise RuntimeError(
                f"the sum over {world()} processes is {number[0].item():g}, not {expected:g}"
            )
        size = 2**20 if run.cpu else 2**26
        load = torch.ones(size, dtype=torch.float32, device=state.device)
        dist.all_reduce(load)
        _wait(run)
        start = time.monotonic()
        dist.all_reduce(load)
        _wait(run)
        seconds = time.monotonic() - start
        where: list[Any] = [None] * world()
        dist.all_gather_object(where, f"{socket.gethostname()} {state.device}")
    return {
        "processes": world(),
        "backend": str(dist.get_backend()),
        "sum": expected,
        "bytes": size * 4,
        "gib_per_second": round(size * 4 / 2**30 / max(seconds, 1e-9), 2),
        "where": where,
    }


def _wait(run: Run) -> None:
    if not run.cpu:
        import torch

        torch.cuda.synchronize()


def together(run: Run, stage: str) -> None:
    """Wait for the others, so that a stage is said to be done only when all have done it."""
    if not joined():
        return
    import torch.distributed as dist

    limit = float(run.plan.get("wait_seconds") or WAIT)
    with time_limit(limit, stage, f"waiting for the other processes after stage {stage}"):
        dist.barrier()


def gather(facts: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what each process found, by rank."""
    if not joined():
        return [facts]
    import torch.distributed as dist

    found: list[Any] = [None] * world()
    dist.all_gather_object(found, facts)
    return found


def leave() -> None:
    """Leave the others in order."""
    if joined():
        import torch.distributed as dist

        dist.destroy_process_group()
