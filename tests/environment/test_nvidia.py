"""The driver and the GPUs, read from a real shared library, a program and a package.

None of them is NVIDIA's: each answers as nvml.h and `nvidia-smi --help-query-gpu` document it, and
is reached in the real way (the loader, PATH, the import system) by a process of its own.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from ftdoctor.environment.nvidia import Gpu
from ftdoctor.facts.machine import visible

if TYPE_CHECKING:
    from pathlib import Path

LIBRARY = r"""
#include <string.h>
typedef struct { unsigned long long total, free, used; } memory_t;
typedef struct { unsigned int pid; unsigned long long used; unsigned int gi, ci; } process_t;
static int ids[2] = {0, 1};
int nvmlInit_v2(void) { return START; }
#ifndef OLD
int nvmlInitWithFlags(unsigned int flags) { return START; }
#endif
int nvmlShutdown(void) { return 0; }
const char *nvmlErrorString(int code) {
  return code == 18 ? "Driver/library version mismatch" : "Driver Not Loaded";
}
int nvmlSystemGetDriverVersion(char *out, unsigned int n) { strncpy(out, "550.127.05", n); return 0; }
#ifdef OLD
int nvmlSystemGetCudaDriverVersion(int *out) { *out = 12040; return 0; }
#else
int nvmlSystemGetCudaDriverVersion_v2(int *out) { *out = 12040; return 0; }
#endif
int nvmlDeviceGetCount_v2(unsigned int *out) { *out = 2; return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned int i, void **out) { *out = &ids[i]; return 0; }
int nvmlDeviceGetName(void *h, char *out, unsigned int n) {
  strncpy(out, *(int *)h ? "Tesla T4" : "NVIDIA L4", n);
  return 0;
}
int nvmlDeviceGetUUID(void *h, char *out, unsigned int n) {
  strncpy(out, *(int *)h ? "GPU-bbbb" : "GPU-aaaa", n);
  return 0;
}
int nvmlDeviceGetMemoryInfo(void *h, memory_t *out) {
  out->total = (*(int *)h ? 15360ULL : 23034ULL) << 20;
  out->used = 1024ULL << 20;
  out->free = out->total - out->used;
  return 0;
}
int nvmlDeviceGetCudaComputeCapability(void *h, int *major, int *minor) {
  *major = *(int *)h ? 7 : 8;
  *minor = *(int *)h ? 5 : 9;
  return 0;
}
int nvmlDeviceGetComputeMode(void *h, int *out) { *out = *(int *)h ? 3 : 0; return 0; }
#ifndef OLD
int nvmlDeviceGetMigMode(void *h, unsigned int *now, unsigned int *later) { return 3; }
int nvmlDeviceGetComputeRunningProcesses_v3(void *h, unsigned int *n, process_t *out) {
  if (*(int *)h) { *n = 0; return 0; }
  if (*n < 2) { *n = 2; return 7; }
  *n = 2;
  out[0].pid = 4194301; out[0].used = 700ULL << 20;
  out[1].pid = 4194302; out[1].used = ~0ULL;
  return 0;
}
#endif
"""
ASK = """
import json, sys
from dataclasses import asdict
from ftdoctor.environment.nvidia import nvidia
print(json.dumps(asdict(nvidia(sure={sure}, seconds={seconds}))))
"""


@dataclass
class Place:
    """A folder with things that stand for NVIDIA's, and the process that sees them."""

    folder: Path

    def library(self, start: int = 0, *flags: str) -> None:
        source = self.folder / "nvml.c"
        source.write_text(LIBRARY)
        compiler = shutil.which("cc") or shutil.which("gcc")
        if compiler is None or sys.platform != "linux":
            pytest.skip("no C compiler")
        target = self.folder / "libnvidia-ml.so.1"
        command = [compiler, "-shared", "-fPIC", f"-DSTART={start}", *flags]
        subprocess.run([*command, "-o", str(target), str(source)], check=True)

    def program(self, body: str) -> None:
        path = self.folder / "nvidia-smi"
        path.write_text("#!/bin/sh\n" + body)
        path.chmod(0o755)

    def package(self, text: str = "raise ImportError('no package')") -> None:
        (self.folder / "pynvml.py").write_text(text)

    def ask(self, *, sure: bool = True, seconds: float = 3.0) -> dict[str, Any]:
        environment = os.environ | {
            "LD_LIBRARY_PATH": str(self.folder),
            "PATH": f"{self.folder}:{os.environ['PATH']}",
            "PYTHONPATH": str(self.folder),
        }
        code = ASK.format(sure=sure, seconds=seconds)
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found


@pytest.fixture
def place(tmp_path: Path) -> Place:
    if any(map(os.path.exists, ("/dev/nvidiactl", "/dev/dxg"))):
        pytest.skip("this machine has a driver of its own")
    if shutil.which("nvidia-smi"):
        pytest.skip("this machine has a nvidia-smi of its own")
    return Place(tmp_path)


@pytest.mark.parametrize("package", [False, True])
def test_library(place: Place, package: bool) -> None:
    """By ctypes, and by the real package nvidia-ml-py where it is installed."""
    place.library()
    if package:
        pytest.importorskip("pynvml")
    else:
        place.package()
    found = place.ask()
    assert found["source"] == ("NVML" if package else "libnvidia-ml")
    assert (found["state"], found["driver"], found["cuda"]) == ("ok", "550.127.05", "12.4")
    l4, t4 = found["gpus"]
    assert (l4["name"], l4["memory"] >> 20, l4["free"] >> 20) == ("NVIDIA L4", 23034, 22010)
    assert (l4["capability"], t4["capability"]) == ([8, 9], [7, 5])
    assert (l4["mode"], t4["mode"], l4["mig"]) == ("default", "exclusive", False)
    assert [(h["pid"], h["memory"]) for h in l4["holders"]] == [
        (4194301, 700 << 20),
        (4194302, None),
    ]
    assert (l4["processes"], t4["processes"]) == (2, 0)


def test_library_of_an_old_driver(place: Place) -> None:
    """Without the functions that nvidia-ml-py calls, so what it cannot ask is asked by ctypes."""
    place.library(0, "-DOLD")
    found = place.ask()
    assert found["cuda"] == "12.4"
    assert [gpu["name"] for gpu in found["gpus"]] == ["NVIDIA L4", "Tesla T4"]
    assert found["gpus"][0]["holders"] == []


@pytest.mark.parametrize(("code", "state"), [(18, "mismatch"), (9, "absent")])
def test_library_that_does_not_start(place: Place, code: int, state: str) -> None:
    """A library without any sign of a driver is what images for GPU machines have elsewhere."""
    place.library(code)
    assert place.ask()["state"] == state


def test_library_is_not_loaded_without_a_sign(place: Place) -> None:
    place.library()
    assert place.ask(sure=False)["state"] == "absent"


SMI = r"""
case "$*" in
  *--query-gpu=*) echo "NVIDIA L4, GPU-aaaa, 550.127.05, 23034, 6100, Default, [N/A], 8.9"
                  echo "Tesla T4, GPU-bbbb, 550.127.05, 15360, 15000, Exclusive_Process, [N/A], 7.5";;
  *--query-compute-apps=*) echo "GPU-aaaa, 4711, /usr/bin/python, 3.11, 16500"
                           echo "GPU-aaaa, 4712, [Not Found], [N/A]";;
  *) echo "| NVIDIA-SMI 550.127.05    Driver Version: 550.127.05    CUDA Version: 12.4     |";;
esac
"""


def test_program(place: Place) -> None:
    place.program(SMI)
    found = place.ask(sure=False)
    assert (found["source"], found["driver"], found["cuda"]) == (
        "nvidia-smi",
        "550.127.05",
        "12.4",
    )
    l4, t4 = found["gpus"]
    assert (l4["name"], l4["memory"] >> 20, l4["free"] >> 20) == ("NVIDIA L4", 23034, 6100)
    assert (t4["capability"], t4["mode"], l4["mode"]) == ([7, 5], "exclusive", "default")
    assert l4["holders"] == [
        {"pid": 4711, "name": "python, 3.11", "memory": 16500 << 20},
        {"pid": 4712, "name": "[Not Found]", "memory": None},
    ]


OLD_SMI = r"""
case "$*" in
  *compute_cap*) echo 'Field "compute_cap" is not a valid field to query.'; exit 2;;
  *--query-gpu=*) echo "NVIDIA L4, GPU-aaaa, 460.32.03, 23034, 22000, Default";;
  *--query-compute-apps=*) ;;
  *) exit 1;;
esac
"""


def test_old_program_and_no_header(place: Place) -> None:
    place.program(OLD_SMI)
    found = place.ask(sure=False)
    assert found["gpus"][0]["capability"] == [8, 9], "by the table of GPUs"
    assert found["cuda"] == "11.2", "by the branch of the driver"


@pytest.mark.parametrize(
    ("said", "code", "state"),
    [
        ("Failed to initialize NVML: Driver/library version mismatch", 18, "mismatch"),
        ("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.", 9,
         "not-running"),
        ("Segmentation fault", 139, "unknown"),
    ],
)  # fmt: skip
def test_program_that_fails(place: Place, said: str, code: int, state: str) -> None:
    place.program(f'echo "{said}"; exit {code}\n')
    found = place.ask(sure=False)
    assert found["state"] == state
    assert said in found["problem"]


def test_program_that_hangs(place: Place) -> None:
    place.program("exec sleep 30\n")
    begun = time.monotonic()
    found = place.ask(sure=False, seconds=0.5)
    assert time.monotonic() - begun < 10
    assert found["state"] == "absent"
    assert not found["gpus"]


PACKAGE = """
class NVMLError(Exception):
    def __init__(self, value): self.value = value
    def __str__(self): return "Driver Not Loaded"
class Row:
    def __init__(self, **values): self.__dict__.update(values)
START = {start}
def nvmlInit():
    if START: raise NVMLError(START)
def nvmlShutdown(): pass
def nvmlSystemGetDriverVersion(): return b"580.65.06"
def nvmlSystemGetCudaDriverVersion_v2(): return 13000
def nvmlDeviceGetCount(): return 1
def nvmlDeviceGetHandleByIndex(index): return index
def nvmlDeviceGetName(handle): return "NVIDIA H100 80GB HBM3"
def nvmlDeviceGetUUID(handle): return "GPU-cccc"
def nvmlDeviceGetMemoryInfo(handle): return Row(total=81559 << 20, free=81000 << 20, used=559 << 20)
def nvmlDeviceGetCudaComputeCapability(handle): return 9, 0
def nvmlDeviceGetComputeMode(handle): return 0
def nvmlDeviceGetMigMode(handle): return [1, 1]
def nvmlDeviceGetComputeRunningProcesses(handle): raise NVMLError(3)
"""


def test_package_comes_first(place: Place) -> None:
    place.package(PACKAGE.format(start=0))
    place.library()
    found = place.ask()
    assert (found["driver"], found["cuda"]) == ("580.65.06", "13.0")
    gpu = found["gpus"][0]
    assert (gpu["name"], gpu["mig"], gpu["holders"]) == ("NVIDIA H100 80GB HBM3", True, [])


def test_package_without_a_library_leaves_it_to_the_program(place: Place) -> None:
    place.package(PACKAGE.format(start=12))
    place.program(SMI)
    assert place.ask()["source"] == "nvidia-smi"


def gpu(name: str, uuid: str, memory: int = 16) -> Gpu:
    return Gpu(name, memory << 30, memory << 30, (8, 0), uuid=uuid)


TWINS = (gpu("A", "GPU-1a"), gpu("A", "GPU-2b"))
UNLIKE = (gpu("A", "GPU-1a"), gpu("B", "GPU-2b", 24))


@pytest.mark.parametrize(
    ("gpus", "setting", "left", "hides"),
    [
        (TWINS, None, 2, False),
        (TWINS, "1", 1, False),
        (TWINS, "0,1", 2, False),
        (TWINS, "0,0", 1, False),
        (TWINS, "0,7,1", 1, False),  # the list ends at what is no GPU
        (TWINS, "", 0, True),
        (TWINS, "-1", 0, True),
        (TWINS, "GPU-2b", 1, False),
        (TWINS, "MIG-77", 2, False),
        (UNLIKE, "0", 2, False),  # CUDA counts the faster one first, NVML by bus
        (UNLIKE, "GPU-2b", 1, False),
        ((), "", 0, False),
    ],
)
def test_visible(gpus: tuple[Gpu, ...], setting: str | None, left: int, hides: bool) -> None:
    found, hidden = visible(gpus, setting)
    assert len(found) == left
    assert bool(hidden) == hides
