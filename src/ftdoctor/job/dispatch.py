"""One function per kind of file; each imports only the readers that it needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ftdoctor.job.model import Job
    from ftdoctor.job.read import Reading
    from ftdoctor.job.readenv import ReadEnv
    from ftdoctor.job.source import Source


def read_yaml(source: Source, env: ReadEnv, reading: Reading) -> list[Job]:
    """Read a YAML or JSON file."""
    from ftdoctor.job import vertex_yaml

    if vertex_yaml.looks_like_spec(source.text):
        jobs = vertex_yaml.read(source, env)
        if jobs:
            return jobs
    if "deploymentSpec" in source.text or "pipelineSpec" in source.text:
        from ftdoctor.job import kfp

        return kfp.read_ir(source, env)
    if source.text.lstrip()[:1] in ("{", "["):
        from ftdoctor.job import documents

        return documents.read_call(source, env)
    return []


def read_document(source: Source, env: ReadEnv, reading: Reading) -> list[Job]:
    """Read Markdown or another document."""
    from ftdoctor.job import documents

    return documents.read(source, env)


def read_submit(source: Source, env: ReadEnv, reading: Reading) -> list[Job]:
    """Read a Python file that may submit jobs, else as the job itself."""
    from ftdoctor.job import documents, py_submit

    jobs = py_submit.read(source, env)
    jobs += documents.docstring_jobs(source, env)
    if not jobs and "kfp" in source.text:
        from ftdoctor.job import kfp

        if kfp.looks_like_pipeline(source.text):
            jobs = kfp.read_python(source, env)
    return jobs or read_python(source, env, reading)


def read_python(source: Source, env: ReadEnv, reading: Reading) -> list[Job]:
    """Read a Python file that is itself the job."""
    from ftdoctor.job import py_job

    return py_job.script_job(source, env)


def read_notebook(source: Source, env: ReadEnv, reading: Reading) -> list[Job]:
    """Read a notebook."""
    from ftdoctor.job import notebook
    from ftdoctor.job.model import Unread

    try:
        return notebook.read(source, env)
    except notebook.BrokenNotebook as error:
        reading.passed_over.append(Unread("broken", str(error), source.place(error.line)))
        return []


def read_shell(source: Source, env: ReadEnv, reading: Reading) -> list[Job]:
    """Read a shell script."""
    from ftdoctor.job import shell_jobs

    return shell_jobs.read(source, env)


def read_actions(source: Source, env: ReadEnv, reading: Reading) -> list[Job]:
    """Read a GitHub Actions workflow."""
    from ftdoctor.job import actions

    return actions.read(source, env)


def read_make(source: Source, env: ReadEnv, reading: Reading) -> list[Job]:
    """Read a makefile."""
    from ftdoctor.job import makefiles

    return makefiles.read(source, env)


def read_powershell(source: Source, env: ReadEnv, reading: Reading) -> list[Job]:
    """Read a PowerShell script."""
    from ftdoctor.job import powershell

    return powershell.read(source, env)


def read_terraform(source: Source, env: ReadEnv, reading: Reading) -> list[Job]:
    """Read a Terraform file."""
    from ftdoctor.job import terraform

    return terraform.read(source, env)
