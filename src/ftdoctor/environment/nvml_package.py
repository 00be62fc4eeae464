"""NVML through the package nvidia-ml-py (module pynvml), where it is installed."""

from __future__ import annotations

from typing import Any

from ftdoctor.environment.nvidia import Gpu, Nvidia, cuda_text


def read() -> Nvidia | None:
    """Return what NVML says; None when the package or the library is not there."""
    try:
        import pynvml
    except Exception:  # absent, or an old namesake that does not load under this Python
        return None
    try:
        pynvml.nvmlInit()
    except Exception as error:
        return _refused(error)
    try:
        number = int(pynvml.nvmlSystemGetCudaDriverVersion_v2())
        gpus = tuple(_gpu(pynvml, i) for i in range(int(pynvml.nvmlDeviceGetCount())))
        return Nvidia(
            _text(pynvml.nvmlSystemGetDriverVersion()), cuda_text(number), gpus, source="NVML"
        )
    except Exception as error:
        return _refused(error)
    finally:
        pynvml.nvmlShutdown()


def _refused(error: Exception) -> Nvidia | None:
    from ftdoctor.environment.nvml import STATES

    code = getattr(error, "value", None)
    if code == 12:  # NVML_ERROR_LIBRARY_NOT_FOUND
        return None
    state = STATES.get(code, "unknown") if isinstance(code, int) else "unknown"
    return Nvidia(problem=f"NVML: {error}", state=state, source="NVML")


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _or(function: Any, handle: Any, missing: Any) -> Any:
    """Ask what a GPU or an old release of the package may not answer."""
    try:
        return function(handle)
    except Exception:
        return missing


def _gpu(pynvml: Any, index: int) -> Gpu:
    from ftdoctor.environment.nvml import MODES, holder

    handle = pynvml.nvmlDeviceGetHandleByIndex(index)
    memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
    major, minor = pynvml.nvmlDeviceGetCudaComputeCapability(handle)
    mode = _or(getattr(pynvml, "nvmlDeviceGetComputeMode", None), handle, -1)
    mig = _or(getattr(pynvml, "nvmlDeviceGetMigMode", None), handle, (0, 0))
    rows = _or(pynvml.nvmlDeviceGetComputeRunningProcesses, handle, ())
    holders = tuple(holder(int(row.pid), row.usedGpuMemory) for row in rows)
    return Gpu(
        _text(pynvml.nvmlDeviceGetName(handle)),
        int(memory.total),
        int(memory.free),
        (int(major), int(minor)),
        len(holders),
        _text(_or(getattr(pynvml, "nvmlDeviceGetUUID", None), handle, "")),
        MODES.get(mode, ""),
        bool(mig[0]),
        holders,
    )
