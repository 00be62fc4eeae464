"""Checks on what the Hub answered about the repositories that a job reads.

A fault of the token explains every other refusal, so it is told alone (checks.live_token).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftdoctor.checks.live_answers import followed, logs_in, place_of, reads, silenced, values
from ftdoctor.checks.token_forms import claims, kind
from ftdoctor.rulebook.model import Fix, Hit, Severity, Unsure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftdoctor.checks.context import Context
    from ftdoctor.facts.value import Access

#: Kind of refusal -> what to say, more exact than a rule's summary can be.
SUMMARIES = {
    "not-requested": "{account} has not been given access to the gated {repo_type} {repo}.",
    "pending": "The request of {account} for access to {repo} still waits for its authors.",
    "rejected": "The request of {account} for access to {repo} was rejected.",
    "reset": "The access of {account} to {repo} was reset by its owners; it must be asked anew.",
    "fine-grained-no-gated": "The fine-grained token of {account} may not read gated {repo_type}s.",
    "org-policy": "The policy of the owner of {repo} blocks this token of {account}.",
    "missing-or-private": "The Hub has no {repo_type} {repo}, or {account} may not see it.",
    "refused": "The Hub refuses the {repo_type} {repo} to {account}: {said}",
}
#: The same without a token.
_UNSEEN = "The Hub has no {repo_type} {repo}, or it is private and the job sends no token."


def _unproved(context: Context, answer: Access) -> str:
    """Return why an answer given to nobody is not the answer that the job will get, or ""."""
    from ftdoctor.checks.about import code_gap, env_open, launched

    token, job = followed(context), context.job
    if not answer.as_nobody:
        return ""
    if token is not None and token.hidden:
        return f"its token is not known here ({token.reason})"
    if logs_in(job):
        return "its code gets a token by itself"
    return (env_open(job) or code_gap(job)) if launched(job) else ""


def _soft(context: Context, repo: str) -> bool:
    """Whether a repository is named where a path of the machine may stand as well."""
    return any(w.repo == repo and w.soft for w in context.facts.get("hub.wanted", ()))


def repository(context: Context, kinds: list[str], **_: object) -> Iterator[Hit | Unsure]:
    """A model or data set that the Hub refuses to this token for one of the stated reasons."""
    if silenced(context):
        return
    for wanted in kinds:
        for answer in reads(context, wanted):
            unproved = _unproved(context, answer)
            if unproved:
                yield Unsure(
                    f"the Hub shows no {answer.repo_type} {answer.repo} to nobody, and what the "
                    f"job sees is open: {unproved}",
                    "the token",
                )
                continue
            severity: Severity | None = None
            if wanted == "missing-or-private" and _soft(context, answer.repo):
                severity = "warning"
            told = values(context, answer)
            yield Hit(
                place_of(context, answer.repo),
                told,
                told,
                severity=severity,
                summary=_UNSEEN
                if answer.as_nobody and wanted == "missing-or-private"
                else SUMMARIES.get(wanted, ""),
                advice=tuple(_advice(context, answer)),
            )


def _advice(context: Context, answer: Access) -> Iterator[Fix]:
    """Yield what to do in just this case: the page to open and the account to open it as."""
    token = followed(context)
    for item in context.facts.get("hub.wanted", ()):
        if item.repo == answer.repo and item.base_of:
            yield Fix(
                f"{answer.repo} is the base of the adapter {item.base_of} and is loaded with it; "
                f"{values(context, answer)['account']} needs access to both."
            )
    who = values(context, answer)["account"]
    where = values(context, answer)["page"]
    if answer.kind in ("not-requested", "reset"):
        yield Fix(f"Open {where} signed in as {who}, and accept the terms or ask for access there.")
    elif answer.kind == "pending":
        yield Fix(
            f"Wait until the authors have answered the request of {who} ({where}), or take a model "
            "that is open."
        )
    declared = claims(token.text) if token is not None and kind(token.text) == "oauth" else None
    if (
        answer.kind in ("not-requested", "refused")
        and declared is not None
        and declared.scopes
        and not {"gated-repos", "read-repos"} & set(declared.scopes)
    ):
        yield Fix(
            "If that account has access already: the OAuth token declares only the scopes "
            f"{' '.join(declared.scopes)}. Log in again and grant gated-repos, or use a read token."
        )


def not_signed_in(context: Context, **_: object) -> Iterator[Hit | Unsure]:
    """A repository that is gated (as the Hub says now) and a job without a token.

    Gates that the table knows are told without asking when the launch was read (checks.access).
    """
    from ftdoctor.checks.about import launched, remote
    from ftdoctor.checks.access import gate_of

    job = context.job
    if silenced(context):
        return
    for answer in reads(context, "not-signed-in"):
        known = gate_of(answer.repo, f"{answer.repo_type}s") is not None
        if known and launched(job) and remote(job):
            continue
        if context.facts.get("token.elsewhere"):
            continue  # told by the rule on names that no library reads
        unproved = _unproved(context, answer)
        if unproved:
            yield Unsure(
                f"{answer.repo} is gated, and whether the job may read it is open: {unproved}",
                "the token",
            )
            continue
        told = values(context, answer)
        yield Hit(place_of(context, answer.repo), told, told)
