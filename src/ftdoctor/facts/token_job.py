"""The token that a job will carry, followed from where the job names it to its text.

The token of the machine itself is `ftdoctor.facts.token.local_token`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from ftdoctor.checks.token_forms import kind
from ftdoctor.facts.token import (
    NAMES,
    JobToken,
    clean,
    found_token,
    held_here,
    local_token,
    unknown_token,
)
from ftdoctor.job.value import get
from ftdoctor.lazy import lazy

if TYPE_CHECKING:
    from ftdoctor.job.model import Job, Step
    from ftdoctor.job.value import Value

_SHELL = lazy(r"\A\s*[\"']?\$\{?(\w+)\}?[\"']?\s*\Z")
_PYTHON = lazy(r"(?:environ(?:\.get)?\s*[\[(]|getenv\()\s*[\"'](\w+)[\"']")
_GET_TOKEN = lazy(
    r"\bget_token\(\s*\)|HfFolder\.get_token|\bhf\s+auth\s+token\b"
    r"|\bcat\s+\S*\.cache/huggingface/token\b"
)


def submitter_token(job: Job) -> JobToken | None:
    """Return the token with which the job is started: that of its script, else this machine's."""
    for name in NAMES:
        value = _assigned(job, job.submit_steps, name)
        if value is not None:
            return _follow(job, name, value)
    return local_token()


def _assigned(job: Job, steps: list[Step], variable: str) -> Value[Any] | None:
    """Return what the script around the job gives to a variable before the job's own command."""
    found: Value[Any] | None = None
    for step in steps:
        if step.place.path == job.place.path and step.place.line > job.place.line:
            break
        own = step.place.line == job.place.line
        if variable in step.assignments and (own or _lasts(step)):
            found = step.assignments[variable]
    if found is not None:
        return found
    loaded = job.extra.get("env_loaded") or {}
    return loaded.get(variable)


def _lasts(step: Step) -> bool:
    """Whether the assignments of a step outlive it: `export X=...` and a bare `X=...`."""
    words = [get(word) for word in step.argv]
    return not words or words[0] in ("export", "declare", "readonly", "typeset", "local")


def job_token(job: Job) -> JobToken | None:
    """Return the token that the job will carry, or None when it is given none.

    Secrets win over the environment; of several worker pools the first that has one counts. What
    the code or the command line hands over itself comes after them.
    """
    for name in NAMES:
        found = [job.secrets[name]] if name in job.secrets else []
        found += [pool.env[name] for pool in job.pools if name in pool.env]
        for value in found:
            return _follow(job, name, value)
    written = _written(job)
    if written is not None:
        return written
    if job.platform == "colab":
        return unknown_token("the secret HF_TOKEN of Colab", "only Colab can read its secrets")
    if job.platform not in ("local", "unknown"):
        return None
    for name in NAMES:
        given = _assigned(job, job.steps, name) if job.form != "script" else None
        if given is not None:
            return _follow(job, name, given)
    return _kept_at_home(job) or local_token()


def _kept_at_home(job: Job) -> JobToken | None:
    """Return a token of no text when this machine forbids to send one unasked, and nobody asks."""
    import re

    from ftdoctor.checks.about import code, truthy

    name = "HF_HUB_DISABLE_IMPLICIT_TOKEN"
    if not truthy(os.environ.get(name)) or re.search(r"\btoken\s*=|\blogin\(", code(job)):
        return None
    return JobToken(f"none, as {name} of this machine wants", problem="blank")


def _written(job: Job) -> JobToken | None:
    """Return the token that stands in the code, a command or an argument of the job itself."""
    from ftdoctor.checks.token_forms import filler, placeholder
    from ftdoctor.checks.token_uses import uses

    texts = [
        use
        for use in uses(job)
        if use.family == "hub"
        and use.where in ("code", "argument", "step")
        and kind(use.text.strip()) in ("user", "oauth", "ci")
        and not placeholder(use.text)
        and not filler(use.text.strip())
    ]
    if len({use.text.strip() for use in texts}) != 1:
        return None
    from ftdoctor.job.value import known

    use = texts[0]
    return found_token(f"{use.name} as written in the job", use.text, "job", known("", use.place))


def _follow(job: Job, name: str, value: Value[Any], seen: tuple[str, ...] = ()) -> JobToken:
    """Return the token that a value of a job stands for; `seen` are the variables on the way."""
    if value.known and value.value is not None:
        shell = _SHELL.match(clean(value.value))
        if shell is None:
            return found_token(f"{name} as written in the job", value.value, "job", value)
        if job.form == "hf-jobs-call":
            return unknown_token(
                name, f"{value.value} becomes the token of the agent's session", value
            )
        if job.extra.get("filled_by"):
            return _from_variable(job, name, shell[1], value, seen)
        reason = f"the job carries the text {value.value!r}"
        if job.form in ("vertex-yaml", "vertex-json") and "gcloud" not in job.extra:
            return unknown_token(name, reason, value)  # something that we do not see may fill it in
        return JobToken(name, reason=reason, value=value, problem="wrong")
    raw = value.raw or value.unknown
    if _GET_TOKEN.search(raw) or "get_token" in value.unknown:
        local = local_token()
        if local is None:
            return unknown_token(f"{name} from get_token()", "no login on this machine", value)
        return _borrowed(f"{name} from get_token(), which gives {local.source}", local, value)
    match = _SHELL.match(raw) or _PYTHON.search(raw) or _PYTHON.search(value.unknown)
    variable = match[1] if match else (name if raw in ("", name) else "")
    if not variable:
        return unknown_token(name, value.unknown, value)
    own = _assigned(job, job.submit_steps, variable) is not None
    if not own and not os.environ.get(variable) and variable in NAMES and raw in ("", name):
        local = local_token()  # `-s HF_TOKEN` is filled by get_token() when the variable is empty
        if local is not None:
            return _borrowed(f"{name}, filled with {local.source}", local, value)
    return _from_variable(job, name, variable, value, seen)


def _from_variable(
    job: Job, name: str, variable: str, value: Value[Any], seen: tuple[str, ...]
) -> JobToken:
    given = _assigned(job, job.submit_steps or job.steps, variable)
    if given is not None and given is not value and variable not in seen:
        followed = _follow(job, name, given, (*seen, variable))
        return _borrowed(followed.source, followed, value)
    raw = os.environ.get(variable, "")
    source = f"${variable}" if name == variable else f"{name} from ${variable}"
    if not clean(raw):
        here = [other for other in held_here() if other != variable]
        hint = f", though {here[0]} is" if here else ""
        return unknown_token(source, f"${variable} is not set here{hint}", value)
    return found_token(f"{source} of this machine", raw, "machine", value)


def _borrowed(source: str, local: JobToken, value: Value[Any]) -> JobToken:
    """Return this machine's token as the one that the job is given."""
    return JobToken(source, local.text, local.reason, value, local.raw, local.where, local.problem)
