"""`ftdoctor smoke` on a platform: plan, price, question, run, verdict; `--resume`, `--cancel`."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any

import click

from ftdoctor.errors import UnreadableInput, UsageError
from ftdoctor.smoke import running
from ftdoctor.smoke.money import agree, ceiling, cents
from ftdoctor.smoke.offers import memory
from ftdoctor.smoke.remote_verdict import judged, why_refused
from ftdoctor.smoke.target import TIMEOUT, Options, Target

if TYPE_CHECKING:
    from types import ModuleType

    from ftdoctor.job.model import Job
    from ftdoctor.smoke.offers import Offer
    from ftdoctor.smoke.remote import Limits, Runner, Starter
    from ftdoctor.smoke.signals import Stop
    from ftdoctor.smoke.verdict import Verdict

__all__ = ["TIMEOUT", "Options", "cancel", "ceiling", "cents", "offer_for", "resume", "start"]


def _module(platform: str) -> ModuleType:
    """Return what is particular to a platform: `on_hf_jobs` or `on_vertex`."""
    if platform == "vertex":
        from ftdoctor.smoke import on_vertex

        return on_vertex
    from ftdoctor.smoke import on_hf_jobs

    return on_hf_jobs


def offer_for(options: Options, job: Job | None) -> Offer:
    """Return the machine for a GPU.

    Raises:
        UsageError: there is no such GPU there; the message lists what there is.
    """
    _of_vertex(options)
    found: Offer = _module(options.on).offer(options, job)
    return found


def shown(plan: dict[str, Any], job: Job | None, options: Options) -> Target:
    """Return the run as it would be, without a question to the platform."""
    found: Target = _module(options.on).target(plan, job, options, None)
    return found


def tell(text: str) -> None:
    """Tell progress, redacted, beside the result."""
    from ftdoctor.redact import redact

    with contextlib.suppress(OSError):  # a closed terminal must not keep a job from its end
        click.echo(redact(text), err=True)


def start(plan: dict[str, Any], job: Job | None, options: Options) -> tuple[Verdict, Any]:
    """Run a plan on a platform and return the verdict and the facts of the run."""
    module = _module(options.on)
    platform = module.connect(options, job)
    target: Target = module.target(plan, job, options, platform)
    where = f"{target.nodes} machines " if target.nodes > 1 else ""
    tell(
        f"{target.offer.label} ({memory(target.offer)}) on {target.title}: {where}"
        f"{target.offer.machine}, {target.price}"
    )
    tell(f"time limit {target.timeout:g} s, so ${cents(target.most)} at most")
    for note in target.notes:
        tell(f"note: {note}")
    plan["notes"] = [*plan.get("notes", ()), *target.notes]  # what stands for what is in the report
    agree(target.most, yes=options.yes, max_cost=options.max_cost)
    state = {
        **target.state(options.on),
        "submitted": time.time(),
        "plan": {k: v for k, v in plan.items() if k != "rows"},
        "fingerprint": _fingerprint(job),
        "path": job.place.path if job is not None else "",
        "line": job.place.line if job is not None else 0,
    }
    from ftdoctor.platforms.base import Refused
    from ftdoctor.smoke.signals import Stop

    with Stop() as stop:
        runner = _runner(platform, state, stop, options)
        try:
            started = runner.start(target.request)
        except Refused as error:
            raise why_refused(error) from None
        tell(f"submitted: job {started}")
        outcome = runner.watch(started)
    return judged(outcome, state)


def _runner(platform: Starter, state: dict[str, Any], stop: Stop, options: Options) -> Runner:
    from ftdoctor.smoke.remote import Runner

    return Runner(platform, state, stop, _limits(str(state["platform"]), options), tell)


def _limits(platform: str, options: Options) -> Limits:
    from ftdoctor.smoke.remote import Limits

    module = _module(platform)
    return Limits(
        poll=options.poll,
        patience=module.PATIENCE,
        verified=module.VERIFY,
        queued=options.queue,
    )


def resume(options: Options) -> tuple[Verdict, Any]:
    """Watch the run of the state file to its end and return its verdict."""
    state = running.current()
    module = _module(str(state["platform"]))
    platform = module.connect(options, None, state)
    from ftdoctor.smoke.signals import Stop

    with Stop() as stop:
        runner = _runner(platform, state, stop, options)
        found = runner.surely_known()
        if not found:
            running.finish()
            raise UnreadableInput(
                f"The run of the state file was never started on {module.TITLE}.", "Start it again."
            )
        outcome = runner.watch(found[0])
    return judged(outcome, state)


def cancel(options: Options) -> None:
    """End the run of the state file, and verify it.

    Raises:
        UnreadableInput: it could not be verified; the state file stays.
    """
    state = running.current()
    module = _module(str(state["platform"]))
    platform = module.connect(options, None, state)
    from ftdoctor.smoke.signals import Stop

    with Stop() as stop:
        runner = _runner(platform, state, stop, options)
        found = runner.surely_known()
        if found:
            tell(f"cancelling job {found[0]}; it may take a minute or more to end")
        for job in found:
            if not runner.end(job):
                raise UnreadableInput(
                    f"Job {job} could not be cancelled, or its end could not be verified.",
                    f"Try again, or:  {module.CANCEL.format(job=job)}",
                )
    running.finish()
    tell(f"cancelled: job {found[0]}" if found else "no job of this run was ever started")


def _fingerprint(job: Job | None) -> str:
    from ftdoctor.smoke.state import fingerprint

    return fingerprint(job)


def _of_vertex(options: Options) -> None:
    """Refuse options that only Vertex AI has.

    Raises:
        UsageError: one of them is given for another platform.
    """
    if options.on == "vertex":
        return
    given = {
        "--spot": options.spot,
        "--project": options.project,
        "--token-secret": options.token_secret,
        "--send-token": options.send_token,
    }
    for name, value in given.items():
        if value:
            raise UsageError(f"{name} is for Vertex AI.", "Leave it out, or add --on vertex.")
