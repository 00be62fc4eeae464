"""From how a paid run ended to its verdict; what says nothing about the job gives none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftdoctor.platforms.base import Refused
from ftdoctor.smoke import running
from ftdoctor.smoke.money import ceiling

if TYPE_CHECKING:
    from ftdoctor.smoke.remote import Outcome
    from ftdoctor.smoke.verdict import Verdict

#: Causes that keep this run from its end and would not be mended in the job: capacity, quota and
#: credit, the platform itself, our own time limit, somebody who ended it.
NOT_THE_JOB = frozenset(
    "vertex-capacity-insufficient vertex-gpu-quota-exceeded vertex-cpu-quota-exceeded "
    "vertex-internal-error spot-preempted scheduler-time-limit hf-jobs-timeout "
    "hf-jobs-no-credit process-signalled-sigterm process-signalled-sighup".split()
)
#: Only says that the program ended: why stands in a log that did not come, or nowhere.
_NO_CAUSE = "vertex-user-code-error"
#: Causes that a machine with more host memory may not have.
HOST_MEMORY = frozenset({"host-ram-oom-kill", "process-sigkilled"})
#: How a process ends whose spot machine is taken away.
TAKEN_AWAY = frozenset({"process-sigkilled"})
_CANCELLED = ("CANCELED", "CANCELLED", "DELETED", "EXPIRED")


def judged(outcome: Outcome, state: dict[str, Any]) -> tuple[Verdict, dict[str, Any]]:
    """Return the verdict on an ended run and its facts; the state file goes when it has ended."""
    verdict = _verdict(outcome, float(state["timeout"]), token=bool(state.get("token", True)))
    name = (verdict.cause or {}).get("name") if verdict.word == "fails" else None
    if state.get("larger") and name in HOST_MEMORY:
        verdict.word = "none"
        verdict.reason += (
            f" ({state['machine']} has less memory than the job's own machine: "
            f"--gpu {state['larger']})"
        )
    elif state.get("spot") and name in TAKEN_AWAY:
        verdict.word = "none"
        verdict.reason += " (a spot machine that is taken away ends so as well: run it again)"
    if not outcome.loose:
        running.finish()
    hourly = float(state["usd_per_hour"])
    facts = {
        "platform": state["platform"],
        "job": str(outcome.job),
        "machine": state["machine"],
        "state": outcome.state,
        "queue_seconds": round(outcome.queue_seconds, 1),
        "running_seconds": round(outcome.seconds, 1),
        "usd": round(ceiling(hourly, outcome.seconds), 4),
        "usd_per_hour": round(hourly, 4),
    }
    return verdict, facts


def _verdict(outcome: Outcome, timeout: float, *, token: bool) -> Verdict:
    from ftdoctor.smoke.verdict import Verdict, judge, stages_of

    broke = any(not stage.get("ok", True) for stage in stages_of(outcome.log))
    log = outcome.log
    if outcome.message and not broke:
        log = f"{log}\n{outcome.message}"  # what the platform says may be the cause
    verdict = judge(log, exit_code=None, ended=outcome.ended)
    if verdict.word == "fails" and not token and _for_want_of_a_token(verdict):
        verdict.word = "none"
        verdict.reason += (
            " (no Hugging Face token went along; the job may have one: --token-secret NAME or "
            "--send-token)"
        )
        return verdict
    if verdict.word == "works" or broke:
        return verdict
    reason = _no_fault_of_the_job(outcome, verdict, timeout)
    if not reason:
        said = " ".join(outcome.message.split())[:400]
        verdict.reason = f"the job ended as {outcome.state}{f': {said}' if said else ''}"
        return verdict
    return Verdict("none", verdict.stages, block=verdict.block, reason=reason)


def _for_want_of_a_token(verdict: Verdict) -> bool:
    """Whether the run failed where a token would have been asked for."""
    cause = str((verdict.cause or {}).get("code") or "")
    failed = next((s["stage"] for s in verdict.stages if not s.get("ok", True)), "")
    asks = ("token", "download", "tokenizer", "data", "weights", "model", "push")
    # A repository that may not be seen is answered like one that is not there.
    return failed in asks and (cause.startswith("FT-AUTH-") or cause == "FT-NET-004")


def _no_fault_of_the_job(outcome: Outcome, verdict: Verdict, timeout: float) -> str:
    """Return why the end says nothing about the job, "" when it does."""
    if outcome.ended:
        # Ended by us before any stage failed.
        loose = "; the job may still be running: ftdoctor smoke --cancel" if outcome.loose else ""
        return outcome.ended + loose
    said = " ".join(outcome.message.split())[:400]
    if outcome.state in _CANCELLED:
        if outcome.seconds >= 0.95 * timeout:  # the clocks of two machines
            return f"the time limit of {timeout:g} s was reached; allow more with --timeout"
        return f"{outcome.state.lower()}: {said or 'it was cancelled on the platform'}"
    cause = verdict.cause
    if cause is None or cause["name"] == _NO_CAUSE:
        return f"the job ended as {outcome.state}: {said or 'the platform says no more'}"
    if cause["name"] in NOT_THE_JOB:
        fixes = cause.get("fixes") or ()
        todo = f" {fixes[0]['text']}" if fixes else ""
        told = f": {said}" if said else ""
        return f"{cause['code']} {cause['name']}: {cause['summary']}{todo} ({outcome.state}{told})"
    return ""


def why_refused(error: Refused) -> Refused:
    """Return a refusal with the rule that names it, where one does."""
    from ftdoctor.smoke.verdict import judge

    cause = judge(error.message, exit_code=None).cause
    if cause is None or cause["name"] == _NO_CAUSE:
        return error
    named = f"{cause['code']} {cause['name']}: {cause['summary']}"
    words = [error.todo] if error.todo else []
    for fix in (cause.get("fixes") or ())[:1]:
        words.append(fix["text"])
        words += [f"  {line}" for line in (fix.get("command") or "").splitlines()]
    todo = "\n  ".join(words)
    return Refused(f"{error.message}\n  {named}", todo)
