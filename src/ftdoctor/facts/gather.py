"""Which facts a job needs asked, and asking them side by side before one deadline."""

from __future__ import annotations

import os
import re
from functools import partial
from typing import TYPE_CHECKING, Any

from ftdoctor.facts.ask import ask
from ftdoctor.facts.token import JobToken, job_token, local_token
from ftdoctor.facts.value import Unknown
from ftdoctor.job.value import get
from ftdoctor.lazy import lazy

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ftdoctor.job.model import Job

_HUB_ID = lazy(r"[\w.-]+/[\w.-]+\Z")
#: At most this many repositories are asked about for one job.
_MOST = 12
#: load_dataset names that are builders of local files, not data sets.
_BUILDERS = frozenset("json csv parquet text arrow imagefolder audiofolder webdataset sql".split())


def hub_id(text: object) -> bool:
    """Whether a text can be a Hub id (owner/name) rather than a path or a placeholder."""
    return (
        isinstance(text, str)
        and bool(_HUB_ID.match(text))
        and not text.startswith((".", "/", "~"))
        and not re.search(r"your|<|>|username|example|placeholder", text, re.I)
        and not os.path.isdir(text)
    )


def models(job: Job) -> list[str]:
    """Return the Hub ids of the models that the job loads."""
    found = [get(t.model) for t in job.trainings]
    return [m for m in dict.fromkeys(found) if m is not None and hub_id(m)][:_MOST]


def datasets(job: Job) -> list[str]:
    """Return the Hub ids of the data sets that the job loads."""
    found = [get(d.id) for t in job.trainings for d in t.datasets]
    return [d for d in dict.fromkeys(found) if d and d not in _BUILDERS and hub_id(d)][:_MOST]


def output_repo(job: Job) -> str:
    """Return the repository that the job pushes to, "" when it pushes to none that is known."""
    for training in job.trainings:
        push = training.arguments.get("push_to_hub")
        named = get(training.arguments.get("hub_model_id"))
        if isinstance(named, str) and (push is None or get(push) is not False) and hub_id(named):
            return named
    return ""


def gatherer(*, online: bool, deadline: float) -> Callable[[Job], Mapping[str, Any]] | None:
    """Return the function that gathers the facts of a job.

    By default questions are asked when a job names something to ask about and a token exists;
    `online` asks also as nobody.
    """
    return partial(_gather, online=online, deadline=deadline, told={})


def _gather(
    job: Job, *, online: bool, deadline: float, told: dict[tuple[str, str], Any]
) -> Mapping[str, Any]:
    """Ask what was not told yet in this run: `whoami` is limited, and jobs share repositories."""
    facts: dict[str, Any] = {}
    token = job_token(job)
    local = local_token()
    facts["token"] = token
    facts["token.local"] = local
    questions = _hub_questions(job, token, local, online=online)
    from ftdoctor.facts.google import questions as google_questions

    questions |= google_questions(job, online=online)
    key = token.key if token else ""
    facts |= {name: told[key, name] for name in questions if (key, name) in told}
    questions = {name: q for name, q in questions.items() if name not in facts}
    if not questions:
        return facts
    with _Progress(len(questions)):
        answers = _answer(questions, deadline)
    told |= {
        (key, name): answer
        for name, answer in answers.items()
        if name.startswith("hub.") and not isinstance(answer, Unknown)
    }
    return facts | answers


def _hub_questions(
    job: Job, token: JobToken | None, local: JobToken | None, *, online: bool
) -> dict[str, Callable[[], Any]]:
    from ftdoctor.facts import hub

    text = token.text if token else ""
    submitter = local.text if local else ""
    if not (text or submitter or online):
        return {}
    questions: dict[str, Callable[[], Any]] = {}
    if text:
        questions["hub.whoami"] = partial(hub.whoami, text)
    # A job whose token is not known here is asked about with nobody's eyes only when it has none.
    if text or token is None or online:
        for repo in models(job):
            questions[f"hub.model:{repo}"] = partial(hub.access, repo, "model", text)
        for repo in datasets(job):
            questions[f"hub.dataset:{repo}"] = partial(hub.access, repo, "dataset", text)
    out = output_repo(job)
    if out and text:
        questions[f"hub.write:{out}"] = partial(hub.access, out, "model", text, write=True)
    if job.platform == "hf-jobs" and submitter:
        namespace = get(job.namespace)
        if namespace:
            questions["hub.jobs"] = partial(hub.jobs_permission, namespace, submitter)
        questions["hub.hardware"] = partial(hub.hardware, submitter)
    return questions


def _answer(questions: dict[str, Callable[[], Any]], deadline: float) -> dict[str, Any]:
    hub_names = [name for name in questions if name.startswith("hub.")]
    if hub_names:
        from ftdoctor.facts import hub

        problem = hub.reachable(min(1.5, deadline))
        if problem:
            away = {name: Unknown(problem, name, "a network") for name in hub_names}
            rest = {name: q for name, q in questions.items() if name not in away}
            return {**away, **ask(rest, deadline)}
    return ask(questions, deadline)


class _Progress:
    """One line on stderr while questions are out, only on a terminal."""

    def __init__(self, number: int) -> None:
        import sys

        self.number = number
        self.shown = sys.stderr.isatty()

    def __enter__(self) -> None:
        if self.shown:
            import sys

            print(f"\rasking {self.number} questions ...", end="", file=sys.stderr, flush=True)

    def __exit__(self, *_: object) -> None:
        if self.shown:
            import sys

            print("\r\033[K", end="", file=sys.stderr, flush=True)
