"""The token miswritten, of another service, or under a name that nobody reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftdoctor.checks.about import (
    TOKEN_NAMES,
    code,
    code_gap,
    env_place,
    environments,
    launched,
    remote,
)
from ftdoctor.checks.token_forms import line_end, malformed, placeholder, service, unread_name
from ftdoctor.checks.token_uses import TokenUse, carried
from ftdoctor.checks.tokens import pushes, wants_gated
from ftdoctor.facts.value import Access
from ftdoctor.lazy import lazy
from ftdoctor.rulebook.model import Edit, Fix, Hit, Severity, TextEdit, Unsure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftdoctor.checks.context import Context
    from ftdoctor.job.model import Job


def _blank_for_good(job: Job, use: TokenUse) -> bool:
    """Whether a blank token stands in the spec itself, not in code that may be filled in."""
    return (
        job.form in ("vertex-yaml", "vertex-json", "vertex-gcloud", "hf-jobs-cli", "hf-jobs-call")
        and use.where in ("env", "secret")
        and use.name in TOKEN_NAMES
        and job.platform != "unknown"
    )


#: Code that takes the token from the environment itself, without stripping it.
_OWN_READ = lazy(
    r"(?:environ|getenv)[^\n]{0,12}[\"'](?:HF_TOKEN|HUGGING_FACE_HUB_TOKEN)[\"'](?![^\n]*strip\()"
)


#: What is wrong (a word of it) -> how it is mended.
_MENDED = {
    "quotes": "Give the token without quotes; in an env file and in YAML one pair is enough.",
    "Bearer": "Leave out the word Bearer and give the token alone.",
    "a space": "Copy the token again, in one piece: it holds no blanks.",
    "no HTTP header": "Copy the token again from its page: an invisible or typographic character "
    "came with it.",
    "line end": "Set the variable without the line end: export HF_TOKEN=\"$(tr -d '\\n' < FILE)\", "
    "or printf instead of echo where the secret is made.",
}


def miswritten(context: Context, **_: object) -> Iterator[Hit]:
    """A token with quotes, `Bearer`, a line end, or nothing in it."""
    for use in carried(context):
        if use.family != "hub" or placeholder(use.text):
            continue
        wrong = malformed(use.text)
        if wrong == "blank" and not _blank_for_good(context.job, use):
            continue
        severity: Severity | None = "warning" if wrong == "blank" else None
        summary = "{name} is {wrong}."
        if not wrong and line_end(use.text) and use.where in ("env", "secret", "machine"):
            wrong = "pasted with a line end"
            if not _OWN_READ.search(code(context.job)):
                severity = "warning"
                summary = (
                    "{name} is {wrong}: huggingface_hub strips it, code that reads the variable "
                    "itself sends it."
                )
        if wrong:
            values = {"name": use.name, "wrong": wrong}
            advice = tuple(Fix(text) for word, text in _MENDED.items() if word in wrong)
            yield Hit(use.place, values, values, severity=severity, summary=summary, advice=advice)


def other_service(context: Context, **_: object) -> Iterator[Hit]:
    """The secret of another service stands where the Hub's token belongs."""
    for use in carried(context):
        what = service(use.text) if use.family == "hub" else ""
        if what:
            yield Hit(use.place, {"name": use.name, "what": what}, {"name": use.name, "what": what})


def name_not_read(context: Context, **_: object) -> Iterator[Hit | Unsure]:
    """The token is given under a name that neither a library nor the job's code reads."""
    job = context.job
    if not launched(job) or not remote(job):
        yield from _unread_here(context)
        return
    for index, env in enumerate(environments(job)):
        if any(name in env for name in TOKEN_NAMES):
            continue
        for name in env:
            if not unread_name(name):
                continue
            if name in code(job) or "langchain" in code(job):
                continue
            gap = code_gap(job)
            if gap:
                yield Unsure(
                    f"only code that asks for {name} reads it, and not all was read ({gap})",
                    "the training code beside the job",
                )
                continue
            place = job.pools[index].env_places.get(name) if index < len(job.pools) else None
            edits = {}
            if place is not None and place.end_line:
                edits["rename"] = Edit(
                    f"Rename {name} to HF_TOKEN", (TextEdit(place, "\0HF_TOKEN\0"),)
                )
            severity: Severity | None = "error" if wants_gated(job) or pushes(job) else None
            spot = place or env_place(job, index, name)
            yield Hit(spot, {"name": name}, {"name": name}, edits, severity=severity)


def _unread_here(context: Context) -> Iterator[Hit]:
    """This machine holds the token only under a name that nobody reads, and the job needs one."""
    job = context.job
    elsewhere = [n for n in context.facts.get("token.elsewhere", ()) if n not in code(job)]
    if not elsewhere or context.facts.get("token") is not None or "langchain" in code(job):
        return
    if pushes(job) or wants_gated(job) or _shut_out(context):
        name = elsewhere[0]
        yield Hit(
            job.place,
            {"name": name},
            {"name": name, "where": "this machine"},
            severity="error",
            summary="No library reads {name}, the only variable of this machine with a Hub token.",
        )


def _shut_out(context: Context) -> bool:
    """Whether the Hub said just now that a repository of the job is not for everybody."""
    return any(
        isinstance(answer, Access) and answer.as_nobody and answer.kind == "not-signed-in"
        for answer in context.facts.values()
    )
