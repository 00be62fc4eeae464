"""NVML by ctypes, for machines without the package nvidia-ml-py.

Functions, structures and codes: nvml.h (https://docs.nvidia.com/deploy/nvml-api/). Only what the
library exports is called, since old drivers lack the newer names.
"""

from __future__ import annotations

import ctypes
import os
import sys
from typing import Any

from ftdoctor.environment.nvidia import Gpu, Holder, Nvidia, State, cuda_text, process_name

_TEXT = 96
_INSUFFICIENT_SIZE = 7
#: nvmlReturn_t -> what it means for the machine. 9 driver not loaded, 15 GPU is lost, 18 library
#: and kernel module differ; 12 and 13 are a library that is not whole.
STATES: dict[int, State] = {9: "not-running", 15: "not-running", 18: "mismatch"}
#: nvmlComputeMode_t.
MODES = {0: "default", 1: "exclusive", 2: "prohibited", 3: "exclusive"}
_UNKNOWN = 0xFFFFFFFFFFFFFFFF


class _Memory(ctypes.Structure):
    _fields_ = (
        ("total", ctypes.c_ulonglong),
        ("free", ctypes.c_ulonglong),
        ("used", ctypes.c_ulonglong),
    )


class _Process(ctypes.Structure):
    """nvmlProcessInfo_t, and v1 of it, which ends after the memory."""

    _fields_ = (
        ("pid", ctypes.c_uint),
        ("memory", ctypes.c_ulonglong),
        ("instance", ctypes.c_uint),
        ("compute", ctypes.c_uint),
    )


class _OldProcess(ctypes.Structure):
    _fields_ = (("pid", ctypes.c_uint), ("memory", ctypes.c_ulonglong))


class _Refused(Exception):
    def __init__(self, code: int) -> None:
        super().__init__(str(code))
        self.code = code


def _load() -> ctypes.CDLL | None:
    names = ("libnvidia-ml.so.1", "/usr/lib/wsl/lib/libnvidia-ml.so.1", "libnvidia-ml.so")
    if sys.platform == "win32":
        root = os.environ.get("SYSTEMROOT", r"C:\Windows")
        names = (os.path.join(root, "System32", "nvml.dll"),)
    for name in names:
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    return None


def read() -> Nvidia | None:
    """Return what NVML says; None when there is no such library."""
    library = _load()
    if library is None:
        return None
    asked = _Asked(library)
    try:
        asked.call("nvmlInit_v2")
    except _Refused as refusal:
        return asked.refused(refusal)
    try:
        return Nvidia(asked.driver(), asked.cuda(), asked.gpus(), source="libnvidia-ml")
    except _Refused as refusal:
        return asked.refused(refusal)
    finally:
        asked.quiet("nvmlShutdown")


class _Asked:
    """The library, with its errors as exceptions."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self.library = library

    def call(self, name: str, *values: Any) -> None:
        function = getattr(self.library, name, None)
        if function is None:
            raise _Refused(13)
        function.restype = ctypes.c_int
        code = int(function(*values))
        if code:
            raise _Refused(code)

    def quiet(self, name: str, *values: Any) -> bool:
        """Call what may be missing or not supported; say whether it answered."""
        try:
            self.call(name, *values)
        except _Refused:
            return False
        return True

    def refused(self, refusal: _Refused) -> Nvidia:
        said = f"error {refusal.code}"
        function = getattr(self.library, "nvmlErrorString", None)
        if function is not None:
            function.restype = ctypes.c_char_p
            said = (function(refusal.code) or b"").decode("utf-8", "replace") or said
        state = STATES.get(refusal.code, "unknown")
        return Nvidia(problem=f"NVML: {said}", state=state, source="libnvidia-ml")

    def text(self, name: str, *before: Any) -> str:
        buffer = ctypes.create_string_buffer(_TEXT)
        found = self.quiet(name, *before, buffer, ctypes.c_uint(_TEXT))
        return buffer.value.decode("utf-8", "replace") if found else ""

    def driver(self) -> str:
        return self.text("nvmlSystemGetDriverVersion")

    def cuda(self) -> str:
        number = ctypes.c_int()
        for name in ("nvmlSystemGetCudaDriverVersion_v2", "nvmlSystemGetCudaDriverVersion"):
            if self.quiet(name, ctypes.byref(number)) and number.value:
                return cuda_text(number.value)
        return ""

    def gpus(self) -> tuple[Gpu, ...]:
        count = ctypes.c_uint()
        self.call("nvmlDeviceGetCount_v2", ctypes.byref(count))
        return tuple(self.gpu(index) for index in range(count.value))

    def gpu(self, index: int) -> Gpu:
        handle = ctypes.c_void_p()
        self.call("nvmlDeviceGetHandleByIndex_v2", ctypes.c_uint(index), ctypes.byref(handle))
        memory = _Memory()
        self.call("nvmlDeviceGetMemoryInfo", handle, ctypes.byref(memory))
        major, minor = ctypes.c_int(), ctypes.c_int()
        self.call(
            "nvmlDeviceGetCudaComputeCapability",
            handle,
            ctypes.byref(major),
            ctypes.byref(minor),
        )
        mode, now, later = ctypes.c_int(), ctypes.c_uint(), ctypes.c_uint()
        asked = self.quiet("nvmlDeviceGetComputeMode", handle, ctypes.byref(mode))
        self.quiet("nvmlDeviceGetMigMode", handle, ctypes.byref(now), ctypes.byref(later))
        holders = self.holders(handle)
        return Gpu(
            self.text("nvmlDeviceGetName", handle),
            memory.total,
            memory.free,
            (major.value, minor.value),
            len(holders),
            self.text("nvmlDeviceGetUUID", handle),
            MODES.get(mode.value, "") if asked else "",
            bool(now.value),
            holders,
        )

    def holders(self, handle: ctypes.c_void_p) -> tuple[Holder, ...]:
        base = "nvmlDeviceGetComputeRunningProcesses"
        kinds: tuple[tuple[str, type[ctypes.Structure]], ...] = (
            (f"{base}_v3", _Process),
            (f"{base}_v2", _Process),
            (base, _OldProcess),
        )
        for name, kind in kinds:
            if getattr(self.library, name, None) is None:
                continue
            count = ctypes.c_uint(0)
            try:
                self.call(name, handle, ctypes.byref(count), None)
            except _Refused as refusal:
                if refusal.code != _INSUFFICIENT_SIZE:
                    return ()
            count = ctypes.c_uint(count.value + 8)  # some may start in between
            rows = (kind * count.value)()
            if not self.quiet(name, handle, ctypes.byref(count), rows):
                return ()
            return tuple(holder(row.pid, row.memory) for row in rows[: count.value])
        return ()


def holder(pid: int, memory: int | None) -> Holder:
    """Return a process as NVML gives it; all bits set stand for memory that is not known."""
    return Holder(pid, process_name(pid), None if memory in (None, _UNKNOWN) else memory)
