"""Signs of an NVIDIA driver: looked for on every check of a local job, so nothing is imported."""

from __future__ import annotations

import os
import sys


def signs() -> bool:
    """Whether anything here speaks of an NVIDIA driver. A few file lookups, nothing is loaded."""
    if sys.platform == "win32":
        root = os.environ.get("SYSTEMROOT", r"C:\Windows")
        return os.path.exists(os.path.join(root, "System32", "nvml.dll"))
    if sys.platform != "linux":
        return False
    marks = ("/dev/nvidiactl", "/dev/nvidia0", "/proc/driver/nvidia/version", "/dev/dxg")
    return any(map(os.path.exists, marks)) or bool(program())


def program() -> str:
    """Return the path of nvidia-smi, "" when there is none (WSL keeps it off PATH)."""
    name = "nvidia-smi.exe" if sys.platform == "win32" else "nvidia-smi"
    for folder in (*os.environ.get("PATH", "").split(os.pathsep), "/usr/lib/wsl/lib"):
        path = os.path.join(folder, name)
        if folder and os.access(path, os.X_OK) and os.path.isfile(path):
            return path
    return ""
