"""Checks of versions against each other: floors, bounds, requests that contradict."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftdoctor.checks.installed import (
    bnb_uses,
    imported,
    place_of,
    said,
    shown,
    text,
    uses_transformers,
    version,
)
from ftdoctor.checks.suggestion import for_packages
from ftdoctor.job.pep440 import at_least, matches, newer, public
from ftdoctor.job.releases import canonical, needs
from ftdoctor.rulebook.model import Hit
from ftdoctor.tables import table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftdoctor.checks.context import Context
    from ftdoctor.job.model import Job
    from ftdoctor.job.source import Place


def _floor(rows: list[list[str]], release: str) -> str:
    """Return the floor that holds for a release: that of the last row not above it."""
    floor = ""
    for since, value in rows:
        if at_least(release, since):
            floor = value
    return floor


def runtime_floor(context: Context, package: str) -> Iterator[Hit]:
    """`package` is older than the installed transformers accepts when it runs.

    These floors stand in the code of transformers, not in its requirements: pip accepts the pair.
    """
    job = context.job
    ours, theirs = version(job, package), version(job, "transformers")
    if not ours or not theirs:
        return
    floor = _floor(table("floors")["transformers"][package], theirs)
    if not floor or at_least(public(ours), floor) or not _runs_it(job):
        return
    place: Place | None = place_of(job, "transformers", package)
    if package == "bitsandbytes":
        use = next((u for u in bnb_uses(job) if u[0].startswith("load_in")), None)
        if use is None:
            return
    if package == "accelerate" and not job.trainings:
        return
    yield Hit(
        place,
        {"package": package, "found": ours, "floor": floor, "transformers": theirs},
        {"found_from": said(job, package), "transformers_from": said(job, "transformers")},
        summary=f"transformers {theirs} needs {package} {floor} or later, and {shown(job, package)}"
        " will be there",
        advice=for_packages(job, *({package, "transformers"} - {"torch"})),
    )


def _runs_it(job: Job) -> bool:
    """Whether the job uses transformers; a job whose code was not read is taken to do so."""
    code = [s for s in job.scripts if s.role != "submit"]
    return uses_transformers(job) or not any(s.imports for s in code)


def imported_pin(context: Context) -> Iterator[Hit]:
    """A package lies outside the range that transformers checks when it is imported."""
    job = context.job
    theirs = version(job, "transformers")
    environment = job.environment
    if not theirs or environment is None or not _runs_it(job):
        return
    names = set(table("floors")["runtime_checked"]["names"])
    for need in needs("transformers", theirs, environment.python, environment.arch):
        if need.extra or need.name not in names:
            continue
        ours = version(job, need.name)
        if not ours or matches(public(ours), need.specifier):
            continue
        if not (_decided(job, need.name) and _decided(job, "transformers")):
            continue
        yield Hit(
            place_of(job, need.name, "transformers"),
            {
                "package": need.name,
                "found": f"{need.name}=={ours}",
                "wanted": f"{need.name}{need.specifier}",
                "transformers": theirs,
            },
            {"found_from": said(job, need.name), "transformers_from": said(job, "transformers")},
            summary=f"transformers {theirs} requires {need.name}{need.specifier}, and "
            f"{shown(job, need.name)} will be there",
            advice=for_packages(job, need.name, "transformers"),
        )


def _decided(job: Job, package: str) -> bool:
    """Whether a version was chosen by the job or image, not by us for want of a better guess."""
    resolved = job.packages.get(canonical(package))
    return resolved is not None and resolved.version is not None and not resolved.reason


#: Packages whose bounds on their neighbours are hard: compiled against them, or patching them.
_TIED = {
    "torchvision": ("torch",),
    "torchaudio": ("torch",),
    "xformers": ("torch",),
    "vllm": ("torch", "transformers"),
    "unsloth": ("torch", "transformers", "trl"),
    "unsloth-zoo": ("torch", "transformers", "trl"),
}


def outside_bounds(context: Context, packages: list[str]) -> Iterator[Hit]:
    """A later install left a package with neighbours that it does not accept (pip only warns)."""
    job = context.job
    environment = job.environment
    if environment is None:
        return
    told: set[str] = set()
    for package in packages:
        ours = version(job, package)
        if not ours or not _decided(job, package):
            continue
        for need in needs(package, ours, environment.python, environment.arch):
            if need.extra or need.name not in _TIED.get(package, ()):
                continue
            found = version(job, need.name)
            if (
                need.name in told
                or not found
                or not _decided(job, need.name)
                or matches(public(found), need.specifier)
            ):
                continue
            told.add(need.name)
            yield Hit(
                place_of(job, need.name, package),
                {
                    "package": package,
                    "version": ours,
                    "neighbour": need.name,
                    "found": found,
                    "range": need.specifier,
                },
                {"found_from": said(job, need.name)},
                severity="error" if package == "torchvision" else "warning",
                summary=f"{package} {ours} requires {need.name}{need.specifier}, and "
                f"{shown(job, need.name)} will be there",
            )
            break


def image_companions(context: Context, package: str) -> Iterator[Hit]:
    """torch of the image is replaced, and what was built for it stays behind."""
    job = context.job
    image = job.environment.image if job.environment else None
    if image is None or job.environment is None or job.environment.isolated:
        return
    before, after = image.packages.get("torch"), version(job, "torch")
    resolved = job.packages.get(package)
    if not before or not after or package not in image.packages or resolved is None:
        return
    asked = any(canonical(r.name) == package for r in job.environment.taken)
    stayed = resolved.source == "image" and not asked
    same = public(before).split(".")[:2] == public(after).split(".")[:2]
    if same or not stayed or not _decided(job, "torch"):
        return
    if imported(job, package) is None and not _runs_it(job):
        return
    yield Hit(
        place_of(job, "torch"),
        {"package": package, "before": before, "after": after},
        {"torch_from": said(job, "torch")},
        severity="warning",
        summary=f"torch {before} of the image becomes {after} "
        f"({said(job, 'torch')}), and the image's {package}, built for the old one, stays",
    )


def torchvision(context: Context) -> Iterator[Hit]:
    """torchvision was built for another torch than the one that runs."""
    hits = list(outside_bounds(context, ["torchvision"]))
    yield from hits or image_companions(context, "torchvision")


def numpy2(context: Context) -> Iterator[Hit]:
    """A torch built against NumPy 1 together with NumPy 2."""
    job = context.job
    torch, numpy = version(job, "torch"), version(job, "numpy")
    resolved = job.packages.get("numpy")
    local = job.environment is not None and job.environment.kind in ("local", "unknown")
    if resolved is not None and local and resolved.source.startswith("required by"):
        return  # the machine may have a NumPy already
    if torch and numpy and newer("2.3", public(torch)) and at_least(numpy, "2.0"):
        yield Hit(
            place_of(job, "numpy", "torch"),
            {"torch": torch, "numpy": numpy},
            {"numpy_from": said(job, "numpy"), "torch_from": said(job, "torch")},
            severity="warning",
            summary=f"torch {torch} was built for NumPy 1; {shown(job, 'numpy')} will be there",
        )


#: Types whose repositories bring their own code for older releases.
_OWN_CODE = frozenset(("phi3", "phi4_multimodal", "deepseek_v3"))


def model_type(context: Context) -> Iterator[Hit]:
    """The installed transformers is older than the architecture of the model."""
    job = context.job
    theirs = version(job, "transformers")
    if not theirs or (imported(job, "unsloth") is not None and not _decided(job, "transformers")):
        return
    seen: set[str] = set()
    for training in job.trainings:
        model = text(training.model)
        found = model_floor(model)
        if not found or model in seen or at_least(theirs, found[1]):
            continue
        if found[0] in _OWN_CODE and "trust_remote_code" in training.model_kwargs:
            continue  # the code of the repository runs in its place
        seen.add(model)
        yield Hit(
            training.model.place if training.model else None,
            {"model": model, "model_type": found[0], "floor": found[1], "transformers": theirs},
            {"transformers_from": said(job, "transformers")},
            summary=f"{model} is a {found[0]} model, known to transformers from {found[1]} on; "
            f"{shown(job, 'transformers')} will be there",
        )


def model_floor(model: str) -> tuple[str, str] | None:
    """Return (model type, first transformers that knows it) of a Hub id, or None."""
    import re

    if not re.fullmatch(r"[\w.-]+/[\w.-]+", model):
        return None
    for row in table("model_types")["patterns"]:
        if re.search(row["id"], model, re.I):
            return row["model_type"], row["since"]
    return None
