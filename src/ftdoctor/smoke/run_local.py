"""Run the payload on this machine: a process of its own, with a time limit and a memory limit."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftdoctor.smoke.bundle import NAME, bundle

if TYPE_CHECKING:
    from collections.abc import Callable


def run(
    plan: dict[str, Any],
    *,
    python: str = sys.executable,
    timeout: float = 600.0,
    memory_gib: float = 0.0,
    environment: dict[str, str] | None = None,
    told: Callable[[str], None] | None = None,
) -> tuple[str, int | None, str]:
    """Run a plan and return (log, exit code, why we ended it or "").

    `told` gets every line as it comes. The whole process group is ended on the time limit, on
    Ctrl-C and on any error of ours: nothing is left running. `memory_gib` limits the address space.
    """
    with tempfile.TemporaryDirectory(prefix="ftdoctor-smoke-") as folder:
        path = Path(folder, "plan.json")
        path.write_text(json.dumps({"folder": folder, **plan}), "utf-8")
        payload = Path(folder, NAME)
        payload.write_bytes(bundle())
        process = subprocess.Popen(
            [python, str(payload), str(path)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **_threads(plan), "PYTHONUNBUFFERED": "1", **(environment or {})},
            start_new_session=True,
            preexec_fn=_limit(memory_gib) if memory_gib else None,
        )
        late = threading.Event()

        def end() -> None:
            late.set()
            _kill(process)

        timer = threading.Timer(timeout, end)
        timer.daemon = True
        timer.start()
        lines: list[str] = []
        try:
            assert process.stdout is not None
            for raw in process.stdout:
                line = raw.decode("utf-8", "replace")
                lines.append(line)
                if told is not None:
                    told(line)
            code = process.wait()
        finally:
            timer.cancel()
            _kill(process)
        ended = f"the time limit of {timeout:g} s was reached" if late.is_set() else ""
        return "".join(lines), code, ended


def _threads(plan: dict[str, Any]) -> dict[str, str]:
    """One thread on the CPU: the tiny model's matrices cost more to share than to multiply."""
    if plan.get("device", "cpu") != "cpu" or "OMP_NUM_THREADS" in os.environ:
        return {}
    return {"OMP_NUM_THREADS": "1"}


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End the process and all that it started, also in sessions of their own (torchrun's ranks)."""
    started = _descendants(process.pid) if process.poll() is None else []
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    for number in started:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(number, signal.SIGKILL)
    process.wait()


def _descendants(root: int) -> list[int]:
    """Return the processes under `root`; none where there is no /proc."""
    parents: dict[int, int] = {}
    for name in os.listdir("/proc") if os.path.isdir("/proc") else ():
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    # "pid (command) state parent ...": the command may hold anything.
                    parents[int(name)] = int(file.read().rpartition(b")")[2].split()[1])
            except (OSError, ValueError, IndexError):
                continue
    found: list[int] = []
    last = {root}
    while last:
        last = {number for number, parent in parents.items() if parent in last}
        found += last
    return found


def _limit(gib: float) -> Callable[[], None]:
    def limit() -> None:
        import resource

        size = int(gib * 2**30)
        resource.setrlimit(resource.RLIMIT_AS, (size, size))

    return limit
