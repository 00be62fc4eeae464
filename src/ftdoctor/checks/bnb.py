"""Checks of bitsandbytes: is it there, and has it a binary for this CUDA and this GPU."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ftdoctor.checks.installed import bnb_uses, place_of, present, said, shown, version
from ftdoctor.job.hardware import hardware
from ftdoctor.job.pep440 import at_least, public
from ftdoctor.job.torch_build import build_of, runs_on
from ftdoctor.rulebook.model import Hit
from ftdoctor.tables import table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftdoctor.checks.context import Context
    from ftdoctor.job.model import Job

#: From here the loader falls back to another minor of the same CUDA major (cextension.py:22-36).
SAME_MAJOR = "0.50.0"


def missing(context: Context) -> Iterator[Hit]:
    """Something needs bitsandbytes, and the environment is known not to have it."""
    job = context.job
    if present(job, "bitsandbytes") is not False:
        return
    for what, place in bnb_uses(job):
        yield Hit(
            place, {"what": what}, summary=f"{what} needs bitsandbytes, which is not installed"
        )
        return


def _row(job: Job) -> dict[str, Any] | None:
    bare = public(version(job, "bitsandbytes"))
    return next((r for r in table("bitsandbytes")["releases"] if r["version"] == bare), None)


def _cuda(job: Job) -> str:
    torch = version(job, "torch")
    arch = job.environment.arch if job.environment else "x86_64"
    build = build_of(torch, arch) if torch else None
    return build.cuda if build is not None else ""


def _overridden(job: Job) -> bool:
    """Whether the job chooses the binary itself (BNB_CUDA_VERSION)."""
    named = any("BNB_CUDA_VERSION" in pool.env for pool in job.pools)
    in_code = any("BNB_CUDA_VERSION" in s.env_set for s in job.scripts)
    in_steps = any("BNB_CUDA_VERSION" in step.assignments for step in job.steps)
    return named or in_code or in_steps


def binary(context: Context) -> Iterator[Hit]:
    """The installed bitsandbytes has no library for the CUDA of the installed torch."""
    job = context.job
    row, cuda = _row(job), _cuda(job)
    use = next(bnb_uses(job), None)
    if row is None or not cuda or use is None or _overridden(job):
        return
    arch = job.environment.arch if job.environment else "x86_64"
    wanted = cuda.replace(".", "")
    offered = row["cuda"].get(f"linux_{arch}", row["cuda"].get("any"))
    if offered is None:
        summary = f"bitsandbytes {row['version']} has no wheel for {arch} Linux"
    elif wanted in offered:
        return
    else:
        by_major = at_least(row["version"], SAME_MAJOR)
        if by_major and any(o[:2] == wanted[:2] for o in offered):
            return
        summary = (
            f"bitsandbytes {row['version']} has no library for CUDA {cuda}, which "
            f"torch {version(job, 'torch')} is built for"
        )
    yield Hit(
        place_of(job, "bitsandbytes", "torch"),
        {
            "bitsandbytes": row["version"],
            "torch": version(job, "torch"),
            "cuda": cuda,
            "binary": f"libbitsandbytes_cuda{wanted}.so",
            "what": use[0],
        },
        {
            "bitsandbytes_from": said(job, "bitsandbytes"),
            "torch_from": said(job, "torch"),
            "offered": ", ".join(offered or ()),
        },
        summary=summary,
    )


def architecture(context: Context) -> Iterator[Hit]:
    """The library that bitsandbytes will load has no code for the GPU."""
    job = context.job
    row, cuda = _row(job), _cuda(job)
    machine = hardware(job)
    if row is None or not cuda or not machine.capability or next(bnb_uses(job), None) is None:
        return
    arch = job.environment.arch if job.environment else "x86_64"
    codes = row.get("sass", {}).get(f"{arch}:{cuda.replace('.', '')}")
    if not codes:
        return
    binaries = tuple(code.replace("elf_", "sm_") for code in codes if code.startswith("elf_"))
    capability = float(machine.capability)
    jit = any(_number(code) <= capability for code in codes if code.startswith("ptx_"))
    if jit or runs_on(binaries, machine.capability):
        return
    yield Hit(
        place_of(job, "bitsandbytes"),
        {
            "bitsandbytes": row["version"],
            "cuda": cuda,
            "gpu": machine.gpu or machine.name,
            "capability": machine.capability,
        },
        summary=f"{shown(job, 'bitsandbytes')} for CUDA {cuda} has no code for "
        f"{machine.gpu or machine.name} (compute capability {machine.capability})",
    )


def _number(code: str) -> float:
    match = re.search(r"(\d+)(\d)\Z", code)
    return float(f"{match[1]}.{match[2]}") if match else 99.0
