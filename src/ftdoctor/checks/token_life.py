"""What a token may do and how long it lives, as far as it says so itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftdoctor.checks.token_forms import claims, kind
from ftdoctor.checks.token_uses import uses
from ftdoctor.job.value import get
from ftdoctor.rulebook.model import Hit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftdoctor.checks.context import Context
from ftdoctor.checks.tokens import pushes, wants_gated

#: Seconds that a trusted publisher's token lives. https://huggingface.co/docs/hub/trusted-publishers
_CI_LIFE = 3600


def wrong_kind(
    context: Context, kinds: tuple[str, ...] | list[str] = (), **_: object
) -> Iterator[Hit]:
    """A token of a kind that cannot do this (`kinds`: refresh, org)."""
    for use in uses(context.job):
        found = kind(use.text.strip())
        if found in kinds:
            yield Hit(
                use.place, {"name": use.name, "kind": found}, {"name": use.name, "kind": found}
            )


def oauth_scopes(context: Context, **_: object) -> Iterator[Hit]:
    """An OAuth token whose own list of scopes lacks what the job does."""
    job = context.job
    for use in uses(job):
        found = claims(use.text.strip()) if kind(use.text.strip()) == "oauth" else None
        if found is None or not found.scopes:
            continue
        have = set(found.scopes)
        missing = []
        if pushes(job) and not have & {"write-repos", "manage-repos", "contribute-repos"}:
            missing.append("write-repos")
        if wants_gated(job) and not have & {
            "gated-repos",
            "read-repos",
            "write-repos",
            "manage-repos",
        }:
            missing.append("gated-repos")
        if missing:
            yield Hit(
                use.place,
                {"missing": ", ".join(missing)},
                {"scopes": " ".join(found.scopes), "missing": missing},
            )


def short_lived(context: Context, **_: object) -> Iterator[Hit]:
    """A token that ends before the job may."""
    job = context.job
    limit = get(job.timeout)
    if limit is None and job.platform == "vertex":
        limit = 7 * 86400
    for use in uses(job):
        text = use.text.strip()
        found = kind(text)
        if found == "ci" and (limit is None or limit > _CI_LIFE) and pushes(job):
            yield Hit(
                use.place, {"life": "60 minutes", "limit": _hours(limit)}, {"kind": "hf_jwt_"}
            )
        declared = claims(text) if found == "oauth" else None
        if declared is None or declared.expires is None:
            continue
        left = declared.expires - context.now.timestamp()
        if left <= 0:
            yield Hit(
                use.place,
                {"life": "no time: it has expired", "limit": _hours(limit)},
                {"kind": "hf_oauth_"},
            )
        elif limit is not None and limit > left:
            yield Hit(
                use.place,
                {"life": _hours(left), "limit": _hours(limit)},
                {"kind": "hf_oauth_"},
                severity="warning",
            )


def _hours(seconds: float | None) -> str:
    if seconds is None:
        return "no limit"
    return f"{seconds / 3600:.1f} hours" if seconds >= 3600 else f"{seconds / 60:.0f} minutes"
