"""Questions about the environment of a job: what is there, what is not, and who says so.

Nothing here judges. Three answers are kept apart: there, not there, cannot be told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftdoctor.job.releases import canonical
from ftdoctor.job.value import get

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftdoctor.job.model import Job, Training
    from ftdoctor.job.source import Place
    from ftdoctor.job.value import Value

_TRUE = frozenset({"true", "1", "yes", "on"})


def present(job: Job, package: str) -> bool | None:
    """Whether a package is in the environment; None when that cannot be told."""
    name = canonical(package)
    if name in job.packages:
        return True
    environment = job.environment
    if environment is None:
        return None
    if environment.conflicts:
        return None  # the install command fails; that is told by its own rule
    if environment.whole or name in environment.absent:
        return False
    return None


def version(job: Job, package: str) -> str:
    """Return the version of a package, "" when it is not there or not known."""
    return job.version(package) or ""


def said(job: Job, package: str) -> str:
    """Return in words where a version comes from: "pinned", "in the image X", "floats, today"."""
    resolved = job.packages.get(canonical(package))
    if resolved is None:
        return ""
    if resolved.source == "image":
        return "in the image"
    if resolved.source == "with":
        return "given with --with"
    if resolved.source.startswith("required by"):
        return f"{resolved.source}; not pinned, newest of today"
    if resolved.floating:
        return "not pinned, newest of today"
    return "pinned"


def shown(job: Job, package: str) -> str:
    """Return "trl 1.16.0 (not pinned, newest of today)" for texts."""
    found = version(job, package)
    origin = said(job, package)
    return f"{package} {found}" + (f" ({origin})" if origin else "")


def place_of(job: Job, *packages: str) -> Place | None:
    """Return where the first of these packages was asked for, else the image, else the job."""
    for package in packages:
        resolved = job.packages.get(canonical(package))
        if resolved is not None and resolved.place is not None:
            return resolved.place
    return base_place(job)


def base_place(job: Job) -> Place | None:
    """Return where the image is named, else the first requirement, else the job."""
    pool = job.pool
    if pool is not None and pool.image is not None and pool.image.place is not None:
        return pool.image.place
    if job.environment is not None:
        for requirement in job.environment.taken:
            if requirement.place is not None:
                return requirement.place
    return job.place


def true(value: Value[Any] | None) -> bool:
    """Whether a value is known to be true, written as a bool or as a word."""
    found = get(value)
    return found is True or (isinstance(found, str) and found.strip().lower() in _TRUE)


def text(value: Value[Any] | None) -> str:
    """Return a known text, "" for anything else."""
    found = get(value)
    return found.strip() if isinstance(found, str) else ""


def setting(training: Training, *names: str) -> Value[Any] | None:
    """Return the first of these settings that is written: arguments, then model keywords."""
    for name in names:
        for where in (training.arguments, training.model_kwargs, training.trainer_kwargs):
            if name in where:
                return where[name]
    return None


def imported(job: Job, module: str) -> Place | None:
    """Return where the code of the job imports a top-level module, None when it does not."""
    for script in job.scripts:
        if script.role == "submit":
            continue
        for name, place in script.imports.items():
            if name.split(".")[0] == module:
                return place
    return None


def uses_transformers(job: Job) -> bool:
    """Whether the code of the job uses transformers, by itself or through trl or peft."""
    if any(t.written_as == "trl-cli" or t.trainer is not None for t in job.trainings):
        return True
    return any(imported(job, m) is not None for m in ("transformers", "trl", "peft", "unsloth"))


_BNB_OPTIMIZERS = (
    "adamw_8bit adamw_bnb_8bit paged_adamw_32bit paged_adamw_8bit lion_8bit lion_32bit "
    "paged_lion_8bit paged_lion_32bit rmsprop_bnb rmsprop_bnb_8bit rmsprop_bnb_32bit ademamix "
    "ademamix_8bit paged_ademamix_32bit paged_ademamix_8bit"
)
#: Values of `optim` that bitsandbytes implements (transformers 5.23.0, OptimizerNames).
BNB_OPTIMIZERS = frozenset(_BNB_OPTIMIZERS.split())


def bnb_uses(job: Job) -> Iterator[tuple[str, Place | None]]:
    """Yield what in the job needs bitsandbytes, in words, with its place."""
    for training in job.trainings:
        for name in ("load_in_4bit", "load_in_8bit"):
            found = (training.quantization or {}).get(name) or setting(training, name)
            if true(found) and found is not None:
                yield f"{name}=True", found.place
        optimizer = setting(training, "optim", "optimizer")
        if text(optimizer) in BNB_OPTIMIZERS and optimizer is not None:
            yield f"optim={text(optimizer)!r}", optimizer.place
    place = imported(job, "bitsandbytes")
    if place is not None:
        yield "import bitsandbytes", place


def attention(job: Job) -> Iterator[tuple[str, Value[Any]]]:
    """Yield (attention implementation, value) of each training that names one."""
    for training in job.trainings:
        found = setting(training, "attn_implementation")
        if text(found) and found is not None:
            yield text(found), found
            continue
        old = setting(training, "use_flash_attention_2")
        if true(old) and old is not None:
            yield "flash_attention_2", old
