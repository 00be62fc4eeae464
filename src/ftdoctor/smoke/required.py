"""`check --require-smoke AGE`: a passed smoke run of this very job, not older than AGE."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from ftdoctor.errors import UsageError
from ftdoctor.smoke.state import fingerprint, results

if TYPE_CHECKING:
    from collections.abc import Callable

    from ftdoctor.job.model import Job

_UNITS = {"m": 60, "h": 3600, "d": 86400}


def seconds(age: str) -> int:
    """Return the seconds of "30m", "24h", "7d".

    Raises:
        UsageError: another form.
    """
    match = re.fullmatch(r"(\d+)([mhd])", age.strip())
    if match is None:
        raise UsageError(f"--require-smoke {age!r} is not an age.", "Write 30m, 24h or 7d.")
    return int(match[1]) * _UNITS[match[2]]


def lacking(age: str) -> Callable[[Job], bool]:
    """Return a function that tells whether a job has no passed smoke run within `age`."""
    oldest = time.time() - seconds(age)
    proved = {
        str(r.get("job"))
        for r in results()
        if r.get("verdict") == "WORKS" and float(r.get("ended", 0)) >= oldest
    }
    return lambda job: fingerprint(job) not in proved
