"""Hub tokens as a job writes them: left out, literal, of the wrong kind, too short-lived."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftdoctor.checks.about import (
    HF_JOBS,
    argument,
    code,
    document,
    env_open,
    env_place,
    env_texts,
    environments,
    has_token,
    launched,
    remote,
    truthy,
)
from ftdoctor.checks.token_forms import placeholder, unread_name, variable_name
from ftdoctor.checks.token_uses import TokenUse, carried, family
from ftdoctor.facts.value import TokenRefused
from ftdoctor.job.value import get
from ftdoctor.rulebook.model import Hit, Severity, Unsure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftdoctor.checks.context import Context
    from ftdoctor.job.model import Job
    from ftdoctor.job.source import Place


def placeholder_left(context: Context, **_: object) -> Iterator[Hit]:
    """A token's place still holds the text that should have been replaced.

    What this machine holds is called so only when the Hub refused it as well.
    """
    seen: set[tuple[str, str]] = set()
    for use in carried(context):
        if use.where == "machine" and not isinstance(context.facts.get("hub.whoami"), TokenRefused):
            continue
        text = use.text.strip()
        key = (use.place.path if use.place else "", text)
        if not text or key in seen or not placeholder(text) or _compared(context.job, use):
            continue
        seen.add(key)
        told = use.place is not None and use.place.path.endswith(".py") and _from_shell(context.job)
        soft = (
            document(use.place)
            or told
            or use.family == "tracker"
            or form_field(context.job, use.place)
        )
        severity: Severity | None = "warning" if soft else None
        yield Hit(
            use.place,
            {"name": use.name, "text": text},
            {"name": use.name, "text": text},
            severity=severity,
        )


def _from_shell(job: Job) -> bool:
    """Whether a job is a command line; inside a .py file it is one of a docstring."""
    return job.form in ("hf-jobs-cli", "vertex-gcloud", "vertex-yaml")


def form_field(job: Job, place: Place | None) -> bool:
    """Whether a value stands in a form of a notebook (`# @param`), made to be filled in."""
    if place is None:
        return False
    lines = (job.source.whole or job.source.text).split("\n")
    return place.line <= len(lines) and "@param" in lines[place.line - 1]


def _compared(job: Job, use: TokenUse) -> bool:
    """Whether the code tests for the placeholder, or something fills it in (sed, replace)."""
    quoted = re.escape(use.text)
    guard = re.compile(
        rf"""(?:==|!=|\bin)\s*[\[(]?[^\n]{{0,60}}["']{quoted}["']|startswith\(["']{quoted}"""
    )
    filled = re.compile(rf"(?:\bsed\b|\.replace\(|envsubst)[^\n]*{quoted}")
    texts = [job.source.whole or job.source.text, *(script.source.text for script in job.scripts)]
    return any(guard.search(text) or filled.search(text) for text in texts)


def sent_literally(context: Context, **_: object) -> Iterator[Hit | Unsure]:
    """A shell variable's name is sent as the token, because nothing on the way expands it."""
    job = context.job
    yield from _unfilled_here(context)
    if not launched(job) or job.extra.get("filled_by"):
        return
    alone = job.form in ("vertex-yaml", "vertex-json") and "gcloud" not in job.extra
    severity: Severity | None = "warning" if alone else None
    for index, name, text in env_texts(job):
        variable = variable_name(text)
        if not variable or not (family(name) or family(variable)):
            continue
        if job.form == "hf-jobs-call":
            continue  # the tool replaces exactly $HF_TOKEN and ${HF_TOKEN}; see session_token
        yield Hit(
            env_place(job, index, name),
            {"name": name, "text": text, "how": _how(job)},
            {"name": name, "text": text},
            severity=severity,
        )


def _unfilled_here(context: Context) -> Iterator[Hit]:
    """This machine's own HF_TOKEN is the name of a variable (single quotes where it was set)."""
    for use in carried(context):
        if use.where == "machine" and variable_name(use.text):
            how = "it was set in single quotes or in a file that no shell reads"
            values = {"name": use.name, "text": use.text.strip(), "how": how}
            yield Hit(use.place, values, values)


def _how(job: Job) -> str:
    if job.form == "hf-jobs-python":
        return "run_job and run_uv_job upload the value as it stands"
    if job.form == "hf-jobs-cli":
        return (
            "in single quotes the shell does not expand it, and hf uploads the value as it stands"
        )
    if job.form == "vertex-python":
        return f"Python does not expand it, and {_VERTEX}"
    return f"gcloud sends the file as it stands, and {_VERTEX}"


_VERTEX = "Vertex AI only expands $(NAME) from other entries of env"


def call_placeholder(context: Context, **_: object) -> Iterator[Hit]:
    """`hf_jobs(...)` replaces exactly `$HF_TOKEN`; anything else stays as it is."""
    job = context.job
    if job.form != "hf-jobs-call":
        return
    for index, name, text in env_texts(job):
        if "$" not in text or not (family(name) or "HF_TOKEN" in text.upper()):
            continue
        if text in ("$HF_TOKEN", "${HF_TOKEN}"):
            continue
        yield Hit(
            env_place(job, index, name), {"name": name, "text": text}, {"name": name, "text": text}
        )


def session_token(context: Context, **_: object) -> Iterator[Hit]:
    """`$HF_TOKEN` in an `hf_jobs` call becomes the token of the agent's session, often OAuth."""
    job = context.job
    if job.form != "hf-jobs-call" or not pushes(job):
        return
    for index, name, text in env_texts(job):
        if text in ("$HF_TOKEN", "${HF_TOKEN}"):
            yield Hit(env_place(job, index, name), {"name": name}, {"name": name})
            return


def pushes(job: Job) -> bool:
    """Whether the training pushes to the Hub."""
    return any(
        argument(t, "push_to_hub") is True or t.pushes for t in job.trainings
    ) or "push_to_hub" in code(job)


def wants_gated(job: Job) -> bool:
    """Whether a model of the training is gated, by the table."""
    from ftdoctor.checks.access import gate_of

    for training in job.trainings:
        model = get(training.model)
        if model is not None and gate_of(model):
            return True
    return False


def implicit_disabled(context: Context, **_: object) -> Iterator[Hit]:
    """HF_HUB_DISABLE_IMPLICIT_TOKEN keeps the token at home although the job needs it."""
    job = context.job
    if re.search(r"\btoken\s*=\s*(?!None|False)|\blogin\(", code(job)):
        return
    if not (wants_gated(job) or pushes(job)):
        return
    for index, name, text in env_texts(job):
        if name == "HF_HUB_DISABLE_IMPLICIT_TOKEN" and truthy(text.strip()):
            yield Hit(env_place(job, index, name), {}, {"value": text})


def env_instead_of_secret(context: Context, **_: object) -> Iterator[Hit]:
    """HF Jobs: a token given as plain environment, which the job's page and API show."""
    job = context.job
    if job.form not in HF_JOBS or not job.pools:
        return
    for name, value in job.pools[0].env.items():
        if family(name) and name not in job.secrets:
            text = get(value)
            if isinstance(text, str) and (not text.strip() or placeholder(text)):
                continue
            yield Hit(
                value.place or job.pools[0].env_places.get(name) or job.place,
                {"name": name},
                {"name": name},
            )


def missing_for_push(context: Context, **_: object) -> Iterator[Hit | Unsure]:
    """The job pushes to the Hub and no token reaches its container."""
    from ftdoctor.checks.about import own_token

    job = context.job
    if not job.trainings or not launched(job) or not remote(job):
        return
    if has_token(job) or own_token(job):
        return
    for training in job.trainings:
        flag = training.arguments.get("push_to_hub")
        pushed = get(flag) is True
        place = flag.place if pushed and flag is not None else None
        if not pushed:
            push = next((p for p in training.pushes if p.place is not None), None)
            if push is None:
                continue
            place = push.place
        why = env_open(job)
        if why:
            yield Unsure(
                f"the environment of the container is not known whole: {why}",
                "the environment as it is sent",
            )
            return
        if _unread_given(job):
            return  # told by the rule on names that no library reads
        yield Hit(
            place or job.place,
            {},
            {"push_to_hub": True},
            summary="The job pushes to the Hub and no token reaches its container.",
        )
        return


def _unread_given(job: Job) -> bool:
    return any(unread_name(name) for env in environments(job) for name in env)
