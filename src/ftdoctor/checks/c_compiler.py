"""What is compiled while the job runs, in an image without a compiler."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftdoctor.checks.about import code, environments, remote
from ftdoctor.checks.installed import imported, present, setting, text, true
from ftdoctor.job.value import get
from ftdoctor.lazy import lazy
from ftdoctor.rulebook.model import Hit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftdoctor.checks.context import Context
    from ftdoctor.job.model import Job
    from ftdoctor.job.source import Place

#: Images without gcc and clang, by their Dockerfiles (November 2026): docker-library/python (slim),
#: astral-sh/uv (slim variants; the others are built on buildpack-deps, which has gcc), nvidia/cuda
#: (base and runtime; devel has it), debian and ubuntu.
_WITHOUT = lazy(
    r"(?:docker\.io/)?(?:library/)?python:[\w.-]*slim[\w.-]*\Z"
    r"|ghcr\.io/astral-sh/uv:[\w.-]*slim[\w.-]*\Z"
    r"|(?:docker\.io/|nvcr\.io/)?nvidia/cuda:[\w.-]*(?:base|runtime)[\w.-]*\Z"
    r"|(?:docker\.io/)?(?:library/)?(?:ubuntu|debian):[\w.-]+\Z"
)
_INSTALL = lazy(r"\bapt(?:-get)?\b[^\n;&|]*?\binstall\b(?P<names>[^\n;&|]*)")
#: Packages of Debian and Ubuntu that bring no compiler, recommended ones included.
_HARMLESS = frozenset(
    "git git-lfs curl wget ca-certificates vim nano less unzip zip jq tmux screen htop rsync "
    "openssh-client libgl1 libglib2.0-0 procps aria2 locales tzdata gnupg lsb-release sudo "
    "python3 python3-venv libsndfile1 ffmpeg pciutils time tree".split()
)
#: Anything else that may bring one, or that says where it is.
_OTHER_WAYS = lazy(
    r"\b(?:gcc|g\+\+|clang|build-essential|ziglang|zig|conda|mamba|apk|yum|dnf|brew|nix|pixi|spack)"
    r"|\b(?:CC|CXX)=|environ\[.CC.\]|TRITON_|ENV CC"
)


def for_triton(context: Context, **_: object) -> Iterator[Hit]:
    """Triton or torch.compile on a GPU, and no C compiler (triton 3.9.0 runtime/build.py:19)."""
    job = context.job
    if not job.trainings:
        return
    images = {get(pool.image) for pool in job.pools}
    image = next(iter(images)) if len(images) == 1 else None
    if not remote(job) or not isinstance(image, str) or not _WITHOUT.match(image):
        return
    from ftdoctor.job.hardware import hardware

    if not hardware(job).has_gpu or _brought(job):
        return
    for what, place in _uses(job):
        values = {"what": what, "image": image}
        yield Hit(
            place or job.place,
            values,
            values,
            summary="{what} compiles on the machine of the job, and {image} has no C compiler.",
        )
        return


def _brought(job: Job) -> bool:
    """Whether something may install a compiler, or name one."""
    if any("CC" in env for env in environments(job)):
        return True
    everything = "\n".join([code(job), *(step.text for step in job.steps)])
    joined = re.sub(r"\\\n", " ", everything)
    for match in _INSTALL.finditer(joined):
        names = [n for n in match["names"].split() if not n.startswith("-")]
        if any(re.split(r"[=/]", n)[0] not in _HARMLESS for n in names):
            return True
    return bool(_OTHER_WAYS.search(joined))


def _uses(job: Job) -> Iterator[tuple[str, Place | None]]:
    """Yield what is sure to compile kernels, with its place."""
    for training in job.trainings:
        for name in ("use_liger_kernel", "use_liger_loss", "use_liger"):
            value = training.arguments.get(name)
            if value is not None and true(value) and present(job, "liger-kernel") is not False:
                yield f"{name}=True", value.place
        value = training.arguments.get("torch_compile")
        if value is not None and true(value):
            yield "torch_compile=True", value.place
        attention = setting(training, "attn_implementation")
        if attention is not None and text(attention) == "flex_attention":
            yield "attn_implementation='flex_attention'", attention.place
    unsloth = imported(job, "unsloth")
    if unsloth is not None and job.trainings:
        yield "unsloth", unsloth
