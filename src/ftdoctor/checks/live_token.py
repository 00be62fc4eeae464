"""The token itself, as the Hub sees it: refused, not readable here, missing where one is needed.

The situations exclude one another, so one mistake is told once: a text that cannot be a token is
never sent (checks.token_writing), an expired token is told by checks.token_life.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftdoctor.checks.live_answers import account, followed, logs_in, refusal
from ftdoctor.checks.token_forms import kind, placeholder
from ftdoctor.facts.value import Access, Unknown
from ftdoctor.rulebook.model import Hit, Unsure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftdoctor.checks.context import Context

#: A user token is `hf_` and 34 letters or digits (https://huggingface.co/docs/hub/security-tokens).
_USER_LENGTH = 37


def token_refused(context: Context, **_: object) -> Iterator[Hit]:
    """The token that the job carries is invalid or revoked."""
    from ftdoctor.checks.token_life import expired

    said, token = refusal(context), followed(context)
    if not said or token is None or placeholder(token.text) or any(expired(context)):
        return
    place = token.value.place if token.value else context.job.place
    values = {"source": token.source, "said": said.rstrip("."), "shape": _shape(token.text)}
    yield Hit(
        place or context.job.place,
        values,
        {**values, "call": "GET /api/whoami-v2"},
        summary="The Hub refuses the token ({source}{shape}): {said}.",
    )


def _shape(text: str) -> str:
    """Return what is odd about the text of a token that the Hub refused, without showing it."""
    if kind(text):
        return ""
    if not text.startswith("hf_"):
        return f"; it does not begin with hf_ and has {len(text)} characters"
    if len(text) < _USER_LENGTH:
        return f"; it has {len(text)} characters, a user token {_USER_LENGTH}: was it cut?"
    return f"; it has {len(text)} characters, a user token {_USER_LENGTH}"


def unreadable(context: Context, **_: object) -> Iterator[Hit]:
    """The file of the stored login is there and cannot be read: every call of the library fails."""
    token = followed(context)
    if token is None or token.problem != "unreadable":
        return
    from ftdoctor.facts.token import token_path

    values = {"source": token.source, "why": token.reason, "path": str(token_path())}
    place = token.value.place if token.value else None
    yield Hit(place or context.job.place, values, values)


def none_to_push(context: Context, **_: object) -> Iterator[Hit]:
    """A training on this machine pushes to the Hub, and there is no token on it.

    Told only when the user asked for live answers (--online): the script may be meant for a
    machine that has one. Launched jobs are told by checks.tokens.missing_for_push.
    """
    from ftdoctor.checks.about import launched
    from ftdoctor.checks.tokens import pushes

    job, token = context.job, followed(context)
    if not context.facts.get("online") or launched(job) or not pushes(job) or logs_in(job):
        return
    if token is not None and token.problem != "blank":
        return
    if context.facts.get("token.elsewhere"):
        return  # told by the rule on names that no library reads
    place = next(
        (
            v.place
            for t in job.trainings
            for v in (t.arguments.get("push_to_hub"), *t.pushes)
            if v is not None and v.place is not None
        ),
        None,
    )
    yield Hit(place or job.place, {}, {"looked": "HF_TOKEN, HUGGING_FACE_HUB_TOKEN, stored login"})


def could_not_ask(context: Context, **_: object) -> Iterator[Unsure]:
    """Questions that got no answer, each reason told once."""
    reasons: dict[str, tuple[list[str], str]] = {}
    for name, answer in context.facts.items():
        if isinstance(answer, Unknown) and not _extra(context, name):
            reasons.setdefault(answer.reason, ([], answer.needs))[0].append(_about(name))
    for reason, (about, needs) in reasons.items():
        shown = ", ".join(about[:4]) + (f" and {len(about) - 4} more" if len(about) > 4 else "")
        yield Unsure(f"{shown}: {reason}", needs or "--online")
    token = followed(context)
    if token is not None and token.problem == "unknown" and _needed(context):
        yield Unsure(
            f"the token of the job ({token.source}) is not known here: {token.reason}", "the token"
        )
    if account(context) is not None:
        for name, answer in context.facts.items():
            if isinstance(answer, Access) and answer.kind == "invalid-token":
                yield Unsure(
                    f"{_about(name)}: the Hub refuses the token here and takes it elsewhere "
                    f"({answer.said or '401'})",
                    "a look at the token's permissions",
                )


def _needed(context: Context) -> bool:
    """Whether anything hangs on a token that is not known here: a push, or a closed repository."""
    from ftdoctor.checks.tokens import pushes

    return pushes(context.job) or any(
        isinstance(answer, Unknown) or (isinstance(answer, Access) and answer.kind != "open")
        for name, answer in context.facts.items()
        if name.startswith(("hub.model:", "hub.dataset:"))
    )


def _about(name: str) -> str:
    """Return what a fact is about, in words."""
    if name.startswith("google."):
        from ftdoctor.checks.live_google import about

        return about(name)
    head, _, rest = name.partition(":")
    return {
        "hub.whoami": "whose token it is",
        "hub.whoami.submitter": "whose token submits",
        "hub.model": f"access to {rest}",
        "hub.dataset": f"access to the data set {rest}",
        "hub.write": f"writing to {rest}",
        "hub.write.data": f"writing to {rest}",
        "hub.space": f"writing to the Space {rest}",
        "hub.files": f"the files of {rest.partition(':')[2]}",
        "hub.refs": f"the revisions of {rest.partition(':')[2]}",
        "hub.mount": f"access to the volume {rest.partition(':')[2]}",
        "hub.jobs": "starting Jobs",
        "hub.hardware": "what HF Jobs offers",
    }.get(head, head)


def _extra(context: Context, name: str) -> bool:
    """Whether a fact only refines another, so that its lack alone is nothing to report.

    Branches are listed for a finding on a revision; files say more of a repository that is open.
    A finding hangs on them only when the job names a revision or a file of such a repository.
    """
    if name.startswith("hub.refs:"):
        return True
    if not name.startswith("hub.files:"):
        return False
    for item in context.facts.get("hub.wanted", ()):
        if name == f"hub.files:{item.key}" and (item.revision or item.files):
            access = context.facts.get(f"hub.{item.repo_type}:{item.repo}")
            return isinstance(access, Access) and access.kind != "open"
    return True
