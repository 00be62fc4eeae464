"""`ftdoctor smoke --on hf-jobs`: plan, price, question, run, verdict; `--resume` and `--cancel`."""

from __future__ import annotations

import contextlib
import math
import sys
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from ftdoctor.errors import MissingExtra, UnreadableInput, UsageError
from ftdoctor.smoke import running
from ftdoctor.smoke.offers import Offer, choose, memory, price

if TYPE_CHECKING:
    from ftdoctor.job.model import Job
    from ftdoctor.platforms.hf_jobs import HfJobs
    from ftdoctor.smoke.remote import Outcome
    from ftdoctor.smoke.request import Request
    from ftdoctor.smoke.verdict import Verdict

#: Seconds: the image is pulled and torch is installed before the first stage.
TIMEOUT = 1200.0


@dataclass(frozen=True)
class Options:
    """What the command line says. Costs in dollars, times in seconds."""

    gpu: str
    timeout: float = TIMEOUT
    namespace: str = ""
    yes: bool = False
    max_cost: float | None = None
    poll: float = 10.0


def offer_for(gpu: str, platform: str, region: str = "") -> Offer:
    """Return the machine for a GPU; one GPU only.

    Raises:
        UsageError: there is no such GPU there, or several are asked for.
    """
    offer = choose(gpu, platform, region)
    if offer.count > 1:
        raise UsageError(
            f"--gpu {gpu}: a smoke run uses one GPU so far; {offer.machine} has {offer.count}.",
            f"Prove the job on one:  --gpu {offer.gpu}",
        )
    return offer


def ceiling(usd_per_hour: float, timeout: float) -> float:
    """Return the most that a run can cost, in dollars: minutes are billed whole."""
    return usd_per_hour / 60 * math.ceil(timeout / 60)


def cents(usd: float) -> str:
    """Return dollars rounded up to a cent, so that `--max-cost` of the same text allows it."""
    return f"{math.ceil(usd * 100 - 1e-6) / 100:.2f}"


def make_request(plan: dict[str, Any], job: Job | None, options: Options, token: str) -> Request:
    """Return the request for HF Jobs."""
    from ftdoctor.smoke.request import build, remote_plan

    offer = offer_for(options.gpu, "hf-jobs")
    return build(
        remote_plan(plan),
        job,
        machine=offer.machine,
        timeout=int(options.timeout),
        token=token,
        key=uuid.uuid4().hex,
    )


def agree(offer: Offer, options: Options, most: float) -> None:
    """Ask before money is spent.

    Raises:
        UsageError: over the ceiling, not agreed to, or nobody there to ask.
    """
    # Written so that a ceiling of NaN refuses.
    if options.max_cost is not None and not most <= options.max_cost:
        raise UsageError(
            f"The run may cost ${cents(most)}, more than --max-cost {options.max_cost:.2f}.",
            "Shorten --timeout, choose a smaller GPU, or raise --max-cost.",
        )
    if options.yes:
        if options.max_cost is None:
            raise UsageError(
                "--yes needs --max-cost.",
                f"It may cost ${cents(most)}:  --yes --max-cost {cents(most)}",
            )
        return
    if not sys.stdin.isatty():
        raise UsageError(
            "There is nobody to ask whether the run may cost money.",
            f"Agree beforehand:  --yes --max-cost {cents(most)}",
        )
    if not click.confirm(f"Start it? It costs ${cents(most)} at most", default=False, err=True):
        raise UsageError("Not started.")


def tell(text: str) -> None:
    """Tell progress, redacted, beside the result."""
    from ftdoctor.redact import redact

    with contextlib.suppress(OSError):  # a closed terminal must not keep a job from its end
        click.echo(redact(text), err=True)


def start(plan: dict[str, Any], job: Job | None, options: Options) -> tuple[Verdict, Any]:
    """Run a plan on HF Jobs and return the verdict and the facts of the run."""
    platform, token = _platform(options.namespace)
    offer = offer_for(options.gpu, "hf-jobs")
    request = make_request(plan, job, options, token)
    hourly = max(platform.price(offer.machine) or 0.0, offer.usd_per_hour or 0.0)
    most = ceiling(hourly, options.timeout)
    tell(f"{offer.label} ({memory(offer)}) on HF Jobs: {offer.machine}, {price(offer)}")
    tell(f"time limit {options.timeout:g} s, so ${cents(most)} at most")
    for note in request.notes:
        tell(f"note: {note}")
    agree(offer, options, most)
    state = {
        "platform": "hf-jobs",
        "key": next(iter(request.labels.values())),
        "id": "",
        "owner": platform.namespace,
        "machine": offer.machine,
        "usd_per_hour": hourly,
        "timeout": options.timeout,
        "submitted": time.time(),
        "plan": {k: v for k, v in plan.items() if k != "rows"},
        "fingerprint": _fingerprint(job),
        "path": job.place.path if job is not None else "",
        "line": job.place.line if job is not None else 0,
    }
    from ftdoctor.smoke.remote import Limits, Runner
    from ftdoctor.smoke.signals import Stop

    with Stop() as stop:
        runner = Runner(platform, state, stop, Limits(poll=options.poll), tell)
        started = runner.start(request.keywords())
        tell(f"submitted: job {started}")
        outcome = runner.watch(started)
    return _judged(outcome, state)


def resume(options: Options) -> tuple[Verdict, Any]:
    """Watch the run of the state file to its end and return its verdict."""
    state = running.current()
    platform, _ = _platform(str(state.get("owner") or ""))
    from ftdoctor.smoke.remote import Limits, Runner
    from ftdoctor.smoke.signals import Stop

    with Stop() as stop:
        runner = Runner(platform, state, stop, Limits(poll=options.poll), tell)
        found = runner.known()
        if not found:
            running.finish()
            raise UnreadableInput(
                "The run of the state file was never started on HF Jobs.", "Start it again."
            )
        outcome = runner.watch(found[0])
    return _judged(outcome, state)


def cancel(options: Options) -> None:
    """End the run of the state file, and verify it.

    Raises:
        UnreadableInput: it could not be verified; the state file stays.
    """
    state = running.current()
    platform, _ = _platform(str(state.get("owner") or ""))
    from ftdoctor.smoke.remote import Limits, Runner
    from ftdoctor.smoke.signals import Stop

    with Stop() as stop:
        runner = Runner(platform, state, stop, Limits(poll=options.poll), tell)
        found = runner.known()
        for job in found:
            if not runner.end(job):
                raise UnreadableInput(
                    f"Job {job} could not be cancelled, or its end could not be verified.",
                    f"Try again, or:  hf jobs cancel {job}",
                )
    running.finish()
    tell(f"cancelled: job {found[0]}" if found else "no job of this run was ever started")


def _platform(namespace: str) -> tuple[HfJobs, str]:
    try:
        from huggingface_hub import get_token
    except ImportError:
        raise MissingExtra("smoke", "A smoke run on HF Jobs") from None
    from ftdoctor.platforms.hf_jobs import HfJobs

    token = get_token()
    if not token:
        raise UsageError("You are not logged in to the Hugging Face Hub.", "Log in:  hf auth login")
    from ftdoctor.redact import remember

    remember(token)
    return HfJobs(namespace), token


def _fingerprint(job: Job | None) -> str:
    from ftdoctor.smoke.state import fingerprint

    return fingerprint(job)


def _judged(outcome: Outcome, state: dict[str, Any]) -> tuple[Verdict, Any]:
    from ftdoctor.smoke.verdict import Verdict, judge

    verdict = judge(outcome.log, exit_code=None, ended=outcome.ended)
    broke = any(not stage.get("ok", True) for stage in verdict.stages)
    if verdict.word != "works" and not broke and outcome.ended:
        # Ended by us before any stage failed: that says nothing about the job.
        reason = outcome.ended + (
            "; the job may still be running: ftdoctor smoke --cancel" if outcome.loose else ""
        )
        verdict = Verdict("none", verdict.stages, reason=reason)
    elif verdict.word != "works" and not broke and outcome.state in ("CANCELED", "DELETED"):
        said = outcome.message or "it was cancelled on the platform"
        verdict = Verdict("none", verdict.stages, reason=f"{outcome.state.lower()}: {said}")
    elif verdict.word != "works" and not broke and verdict.cause is None:
        said = outcome.message or "the platform says no more"
        verdict = Verdict(
            "none",
            verdict.stages,
            block=verdict.block,
            reason=f"the job ended as {outcome.state}: {said}",
        )
    if not outcome.loose:
        running.finish()
    facts = {
        "platform": state["platform"],
        "job": str(outcome.job),
        "machine": state["machine"],
        "state": outcome.state,
        "running_seconds": round(outcome.seconds, 1),
        "usd_per_hour": state["usd_per_hour"],
        "usd": round(ceiling(float(state["usd_per_hour"]), outcome.seconds), 4),
    }
    return verdict, facts
