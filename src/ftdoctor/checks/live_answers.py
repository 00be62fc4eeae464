"""What the Hub answered about the token of the job and its repositories, for the live checks.

Nothing heavy here: the offline checks of tokens look at these too, and find nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftdoctor.checks.token_forms import kind
from ftdoctor.facts.value import Access, Account, TokenRefused
from ftdoctor.job.value import get
from ftdoctor.lazy import lazy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftdoctor.checks.context import Context
    from ftdoctor.facts.token import JobToken
    from ftdoctor.job.model import Job
    from ftdoctor.job.source import Place


def followed(context: Context) -> JobToken | None:
    """Return the token that the job carries, as far as it was followed."""
    found: JobToken | None = context.facts.get("token")
    return found


def refusal(context: Context) -> str:
    """Return what the Hub said when it refused the job's token, "" when it did not."""
    who = context.facts.get("hub.whoami")
    if isinstance(who, Account):
        return ""
    answers = [
        answer
        for name, answer in context.facts.items()
        if name.startswith(("hub.model:", "hub.dataset:", "hub.write:"))
        and isinstance(answer, Access)
        and not answer.as_nobody
    ]
    refused = [answer for answer in answers if answer.kind == "invalid-token"]
    if isinstance(who, TokenRefused):
        token = followed(context)
        if token is not None and kind(token.text) == "ci" and answers and not refused:
            return ""  # a token for one repository may have no account behind it
        return who.said or "invalid"
    return (refused[0].said or "invalid") if refused else ""


def answered(context: Context) -> bool:
    """Whether the Hub answered anything about the job's token."""
    return any(
        isinstance(answer, (Account, TokenRefused))
        or (isinstance(answer, Access) and not answer.as_nobody)
        for name, answer in context.facts.items()
        if name.startswith(("hub.whoami", "hub.model:", "hub.dataset:", "hub.write:"))
        and name != "hub.whoami.submitter"
    )


def account(context: Context) -> Account | None:
    """Return whose token it is, None when that is not known."""
    who = context.facts.get("hub.whoami")
    return who if isinstance(who, Account) else None


def submitter(context: Context) -> Account | None:
    """Return the account that starts the job from this machine, None when that is not known."""
    who = context.facts.get("hub.whoami.submitter")
    token, local = followed(context), context.facts.get("token.local")
    if who is None and token is not None and local is not None and token.text == local.text:
        who = context.facts.get("hub.whoami")  # the job carries the token that starts it
    return who if isinstance(who, Account) else None


def silenced(context: Context) -> bool:
    """Whether the token's own fault explains whatever the Hub refuses besides.

    It is refused, or cannot be one as it is written (told by a rule on its writing).
    """
    token = followed(context)
    return bool(refusal(context)) or (
        token is not None and token.problem in ("wrong", "unreadable")
    )


def place_of(context: Context, repo: str) -> Place | None:
    """Return where the job names a repository, or the adapter that it is the base of."""
    job = context.job
    for item in context.facts.get("hub.wanted", ()):
        if item.repo == repo and item.place is not None:
            found: Place = item.place
            return found
    for training in job.trainings:
        for value in (
            training.model,
            training.tokenizer,
            training.arguments.get("hub_model_id"),
            training.arguments.get("trackio_space_id"),
            *(d.id for d in training.datasets),
            *training.loads,
            *training.pushes,
        ):
            if value is not None and get(value) == repo:
                return value.place
    for pool in job.pools:
        for word in pool.args:
            text = get(word)
            if text and repo in text:
                return word.place
    return job.place


#: A login in the code that asks for the token or takes one from elsewhere; not wandb's.
_LOGIN = lazy(r"(?<!wandb\.)\b(?:notebook_|interpreter_)?login\s*\(")


def logs_in(job: Job) -> bool:
    """Whether the code may get a token by itself: a secret store, an argument, a login."""
    from ftdoctor.checks.about import code, own_token

    return own_token(job) or bool(_LOGIN.search(code(job)))


def reads(context: Context, kind: str) -> Iterator[Access]:
    """Yield the answers of this kind on what the job reads."""
    for name, answer in context.facts.items():
        if (
            name.startswith(("hub.model:", "hub.dataset:"))
            and isinstance(answer, Access)
            and answer.kind == kind
        ):
            yield answer


def page(answer: Access) -> str:
    """Return the page of a repository, where its terms are accepted."""
    prefix = "" if answer.repo_type == "model" else f"{answer.repo_type}s/"
    return f"https://huggingface.co/{prefix}{answer.repo}"


def values(context: Context, answer: Access) -> dict[str, Any]:
    """Return what the texts of the live rules may name."""
    who, token = account(context), followed(context)
    if who is not None:
        name = who.name
    else:
        name = "nobody (no token is sent)" if answer.as_nobody else "the token's account"
    return {
        "repo": answer.repo,
        "repo_type": answer.repo_type,
        "page": page(answer),
        "account": name,
        "source": token.source if token else "no token",
        "said": answer.said,
        "call": answer.call,
    }
