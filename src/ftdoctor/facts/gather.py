"""Which facts a job needs asked, and asking them side by side before one deadline."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

from ftdoctor.facts.ask import ask
from ftdoctor.facts.repos import Wanted, hub_id, mounts, outputs, spaces, wanted
from ftdoctor.facts.token import held_here, local_token
from ftdoctor.facts.token_job import job_token, submitter_token
from ftdoctor.facts.value import RepoFiles, Unknown
from ftdoctor.job.value import get

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ftdoctor.facts.token import JobToken
    from ftdoctor.job.model import Job

__all__ = ["gatherer", "hub_id"]

#: Seconds in which the Hub's host has to take a connection, before any question is put.
_PATIENCE = 1.2


def gatherer(*, online: bool, deadline: float) -> Callable[[Job], Mapping[str, Any]] | None:
    """Return the function that gathers the facts of a job.

    By default questions are asked when a job names something to ask about and a token exists;
    `online` asks also as nobody. `deadline` is in seconds, for all questions of one job together.
    """
    return partial(_gather, online=online, deadline=deadline, told={})


def _gather(
    job: Job, *, online: bool, deadline: float, told: dict[tuple[str, str], Any]
) -> Mapping[str, Any]:
    """Ask what was not told yet in this run: `whoami` is limited, and jobs share repositories.

    What got no answer is not asked again either: a run over many jobs would wait for each.
    """
    token, local = job_token(job), submitter_token(job)
    repos = wanted(job)
    facts: dict[str, Any] = {
        "online": online,
        "token": token,
        "token.local": local,
        "token.elsewhere": held_here() if local_token() is None else [],
        "hub.wanted": repos,
        "hub.outputs": outputs(job),
    }
    questions = _hub_questions(job, token, local, repos, told, online=online)
    from ftdoctor.facts.google import questions as google_questions

    questions |= google_questions(job, online=online)
    key = (token.key if token else "") + (local.key if local else "")
    end = time.monotonic() + deadline
    facts |= _told_or_asked(questions, told, key, deadline)
    bases = _bases(repos, facts)
    if bases:  # an adapter loads its base: the one question that needs an answer first
        text = token.text if token else ""
        more = {
            f"hub.model:{item.repo}": partial(_access, item.repo, "model", text) for item in bases
        }
        facts |= _told_or_asked(more, told, key, max(0.1, end - time.monotonic()))
        facts["hub.wanted"] = [*repos, *bases]
    return facts


def _told_or_asked(
    questions: Mapping[str, Callable[[], Any]],
    told: dict[tuple[str, str], Any],
    key: str,
    deadline: float,
) -> dict[str, Any]:
    """Return the answers, those that this run has heard already without asking."""
    known = {name: told[key, name] for name in questions if (key, name) in told}
    open_ones = {name: q for name, q in questions.items() if name not in known}
    away = told.get(("", "away"))
    if away is not None:  # another job of this run has waited for it already
        known |= {name: Unknown(away.reason, name, away.needs) for name in open_ones if _hub(name)}
        open_ones = {name: q for name, q in open_ones.items() if name not in known}
    if not open_ones:
        return known
    answers = _answer(open_ones, deadline)
    told |= {(key, name): answer for name, answer in answers.items() if _hub(name)}
    silent = [answer for name, answer in answers.items() if _hub(name)]
    if silent and all(isinstance(a, Unknown) and "network" in a.needs for a in silent):
        told["", "away"] = silent[0]
    return known | answers


def _hub(name: str) -> bool:
    return name.startswith("hub.")


def _whoami(token: JobToken, told: dict[tuple[str, str], Any]) -> Any:
    """Ask whose token it is, once in a run for each token: the endpoint is limited."""
    from ftdoctor.facts import hub

    known = (token.key, "whoami")
    if known not in told:
        told[known] = hub.whoami(token.text)
    return told[known]


def _access(repo: str, repo_type: str, text: str) -> Any:
    from ftdoctor.facts import hub

    return hub.access(repo, repo_type, text)


def _bases(repos: list[Wanted], facts: Mapping[str, Any]) -> list[Wanted]:
    """Return the base models of adapters that the job loads as its model, and names nowhere."""
    named = {item.repo for item in repos}
    found = []
    for item in repos:
        listed = facts.get(f"hub.files:{item.key}")
        base = listed.base if isinstance(listed, RepoFiles) else ""
        if item.loads == "full" and base not in named and hub_id(base):
            found.append(Wanted(base, "model", item.place, base_of=item.repo))
    return found


def _hub_questions(
    job: Job,
    token: JobToken | None,
    local: JobToken | None,
    repos: list[Wanted],
    told: dict[tuple[str, str], Any],
    *,
    online: bool,
) -> dict[str, Callable[[], Any]]:
    """Return the questions on a job, by the name of the fact that answers each."""
    text = token.text if token else ""
    submitter = local.text if local else ""
    if not (text or submitter or online):
        return {}
    from ftdoctor.facts import hub, hub_files

    questions: dict[str, Callable[[], Any]] = {}
    if token is not None and text:
        questions["hub.whoami"] = partial(_whoami, token, told)
    # Where the token is not known or is none, nobody's eyes tell what is open to all. A text that
    # can be no token breaks every call of the job, so nothing is asked for it.
    broken = token is not None and token.problem in ("wrong", "unreadable")
    if text or ((submitter or online) and not broken):
        for item in repos:
            questions[f"hub.{item.repo_type}:{item.repo}"] = partial(
                hub.access, item.repo, item.repo_type, text
            )
            if item.repo_type == "dataset" and not (item.revision or item.files):
                continue
            questions[f"hub.files:{item.key}"] = partial(
                hub_files.files, item.repo, item.repo_type, text, item.revision
            )
            if item.revision:
                questions[f"hub.refs:{item.repo_type}:{item.repo}"] = partial(
                    hub_files.refs, item.repo, item.repo_type, text
                )
    if text:
        for out, model in [*outputs(job).items()][:4]:
            questions[f"hub.write:{out}"] = partial(hub.access, out, "model", text, write=True)
            if not model:
                questions[f"hub.write.data:{out}"] = partial(
                    hub.access, out, "dataset", text, write=True
                )
        for name in spaces(job):
            questions[f"hub.space:{name}"] = partial(hub.access, name, "space", text, write=True)
    if job.platform == "hf-jobs":
        questions |= _jobs_questions(job, text, local, told, online=online)
    return questions


def _jobs_questions(
    job: Job,
    text: str,
    local: JobToken | None,
    told: dict[tuple[str, str], Any],
    *,
    online: bool,
) -> dict[str, Callable[[], Any]]:
    """Return the questions on starting the job: they are put with the token of this machine."""
    from ftdoctor.facts import hub

    questions: dict[str, Callable[[], Any]] = {}
    namespace, submitter = get(job.namespace), local.text if local else ""
    if submitter and namespace:
        questions["hub.jobs"] = partial(hub.jobs_permission, namespace, submitter)
    elif local is not None and submitter and submitter != text:
        questions["hub.whoami.submitter"] = partial(_whoami, local, told)
    if submitter:
        for item in mounts(job):
            questions[f"hub.mount:{item.repo_type}:{item.repo}"] = partial(
                hub.access, item.repo, item.repo_type, submitter
            )
    if submitter or online:
        questions["hub.hardware"] = partial(hub.hardware, submitter)
    return questions


def _answer(questions: dict[str, Callable[[], Any]], deadline: float) -> dict[str, Any]:
    """Ask all at once; the Hub's questions wait for its host to take a connection."""
    names = [name for name in questions if _hub(name)]
    if not names:
        return ask(questions, deadline)
    import threading

    from ftdoctor.facts.hub_http import reachable

    problem: list[str] = []
    probe = threading.Thread(
        target=lambda: problem.append(reachable(min(_PATIENCE, deadline))), daemon=True
    )
    probe.start()

    def behind(name: str, question: Callable[[], Any]) -> Any:
        import huggingface_hub.utils  # noqa: F401  loaded while the probe is out

        probe.join()
        return Unknown(problem[0], name, "a network") if problem[0] else question()

    return ask(
        {
            name: partial(behind, name, question) if name in names else question
            for name, question in questions.items()
        },
        deadline,
    )
