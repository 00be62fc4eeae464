"""What a token may do and how long it lives, as far as it says so itself or the Hub says it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftdoctor.checks.live_answers import account, answered, refusal
from ftdoctor.checks.token_forms import claims, kind
from ftdoctor.checks.token_uses import TokenUse, carried
from ftdoctor.checks.tokens import pushes, wants_gated
from ftdoctor.job.ends import ends_after
from ftdoctor.rulebook.model import Hit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftdoctor.checks.context import Context

#: Seconds that a trusted publisher's token lives. https://huggingface.co/docs/hub/trusted-publishers
_CI_LIFE = 3600
#: Seconds by which the clock of this machine may be wrong.
_SKEW = 120


def wrong_kind(
    context: Context, kinds: tuple[str, ...] | list[str] = (), **_: object
) -> Iterator[Hit]:
    """A token of a kind that cannot do this (`kinds`: refresh, org)."""
    for use in carried(context):
        found = kind(use.text.strip())
        if found in kinds:
            yield Hit(
                use.place, {"name": use.name, "kind": found}, {"name": use.name, "kind": found}
            )


def lacking_scopes(context: Context, text: str) -> list[str]:
    """Return the scopes that the job needs and an OAuth token does not declare."""
    found = claims(text) if kind(text) == "oauth" else None
    if found is None or not found.scopes:
        return []
    have, missing = set(found.scopes), []
    if pushes(context.job) and not have & {"write-repos", "manage-repos", "contribute-repos"}:
        missing.append("write-repos")
    readers = {"gated-repos", "read-repos", "write-repos", "manage-repos"}
    if wants_gated(context.job) and not have & readers:
        missing.append("gated-repos")
    return missing


def oauth_scopes(context: Context, **_: object) -> Iterator[Hit]:
    """An OAuth token whose own list of scopes lacks what the job does.

    In a live check the token is put to the Hub, which proves more: the list is then told only when
    the Hub gave no answer.
    """
    token = context.facts.get("token")
    for use in carried(context):
        asked = token is not None and use.text.strip() == token.text
        if asked and answered(context):
            continue
        missing = lacking_scopes(context, use.text.strip())
        found = claims(use.text.strip())
        if missing and found is not None:
            yield Hit(
                use.place,
                {"missing": ", ".join(missing)},
                {"scopes": " ".join(found.scopes), "missing": missing, "basis": "declared"},
                severity="warning" if use.where == "machine" else None,
            )


def expires_at(context: Context, use: TokenUse) -> tuple[float | None, str]:
    """Return when a token ends (Unix seconds) and who says so: the Hub, else the token itself."""
    token, who = context.facts.get("token"), account(context)
    if who is not None and token is not None and use.text.strip() == token.text:
        stated = _moment(who.expires)
        return (stated, "the Hub states it") if stated is not None else _declared(use)
    return _declared(use)


def _declared(use: TokenUse) -> tuple[float | None, str]:
    text = use.text.strip()
    found = claims(text) if kind(text) in ("oauth", "ci") else None
    return (None if found is None else found.expires), "the token declares it"


def _moment(text: str) -> float | None:
    """Return the Unix seconds of an ISO time (or of a number of them), None when it is none."""
    from datetime import UTC, datetime

    if re.fullmatch(r"\d{10}(?:\d{3})?", text):
        return int(text[:10])
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def expired(context: Context, **_: object) -> Iterator[Hit]:
    """A token that has ended: by its own claim, by the Hub's account, or by the Hub's refusal."""
    said = refusal(context)
    token = context.facts.get("token")
    for use in carried(context):
        asked = token is not None and use.text.strip() == token.text and bool(token.text)
        end, basis = expires_at(context, use)
        past = end is not None and end + (_SKEW if asked else 0) <= context.now.timestamp()
        if asked and account(context) is not None and basis != "the Hub states it":
            past = False  # the Hub took it just now, and that counts more than its own claim
        when = _date(end) if past and end is not None else ""
        if not past and asked and re.search(r"\bexpired?\b", said, re.I):
            past, basis = "invalid or expired" not in said.lower(), "the Hub says so"
        if past:
            since = f" on {when}" if when else ""
            values = {"source": use.name, "since": since, "basis": basis}
            yield Hit(use.place, values, {**values, "said": said} if said else values)


def _date(end: float) -> str:
    from datetime import UTC, datetime

    return f"{datetime.fromtimestamp(end, tz=UTC):%Y-%m-%d %H:%M} UTC"


def short_lived(context: Context, **_: object) -> Iterator[Hit]:
    """A token that ends before the job may."""
    job = context.job
    limit = ends_after(job)
    for use in carried(context):
        if use.where == "machine" and refusal(context):
            continue
        text = use.text.strip()
        end, basis = expires_at(context, use)
        if kind(text) == "ci" and end is None:
            if limit is None and use.where == "machine":
                continue  # a run of its own in CI, and how long it takes is not known
            if (limit is None or limit > _CI_LIFE) and pushes(job):
                values = {"life": "60 minutes", "limit": _hours(limit)}
                yield Hit(use.place, values, {"kind": "hf_jwt_"})
            continue
        if end is None or limit is None:
            continue
        left = end - context.now.timestamp()
        if 0 < left < limit:
            yield Hit(
                use.place,
                {"life": _hours(left), "limit": _hours(limit)},
                {"basis": basis},
                severity="warning",
            )


def _hours(seconds: float | None) -> str:
    if seconds is None:
        return "with no limit"
    return f"{seconds / 3600:.1f} hours" if seconds >= 3600 else f"{seconds / 60:.0f} minutes"
