"""The program nvidia-smi, asked for CSV (`nvidia-smi --help-query-gpu`), within a time limit."""

from __future__ import annotations

import re
import subprocess
import time

from ftdoctor.environment.nvidia import Gpu, Holder, Nvidia

_FIELDS: tuple[str, ...] = (
    "name", "uuid", "driver_version", "memory.total", "memory.free", "compute_mode",
    "mig.mode.current", "compute_cap",
)  # fmt: skip
_MIB = 1 << 20


def read(path: str, seconds: float) -> Nvidia | None:
    """Return what the program at `path` says; None when it gives no usable answer in time."""
    end = time.monotonic() + seconds
    code, text = _run(path, ["--query-gpu=" + ",".join(_FIELDS)], end)
    fields = _FIELDS
    if code and "not a valid field" in text:  # drivers before R465 and R450
        fields = _FIELDS[:-2]
        code, text = _run(path, ["--query-gpu=" + ",".join(fields)], end)
    if code:
        return _refused(text) if code > 0 else None
    rows = [[part.strip() for part in line.split(",")] for line in text.splitlines() if line]
    rows = [row for row in rows if len(row) == len(fields)]
    if not rows:
        return _refused(text)
    apps: dict[str, list[Holder]] = {}
    code, listed = _run(path, ["--query-compute-apps=gpu_uuid,pid,process_name,used_memory"], end)
    for line in listed.splitlines() if code == 0 else ():
        parts = [part.strip() for part in line.split(",")]
        if len(parts) >= 4 and parts[1].isdigit():
            name = ", ".join(parts[2:-1])
            apps.setdefault(parts[0], []).append(
                Holder(int(parts[1]), re.split(r"[/\\]", name)[-1], _mib(parts[-1]))
            )
    named = [dict(zip(fields, row, strict=True)) for row in rows]
    driver = named[0]["driver_version"]
    gpus = tuple(gpu for row in named if (gpu := _gpu(row, apps)) is not None)
    return Nvidia(driver, _cuda(path, driver, end), gpus, source="nvidia-smi")


def _run(path: str, words: list[str], end: float) -> tuple[int, str]:
    """Return the exit code and all output; -1 when it did not start or did not end in time."""
    left = end - time.monotonic()
    if left <= 0.05:
        return -1, ""
    query = [*words, "--format=csv,noheader,nounits"] if words else []
    try:
        done = subprocess.run(
            [path, *query],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=left,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return -1, ""
    return done.returncode, done.stdout.decode("utf-8", "replace")


def _refused(text: str) -> Nvidia | None:
    """Read the sentences that the program prints instead of a table."""
    said = next((line.strip() for line in text.splitlines() if line.strip()), "no answer")[:160]
    if "version mismatch" in text:
        return Nvidia(problem=said, state="mismatch", source="nvidia-smi")
    if "couldn't communicate with the NVIDIA driver" in text or "Driver Not Loaded" in text:
        return Nvidia(problem=said, state="not-running", source="nvidia-smi")
    if "No devices were found" in text:
        return Nvidia(problem=said, source="nvidia-smi")
    return Nvidia(problem=f"nvidia-smi: {said}", state="unknown", source="nvidia-smi")


def _mib(text: str) -> int | None:
    return int(text) * _MIB if text.isdigit() else None


def _gpu(row: dict[str, str], apps: dict[str, list[Holder]]) -> Gpu | None:
    total, free = _mib(row["memory.total"]), _mib(row["memory.free"])
    if total is None or free is None:  # "[N/A]": memory shared with the CPU
        return None
    cap = re.fullmatch(r"(\d+)\.(\d+)", row.get("compute_cap", ""))
    mode = row["compute_mode"].lower()
    holders = tuple(apps.get(row["uuid"], ()))
    return Gpu(
        row["name"],
        total,
        free,
        (int(cap[1]), int(cap[2])) if cap else _capability(row["name"]),
        len(holders),
        row["uuid"],
        next((m for m in ("default", "exclusive", "prohibited") if mode.startswith(m)), ""),
        row.get("mig.mode.current") == "Enabled",
        holders,
    )


def _capability(name: str) -> tuple[int, int]:
    """Return the compute capability of a GPU by its name, (0, 0) when the table lacks it."""
    from ftdoctor.tables import table

    for card in table("gpus")["gpus"]:
        if name in card["nvidia_smi_names"]:
            major, _, minor = str(card["compute_capability"]).partition(".")
            return int(major), int(minor)
    return 0, 0


def _cuda(path: str, driver: str, end: float) -> str:
    """Return the CUDA of the driver: the head of the plain output, else by the driver's branch."""
    _, text = _run(path, [], end)
    match = re.search(r"CUDA (?:UMD )?Version:\s*(\d+\.\d+)", text)
    if match:
        return match[1]
    from ftdoctor.tables import table

    return str(table("cuda_driver")["driver_branch_to_cuda"].get(driver.split(".")[0], ""))
