"""Memory and disk that a process started here can have: the machine's, less what a cgroup allows.

All sizes are bytes. Linux files: /proc/meminfo (proc(5)), cgroup v2 `memory.max`
(https://docs.kernel.org/admin-guide/cgroup-v2.html), v1 `memory.limit_in_bytes`.
"""

from __future__ import annotations

import os
import re
import sys

from ftdoctor.records import dataclass

_CGROUP = "/sys/fs/cgroup"


@dataclass(frozen=True, slots=True)
class Room:
    """A folder to write in. `path` is as the job has it; `free` and `total` are of its disk.

    `disk` is the number of the device: folders with one number share what is free.
    """

    path: str
    free: int
    total: int
    disk: int = 0


@dataclass(frozen=True, slots=True)
class Memory:
    """Host memory. `limited` says that a cgroup (a container, a batch system) allows less."""

    total: int
    available: int
    limited: bool = False


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(20_000)
    except OSError:
        return ""


def memory() -> Memory | None:
    """Return the memory of this machine or container, None where the system does not say."""
    rows: dict[str, str] = dict(re.findall(r"^(\w+):\s+(\d+) kB", _text("/proc/meminfo"), re.M))
    if "MemTotal" in rows:
        total = int(rows["MemTotal"]) << 10
        available = int(rows.get("MemAvailable") or rows.get("MemFree") or 0) << 10
    else:
        try:
            total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        except (AttributeError, OSError, ValueError):
            return None
        available = total
    limit = cgroup_limit()
    if limit is not None and limit < total:
        return Memory(limit, min(limit, available), limited=True)
    return Memory(total, available)


def cgroup_limit() -> int | None:
    """Return the least memory limit of this process's cgroup and those above it, None for none."""
    if sys.platform != "linux":
        return None
    found = []
    for line in _text("/proc/self/cgroup").splitlines():
        _, _, rest = line.partition(":")
        kinds, _, path = rest.partition(":")
        if kinds and "memory" not in kinds.split(","):
            continue
        base, name = (
            (f"{_CGROUP}/memory", "memory.limit_in_bytes") if kinds else (_CGROUP, "memory.max")
        )
        parts = [part for part in path.split("/") if part and part != ".."]
        # Inside a container its own group is mounted as the root: the path shown is the host's.
        for depth in range(len(parts), -1, -1):
            value = _text("/".join([base, *parts[:depth], name])).strip()
            if value.isdigit() and int(value) < 1 << 60:
                found.append(int(value))
    return min(found) if found else None


def room(path: str) -> Room | None:
    """Return the disk on which a folder lies or would be made, None when that cannot be told."""
    here = os.path.abspath(os.path.expanduser(path))
    while not os.path.isdir(here):
        above = os.path.dirname(here)
        if above == here:
            return None
        here = above
    try:
        if hasattr(os, "statvfs"):
            stats = os.statvfs(here)
            size = stats.f_frsize
            disk = os.stat(here).st_dev
            return Room(path, stats.f_bavail * size, stats.f_blocks * size, disk)
        import shutil

        usage = shutil.disk_usage(here)
    except OSError:
        return None
    return Room(path, usage.free, usage.total)


def shared_memory() -> Room | None:
    """Return the room in /dev/shm, None where there is none (other systems than Linux)."""
    return room("/dev/shm") if os.path.isdir("/dev/shm") else None
