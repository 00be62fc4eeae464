"""Commands that a script runs: gcloud, hf and trl through subprocess or os.system."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftdoctor.job.model import Job, Step
from ftdoctor.job.py_abstract import Abstract, Obj, Seq
from ftdoctor.job.py_embedded import text_source
from ftdoctor.job.py_values import command_texts, place_of
from ftdoctor.job.value import get

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftdoctor.job.model import Training
    from ftdoctor.job.py_run import Run
    from ftdoctor.job.readenv import ReadEnv
    from ftdoctor.job.source import Source

_CALLS = frozenset(
    "subprocess.run subprocess.call subprocess.check_call subprocess.check_output subprocess.Popen "
    "subprocess.getoutput subprocess.getstatusoutput os.system os.popen "
    "asyncio.create_subprocess_exec asyncio.create_subprocess_shell".split()
)
#: What a command must hold to be worth reading as a shell text.
_MARKS = ("gcloud", "hf jobs", "huggingface-cli jobs", "hfjobs", "trl ", "accelerate ", "torchrun")


def command_jobs(run: Run, source: Source, env: ReadEnv) -> list[Job]:
    """Return the jobs behind the commands that a script runs."""
    found: list[Job] = []
    for call in run.calls:
        if call.callee not in _CALLS or call.fallback:
            continue
        jobs = [
            job for step, text in _commands(call, env) for job in _jobs(step, text, source, env)
        ]
        for job in jobs:
            if source not in job.sources:
                job.sources.append(source)
            if call.condition:
                job.extra["condition"] = call.condition
        found += jobs
    return found


def started_trainings(run: Run) -> list[Training]:
    """Return the trainings that a script starts as `trl ...` commands of its own."""
    from ftdoctor.job.trl_args import read_trl

    found: list[Training] = []
    for call in run.calls:
        command = call.arg("args", 0) if call.callee in _CALLS and not call.fallback else None
        if isinstance(command, Seq) and command.items:
            words = command_texts(command)
            if (get(words[0]) or "").rsplit("/", 1)[-1] == "trl":
                found.append(read_trl(words, place_of(call), run.env))
    return found


def _commands(call: Obj, env: ReadEnv) -> Iterator[tuple[Step | None, Source | None]]:
    """Yield (command given as a list, None) or (None, command given as a text)."""
    command: Abstract | None = call.arg("args", 0) or call.arg("cmd", 0) or call.arg("command", 0)
    if isinstance(command, Seq):
        argv = command_texts(command, env)
        place = place_of(command) or place_of(call)
        if argv and place is not None:
            words = " ".join(value.value or value.raw for value in argv)
            yield Step(argv=argv, place=place, where="submit", text=words), None
    elif command is not None:
        text = text_source(command, "command", shell=True)
        if text is not None and any(mark in text.text for mark in _MARKS):
            yield None, text


def _jobs(step: Step | None, text: Source | None, source: Source, env: ReadEnv) -> list[Job]:
    from ftdoctor.job import shell_jobs

    if text is not None:
        return shell_jobs.read(text, env)
    if step is None:
        return []
    jobs = shell_jobs.submitted(step, None, source, env)
    if jobs:
        return jobs
    from ftdoctor.job.container import shell_script

    at = shell_script(step.argv)
    if at is not None:
        from ftdoctor.job.container import source_of

        inner = source_of(step.argv[at], env)
        if inner is not None and any(mark in inner.text for mark in _MARKS):
            return shell_jobs.read(inner, env)
    return _local(step, source, env)


def _local(step: Step, source: Source, env: ReadEnv) -> list[Job]:
    """A training that the script starts where it runs itself."""
    from ftdoctor.job.steps import run_steps
    from ftdoctor.records import replace

    program = (step.argv[0].value or "").rsplit("/", 1)[-1]
    if program not in ("trl", "accelerate", "torchrun", "deepspeed"):
        return []
    job = Job("local", "launcher", step.place, source)
    run_steps(job, [replace(step, where="container")], env)
    if not job.trainings and not job.extra.get("launches"):
        return []
    if job.trainings and job.trainings[0].written_as == "trl-cli":
        job.form = "trl-cli"
    return [job]
