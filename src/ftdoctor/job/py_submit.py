"""Python that submits jobs: Vertex AI, HF Jobs, and commands run through subprocess."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftdoctor.job.model import Script
from ftdoctor.job.py_training import note_facts
from ftdoctor.job.py_values import follow, parse_most

if TYPE_CHECKING:
    from ftdoctor.job.model import Job
    from ftdoctor.job.py_run import Run
    from ftdoctor.job.readenv import ReadEnv
    from ftdoctor.job.source import Source
    from ftdoctor.job.value import Value


def read(source: Source, env: ReadEnv, argv: list[Value[str]] | None = None) -> list[Job]:
    """Return the jobs that a Python file submits, one Job for each; [] when it submits none.

    `argv` is the command line of the file where it is known. Raises nothing.
    """
    tree, problem = parse_most(source.text)
    if tree is None:
        return []
    run = follow(source, tree, env, argv)
    return jobs_of(run, source, env, problem)


def jobs_of(run: Run, source: Source, env: ReadEnv, broken: str = "") -> list[Job]:
    """Return the jobs that a followed file submits."""
    from ftdoctor.job.py_commands import command_jobs
    from ftdoctor.job.py_hf import hf_jobs
    from ftdoctor.job.py_kfp import component_jobs
    from ftdoctor.job.py_vertex_calls import vertex_jobs

    jobs = [*vertex_jobs(run, source, env), *hf_jobs(run, source, env)]
    jobs += command_jobs(run, source, env)
    jobs += component_jobs(run, source, [job.extra.get("component", "") for job in jobs])
    if jobs:
        script = Script(source, "submit", broken=broken)
        note_facts(run, script)
        for job in jobs:
            job.scripts.append(script)
            if run.stopped:
                job.extra["not_followed"] = run.stopped
    return sorted(jobs, key=lambda job: (job.place.line, job.place.column))
