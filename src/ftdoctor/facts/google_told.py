"""What Google answered, as lines of the report: not only what is wrong, also what was learnt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftdoctor.facts.google import Granted
from ftdoctor.facts.google_call import Answer
from ftdoctor.facts.google_login import GoogleLogin
from ftdoctor.facts.google_quota import Quota
from ftdoctor.job.value import get

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ftdoctor.checks.context import Context

_KINDS = {
    "authorized_user": "a person's login",
    "service_account": "a service account key",
    "external_account": "workload identity",
    "metadata": "the account of this machine",
    "access_token": "a given access token",
}


def lines(context: Context) -> Iterator[tuple[str, str]]:
    """Yield (what was asked about, what was answered)."""
    facts = context.facts
    if not any(isinstance(v, (Answer, Granted)) for k, v in facts.items() if k[:7] == "google."):
        return
    login = facts.get("google.login")
    if isinstance(login, GoogleLogin) and not login.problem:
        yield "Google login", _login(login, facts)
    granted = facts.get("google.submitter")
    if isinstance(granted, Granted):
        lacks = ", ".join(granted.missing)
        yield (
            f"project {granted.resource}",
            f"lacks {lacks}" if lacks else "may start and follow it",
        )
    region = get(context.job.region)
    if isinstance(facts.get("google.api"), Answer):
        yield "Vertex AI API", f"answers in {region}" if region else "answers"
    acting = facts.get("google.actas")
    if isinstance(acting, Granted) and not acting.missing:
        yield acting.resource, "may be acted as"
    for name, answer in facts.items():
        head, _, rest = name.partition(":")
        if head == "google.bucket" and isinstance(answer, Granted):
            yield f"gs://{rest}", "is there"
        elif head == "google.image" and isinstance(answer, Answer):
            yield rest, "is there"
        elif isinstance(answer, Quota):
            limit = "without limit" if answer.limit < 0 else str(answer.limit)
            yield f"quota {answer.metric}", f"{limit}, {answer.needed} needed"


def _login(login: GoogleLogin, facts: Mapping[str, Any]) -> str:
    told = facts.get("google.account")
    who = login.name or (told if isinstance(told, str) else "")
    kind = _KINDS.get(login.kind, login.kind)
    whose = "gcloud's own" if login.of == "gcloud" else "of the client libraries"
    parts = [f"{who}, {kind}" if who else kind, whose]
    if login.impersonates:
        parts.append("by impersonation")
    if login.quota_project:
        parts.append(f"bills {login.quota_project}")
    return "; ".join(parts)
