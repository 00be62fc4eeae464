"""Who sent the SIGKILL: the host out of memory, a preemption, or nobody that the log names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftdoctor.lazy import lazy

if TYPE_CHECKING:
    from ftdoctor.logs.causes import Run
    from ftdoctor.logs.match import Match

KILLED = "process-sigkilled"
HOST_MEMORY = "host-ram-oom-kill"
TERMINATED = "process-signalled-sigterm"

_MEMORY = lazy(
    r"[Oo]ut of memory: Kill|oom[-_]kill|OOMKilled|ran out[- ]of[- ]memory|[Ll]ow on memory"
    r"|oom_reaper|[Mm]emory cgroup out of memory|exceeded (?:its )?memory limit"
    r"|memory limit exceeded|^MemoryError\b|Cannot allocate memory|DefaultCPUAllocator"
    r"|worker \(pid\(?s?\)? [\d, ]{1,200}\) (?:is killed by signal: Killed|exited unexpectedly)"
)
_PREEMPTED = lazy(
    r"\b[Pp]reempt(?:ed|ion)\b|\bPREEMPT(?:ED|ION)\b|DUE TO (?:PREEMPTION|TIME LIMIT)"
)


def decide(match: Match, run: Run) -> str | None:
    """Return the cause that the rest of the log shows for a SIGKILL."""
    name = run.name(match)
    for line in run.lines:
        if _MEMORY.search(line.text) and "CUDA out of memory" not in line.text:
            return HOST_MEMORY
    for line in run.lines:
        if _PREEMPTED.search(line.text):
            return TERMINATED
    return name
