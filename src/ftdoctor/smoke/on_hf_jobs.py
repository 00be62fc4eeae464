"""A smoke run on Hugging Face Jobs: who pays, on what, for how much."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from ftdoctor.errors import MissingExtra, UsageError
from ftdoctor.smoke.offers import choose, larger, price
from ftdoctor.smoke.target import Target

if TYPE_CHECKING:
    from ftdoctor.job.model import Job
    from ftdoctor.platforms.hf_jobs import HfJobs
    from ftdoctor.smoke.offers import Offer
    from ftdoctor.smoke.target import Options

TITLE = "HF Jobs"
#: Looks at the log of an ended job, in units of the time between looks.
PATIENCE = 0.8
#: Units until the end of a cancelled job is no longer waited for.
VERIFY = 9.0
#: What can be told of a job that may still run.
LIST = "hf jobs ps"
CANCEL = "hf jobs cancel {job}"


def offer(options: Options, job: Job | None) -> Offer:
    """Return the flavor for a GPU."""
    if options.nodes > 1:
        raise UsageError("HF Jobs has no jobs of several machines.", "Leave --nodes out.")
    return choose(options.gpu, "hf-jobs")


def connect(options: Options, job: Job | None, state: dict[str, Any] | None = None) -> HfJobs:
    """Return the platform, for a new run or that of a state file.

    Raises:
        UsageError: nobody is logged in.
    """
    _token()
    from ftdoctor.platforms.hf_jobs import HfJobs

    return HfJobs(str((state or {}).get("owner") or "") or options.namespace)


def _token() -> str:
    try:
        from huggingface_hub import get_token
    except ImportError:
        raise MissingExtra("smoke", "A smoke run on HF Jobs") from None
    token = str(get_token() or "")
    if not token:
        raise UsageError("You are not logged in to the Hugging Face Hub.", "Log in:  hf auth login")
    from ftdoctor.redact import remember

    remember(token)
    return token


def target(
    plan: dict[str, Any], job: Job | None, options: Options, platform: HfJobs | None
) -> Target:
    """Return the run. Without a platform it is only shown: no token, prices of the table."""
    from ftdoctor.smoke.request import build, remote_plan

    found = offer(options, job)
    request = build(
        remote_plan(plan),
        job,
        machine=found.machine,
        timeout=int(options.timeout),
        token=_token() if platform is not None else "",
        key=uuid.uuid4().hex,
    )
    hourly = found.usd_per_hour or 0.0
    if platform is not None:
        hourly = max(platform.price(found.machine) or 0.0, hourly)
    return Target(
        TITLE,
        found,
        request.keywords(),
        request.shown(),
        options.price if options.price is not None else hourly,
        options.timeout,
        next(iter(request.labels.values())),
        request.notes,
        price(found),
        owner=platform.namespace if platform is not None else "",
        larger=larger(job, found),
    )
