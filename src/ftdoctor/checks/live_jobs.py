"""Checks on what the Hub answered about HF Jobs: who may start one, what is offered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftdoctor.checks.live_answers import submitter
from ftdoctor.checks.token_forms import claims, kind
from ftdoctor.facts.value import Access, TokenRefused
from ftdoctor.job.value import get
from ftdoctor.rulebook.model import Hit, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftdoctor.checks.context import Context


def jobs_permission(context: Context, **_: object) -> Iterator[Hit]:
    """The submitter may not start Jobs in the namespace that will be billed.

    With `--namespace` the Hub is asked. Without it the submitter's own name is billed, and the
    answer follows from what the Hub says of the token (role read, no job.write).
    """
    job = context.job
    answer = context.facts.get("hub.jobs")
    place = job.namespace.place if job.namespace and job.namespace.place else job.place
    if isinstance(answer, Access):
        if answer.kind in ("read-only", "org-policy", "missing-or-private", "refused"):
            told = {"namespace": answer.repo, "said": answer.said, "call": answer.call}
            yield Hit(place, told, told)
        return
    who = submitter(context)
    if who is None or job.namespace is not None:
        return
    why, severity = _why_no_jobs(context)
    if who.role == "read" and _output_refused(context):
        return  # one token, one mistake: the rule on the output repository tells it
    if why:
        told = {"namespace": who.name, "said": why, "call": who.call, "basis": "role and scopes"}
        summary = "The token on this machine may not start jobs for {namespace}: {said}."
        yield Hit(place, told, told, severity=severity, summary=summary)


def _output_refused(context: Context) -> bool:
    """Whether the job carries the submitter's own token and may not write its output with it."""
    token, local = context.facts.get("token"), context.facts.get("token.local")
    if token is None or local is None or token.text != local.text:
        return False
    return any(
        name.startswith("hub.write:") and isinstance(answer, Access) and answer.kind != "open"
        for name, answer in context.facts.items()
    )


def _why_no_jobs(context: Context) -> tuple[str, Severity | None]:
    who, local = submitter(context), context.facts.get("token.local")
    assert who is not None
    if who.role == "read":
        return "its role is read", None
    if who.permissions is not None:
        held = who.permissions.get(f"user:{who.name}", frozenset())
        unnamed = any(key.endswith(":?") for key in who.permissions)
        if "job.write" not in held and not unnamed:
            return "it is fine-grained and has no job.write", None
    text = local.text if local is not None else ""
    declared = claims(text) if kind(text) == "oauth" else None
    if declared is not None and declared.scopes and "jobs" not in declared.scopes:
        return "the OAuth token declares no scope jobs (declared, not proved)", "warning"
    return "", None


def submitter_refused(context: Context, **_: object) -> Iterator[Hit]:
    """The Hub refuses the token with which this machine would start the job."""
    who, local = context.facts.get("hub.whoami.submitter"), context.facts.get("token.local")
    jobs, token = context.facts.get("hub.jobs"), context.facts.get("token")
    said = who.said if isinstance(who, TokenRefused) else ""
    if isinstance(jobs, Access) and jobs.kind == "invalid-token":
        said = said or jobs.said
    if not said or local is None or (token is not None and token.text == local.text):
        return  # when the job carries the same one, the rule on refused tokens tells it
    told = {"source": local.source, "said": said.rstrip(".")}
    yield Hit(context.job.place, told, told)


def mount_refused(context: Context, **_: object) -> Iterator[Hit]:
    """A repository that is mounted as a volume, and that the submitter's account may not read."""
    from ftdoctor.checks.live_answers import page
    from ftdoctor.checks.live_hub import SUMMARIES

    who = submitter(context)
    for name, answer in context.facts.items():
        if not name.startswith("hub.mount:") or not isinstance(answer, Access):
            continue
        if answer.kind not in SUMMARIES:
            continue
        place = next((v.place for v in context.job.volumes if answer.repo in (get(v) or "")), None)
        told = {
            "repo": answer.repo,
            "repo_type": answer.repo_type,
            "account": who.name if who else "the account that starts the job",
            "page": page(answer),
            "said": answer.said,
            "call": answer.call,
        }
        yield Hit(place or context.job.place, told, told, summary=SUMMARIES[answer.kind])


def flavor_not_offered(context: Context, **_: object) -> Iterator[Hit]:
    """The hardware endpoint does not offer the flavor now (the table thought that it does)."""
    from ftdoctor.tables import table

    rows = context.facts.get("hub.hardware")
    flavor = get(context.job.flavor)
    if not isinstance(rows, dict) or not rows or flavor is None or flavor in rows:
        return
    if flavor in table("flavors")["flavors"]:  # an unknown one is told without asking
        told = {"flavor": flavor, "offered": ", ".join(sorted(rows))}
        assert context.job.flavor is not None
        yield Hit(context.job.flavor.place, told, told)


def other_token_here(context: Context, **_: object) -> Iterator[Hit]:
    """The job carries another token than the one lying on this machine."""
    token, local = context.facts.get("token"), context.facts.get("token.local")
    if token is None or local is None or not token.text or not local.text:
        return
    if token.text == local.text:
        return
    told = {"source": token.source, "local": local.source}
    yield Hit(token.value.place if token.value else context.job.place, told, told)
