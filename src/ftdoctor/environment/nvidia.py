"""The NVIDIA driver and GPUs of this machine: NVML first, the nvidia-smi program last.

torch is not needed and not imported. Without any sign of a driver nothing is loaded or started.
"""

from __future__ import annotations

import os
import re
from typing import Literal

from ftdoctor.environment.signs import program, signs
from ftdoctor.records import dataclass

#: What was found out: GPUs are listed; there is no driver here; it is installed and does not run
#: (`problem` says why); the loaded kernel module is of another version than the libraries; there
#: is one, and nothing here could ask it.
State = Literal["ok", "absent", "not-running", "mismatch", "unknown"]


@dataclass(frozen=True, slots=True)
class Holder:
    """A process with memory on a GPU. `memory` in bytes, None when the driver does not say."""

    pid: int
    name: str = ""
    memory: int | None = None


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU as NVML shows it. Memory in bytes; compute capability as (major, minor).

    `mode` is the compute mode: "default", "exclusive", "prohibited" or "" (not known). `mig` says
    that the card is cut into instances: then `memory` is that of the whole card.
    """

    name: str
    memory: int
    free: int
    capability: tuple[int, int]
    processes: int = 0
    uuid: str = ""
    mode: str = ""
    mig: bool = False
    holders: tuple[Holder, ...] = ()


@dataclass(frozen=True, slots=True)
class Nvidia:
    """Driver and GPUs, or why they could not be read. `source` is what was asked."""

    driver: str = ""
    #: Highest CUDA that the driver runs, "12.4".
    cuda: str = ""
    gpus: tuple[Gpu, ...] = ()
    problem: str = ""
    state: State = "ok"
    source: str = ""


def nvidia(*, sure: bool = False, seconds: float = 3.0) -> Nvidia:
    """Return the driver and the GPUs of this machine.

    Asked in turn: the package nvidia-ml-py, the library libnvidia-ml itself, nvidia-smi (which has
    `seconds` to answer). `sure` asks the first two even where no sign of a driver is seen.
    """
    seen = signs()
    if not seen and not sure:
        return Nvidia(problem="no NVIDIA driver seen", state="absent")
    from ftdoctor.environment import nvml, nvml_package

    found = nvml_package.read()
    if found is None or found.state == "unknown":
        found = nvml.read() or found
    if found is not None and found.state in ("ok", "mismatch"):
        return found
    if seen:
        from ftdoctor.environment import nvidia_smi

        path = program()
        answer = nvidia_smi.read(path, seconds) if path else None
        if answer is not None and (found is None or answer.state == "ok"):
            return answer
        if found is not None:
            return found
        version = kernel_module()
        if version or os.path.exists("/dev/nvidiactl"):
            return Nvidia(
                version,
                state="unknown",
                problem="neither libnvidia-ml nor nvidia-smi was found: install nvidia-ml-py",
            )
    # A library without a driver is what an image for GPU machines has on any other machine.
    return Nvidia(problem="no NVIDIA driver seen", state="absent")


def kernel_module() -> str:
    """Return the version that the loaded Linux kernel module states, "" when there is none."""
    try:
        with open("/proc/driver/nvidia/version", encoding="utf-8", errors="replace") as file:
            text = file.read(2000)
    except OSError:
        return ""
    match = re.search(r"\b(\d{3,4}\.\d+(?:\.\d+)?)\b", text)
    return match[1] if match else ""


def process_name(pid: int) -> str:
    """Return the name of a process of this machine, "" when it is not to be seen from here."""
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
            return file.read(64).strip()
    except OSError:
        return ""


def cuda_text(number: int) -> str:
    """Return "12.4" of 12040, as cuDriverGetVersion and NVML number CUDA."""
    return f"{number // 1000}.{number % 1000 // 10}"
