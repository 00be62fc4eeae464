"""What becomes of a verdict: its evidence is gathered, it is kept, and it is shown."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from ftdoctor.job.model import Job
    from ftdoctor.smoke.verdict import Verdict


def finish(
    verdict: Verdict,
    plan: dict[str, Any],
    job: Job | None,
    *,
    fmt: str,
    run: dict[str, Any] | None = None,
    fingerprint: str | None = None,
) -> int:
    """Keep the result of a run, print it and return the exit code.

    Only the report goes to stdout. `fmt` is terminal, json or markdown; `run` are the facts of a
    run on a platform; `fingerprint` is the job's mark where the job itself is not at hand.
    """
    from ftdoctor.redact import redact
    from ftdoctor.smoke import show, state
    from ftdoctor.smoke.evidence import gather

    try:
        verdict.evidence = gather(verdict, plan, job, run)
    except Exception as error:  # a fault of ours must not cost the verdict of a paid run
        if os.environ.get("FTDOCTOR_DEBUG"):
            raise
        click.echo(redact(f"no evidence was gathered (a bug in ftdoctor): {error}"), err=True)
    if job is not None and run is None:
        from ftdoctor.smoke.confirm import rulebook
        from ftdoctor.smoke.elsewhere import weighed

        verdict = weighed(verdict, job, rulebook())
    if plan.get("confirms"):
        from ftdoctor.smoke.confirm import outcome, proof_of, rulebook, still_seen

        proof = proof_of(str(plan["confirms"]), rulebook())
        seen = still_seen(job, proof.rule) if job is not None and verdict.word == "works" else ""
        verdict = outcome(verdict, proof, plan, seen=seen)
    if verdict.cause and job is not None:
        from ftdoctor.rulebook.verify import command

        code, words = verdict.cause["code"], verdict.cause.get("verify") or ()
        verdict.cause["prove"] = command(code, words, job.place.path) or None
    document = verdict.document(plan)
    if run is not None:
        document["run"] = run
    try:
        kept = f"kept in {os.path.relpath(state.keep(document, job, fingerprint))}"
    except OSError as error:  # what was paid for is told all the same
        kept = f"the result could not be kept: {error}"
    if fmt == "json":
        click.echo(json.dumps(document, indent=2))
    else:
        text = show.markdown(document) if fmt == "markdown" else show.terminal(document)
        click.echo(redact(text))
    click.echo(redact(kept), err=True)
    return verdict.exit_code
