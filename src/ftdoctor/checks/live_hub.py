"""Checks on what the Hub answered: token, gates, output repository, Jobs.

A refused token explains every other refusal, so it is told alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftdoctor.facts.value import Access, Account, TokenRefused, Unknown
from ftdoctor.job.value import get
from ftdoctor.rulebook.model import Hit, Unsure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftdoctor.checks.context import Context
    from ftdoctor.facts.token import JobToken
    from ftdoctor.job.model import Job
    from ftdoctor.job.source import Place


def _token(context: Context) -> JobToken | None:
    found: JobToken | None = context.facts.get("token")
    return found


def _refused(context: Context) -> str:
    """Return what the Hub said when it refused the token, "" when it did not."""
    who = context.facts.get("hub.whoami")
    if isinstance(who, TokenRefused):
        return who.said or "invalid"
    if isinstance(who, Account):
        return ""
    for answer in context.facts.values():
        if isinstance(answer, Access) and answer.kind == "invalid-token":
            return answer.said or "invalid"
    return ""


def _account(context: Context) -> Account | None:
    who = context.facts.get("hub.whoami")
    return who if isinstance(who, Account) else None


def _place(job: Job, repo: str) -> Place | None:
    """Return where the job names a repository."""
    for training in job.trainings:
        for value in (
            training.model,
            training.arguments.get("hub_model_id"),
            *(d.id for d in training.datasets),
        ):
            if value is not None and get(value) == repo:
                return value.place
    return job.place


def _reads(context: Context, kind: str) -> Iterator[Access]:
    for name, answer in context.facts.items():
        if (
            name.startswith(("hub.model:", "hub.dataset:"))
            and isinstance(answer, Access)
            and answer.kind == kind
        ):
            yield answer


def _values(context: Context, answer: Access) -> dict[str, Any]:
    account = _account(context)
    token = _token(context)
    prefix = "" if answer.repo_type == "model" else f"{answer.repo_type}s/"
    return {
        "repo": answer.repo,
        "repo_type": answer.repo_type,
        "page": f"https://huggingface.co/{prefix}{answer.repo}",
        "account": account.name if account else "the token's account",
        "source": token.source if token else "no token",
        "said": answer.said,
        "call": answer.call,
    }


def token_refused(context: Context, **_: object) -> Iterator[Hit]:
    """The token that the job carries is invalid, expired or revoked."""
    said = _refused(context)
    token = _token(context)
    if said and token is not None:
        place = token.value.place if token.value else context.job.place
        values = {"source": token.source, "said": said}
        yield Hit(place, values, {**values, "call": "GET /api/whoami-v2"})


def could_not_ask(context: Context, **_: object) -> Iterator[Unsure]:
    """Questions that got no answer, each reason told once."""
    told: set[str] = set()
    for name, answer in context.facts.items():
        if isinstance(answer, Unknown) and answer.reason not in told:
            told.add(answer.reason)
            yield Unsure(f"{name.partition(':')[0]}: {answer.reason}", answer.needs or "--online")
    token = _token(context)
    if token is not None and not token.text and context.job.platform != "local":
        yield Unsure(f"the token of the job is not known here: {token.reason}", "the token")


#: Kind of refusal -> what to say, more exact than a rule's summary can be.
_SUMMARIES = {
    "not-requested": "{account} has not been given access to the gated {repo_type} {repo}.",
    "pending": "The request of {account} for access to {repo} still waits for its authors.",
    "rejected": "The request of {account} for access to {repo} was rejected.",
    "reset": "The access of {account} to {repo} was reset by its owners; it must be asked anew.",
    "fine-grained-no-gated": "The fine-grained token of {account} may not read gated {repo_type}s.",
    "org-policy": "The policy of the owner of {repo} blocks this token of {account}.",
    "missing-or-private": "The Hub has no {repo_type} {repo}, or {account} may not see it.",
}


def repository(context: Context, kinds: list[str], **_: object) -> Iterator[Hit]:
    """A model or data set that the Hub refuses to this token for one of the stated reasons."""
    if _refused(context):
        return
    for kind in kinds:
        for answer in _reads(context, kind):
            values = _values(context, answer)
            place = _place(context.job, answer.repo)
            yield Hit(place, values, values, summary=_SUMMARIES.get(kind, ""))


def not_signed_in(context: Context, **_: object) -> Iterator[Hit]:
    """A repository that is gated (as the Hub says now) and a job without a token.

    Gates that the table knows are told without asking (checks.access).
    """
    from ftdoctor.checks.access import gate_of

    if _refused(context):
        return
    for answer in _reads(context, "not-signed-in"):
        if gate_of(answer.repo, f"{answer.repo_type}s") is None:
            yield Hit(
                _place(context.job, answer.repo), _values(context, answer), _values(context, answer)
            )


def _output(context: Context) -> Access | None:
    for name, answer in context.facts.items():
        if name.startswith("hub.write:") and isinstance(answer, Access):
            return answer
    return None


def output_read_only(context: Context, **_: object) -> Iterator[Hit]:
    """The output repository exists and the token may not write to it.

    `create_repo(exist_ok=True)` passes all the same (huggingface_hub 2.4.0 hf_api.py:4770), so the
    job trains to its end before the push fails.
    """
    answer = _output(context)
    if answer is None or _refused(context) or answer.kind not in ("read-only", "org-policy"):
        return
    values = _values(context, answer) | {"why": _why_no_write(context, answer.repo)}
    summary = "The job cannot write to {repo}: {why}."
    yield Hit(_place(context.job, answer.repo), values, values, summary=summary)


def _why_no_write(context: Context, repo: str) -> str:
    account = _account(context)
    owner = repo.split("/")[0]
    if account is None:
        return "the Hub says that this token may read it and not write to it"
    if account.role == "read":
        return f"the token of {account.name} has the role read"
    roles = account.organisations or {}
    if owner != account.name and owner not in roles:
        return f"{account.name} is no member of {owner}"
    if roles.get(owner) in ("read", "no_access"):
        return f"{account.name} has the role {roles[owner]} in {owner}"
    if account.role == "fineGrained":
        return f"the fine-grained token of {account.name} has no repo.write for it"
    return f"the token of {account.name} may not write to it"


def can_create(account: Account, owner: str, scopes: frozenset[str]) -> str:
    """Return "" when this account's token should be able to create a repository, else why not.

    An inference from role and scope; the only proof would be to create it.
    """
    roles = account.organisations or {}
    if owner != account.name:
        if owner not in roles:
            return f"{account.name} is no member of {owner}"
        if roles[owner] in ("read", "no_access"):
            return f"{account.name} has the role {roles[owner]} in {owner}"
        if (account.restrictions or {}).get(owner):
            return f"{owner} blocks this token ({', '.join((account.restrictions or {})[owner])})"
    if account.role == "read":
        return f"the token of {account.name} has the role read"
    if account.permissions is not None:
        kind = "user" if owner == account.name else "org"
        held = account.permissions.get(f"{kind}:{owner}", frozenset())
        if "repo.write" not in held:
            return f"the fine-grained token has no repo.write on {owner} itself"
    if scopes and not scopes & {"manage-repos", "contribute-repos"}:
        return "the OAuth token declares neither manage-repos nor contribute-repos"
    return ""


def output_not_creatable(context: Context, **_: object) -> Iterator[Hit]:
    """The output repository does not exist and this token can hardly create it."""
    from ftdoctor.facts.token import scopes

    answer = _output(context)
    account = _account(context)
    token = _token(context)
    if answer is None or answer.kind != "missing-or-private" or account is None or token is None:
        return
    why = can_create(account, answer.repo.split("/")[0], scopes(token.text))
    if why:
        values = _values(context, answer) | {"why": why}
        summary = "{repo} does not exist and the job can hardly create it: {why}."
        yield Hit(_place(context.job, answer.repo), values, values, summary=summary)


def jobs_permission(context: Context, **_: object) -> Iterator[Hit]:
    """The submitter may not start Jobs in the namespace that will be billed."""
    answer = context.facts.get("hub.jobs")
    if isinstance(answer, Access) and answer.kind in (
        "read-only",
        "org-policy",
        "missing-or-private",
    ):
        values = {"namespace": answer.repo, "said": answer.said, "call": answer.call}
        place = context.job.namespace.place if context.job.namespace else context.job.place
        yield Hit(place, values, values)


def flavor_not_offered(context: Context, **_: object) -> Iterator[Hit]:
    """The hardware endpoint does not offer the flavor now (the table thought that it does)."""
    from ftdoctor.tables import table

    rows = context.facts.get("hub.hardware")
    flavor = get(context.job.flavor)
    if not isinstance(rows, dict) or not rows or flavor is None or flavor in rows:
        return
    if flavor in table("flavors")["flavors"]:  # an unknown one is told without asking
        values = {"flavor": flavor, "offered": ", ".join(sorted(rows))}
        assert context.job.flavor is not None
        yield Hit(context.job.flavor.place, values, values)


def other_token_here(context: Context, **_: object) -> Iterator[Hit]:
    """The job carries another token than the one lying on this machine."""
    token, local = _token(context), context.facts.get("token.local")
    if token is None or local is None or not token.text or token.text == local.text:
        return
    values = {"source": token.source, "local": local.source}
    yield Hit(token.value.place if token.value else context.job.place, values, values)
