"""What the payload says: one line of JSON as each stage ends, and who says it."""

from __future__ import annotations

import faulthandler
import json
import os
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

MARK = "FTDOCTOR "
#: Set for the processes that a launcher started for us. RANK alone does not tell: Vertex AI sets it
#: to the number of the node.
LAUNCHED = "FTDOCTOR_SMOKE_LAUNCHED"


def rank() -> int:
    """Return the number of this process among all; 0 when it is the only one."""
    return int(os.environ.get("RANK", "0")) if os.environ.get(LAUNCHED) else 0


def local_rank() -> int:
    """Return the number of this process on its machine."""
    return int(os.environ.get("LOCAL_RANK", "0")) if os.environ.get(LAUNCHED) else 0


def world() -> int:
    """Return how many processes train together."""
    return int(os.environ.get("WORLD_SIZE", "1")) if os.environ.get(LAUNCHED) else 1


def say(**facts: Any) -> None:
    """Print one line that the reader of this log looks for, in one piece: others print too."""
    sys.stdout.flush()
    sys.stderr.flush()
    sys.stdout.write(MARK + json.dumps(facts, default=str) + "\n")
    sys.stdout.flush()


def failed(stage: str, error: str) -> None:
    """Say that a stage failed, and on which process when there are several."""
    facts: dict[str, Any] = {"stage": stage, "ok": False}
    if world() > 1:
        facts["rank"] = rank()
        error = f"rank {rank()} of {world()}: {error}"
    say(**facts, error=error[:500])


@contextmanager
def time_limit(seconds: float, stage: str, what: str) -> Iterator[None]:
    """End this process when the block takes longer: a collective that hangs never raises."""

    def end() -> None:
        faulthandler.dump_traceback(file=sys.stderr)
        failed(stage, f"TimeoutError: {what} did not end within {seconds:g} s")
        os._exit(1)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
