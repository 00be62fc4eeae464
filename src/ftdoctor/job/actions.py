"""GitHub Actions workflows: the `run:` steps that submit or start a training."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftdoctor.job.shell_text import as_text
from ftdoctor.job.value import unknown
from ftdoctor.job.yaml_values import Mapping, Reader, Scalar

if TYPE_CHECKING:
    from ftdoctor.job.model import Job
    from ftdoctor.job.readenv import ReadEnv
    from ftdoctor.job.shell_follow import Written
    from ftdoctor.job.source import Source
    from ftdoctor.job.value import Value
    from ftdoctor.job.yaml_values import Node


def read(source: Source, env: ReadEnv) -> list[Job]:
    """Return the jobs that the steps of a workflow submit. Raises BrokenYaml."""
    reader = Reader(source, env)
    jobs: list[Job] = []
    for root in reader.documents():
        top = {key: value for key, _, value in reader.pairs(root)}
        variables = _variables(reader, top.get("env"))
        for _, _, job in reader.pairs(top.get("jobs")):
            fields = {key: value for key, _, value in reader.pairs(job)}
            inner = {**variables, **_variables(reader, fields.get("env"))}
            jobs.extend(_job(reader, fields, inner, source, env))
        runs = {key: value for key, _, value in reader.pairs(top.get("runs"))}
        jobs.extend(_job(reader, runs, variables, source, env))
    return jobs


def _job(
    reader: Reader,
    fields: dict[str, Node],
    variables: dict[str, Value[str]],
    source: Source,
    env: ReadEnv,
) -> list[Job]:
    from ftdoctor.job.shell import read_script
    from ftdoctor.job.shell_jobs import local_job, submitted

    jobs: list[Job] = []
    written: dict[str, Written] = {}
    for step in reader.items(fields.get("steps")):
        parts = {key: value for key, _, value in reader.pairs(step)}
        run = parts.get("run")
        if not isinstance(run, Scalar):
            continue
        text = reader.text(run)
        body = _script(reader, run, env)
        if body is None:
            continue
        own = {**variables, **_variables(reader, parts.get("env"))}
        # GitHub runs `bash -e {0}`: a failing command ends the step.
        script = read_script(body, own, where="submit", guarded=True)
        written.update(script.written)
        script.written = dict(written)
        inner = env.inside()
        inner.written = {p: e.source for p, e in written.items() if e.source is not None}
        found = [job for step_ in script.steps for job in submitted(step_, script, body, inner)]
        for job in found:
            job.submit_steps = list(script.steps)
            job.sources.append(source)
            job.extra["workflow"] = text.place
        jobs.extend(found or local_job(script, body, inner, document=True))
    return jobs


def _script(reader: Reader, node: Scalar, env: ReadEnv) -> Source | None:
    value = reader.text(node)
    kept: Source | None = env.state.get("fragments", {}).get(value.place)
    if kept is not None:
        return kept
    return env.fragment(value) if value.known else None


def _variables(reader: Reader, node: Node | None) -> dict[str, Value[str]]:
    found: dict[str, Value[str]] = {}
    if not isinstance(node, Mapping):
        return found
    for name, _, value in reader.pairs(node):
        text = reader.text(value)
        raw = text.value if text.known else text.raw
        match = re.search(r"\$\{\{\s*(.*?)\s*\}\}", raw or "")
        if match:
            reason = f"GitHub Actions fills in {match.group(1)}"
            found[name] = as_text(unknown(reason, text.place, raw or ""))
        else:
            found[name] = text
    return found
