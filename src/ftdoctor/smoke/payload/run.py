"""Run the stages of a plan, one after the other, and say how each ended.

The plan is JSON in the file named as first argument, or in FTDOCTOR_SMOKE (base64). The first stage
that fails prints its traceback and ends the run with exit code 1.
"""

from __future__ import annotations

import base64
import json
import os
import sys
import time
import traceback
from typing import TYPE_CHECKING, Any

from . import checkpoint, devices, hub, launch, model, processes, rows, tokenizer, train
from .state import Run
from .telling import LAUNCHED, failed, rank, say

if TYPE_CHECKING:
    from collections.abc import Callable

STAGES: dict[str, Callable[[Run], dict[str, Any]]] = {
    "imports": devices.imports,
    "gpu": devices.gpu,
    "allreduce": processes.allreduce,
    "token": hub.token,
    "download": hub.download,
    "tokenizer": tokenizer.ready,
    "data": rows.data,
    "template": tokenizer.template,
    "weights": hub.weights,
    "model": model.prepare,
    "train": train.train,
    "checkpoint": checkpoint.save_and_reload,
    "resume": checkpoint.resume,
    "push": hub.push,
}


def load_plan() -> dict[str, Any]:
    """Return the plan of this run."""
    if len(sys.argv) > 1:
        with open(sys.argv[1], encoding="utf-8") as file:
            plan: dict[str, Any] = json.load(file)
        return plan
    decoded: dict[str, Any] = json.loads(base64.b64decode(os.environ["FTDOCTOR_SMOKE"]))
    return decoded


def stage(run: Run, name: str) -> bool:
    """Run one stage; return whether it ended well. Beside process 0, only failures are told."""
    start = time.monotonic()
    try:
        facts = STAGES[name](run)
        processes.together(run, name)
    except BaseException as error:
        traceback.print_exc()
        if name in run.plan.get("soft", ()) and isinstance(error, Exception):
            # Told, and no reason to say that the job fails: the job does not do this.
            facts = {"works": False, "error": f"{type(error).__name__}: {error}"[:300]}
        else:
            failed(name, f"{type(error).__name__}: {error}")
            return False
    if rank() == 0:
        say(stage=name, ok=True, seconds=round(time.monotonic() - start, 2), **facts)
    return True


def main() -> int:
    """Run the stages of the plan, in as many processes as it says."""
    plan = load_plan()
    if not os.environ.get(LAUNCHED) and launch.several(plan):
        try:
            launch.start(plan)
        except Exception as error:
            traceback.print_exc()
            failed("launch", f"{type(error).__name__}: {error}")
            return 1
    if os.environ.get(LAUNCHED):
        launch.die_with_parent()
    run = Run(plan)
    for name in plan["stages"]:
        if not stage(run, name):
            sys.stdout.flush()
            # Threads of a process group that lost a member may keep the interpreter from ending.
            if processes.joined():
                os._exit(1)
            return 1
    processes.leave()
    if rank() == 0:
        say(stage="end", ok=True)
    return 0
