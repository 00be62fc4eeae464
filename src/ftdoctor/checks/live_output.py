"""Whether the job may write to the repository that it pushes to, as the Hub answered.

`create_repo(exist_ok=True)` passes with a read token on a repository that exists
(huggingface_hub 2.4.0 hf_api.py:4770), so a job trains to its end before the push fails.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftdoctor.checks.live_answers import account, followed, place_of, silenced, values
from ftdoctor.checks.token_forms import claims, kind
from ftdoctor.facts.value import Access, Account
from ftdoctor.rulebook.model import Hit, Severity, Unsure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftdoctor.checks.context import Context

#: Roles in an organisation that may write; https://huggingface.co/docs/hub/organizations-security
_WRITERS = frozenset(("admin", "write", "contributor"))
_CREATE = frozenset(("manage-repos", "contribute-repos"))
_WRITE = frozenset(("write-repos", *_CREATE))
#: Answers to the question for write access that are no "no": told elsewhere, or none at all.
_NO_ANSWER = ("open", "missing-or-private", "invalid-token", "not-signed-in")


def _outputs(context: Context, *kinds: str) -> Iterator[Access]:
    """Yield the answers on what the job pushes: "hub.write" for models, ".data" for data sets."""
    for name, answer in context.facts.items():
        if name.partition(":")[0] in kinds and isinstance(answer, Access):
            yield answer


def declared_scopes(context: Context) -> frozenset[str]:
    """Return the scopes that the job's OAuth token declares; empty for other tokens."""
    token = followed(context)
    found = claims(token.text) if token is not None and kind(token.text) == "oauth" else None
    return frozenset(found.scopes) if found is not None else frozenset()


def output_read_only(context: Context, **_: object) -> Iterator[Hit]:
    """The output repository exists and the token may not write to it."""
    if silenced(context):
        return
    asked = False
    for answer in _outputs(context, "hub.write", "hub.write.data"):
        asked = True
        if answer.kind in _NO_ANSWER:
            continue
        told = values(context, answer) | {"why": _why_no_write(context, answer)}
        summary = "The job cannot write to {repo}: {why}."
        yield Hit(place_of(context, answer.repo), told, told, summary=summary)
    if not asked and not any(n.startswith("hub.write:") for n in context.facts):
        yield from _nowhere(context)


def _nowhere(context: Context) -> Iterator[Hit]:
    """The job pushes to a repository that it does not name, and the token may write to none."""
    from ftdoctor.checks.tokens import pushes

    who = account(context)
    if who is None or not pushes(context.job):
        return
    why, severity = "", None
    scopes = declared_scopes(context)
    if who.role == "read":
        why = f"the token of {who.name} has the role read"
    elif who.permissions is not None and not _unnamed(who):
        if not any("repo.write" in held for held in who.permissions.values()):
            why = f"the fine-grained token of {who.name} has no repo.write"
    elif scopes and not scopes & _WRITE:
        why = "the OAuth token declares no scope that writes (declared, not proved)"
        severity = "warning"
    if not why:
        return
    place = next(
        (
            v.place
            for t in context.job.trainings
            for v in (t.arguments.get("push_to_hub"), *t.pushes)
            if v is not None and v.place is not None
        ),
        context.job.place,
    )
    told = {"why": why, "account": who.name, "call": who.call}
    grade: Severity | None = "warning" if severity else None
    yield Hit(place, told, told, severity=grade, summary="The job pushes to the Hub: {why}.")


def _unnamed(who: Account) -> bool:
    """Whether some permissions are for an entity whose name the answer leaves out."""
    return any(key.endswith(":?") for key in who.permissions or {})


def _why_no_write(context: Context, answer: Access) -> str:
    who, owner = account(context), answer.repo.split("/")[0]
    if who is None:
        return "the Hub says that this token may read it and not write to it"
    if answer.kind == "org-policy" or (who.restrictions or {}).get(owner):
        stated = ", ".join((who.restrictions or {}).get(owner, ()))
        return f"the policy of {owner} blocks this token of {who.name}" + (
            f" ({stated})" if stated else ""
        )
    if who.role == "read":
        return f"the token of {who.name} has the role read"
    roles = who.organisations
    if owner != who.name and roles is not None and owner not in roles:
        return f"{who.name} is no member of {owner}, as far as this token shows"
    if (roles or {}).get(owner) in ("read", "no_access"):
        return f"{who.name} has the role {(roles or {})[owner]} in {owner}"
    if who.role == "fineGrained":
        return f"the fine-grained token of {who.name} has no repo.write for it"
    scopes = declared_scopes(context)
    if scopes and not scopes & {"write-repos", "manage-repos"}:
        some = "contribute-repos, which covers only what its own app made"
        return "the OAuth token declares " + (
            some if "contribute-repos" in scopes else f"no scope that writes ({_joined(scopes)})"
        )
    if answer.kind not in ("read-only", "refused"):
        return answer.said.rstrip(".") or f"it is gated ({answer.kind})"
    return f"the token of {who.name} may not write to it"


def _joined(scopes: frozenset[str]) -> str:
    return " ".join(sorted(scopes))


def can_create(who: Account, owner: str, scopes: frozenset[str]) -> str | None:
    """Return "" when this token should be able to create a repository, why not, None if not known.

    An inference from role and scope; the only proof would be to create it.
    """
    if owner != who.name:
        if who.organisations is None:
            return None
        if owner not in who.organisations:
            return f"{who.name} is no member of {owner}, as far as this token shows"
        role = who.organisations[owner]
        if role in ("read", "no_access"):
            return f"{who.name} has the role {role} in {owner}"
        if (who.restrictions or {}).get(owner):
            return f"{owner} blocks this token ({', '.join((who.restrictions or {})[owner])})"
        if role not in _WRITERS:
            return None
    if who.role == "read":
        return f"the token of {who.name} has the role read"
    if who.role == "fineGrained":
        entity = f"{'user' if owner == who.name else 'org'}:{owner}"
        held = (who.permissions or {}).get(entity, frozenset())
        if "repo.write" in held:
            return ""
        if who.permissions is None or _unnamed(who):
            return None
        return f"the fine-grained token has no repo.write on {owner} itself"
    if who.role in ("write", "god"):
        return ""
    if scopes and not scopes & _CREATE:
        return "the OAuth token declares neither manage-repos nor contribute-repos"
    return "" if scopes else None


def _no_writer(who: Account, owner: str) -> bool:
    """Whether this token can write nothing of an owner, whatever the kind of repository."""
    stranger = owner != who.name and who.organisations is not None
    return who.role == "read" or (stranger and owner not in (who.organisations or {}))


def output_not_creatable(context: Context, **_: object) -> Iterator[Hit | Unsure]:
    """The output repository does not exist and this token can hardly create it."""
    if silenced(context):
        return
    who = account(context)
    for answer in _outputs(context, "hub.write"):
        if answer.kind != "missing-or-private":
            continue
        owner = answer.repo.split("/")[0]
        why = can_create(who, owner, declared_scopes(context)) if who is not None else None
        model = context.facts.get("hub.outputs", {}).get(answer.repo, True)
        data = context.facts.get(f"hub.write.data:{answer.repo}")
        if isinstance(data, Access) and data.kind != "missing-or-private":
            continue  # it is a data set, and it is there
        if (
            not model
            and not isinstance(data, Access)
            and (who is None or not _no_writer(who, owner))
        ):
            continue  # it may be one
        if why is None:
            yield Unsure(
                f"{answer.repo} does not exist, and whether this token may create it is not stated",
                "the role of the token",
            )
        elif why:
            told = values(context, answer) | {"why": why, "basis": "inferred from role and scope"}
            summary = "{repo} does not exist and the job can hardly create it: {why}."
            yield Hit(place_of(context, answer.repo), told, told, summary=summary)


def space_not_writable(context: Context, **_: object) -> Iterator[Hit]:
    """The Space that Trackio is to fill cannot be written, or hardly made, with this token.

    Write access is needed and not all: with an OAuth token of a login the Space's settings are
    refused as well (https://github.com/huggingface/huggingface_hub/issues/4972).
    """
    who = account(context)
    if silenced(context) or who is None:
        return
    for name, answer in context.facts.items():
        if not name.startswith("hub.space:") or not isinstance(answer, Access):
            continue
        if answer.kind == "missing-or-private":
            why = can_create(who, answer.repo.split("/")[0], declared_scopes(context))
            summary = "The Space {repo} does not exist and can hardly be created: {why}."
        else:
            why = "" if answer.kind in _NO_ANSWER else _why_no_write(context, answer)
            summary = "Trackio cannot write to the Space {repo}: {why}."
        if why:
            told = values(context, answer) | {"why": why}
            yield Hit(place_of(context, answer.repo), told, told, summary=summary)
