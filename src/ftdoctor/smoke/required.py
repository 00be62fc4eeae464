"""`check --require-smoke AGE`: a passed smoke run of this very job, not older than AGE."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from ftdoctor.errors import UsageError
from ftdoctor.lazy import lazy
from ftdoctor.smoke.state import fingerprint, proves

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from ftdoctor.job.model import Job

_AGE = lazy(r"(\d+)([mhd])\Z")
_UNITS = {"m": 60, "h": 3600, "d": 86400}
#: Packages whose other release makes a run a proof of something else.
_STACK = ("trl", "transformers", "peft")


def seconds(age: str) -> int:
    """Return the seconds of "30m", "24h", "7d".

    Raises:
        UsageError: another form.
    """
    match = _AGE.match(age.strip())
    if match is None:
        raise UsageError(f"--require-smoke {age!r} is not an age.", "Write 30m, 24h or 7d.")
    return int(match[1]) * _UNITS[match[2]]


def lacking(age: str, results: Iterable[Mapping[str, Any]]) -> Callable[[Job], str]:
    """Return a function that says why a job is not proved, "" where it is.

    Proved is a job of which a whole run (not only the parts of `--confirm`) has passed within
    `age`, with the files as they are now and the releases of trl, transformers and peft that the
    job pins. A job that trains nothing, on a machine without a GPU, needs no proof.
    """
    oldest = time.time() - seconds(age)
    whole = [r for r in results if not r.get("confirm")]

    def why(job: Job) -> str:
        if job.training is None and _cpu_only(job):
            return ""
        mark = fingerprint(job)
        of_job = [r for r in whole if proves(str(r.get("job")), mark)]
        passed = [r for r in of_job if r.get("verdict") == "WORKS"]
        fresh = [r for r in passed if _ended(r) >= oldest]
        reasons = [_other_stack(r, job) for r in fresh]
        if "" in reasons:
            return ""
        if reasons:
            return reasons[0]
        if of_job and of_job[0].get("verdict") == "FAILS":
            return f"its last run, of {_day(of_job[0])}, failed{_cause(of_job[0])}"
        if passed:
            return f"the last one that passed is of {_day(passed[0])}"
        path = job.place.path
        before = [r for r in whole if _same_file(str(r.get("path") or ""), path)]
        if before and not of_job:
            return f"its files have changed since the run of {_day(before[0])}"
        return "none was run" if not of_job else f"the run of {_day(of_job[0])} came to no verdict"

    return why


def _cpu_only(job: Job) -> bool:
    from ftdoctor.job.hardware import hardware

    return hardware(job).cpu_only is True


def _same_file(kept: str, path: str) -> bool:
    """Whether two paths mean one file; the hook looks at a copy of the tree from its top."""
    if not kept:
        return False
    one, other = kept.split("/"), path.split("/")
    shorter = min(len(one), len(other))
    return one[-shorter:] == other[-shorter:]


def _ended(result: Mapping[str, Any]) -> float:
    try:
        return float(result.get("ended") or 0)
    except (TypeError, ValueError):
        return 0.0


def _day(result: Mapping[str, Any]) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(_ended(result)))


def _cause(result: Mapping[str, Any]) -> str:
    cause = result.get("cause")
    return f" ({cause.get('code')} {cause.get('name')})" if isinstance(cause, dict) else ""


def _other_stack(result: Mapping[str, Any], job: Job) -> str:
    """Say which release of the run is not the one that the job pins, "" where none is."""
    versions = (result.get("evidence") or {}).get("versions") or {}
    for name in _STACK:
        asked = job.packages.get(name)
        ran = versions.get(name)
        if asked is None or not asked.version or asked.floating or not ran:
            continue
        if str(ran).partition("+")[0] != asked.version.partition("+")[0]:
            return f"the run of {_day(result)} had {name} {ran}, and the job pins {asked.version}"
    return ""
