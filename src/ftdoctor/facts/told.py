"""What the Hub answered, as lines of the report: not only what is wrong, also what was learnt.

A line says how sure it is: the Hub's word, a token's own claim ("declares"), or an inference.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ftdoctor.facts.value import Access, Account, RepoFiles
from ftdoctor.facts.weights import download_bytes
from ftdoctor.job.ends import ends_after
from ftdoctor.job.value import get

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ftdoctor.checks.context import Context
    from ftdoctor.facts.repos import Wanted

#: Kind of access -> words.
_KINDS = {
    "open": "can be read",
    "not-signed-in": "is gated, and cannot be read without a token",
    "not-requested": "is gated: access was not given",
    "pending": "is gated: the request is pending",
    "rejected": "is gated: the request was rejected",
    "reset": "is gated: access was reset",
    "fine-grained-no-gated": "is gated, and the fine-grained token lacks the gated permission",
    "missing-or-private": "is not there, or private",
    "disabled": "is disabled",
    "org-policy": "is closed to this token by its organisation",
    "refused": "is refused",
}


def told(context: Context) -> dict[str, str]:
    """Return what was learnt for the head of the report: "asked" and "cost", where there is any."""
    asked = [f"{about}: {answer}" for about, answer in _lines(context)]
    found = {"asked": " · ".join(asked)} if asked else {}
    cost = _cost(context) if context.job.platform == "hf-jobs" else ""
    return found | ({"cost": cost} if cost else {})


def _lines(context: Context) -> Iterator[tuple[str, str]]:
    """Yield (what was asked about, what was answered)."""
    facts = context.facts
    yield from _token(context)
    for item in facts.get("hub.wanted", ()):
        answer = facts.get(f"hub.{item.repo_type}:{item.repo}")
        if isinstance(answer, Access) and answer.kind in _KINDS:
            yield item.repo, _repository(item, answer, facts)
    for name, answer in facts.items():
        if name.startswith("hub.write:") and isinstance(answer, Access):
            text = _output(context, answer)
            if text:
                yield answer.repo, text
    if context.job.platform == "hf-jobs":
        yield from _jobs(context)
    if context.job.platform == "vertex":
        from ftdoctor.facts.google_told import lines

        yield from lines(context)


def _token(context: Context) -> Iterator[tuple[str, str]]:
    from ftdoctor.checks.token_forms import claims, kind

    who, token = context.facts.get("hub.whoami"), context.facts.get("token")
    if not isinstance(who, Account) or token is None:
        return
    role = {"fineGrained": "fine-grained", "": who.kind or "a"}.get(who.role, who.role)
    parts = [f"{role} token of {who.name}, from {token.source}"]
    if who.can_read_gated is not None:
        parts.append(f"{'may' if who.can_read_gated else 'may not'} read gated repositories")
    declared = claims(token.text) if kind(token.text) == "oauth" else None
    if declared is not None and declared.scopes:
        parts.append(f"declares the scopes {' '.join(declared.scopes)} (declared, not proved)")
    if who.expires:
        parts.append(f"ends {who.expires[:16].replace('T', ' ')} UTC")
    yield "token", "; ".join(parts)


def _repository(item: Wanted, answer: Access, facts: Mapping[str, Any]) -> str:
    text = _KINDS[answer.kind] + (
        " by everybody" if answer.as_nobody and answer.kind == "open" else ""
    )
    listed = facts.get(f"hub.files:{item.key}")
    if answer.kind == "open" and isinstance(listed, RepoFiles):
        if item.revision:
            text += f", revision {item.revision}"
        size = download_bytes(listed.files, item.subfolder, item.variant)
        if size and item.repo_type == "model":
            text += f", {size / 1e9:.1f} GB of weights"
    return text


def _output(context: Context, answer: Access) -> str:
    from ftdoctor.checks.live_output import can_create, declared_scopes

    if answer.kind == "open":
        return "can be written"
    who = context.facts.get("hub.whoami")
    if answer.kind != "missing-or-private" or not isinstance(who, Account):
        return ""
    if not context.facts.get("hub.outputs", {}).get(answer.repo, True):
        data = context.facts.get(f"hub.write.data:{answer.repo}")
        if isinstance(data, Access) and data.kind == "open":
            return "is a data set, and can be written"
        if not isinstance(data, Access) or data.kind != "missing-or-private":
            return ""
    why = can_create(who, answer.repo.split("/")[0], declared_scopes(context))
    if why == "":
        return "is not there yet; this token can create it (inferred from its role, not tried)"
    return ""


def _jobs(context: Context) -> Iterator[tuple[str, str]]:
    from ftdoctor.checks.live_answers import submitter

    job, who = context.job, submitter(context)
    billed = get(job.namespace) or (who.name if who and job.namespace is None else "")
    answer = context.facts.get("hub.jobs")
    if isinstance(answer, Access) and answer.kind == "open":
        yield "HF Jobs", f"may be started in {answer.repo}, which is billed"
    elif billed and job.namespace is None:
        yield "HF Jobs", f"{billed} is billed (the token's own name; no namespace is given)"


def _cost(context: Context) -> str:
    """Return the price of the flavor and the most that a run can cost, "" when it is not known."""
    job = context.job
    rows = context.facts.get("hub.hardware")
    flavor = get(job.flavor) or ("cpu-basic" if job.flavor is None else "")
    row = rows.get(flavor) if isinstance(rows, dict) else None
    price = per_hour(row) if row is not None else None
    if price is None:
        return ""
    text, limit = f"{flavor} costs ${price:.2f} an hour", ends_after(job)
    if limit is not None:
        text += f", at most ${price * limit / 3600:.2f} until its timeout of {_time(limit)}"
    return text + "; whether the credit covers it cannot be asked (the start fails with 402 if not)"


def _time(seconds: int) -> str:
    return f"{seconds / 3600:g} h" if seconds >= 3600 else f"{seconds / 60:g} min"


def per_hour(row: Mapping[str, Any]) -> float | None:
    """Return the price of a flavor in US dollars an hour, None when the answer does not state it.

    `unitCostUSD` (or `unitCostMicroUSD`) is for one `unitLabel`, a minute as of August 2026.
    """
    unit = {"minute": 60, "hour": 1, "second": 3600}.get(str(row.get("unitLabel", "minute")))
    for name, scale in (("unitCostUSD", 1.0), ("unitCostMicroUSD", 1e-6)):
        value = row.get(name)
        try:
            price = float(value) if value is not None else None
        except (TypeError, ValueError):
            continue
        if price is not None and unit is not None and 0 <= price < float("inf"):
            return price * scale * unit
    return None


def disk_bytes(row: Mapping[str, Any]) -> int | None:
    """Return the bytes of a flavor's disk from `ephemeralStorage` ("400 GB"), None if not stated.

    The unit is taken at its largest (2^30 for GB), so that too small is never said too early.
    """
    found = re.match(
        r"\s*([\d.]+)\s*([KMGTP])i?B?\s*\Z", str(row.get("ephemeralStorage", "")), re.I
    )
    if found is None:
        return None
    return int(float(found[1]) * 2 ** (10 * (1 + "KMGTP".index(found[2].upper()))))
