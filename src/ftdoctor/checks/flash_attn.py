"""Checks of flash-attn: can it be built, is it there, does it fit the torch that runs."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, Any

from ftdoctor.checks.installed import attention, place_of, present, shown, version
from ftdoctor.job.installs import Install, install_of, installs
from ftdoctor.job.pep440 import at_least, public
from ftdoctor.job.releases import canonical
from ftdoctor.job.surroundings import header_of
from ftdoctor.rulebook.model import Hit
from ftdoctor.tables import table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftdoctor.checks.context import Context
    from ftdoctor.job.model import Job, Requirement

#: From here transformers takes a kernel from the Hub when `kernels` is installed and flash-attn is
#: not (transformers 4.54 asks first, 4.56 and later do it, modeling_utils.py).
KERNEL_FALLBACK = "4.54.0"


def _asked(job: Job) -> list[Requirement]:
    taken = job.environment.taken if job.environment else []
    return [r for r in taken if canonical(r.name) == "flash-attn" and not r.url]


def _taught(job: Job) -> bool:
    """Whether uv is told how to build it (no isolation, or torch as a build dependency)."""
    texts = [header_of(s.source.text) for s in job.scripts]
    texts += [s.text for s in job.sources if posixpath.basename(s.path) == "pyproject.toml"]
    marks = ("no-build-isolation", "extra-build-dependencies", "flash_attn-", "find-links")
    if any(mark in text for text in texts for mark in marks):
        return True
    env = [name for pool in job.pools for name in pool.env]
    return "UV_NO_BUILD_ISOLATION" in env or "FLASH_ATTENTION_SKIP_CUDA_BUILD" in env


def build_without_torch(context: Context) -> Iterator[Hit]:
    """flash-attn is built in isolation, where its setup cannot import torch."""
    job = context.job
    if _taught(job):
        return
    commands = installs(job)
    for requirement in _asked(job):
        if requirement.source in ("pep723", "uv-with", "pyproject") and (
            requirement.source != "pyproject" or (job.environment and job.environment.isolated)
        ):
            yield Hit(
                requirement.place,
                {"how": "uv builds it in an empty environment"},
                summary="flash-attn has no wheel on the index; uv builds it in an empty "
                "environment, where its setup cannot import torch",
            )
            return
        command = install_of(requirement, commands)
        if command is None or command.no_build_isolation or _configured(command):
            continue
        bare = _without_torch(job, command, commands)
        if command.tool != "uv" and not bare and not _new_pip(commands):
            continue  # pip before 25.3 builds it beside the torch that is there
        yield Hit(
            requirement.place,
            {"how": f"`{command.tool} install` builds it in an empty environment"},
            severity="error" if command.tool == "uv" or bare else "warning",
            summary="flash-attn is built when no torch is there yet: its setup cannot import torch"
            if bare
            else "flash-attn is installed without --no-build-isolation: its setup cannot import "
            "torch",
        )
        return


def _without_torch(job: Job, command: Install, commands: list[Install]) -> bool:
    """Whether nothing that could bring torch is there when a command starts."""
    image = job.environment.image if job.environment else None
    if image is None or not image.whole or "torch" in image.packages:
        return False
    return bool(commands) and commands[0] is command


def _new_pip(commands: list[Install]) -> bool:
    """Whether the job updates pip: 25.3 and later always build in an empty environment."""
    return any(c.upgrade and "pip" in c.items for c in commands)


def _configured(command: Install) -> bool:
    words = [value.value or "" for value in command.step.argv if value.known]
    return any(word.startswith(("--find-links", "-f")) for word in words) or any(
        "no-build-isolation" in word for word in words
    )


def _prebuilt(release: str, torch: str) -> bool | None:
    """Whether the project publishes a wheel of a release for a torch; None when not known."""
    wanted = ".".join(public(torch).split(".")[:2])
    best: dict[str, Any] | None = None
    for row in table("others")["notes"]["flash-attn: github_wheels"]:
        if row["release"][0].isdigit() and at_least(release, row["release"]):
            best = row
    if best is None:
        return None
    return any(".".join(v.split(".")[:2]) == wanted for v in best["torch"])


def build_without_nvcc(context: Context) -> Iterator[Hit]:
    """No published wheel fits the torch, and the image has no CUDA compiler to build one."""
    job = context.job
    image = job.environment.image if job.environment else None
    torch, release = version(job, "torch"), version(job, "flash-attn")
    resolved = job.packages.get("flash-attn")
    if image is None or not torch or not release or resolved is None:
        return
    if resolved.source == "image" or job.environment is None or job.environment.isolated:
        return
    runtime = image.family in ("python", "uv", "os") or (
        image.family in ("pytorch", "cuda") and not image.name.endswith("-devel")
    )
    if image.family == "cuda" and "-devel" in image.name:
        runtime = False
    if not runtime or _prebuilt(release, torch) is not False or not _asked(job):
        return
    yield Hit(
        place_of(job, "flash-attn"),
        {"flash_attn": release, "torch": torch, "image": image.name},
        summary=f"flash-attn {release} has no published wheel for torch {torch}, and "
        f"{image.name} has no nvcc to build it",
    )


def missing(context: Context) -> Iterator[Hit]:
    """flash_attention_2 is asked for and flash-attn is not installed."""
    job = context.job
    if present(job, "flash-attn") is not False:
        return
    transformers = version(job, "transformers")
    kernels = present(job, "kernels")
    if kernels is not False and (not transformers or at_least(transformers, KERNEL_FALLBACK)):
        return
    for name, value in attention(job):
        if name == "flash_attention_2":
            yield Hit(value.place, {"attention": name}, {"transformers": transformers})
            return


def abi(context: Context) -> Iterator[Hit]:
    """The image's flash-attn was built for the image's torch, and torch is replaced."""
    job = context.job
    environment = job.environment
    image = environment.image if environment else None
    if environment is None or image is None or environment.isolated:
        return
    built, runs = image.packages.get("torch"), version(job, "torch")
    ours = job.packages.get("flash-attn")
    if not built or not runs or ours is None or ours.source != "image":
        return
    if public(built).split(".")[:2] == public(runs).split(".")[:2] or job.packages["torch"].reason:
        return
    used = any(name == "flash_attention_2" for name, _ in attention(job))
    yield Hit(
        place_of(job, "torch"),
        {"flash_attn": ours.version or "", "built": built, "torch": runs},
        severity="error" if used else "warning",
        summary=f"flash-attn {ours.version} of the image was built for torch {built}; "
        f"{shown(job, 'torch')} replaces that torch",
    )
