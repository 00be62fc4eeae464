"""A payload that was killed says nothing itself: what its exit code and the kernel say of it."""

from __future__ import annotations

import signal
from pathlib import Path

#: Counter of the processes that the kernel ended for want of memory (Linux 4.13, mm/oom_kill.c).
VMSTAT = Path("/proc/vmstat")
#: What is said of a failed mapping without saying that it is for want of memory.
_NO_ROOM = ("failed to map segment from shared object", "can't start new thread")


def oom_kills(path: Path = VMSTAT) -> int | None:
    """Return how many processes the kernel of this machine has ended for want of memory.

    None where the kernel does not say (another system, a container that hides it).
    """
    try:
        for line in path.read_text("ascii", "replace").splitlines():
            name, _, count = line.partition(" ")
            if name == "oom_kill":
                return int(count)
    except (OSError, ValueError):
        pass
    return None


def more(before: int | None, after: int | None) -> bool:
    """Whether a process was ended for want of memory between two looks."""
    return before is not None and after is not None and after > before


def line_of(exit_code: int | None, *, out_of_memory: bool) -> str:
    """Return a line for the log on a payload that a signal ended, "" for any other.

    The words are those of launchers and of the kernel, which the rulebook knows.
    """
    number = _signal(exit_code)
    if number is None:
        return ""
    if number == signal.SIGKILL and out_of_memory:
        return "\nsmoke: oom-kill event: the kernel ended the payload for want of memory\n"
    try:
        name = signal.Signals(number).name
    except ValueError:
        return ""
    return f"\nsmoke: the payload was terminated by signal {number}: Signal {number} ({name})\n"


def line_of_limit(log: str, exit_code: int | None, memory_gib: float) -> str:
    """Return a line for the log of a payload that had no room under `--memory-limit`, or "".

    glibc says only that it failed to map a segment, as it does for a file that may not be executed
    (dl-load.c, _dl_map_object_from_fd), and a thread has no room for its stack. Compiled code that
    does not look whether it was given the memory ends with SIGSEGV, and C++ that does with SIGABRT.
    """
    if not memory_gib:
        return ""
    crashed = _signal(exit_code) in (signal.SIGSEGV, signal.SIGABRT)
    if crashed or any(words in log for words in _NO_ROOM):
        return f"\nsmoke: [Errno 12] Cannot allocate memory within {memory_gib:g} GiB\n"
    return ""


def _signal(exit_code: int | None) -> int | None:
    """Return the signal of an exit code: -9 of a child, 137 of a shell or a container."""
    if exit_code is None:
        return None
    if exit_code < 0:
        return -exit_code
    return exit_code - 128 if 128 < exit_code < 160 else None
