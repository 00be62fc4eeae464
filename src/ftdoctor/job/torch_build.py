"""Builds of torch: which CUDA a wheel carries, for which GPUs, and on which index it lies."""

from __future__ import annotations

import re
from typing import NamedTuple

from ftdoctor.job.pep440 import local_label, matches, public
from ftdoctor.job.releases import find
from ftdoctor.tables import table

_INDEX = r"(?:/whl/(?:test/|nightly/)?|\A)(cu\d{2,3}|cpu|rocm[\d.]+|xpu)(?:/|\Z)"


class Build(NamedTuple):
    """One wheel of torch on Linux.

    `cuda` is "12.6", or "" for a wheel without CUDA. `archs` are the GPU architectures that it has
    machine code for ("sm_80"), () when the table does not have this build.
    """

    version: str
    label: str
    cuda: str
    archs: tuple[str, ...] = ()
    default: bool = False

    @property
    def has_cuda(self) -> bool:
        """Whether the wheel can use an NVIDIA GPU."""
        return bool(self.cuda)


def index_label(index: str) -> str:
    """Return "cu126", "cpu", ... of the address of a torch index, or "" for any other."""
    match = re.search(_INDEX, index.strip().rstrip("/"))
    return match[1] if match else ""


def cuda_of_label(label: str) -> str:
    """Return "12.6" of "cu126", "" of any other label."""
    match = re.fullmatch(r"cu(\d+)(\d)", label)
    return f"{match[1]}.{match[2]}" if match else ""


def _row(version: str) -> dict[str, object] | None:
    found = find("torch", version)
    if found is None:
        return None
    return next((r for r in table("torch")["releases"] if r["version"] == found.version), None)


def build_of(version: str, arch: str = "x86_64") -> Build | None:
    """Return the build that a version names ("2.10.0+cu126") or that the index has by default.

    None when neither the version nor its label settles it.
    """
    label = local_label(version)
    bare = public(version)
    row = _row(bare)
    if label:
        cuda = cuda_of_label(label)
        archs: tuple[str, ...] = ()
        if row is not None:
            variants = row["variants"] if arch == "x86_64" else row["variants_aarch64"]
            assert isinstance(variants, dict)
            archs = tuple(variants.get(label, ()))
        if not cuda and label != "cpu":
            return None
        return Build(bare, label, cuda, archs)
    if row is None:
        return None
    default = row["default"]
    assert isinstance(default, dict)
    wheel = default.get(arch)
    if not wheel:
        return None
    cuda = wheel["cuda"] or ""
    label = f"cu{cuda.replace('.', '')}" if cuda else "cpu"
    return Build(bare, label, cuda, tuple(wheel["arch"]), default=True)


def offered(label: str, python: str, arch: str = "x86_64") -> tuple[str, ...]:
    """Return the versions of torch that the index of a label offers, newest first, with label."""
    found = []
    for row in reversed(table("torch")["releases"]):
        if python and not matches(python, row["requires_python"]):
            continue
        variants = row["variants"] if arch == "x86_64" else row["variants_aarch64"]
        if label == "cpu" or label in variants:
            found.append(f"{row['version']}+{label}")
    return tuple(found)


def runs_on(archs: tuple[str, ...], capability: str) -> bool:
    """Whether machine code for `archs` runs on a GPU of this compute capability ("8.6").

    Code for sm_XY runs on the same major and a minor not below Y (torch/cuda/__init__.py of torch
    2.15.0, DEVICE_REQUIREMENT); `compute_` entries (PTX) do not count as support.
    """
    major, _, minor = capability.partition(".")
    for name in archs:
        match = re.fullmatch(r"sm_(\d+)(\d)a?", name)
        if match and match[1] == major and int(match[2]) <= int(minor or 0):
            return True
    return False


def labels_for(version: str, capability: str, below_cuda: str = "") -> list[str]:
    """Return the labels of the builds of a version that run on a GPU, oldest CUDA first."""
    row = _row(public(version))
    if row is None:
        return []
    variants = row["variants"]
    assert isinstance(variants, dict)
    fitting = [label for label, archs in variants.items() if runs_on(tuple(archs), capability)]
    return sorted(fitting, key=lambda label: int(label[2:]))
