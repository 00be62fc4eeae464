"""What a smoke run installs first: what the job installs, in its order and from its indexes.

A build of torch depends on the index that the job's command names, and with it whether the driver
of the machine runs it: so commands are repeated as they are read, not gathered into one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ftdoctor.job.installs import read_install
from ftdoctor.job.torch_build import index_label
from ftdoctor.redact import redact

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftdoctor.job.installs import Install
    from ftdoctor.job.model import Job, Requirement

#: What a smoke run with no job is made of.
PACKAGES = ("torch", "transformers", "trl", "peft", "bitsandbytes", "accelerate", "datasets")
_TORCH_INDEX = "https://download.pytorch.org/whl/"
_TORCH = ("torch", "torchvision", "torchaudio")
#: Requirements that are there already, or that only say what somebody expects.
_NOT_INSTALLED = ("image", "with")


@dataclass
class Group:
    """One install command: packages, and where they come from."""

    specs: list[str] = field(default_factory=list)
    #: Replaces the default index; "" for none.
    index: str = ""
    extra: list[str] = field(default_factory=list)
    upgrade: bool = False
    no_deps: bool = False

    def pip(self) -> list[str]:
        """Return the words after `pip install`."""
        words = ["--quiet"]
        words += ["--upgrade"] if self.upgrade else []
        words += ["--no-deps"] if self.no_deps else []
        words += ["--index-url", self.index] if self.index else []
        for address in self.extra:
            words += ["--extra-index-url", address]
        return [*words, *self.specs]


def groups(
    job: Job | None, *, own_image: bool, pinned: bool = False, notes: list[str] | None = None
) -> list[Group]:
    """Return the install commands of a job, in order; of no job, the packages of a run without one.

    `own_image`: the image is the job's own, so what its Dockerfile installs is in it. `pinned`: the
    commands will be gathered into one, so the build of torch is named.
    """
    if job is None:
        return [Group(list(PACKAGES))]
    skipped = (*_NOT_INSTALLED, "dockerfile") if own_image else _NOT_INSTALLED
    found: list[Group] = []
    for one, install in _ordered(job, skipped):
        group = _group(one, install, notes)
        group.specs.append(_spec(one, job if group.extra or pinned else None))
        last = found[-1] if found else None
        if last is not None and _same(last, group):
            last.specs += [spec for spec in group.specs if spec not in last.specs]
        else:
            found.append(group)
    return found


def files_of_the_image(job: Job | None) -> list[str]:
    """Return requirements files that the job installs and that were not found here.

    They may lie in its image, where the run finds them too.
    """
    found = []
    orders = {one.order for one in job.requirements if one.source == "step"} if job else set()
    for at, step in enumerate(job.steps if job is not None else (), start=1):
        install = read_install(step) if at not in orders else None
        found += install.files if install is not None else []
    return list(dict.fromkeys(found))


def _ordered(job: Job, skipped: tuple[str, ...]) -> Iterator[tuple[Requirement, Install | None]]:
    commands = {at: read_install(step) for at, step in enumerate(job.steps, start=1)}
    for one in sorted(job.requirements, key=lambda r: r.order):
        if one.source not in skipped:
            yield one, commands.get(one.order) if one.source == "step" else None


def _same(one: Group, other: Group) -> bool:
    return (one.index, one.extra, one.upgrade, one.no_deps) == (
        other.index,
        other.extra,
        other.upgrade,
        other.no_deps,
    )


def _group(one: Requirement, install: Install | None, notes: list[str] | None) -> Group:
    index, extra = "", [one.index] if one.index else []
    if install is not None and one.index in (install.index, *install.extra_indexes):
        # A torch backend of uv holds for torch alone, so the default index stays.
        backend = not install.index.startswith(("http:", "https:"))
        index = "" if backend else install.index
        extra = [*([install.index] if backend and install.index else []), *install.extra_indexes]
    elif one.index and index_label(one.index) and one.name in _TORCH and _address(one.index):
        index, extra = "", [one.index]
    group = Group(upgrade=one.upgrade, no_deps=one.no_deps)
    for address in (index, *extra):
        if address and redact(address) != address:
            if notes is not None:
                notes.append(f"the index of {one.name} holds a secret and is not passed on")
        elif address and address == index:
            group.index = address
        elif address:
            group.extra.append(_address(address))
    return group


def _address(index: str) -> str:
    """Return the address of an index; uv's torch backends are named by their label."""
    label = index_label(index)
    return f"{_TORCH_INDEX}{label}" if label and "://" not in index else index


def _spec(one: Requirement, job: Job | None) -> str:
    """Return a requirement as text.

    Beside the default index, torch is pinned to the build that the job gets (given with `job`): pip
    would take the highest version of all indexes, uv takes the first index that has it.
    """
    extras = f"[{','.join(one.extras)}]" if one.extras else ""
    specifier = one.specifier
    if job is not None and one.name in _TORCH and not one.url:
        version = job.version(one.name)
        specifier = f"=={version}" if version and "+" in version else specifier
    text = f"{one.name}{extras}" + (f" @ {one.url}" if one.url else specifier)
    return f"{text} ; {one.marker}" if one.marker else text
