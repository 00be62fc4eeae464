"""The fix "take these versions" for packages that do not work together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftdoctor.job.pep440 import exact_pin, public
from ftdoctor.job.releases import canonical, find, newest
from ftdoctor.rulebook.model import Fix

if TYPE_CHECKING:
    from ftdoctor.job.model import Job

_NARROW = "trl-training-arguments"


def for_packages(job: Job, *involved: str, when: str = "") -> tuple[Fix, ...]:
    """Return the fix for packages whose versions are known and do not go together."""
    from ftdoctor.job.suggest import MOVABLE

    names = {canonical(name) for name in involved}
    asked: dict[str, str] = {}
    loose: list[str] = []
    for name in MOVABLE:
        resolved = job.packages.get(name)
        if resolved is None or resolved.version is None or find(name, resolved.version) is None:
            continue
        if name not in names and resolved.source.startswith("required by"):
            continue  # it follows what asks for it
        asked[name] = resolved.version
        if resolved.source == "image" or not exact_pin(resolved.specifier):
            loose.append(name)
    if not names <= asked.keys():
        return ()
    torch = job.packages.get("torch")
    stays = torch is not None and torch.version and (torch.source == "image" or not torch.floating)
    beside = {"torch": torch.version} if torch is not None and stays else {}
    return _fix(job, asked, loose, beside, (), when == _NARROW)


def for_requests(job: Job) -> tuple[Fix, ...]:
    """Return the fix for requests of a job that no set of releases satisfies."""
    from ftdoctor.job.suggest import MOVABLE

    environment = job.environment
    if environment is None:
        return ()
    asked: dict[str, str] = {}
    loose: list[str] = []
    free: list[str] = []
    beside: dict[str, str | None] = {}
    for requirement in environment.taken:
        name, pin = canonical(requirement.name), exact_pin(requirement.specifier)
        if name == "torch" and pin:
            beside["torch"] = pin
        elif name not in MOVABLE:
            continue
        elif requirement.url:
            return ()
        elif not requirement.specifier.strip():
            free.append(name)
        else:
            release = newest(name, requirement.specifier, environment.python)
            version = pin or (release.version if release else None)
            if version is None or find(name, version) is None:
                return ()
            asked[name] = version
            if not pin:
                loose.append(name)
    return _fix(job, asked, loose, beside, tuple(free), narrow=False)


def _fix(
    job: Job,
    asked: dict[str, str],
    loose: list[str],
    beside: dict[str, str | None],
    free: tuple[str, ...],
    narrow: bool,
) -> tuple[Fix, ...]:
    from ftdoctor.job.suggest import suggest

    environment = job.environment
    if environment is None or not asked or not environment.python:
        return ()
    found = suggest(
        asked,
        environment.python,
        loose=loose,
        beside=beside,
        free=free,
        ignore=() if narrow else (_NARROW,),
        arch=environment.arch,
    )
    moved = [n for n, v in (found or {}).items() if public(asked.get(n, "")) != public(v)]
    if not found or not moved:
        return ()
    words = " ".join(f'"{name}=={version}"' for name, version in found.items())
    steps = ", ".join(f"{n} {asked.get(n, 'not pinned')} -> {found[n]}" for n in moved)
    path = job.source.path
    header = environment.kind == "uv-script" and path.endswith(".py")
    command = f"uv add --script {path} {words}" if header else f"pip install {words}"
    return (Fix(f"Take versions that work together: {steps}.", command),)
