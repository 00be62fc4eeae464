"""Run many plans: `python -m tests.smoke.many_runs PLANS RESULTS`.

The libraries are imported once; each plan is run by a process of its own that is forked from there,
so that none sees what another has left. This process itself never computes anything with torch.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

#: Seconds for one plan.
LIMIT = 60.0


def run(plan: dict[str, Any]) -> dict[str, Any]:
    """Return the log and the exit code of the payload with one plan."""
    folder = Path(tempfile.mkdtemp(prefix="ftdoctor-many-"))
    log = folder / "log"
    path = folder / "plan.json"
    path.write_text(json.dumps({**plan, "folder": str(folder)}))
    child = os.fork()
    if child == 0:
        code = 3
        try:
            handle = os.open(log, os.O_CREAT | os.O_WRONLY)
            os.dup2(handle, 1)
            os.dup2(handle, 2)
            sys.argv = ["payload", str(path)]
            from ftdoctor.smoke.payload.run import main

            code = main()
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    end = time.monotonic() + LIMIT
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            break
        if time.monotonic() > end:
            os.kill(child, 9)
        time.sleep(0.02)
    text = log.read_text("utf-8", "replace")
    shutil.rmtree(folder, ignore_errors=True)
    return {"log": text, "code": os.waitstatus_to_exitcode(status)}


if __name__ == "__main__":
    import datasets  # noqa: F401
    import peft  # noqa: F401
    import torch
    from trl import DPOTrainer, GRPOTrainer, KTOTrainer, SFTTrainer  # noqa: F401

    torch.set_num_threads(1)
    plans = json.loads(Path(sys.argv[1]).read_text())
    Path(sys.argv[2]).write_text(json.dumps({name: run(plan) for name, plan in plans.items()}))
