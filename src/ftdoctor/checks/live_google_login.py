"""Checks on the Google login that submits a job: absent, broken, expired, whose, for what."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftdoctor.checks.live_google import google_login, google_refused, not_known, project_place
from ftdoctor.facts.google_things import by_gcloud
from ftdoctor.rulebook.model import Fix, Hit, Severity, Unsure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftdoctor.checks.context import Context
    from ftdoctor.facts.google_login import GoogleLogin


def login_absent(context: Context, **_: object) -> Iterator[Hit | Unsure]:
    """No usable credentials for what submits the job.

    A login that is just not there is not told as a fault: the job may be submitted elsewhere. A
    file that is named or there, and cannot be used, is one.
    """
    login = google_login(context)
    if login is None or not login.problem or not_known(context):
        return
    if login.problem in ("absent", "no-account", "no-credentials"):
        if not context.facts.get("google.unsigned"):
            yield Unsure(f"no Google login on this machine ({login.said})", "a Google login")
        return
    values = {"reason": login.said, "path": login.path}
    named = login.source == "environment"
    summary = "The Google credentials cannot be used: {reason}."
    advice = (
        Fix(
            "Point GOOGLE_APPLICATION_CREDENTIALS at the right file, or unset it to use the login "
            "of this machine."
        ),
    )
    yield Hit(context.job.place, values, values, summary=summary, advice=advice if named else ())


def login_expired(context: Context, **_: object) -> Iterator[Hit | Unsure]:
    """The login must be renewed, or its key is no longer accepted."""
    answer = google_refused(context, "reauth") or google_refused(context, "broken")
    if answer is None:
        return
    if not_known(context):
        yield Unsure(f"Google refuses the login of this machine: {answer.said}", "a Google login")
        return
    login = google_login(context)
    values = {"said": answer.said, "account": login.name if login else ""}
    evidence = {key: value for key, value in values.items() if value} | {"call": answer.call}
    key = login is not None and login.kind == "service_account"
    summary = _EXPIRED.get(answer.kind, "") if key or answer.kind == "broken" else ""
    yield Hit(context.job.place, values, evidence, summary=summary, advice=_renew(login))


_EXPIRED = {
    "reauth": "Google does not accept the service account key.",
    "broken": "The Google credentials cannot be used: {said}.",
}


def _renew(login: GoogleLogin | None) -> tuple[Fix, ...]:
    """Return how just this login is renewed."""
    if login is None:
        return ()
    if login.kind == "service_account":
        return (
            Fix(
                "The key was deleted, its account is disabled, or the clock of this machine is "
                "wrong. See which keys the account has.",
                f"gcloud iam service-accounts keys list --iam-account={login.account}",
            ),
        )
    if login.kind.startswith("external_account"):
        return (
            Fix(
                "The token of your identity provider was refused: it has run out, or the workload "
                "identity pool does not trust its issuer or audience."
            ),
        )
    if login.kind == "metadata":
        return (Fix("The service account of this machine is disabled or was deleted."),)
    if login.of == "gcloud":
        return (Fix("Log gcloud in again: this job is submitted by gcloud.", "gcloud auth login"),)
    return (
        Fix(
            "Log the client libraries in again: this job is submitted by Python.",
            "gcloud auth application-default login",
        ),
    )


def accounts_differ(context: Context, **_: object) -> Iterator[Hit]:
    """gcloud and the client libraries are logged in as two accounts."""
    library = google_login(context, "google.library")
    if library is None or (library.problem and not library.account) or not_known(context):
        return
    login = google_login(context)
    if login is None or login.source == "script":
        return  # the script brings its own: neither of the two counts
    told = context.facts.get("google.account")
    adc = library.name or (told if isinstance(told, str) else "")
    own = login.name if login.of == "gcloud" and login.name else library.gcloud_account
    if not adc or not own or adc == own:
        return
    command = by_gcloud(context.job)
    used = own if command else adc
    values = {"adc": adc, "gcloud": own, "used": used, "by": "gcloud" if command else "Python"}
    # gcloud's own login decides for its own commands, and who impersonates means to differ.
    meant = command or library.impersonates or library.kind.startswith("external_account")
    severity: Severity | None = "note" if meant else None
    yield Hit(context.job.place, values, values, severity=severity)


def quota_project(context: Context, **_: object) -> Iterator[Hit]:
    """A person's login without a project to bill, or with one that may not be billed."""
    answer = google_refused(context, "quota-project", "google.api")
    login = google_login(context)
    if answer is None or login is None or not_known(context):
        return
    project, _place = project_place(context)
    values = {
        "said": answer.said,
        "project": project or "PROJECT",
        "which": f"may not use {login.quota_project} as" if login.quota_project else "names no",
    }
    yield Hit(context.job.place, values, values | {"call": answer.call})


def impersonation(context: Context, **_: object) -> Iterator[Hit]:
    """The login stands in for a service account and may not."""
    answer = google_refused(context, "impersonation")
    if answer is not None and not not_known(context):
        values = {"account": answer.account, "said": answer.said, "member": _behind(context)}
        yield Hit(context.job.place, values, values | {"call": answer.call})


def _behind(context: Context) -> str:
    """Return the account that wants to stand in for another, as a binding names it."""
    login = google_login(context)
    account = login.account if login else ""
    kind = "serviceAccount" if account.endswith("gserviceaccount.com") else "user"
    return f"{kind}:{account}" if account else "user:YOU@example.com"


def scopes(context: Context) -> Iterator[Hit]:
    """The token of this machine was issued for fewer APIs than the submission calls."""
    answer = google_refused(context, "scopes", "google.api", "google.submitter")
    if answer is not None and not not_known(context):
        values = {"said": answer.said}
        yield Hit(context.job.place, values, values | {"call": answer.call})
