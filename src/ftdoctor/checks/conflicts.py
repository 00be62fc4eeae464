"""Checks of requests that cannot be met: they contradict, or no release fits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftdoctor.checks.installed import base_place
from ftdoctor.checks.suggestion import for_requests
from ftdoctor.job.pep440 import exact_pin, is_prerelease, matches
from ftdoctor.job.releases import candidates, canonical, find, releases
from ftdoctor.rulebook.model import Hit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftdoctor.checks.context import Context
    from ftdoctor.job.environment import Conflict
    from ftdoctor.job.model import Job, Requirement
    from ftdoctor.job.source import Place


def _requirement(job: Job, name: str) -> Requirement | None:
    taken = job.environment.taken if job.environment else []
    return next((r for r in reversed(taken) if canonical(r.name) == name), None)


def _conflicts(job: Job) -> Iterator[tuple[str, Conflict]]:
    """Yield every contradiction with its kind: "python", "version" or "resolution"."""
    environment = job.environment
    if environment is None:
        return
    for conflict in environment.conflicts:
        pin = next((p for _, s in conflict.wants if (p := exact_pin(s))), "")
        askers = {by for by, _ in conflict.wants}
        if len(askers) > 1:
            yield "resolution", conflict
            continue
        rows = releases(conflict.package)
        release = find(conflict.package, pin) if pin else None
        specifier = ",".join(s for _, s in conflict.wants if s)
        offered = [r for r in rows if matches(r.version, specifier) and not r.yanked]
        python = environment.python
        if release is not None:
            refused = bool(python) and not matches(python, release.python)
        else:
            refused = bool(offered and python) and not candidates_fit(job, conflict, specifier)
        if refused:
            yield "python", conflict
        elif pin and rows and release is None and not is_prerelease(pin):
            yield "version", conflict


def candidates_fit(job: Job, conflict: Conflict, specifier: str) -> bool:
    """Whether some release fits both a specifier and the Python of the job."""
    python = job.environment.python if job.environment else ""
    return any(matches(r.version, specifier) for r in candidates(conflict.package, python))


def _place(job: Job, conflict: Conflict) -> Place | None:
    if conflict.place is not None:
        return conflict.place
    for by, _ in conflict.wants:
        requirement = _requirement(job, canonical(by.split(" ")[0]))
        if requirement is not None and requirement.place is not None:
            return requirement.place
    return base_place(job)


def contradiction(context: Context) -> Iterator[Hit]:
    """Requests that are installed together and that no set of releases satisfies."""
    job = context.job
    for kind, conflict in _conflicts(job):
        if kind != "resolution":
            continue
        wants = " and ".join(f"{by} wants {conflict.package}{s}" for by, s in conflict.wants[:3])
        yield Hit(
            _place(job, conflict),
            {"package": conflict.package, "wants": wants},
            {"as_of": job.environment.as_of if job.environment else ""},
            summary=f"no release of {conflict.package} fits: {wants}",
            advice=for_requests(job),
        )


def python_version(context: Context) -> Iterator[Hit]:
    """A package is asked for in a version that does not install on the Python of the job."""
    job = context.job
    environment = job.environment
    if environment is None:
        return
    for kind, conflict in _conflicts(job):
        if kind != "python":
            continue
        pin = next((p for _, s in conflict.wants if (p := exact_pin(s))), "")
        release = find(conflict.package, pin) if pin else None
        specifier = ",".join(s for _, s in conflict.wants if s)
        needed = release.python if release else ""
        if not needed:
            fits = [r for r in releases(conflict.package) if matches(r.version, specifier)]
            needed = fits[-1].python if fits else ""
        yield Hit(
            _place(job, conflict),
            {
                "package": f"{conflict.package}{specifier}",
                "python": environment.python,
                "needed": needed,
            },
            {"python_from": environment.python_source},
            summary=f"{conflict.package}{specifier} needs Python {needed}, and this job runs "
            f"{environment.python} ({environment.python_source})",
        )


def no_such_version(context: Context) -> Iterator[Hit]:
    """A pin names a version that was never released."""
    job = context.job
    for kind, conflict in _conflicts(job):
        if kind == "version":
            pin = next(p for _, s in conflict.wants if (p := exact_pin(s)))
            known = [r.version for r in releases(conflict.package)]
            near = [v for v in known if v.split(".")[:2] == pin.split(".")[:2]] or known[-1:]
            yield Hit(
                _place(job, conflict),
                {"package": conflict.package, "pin": pin, "near": ", ".join(near[-4:])},
                summary=f"there is no {conflict.package} {pin}; there are {', '.join(near[-4:])}",
            )
