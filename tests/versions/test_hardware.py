from __future__ import annotations

import pytest

from ftdoctor.job.hardware import gpu_of_accelerator, hardware
from ftdoctor.job.value import known, unknown
from ftdoctor.tables import table
from tests.versions.build import job


@pytest.mark.parametrize(
    ("machine", "accelerator", "gpu", "capability"),
    [
        ("g2-standard-12", "NVIDIA_L4", "L4", "8.9"),
        ("n1-standard-8", "NVIDIA_TESLA_T4", "T4", "7.5"),
        ("n1-standard-8", "NVIDIA_TESLA_P4", "", "6.1"),
        ("a2-highgpu-1g", "", "A100-40", "8.0"),
        ("a2-ultragpu-1g", "NVIDIA_A100_80GB", "A100-80", "8.0"),
        ("a4-highgpu-8g", "NVIDIA_B200", "B200", "10.0"),
    ],
)
def test_vertex_machines(machine: str, accelerator: str, gpu: str, capability: str) -> None:
    made = job(image="python:3.12", machine=machine, accelerator=accelerator)
    found = hardware(made)
    assert (found.gpu, found.capability) == (gpu, capability)
    assert found.cpu_only is False
    assert found.ram_gb


def test_a_machine_without_accelerator_has_no_gpu() -> None:
    assert hardware(job(image="x", machine="n1-standard-8", accelerator="")).cpu_only is True
    assert hardware(job(image="x", machine="e2-standard-8", accelerator="")).cpu_only is True


def test_what_is_not_known_stays_unknown() -> None:
    made = job(image="x", machine="n1-standard-8", accelerator="")
    assert made.pool is not None
    made.pool.accelerator_type = unknown("it is read from the environment")
    assert hardware(made).cpu_only is None
    made.pool.accelerator_type = None
    made.pool.machine_type = unknown("it is read from the environment")
    assert hardware(made).cpu_only is None


def test_flavors() -> None:
    made = job(header=["trl"])
    assert hardware(made).cpu_only is True
    assert hardware(made).name == "cpu-basic"
    made.flavor = known("a10g-large")
    found = hardware(made)
    assert (found.gpu, found.count, found.capability, found.ram_gb) == ("A10G", 1, "8.6", 46)
    assert found.memory_gib
    assert 20 < found.memory_gib < 24
    made.flavor = known("b300x99")
    assert hardware(made).cpu_only is None


def test_every_accelerator_of_the_machine_table_has_a_capability() -> None:
    for row in table("machines")["machines"]:
        made = job(image="x", machine=row["machine_type"], accelerator=row["accelerator_type"])
        assert hardware(made).capability, row
    assert gpu_of_accelerator("NVIDIA_NO_SUCH_GPU") == ""


def test_every_flavor_with_a_gpu_is_in_the_gpu_table() -> None:
    keys = {row["key"] for row in table("gpus")["gpus"]}
    flavors = table("flavors")["flavors"]
    assert {row["gpu"] for row in flavors.values() if row["gpu"]} <= keys
