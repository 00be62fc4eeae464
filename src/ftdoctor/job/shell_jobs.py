"""The jobs that a shell script submits or runs: gcloud, hf jobs, and training started in place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftdoctor.job.model import Job
from ftdoctor.job.shell import read_script
from ftdoctor.job.shell_text import as_text
from ftdoctor.records import replace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftdoctor.job.model import Step
    from ftdoctor.job.readenv import ReadEnv
    from ftdoctor.job.shell_follow import Script
    from ftdoctor.job.source import Source
    from ftdoctor.job.value import Value

#: Launchers that say by themselves that a training is started.
_TRAINERS = frozenset(("accelerate", "torchrun", "deepspeed"))


def read(source: Source, env: ReadEnv) -> list[Job]:
    """Return the jobs of a shell script."""
    variables = dict(env.variables)
    script = read_script(source, variables, where="submit")
    loaded: dict[str, Value[str]] = {}
    if script.env_files:
        loaded = _env_variables(script, env)
        if loaded:
            variables.update(loaded)
            script = read_script(source, variables, where="submit")
    jobs = script_jobs(script, source, env)
    for job in jobs if loaded else ():
        job.extra["env_loaded"] = loaded
    return jobs


def script_jobs(script: Script, source: Source, env: ReadEnv) -> list[Job]:
    """Return the jobs of a script that was read: those it submits, else the one that it runs."""
    inner = env.inside()
    inner.written = dict(env.written)
    for path, entry in script.written.items():
        if entry.source is not None:
            inner.written.setdefault(path, entry.source)
    jobs = [job for step in script.steps for job in submitted(step, script, source, inner)]
    for job in jobs:
        job.submit_steps = list(script.steps)
        if script.env_files:
            job.extra["env_files"] = list(script.env_files)
        if script.broken:
            job.extra["broken_lines"] = list(script.broken)
    return jobs or local_job(script, source, inner)


def submitted(step: Step, script: Script | None, source: Source, env: ReadEnv) -> list[Job]:
    """Return the job that one command submits to Vertex AI or HF Jobs, if it does."""
    if not step.argv:
        return []
    first = as_text(step.argv[0]).body
    if "gcloud" in first:
        from ftdoctor.job import gcloud

        written = script.written if script is not None else None
        return gcloud.read_step(step, env, source, written)
    if first.rsplit("/", 1)[-1] in ("hf", "huggingface-cli", "hfjobs", "uvx", "uv", "pipx"):
        from ftdoctor.job import hf_jobs_cli

        return hf_jobs_cli.read_step(step, env, source)
    return []


def _env_variables(script: Script, env: ReadEnv) -> dict[str, Value[str]]:
    from ftdoctor.job.hf_jobs_cli import env_file

    found: dict[str, Value[str]] = {}
    for path in script.env_files:
        source = env.read_file(path)
        if source is not None:
            found.update(env_file(source))
    return found


def local_job(script: Script, source: Source, env: ReadEnv, document: bool = False) -> list[Job]:
    """Read a script that trains where it runs: on this machine, or as a container's own script.

    In a document only a training launcher (`trl sft`, `accelerate launch`) makes a job: a plain
    `python train.py` is told with the script itself.
    """
    from ftdoctor.job.steps import run_steps

    if not script.steps:
        return []
    place = script.steps[0].place
    job = Job("local", "launcher", place, source)
    job.sources.append(source)
    steps = [replace(step, where="container") for step in script.steps]
    run_steps(job, steps, env, dict(_exports(steps)))
    launches = job.extra.get("launches", [])
    trains = [x for x in launches if x.kind == "trl" or _TRAINERS & set(x.launchers)]
    if document:
        # Prose such as "trl sft is running" is no command.
        trains = [x for x in trains if any(as_text(a).body.startswith("-") for a in x.step.argv)]
    broken = any(item.broken and "Trainer(" in item.source.text for item in job.scripts)
    if not trains and (document or not (job.trainings or broken)):
        return []
    from ftdoctor.job.attached import attach_requirements

    attach_requirements(job, env)
    if job.trainings and job.trainings[0].written_as == "trl-cli":
        job.form = "trl-cli"
    started = (
        trains[0].step.place if trains else (job.trainings and launches and launches[-1].step.place)
    )
    job.place = started or place
    job.submit_steps = list(script.steps)
    return [job]


def _exports(steps: list[Step]) -> Mapping[str, Value[str]]:
    found: dict[str, Value[str]] = {}
    for step in steps:
        if step.argv and as_text(step.argv[0]).body == "export":
            found.update(step.assignments)
    return found
