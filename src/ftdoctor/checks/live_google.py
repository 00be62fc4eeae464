"""Checks on Google's answers about the project and what the submitter may do there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftdoctor.facts.google import Granted
from ftdoctor.facts.google_call import Answer, Closed
from ftdoctor.facts.google_login import GoogleLogin
from ftdoctor.facts.google_refusal import Refused
from ftdoctor.job.value import get
from ftdoctor.rulebook.model import Fix, Hit, Unsure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftdoctor.checks.context import Context
    from ftdoctor.job.source import Place

#: Permission -> the least role that has it; those of aiplatform are in roles/aiplatform.user.
_ROLES = {
    "logging.logEntries.list": "roles/logging.viewer",
    "iam.serviceAccounts.actAs": "roles/iam.serviceAccountUser",
}


def google_login(context: Context, name: str = "google.login") -> GoogleLogin | None:
    """Return the login that submits the job ("google.library": that of the libraries)."""
    found = context.facts.get(name)
    return found if isinstance(found, GoogleLogin) else None


def not_known(context: Context) -> str:
    """Return why the login that submits is not known here, "" when it is."""
    login = google_login(context)
    return login.said if login is not None and login.problem in ("elsewhere", "own") else ""


def google_refused(context: Context, kind: str, *names: str) -> Refused | None:
    """Return the first refusal of a kind, among the facts named or all of Google's."""
    for name, answer in context.facts.items():
        asked = name in names if names else name.startswith("google.")
        if asked and isinstance(answer, Refused) and answer.kind == kind:
            return answer
    return None


def _granted(answer: Any) -> Granted | None:
    return answer if isinstance(answer, Granted) else None


def project_place(context: Context) -> tuple[str, Place | None]:
    """Return (project as asked about, where it is written)."""
    job = context.job
    project = str(context.facts.get("google.project-id") or get(job.project) or "")
    return project, job.project.place if job.project else job.place


def member(context: Context) -> str:
    """Return the submitter as a binding names it ("user:ada@example.com")."""
    login = google_login(context)
    account = login.name if login else ""
    found = context.facts.get("google.account")
    if not account and login is not None and login.of == "library" and isinstance(found, str):
        account = found
    kind = "serviceAccount" if account.endswith("gserviceaccount.com") else "user"
    return f"{kind}:{account}" if account else "user:YOU@example.com"


def _grant(context: Context, role: str, project: str) -> Fix:
    who = member(context)
    return Fix(
        "Let an owner of the project grant the role.",
        f"gcloud projects add-iam-policy-binding {project or 'PROJECT'} --member={who} "
        f"--role={role}",
    )


def api_disabled(context: Context, **_: object) -> Iterator[Hit]:
    """The Vertex AI API is not enabled in the project: by its own refusal, or by Service Usage."""
    answer = google_refused(context, "api-disabled", "google.api")
    state = context.facts.get("google.service")
    project, place = project_place(context)
    if answer is not None:
        project = answer.project or project
        said, link, call = answer.said, answer.link, answer.call
    elif (
        isinstance(state, Answer)
        and state.data.get("state") == "DISABLED"
        and not isinstance(context.facts.get("google.api"), Answer)
    ):
        said, link, call = "state: DISABLED", "", state.call
    else:
        return
    values = {"said": said, "project": project}
    where = f"Enable it in {project}: {link}" if link else f"Enable it in {project}."
    command = f"gcloud services enable aiplatform.googleapis.com --project={project}"
    yield Hit(place, values, values | {"call": call}, advice=(Fix(where, command),))


def project_unknown(context: Context) -> Iterator[Hit]:
    """Google does not know the project, or it is being deleted."""
    answer = google_refused(context, "project", "google.api")
    project, place = project_place(context)
    found = context.facts.get("google.project")
    state = getattr(found, "data", {}).get("lifecycleState", "")
    if answer is not None:
        values = {"project": project, "said": answer.said, "call": answer.call}
        yield Hit(place, values, values, summary="Google has no project {project} for this login.")
    elif state in ("DELETE_REQUESTED", "DELETE_IN_PROGRESS"):
        values = {"project": project, "said": state}
        yield Hit(place, values, values, summary="The project {project} is being deleted.")


def billing(context: Context, **_: object) -> Iterator[Hit]:
    """The project has no billing account."""
    answer = google_refused(context, "billing", "google.api")
    if answer is not None:
        project, place = project_place(context)
        values = {"project": project, "said": answer.said}
        yield Hit(place, values, values | {"call": answer.call})


def perimeter(context: Context) -> Iterator[Hit]:
    """A VPC Service Controls perimeter refuses the submitter's own calls."""
    answer = google_refused(context, "vpc", "google.api", "google.submitter")
    if answer is not None:
        project, place = project_place(context)
        values = {"project": project, "said": answer.said}
        yield Hit(
            place,
            values,
            values | {"call": answer.call},
            summary="A VPC Service Controls perimeter blocks calls to {project} from here.",
        )


def submitter_lacks(context: Context, service: str, **_: object) -> Iterator[Hit | Unsure]:
    """The submitter lacks permissions of a service ("aiplatform", "logging") on the project."""
    granted = _granted(context.facts.get("google.submitter"))
    project, _place = project_place(context)
    if not_known(context):
        if service == "aiplatform" and "google.api" in context.facts:
            yield Unsure(
                f"what the account that submits may do is not known: {not_known(context)}",
                "the login that submits",
            )
        return
    unasked = context.facts.get("google.submitter")
    if granted is not None:
        missing = [p for p in granted.missing if p.startswith(f"{service}.")]
        call = granted.call
    else:
        # Where permissions could not be asked for, the list of jobs that was denied tells.
        first = service == "aiplatform"
        answer = google_refused(context, "permission", "google.api" if first else "google.logs")
        usual = "aiplatform.customJobs.list" if first else "logging.logEntries.list"
        missing = [answer.permission or usual] if answer else []
        call = answer.call if answer else ""
    if not missing:
        if isinstance(unasked, Closed) and service == "aiplatform":  # told once, for all services
            yield Unsure(unasked.reason, unasked.needs)
        return
    role = _ROLES.get(missing[0], "roles/aiplatform.user")
    values = {"missing": ", ".join(missing), "role": role, "project": project}
    who = member(context).partition(":")[2]
    values["who"] = "The account that submits" if "YOU@" in who else who
    # A job that may be created runs, also when its submitter may not look at it afterwards.
    looking = service == "logging" or granted is not None
    only_looking = looking and not any(p.endswith(".create") for p in missing)
    yield Hit(
        context.job.place,
        values,
        values | {"call": call},
        severity="warning" if only_looking else None,
        summary="{who} lacks {missing} on the project {project}.",
        advice=(_grant(context, role, project),),
    )


def cannot_act_as(context: Context, **_: object) -> Iterator[Hit | Unsure]:
    """The submitter may not run jobs as the service account."""
    account = context.job.service_account
    answer = context.facts.get("google.actas")
    granted = _granted(answer)
    refused = isinstance(answer, Refused) and answer.kind == "not-found"
    if isinstance(answer, Closed):
        yield Unsure(answer.reason, answer.needs)
    if account is None or not ((granted and granted.missing) or refused):
        return
    name = get(account) or ""
    values = {"account": name, "exists": "no" if refused else "yes"}
    if refused:
        summary = "The service account {account} does not exist, or not for you to see."
        fix = Fix("See which there are.", "gcloud iam service-accounts list")
    else:
        summary = ""
        fix = Fix(
            "Let its owner grant the role.",
            f"gcloud iam service-accounts add-iam-policy-binding {name} "
            f"--member={member(context)} --role=roles/iam.serviceAccountUser",
        )
    yield Hit(account.place, values, values, summary=summary, advice=(fix,))


#: Fact -> what it is about, for the list of questions that got no answer.
_ABOUT = {
    "google.account": "whose Google login it is",
    "google.project": "the project",
    "google.home": "the project {}",
    "google.submitter": "your permissions",
    "google.policy": "the IAM policy of {}",
    "google.api": "the Vertex AI API",
    "google.service": "whether the API is enabled",
    "google.logs": "reading logs",
    "google.locations": "the regions",
    "google.actas": "acting as the service account",
    "google.quota": "the quota {}",
    "google.bucket": "the bucket {}",
    "google.bucket-policy": "the IAM policy of gs://{}",
    "google.bucket-home": "the project of gs://{}",
    "google.image": "the image {}",
    "google.repository": "who may pull {}",
    "google.secret": "the secret {}",
    "google.secret-policy": "who may read {}",
}


def about(name: str) -> str:
    """Return what a fact of Google's is about, in words."""
    head, _, rest = name.partition(":")
    return _ABOUT.get(head, head).format(rest)
