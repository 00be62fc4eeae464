"""Names of accelerators and flavors: what a misspelt one must mean."""

from __future__ import annotations

import pytest

from ftdoctor.checks.vertex_spec import accelerators, suggestion
from ftdoctor.tables import table


@pytest.mark.parametrize(
    ("name", "machine", "right"),
    [
        ("NVIDIA_H200", "", "NVIDIA_H200_141GB"),
        ("NVIDIA_TESLA_L4", "", "NVIDIA_L4"),
        ("NVIDIA_TESLA_H100", "", "NVIDIA_H100_80GB"),
        ("NVIDIA_H100", "", "NVIDIA_H100_80GB"),
        ("NVIDIA_A100", "", "NVIDIA_TESLA_A100"),
        ("NVIDIA_A100", "a2-ultragpu-1g", "NVIDIA_A100_80GB"),
        ("nvidia-tesla-t4", "", "NVIDIA_TESLA_T4"),
        ("T4", "n1-standard-8", "NVIDIA_TESLA_T4"),
        ("NVIDIA_L40", "g2-standard-8", "NVIDIA_L4"),
        ("NVIDIA_L40S", "", ""),
        ("NVIDIA_RTX_PRO_6000_BLACKWELL", "g4-standard-48", "NVIDIA_RTX_PRO_6000"),
    ],
)
def test_suggestion(name: str, machine: str, right: str) -> None:
    assert suggestion(name, machine) == right


def test_tables_agree() -> None:
    names = set(accelerators())
    rows = table("machines")["machines"]
    assert {row["accelerator_type"] for row in rows} <= names
    aliases = table("aliases")
    assert set(aliases["accelerator_core"].values()) <= names
    assert set(aliases["accelerator_region"]) <= names
    flavors = set(table("flavors")["flavors"])
    assert set(aliases["flavor"].values()) <= flavors
    assert not set(aliases["flavor"]) & flavors
