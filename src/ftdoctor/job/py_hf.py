"""Hugging Face Jobs started from Python, and the `hf_jobs` tool call of coding agents.

Signatures: huggingface_hub 2.4.0, hf_api.py (run_job, run_uv_job, create_scheduled_job,
create_scheduled_uv_job); the tool: huggingface/hf-mcp-server, packages/mcp/src/jobs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftdoctor.job.model import Job, Unread
from ftdoctor.job.py_abstract import Map, Obj, Seq, text_of
from ftdoctor.job.py_hf_fields import entries, fill
from ftdoctor.job.py_ops import reason_of
from ftdoctor.job.py_values import place_of

if TYPE_CHECKING:
    from ftdoctor.job.model import Form
    from ftdoctor.job.py_run import Run
    from ftdoctor.job.readenv import ReadEnv
    from ftdoctor.job.source import Place, Source

_STARTS = {
    "run_job": "run",
    "create_scheduled_job": "run",
    "run_uv_job": "uv",
    "create_scheduled_uv_job": "uv",
}
_OPERATIONS = {
    "run": "run",
    "uv": "uv",
    "scheduled run": "run",
    "scheduled uv": "uv",
    "scheduled_run": "run",
    "scheduled_uv": "uv",
}
#: Arguments that only a job has; other libraries have a `run_job` too.
_OWN = frozenset("image flavor secrets script dependencies command hardware_flavor".split())


def hf_jobs(run: Run, source: Source, env: ReadEnv) -> list[Job]:
    """Return the HF Jobs that the calls of a script make, in order."""
    found: list[Job] = []
    for call in run.calls:
        if call.derived or call.fallback:
            continue
        job = None
        if call.name in _STARTS and _is_hub(call):
            job = _from_api(call, source, env)
        elif call.name in ("hf_jobs", "hf_jobs_tool"):
            job = _from_tool(call, source, env)
        if job is None:
            continue
        job.sources += [file for file in run.files if file not in job.sources]
        if call.condition:
            job.extra["condition"] = call.condition
        if call.loop:
            job.extra["loop"] = call.loop
        found.append(job)
    return found


def _is_hub(call: Obj) -> bool:
    root = call.callee.split(".")[0].split("(")[0]
    if root in ("huggingface_hub", "hf_api", "HfApi") or not call.imported:
        return True
    return bool(_OWN & set(call.kwargs))


def _from_api(call: Obj, source: Source, env: ReadEnv) -> Job:
    job = _new(source, call, "hf-jobs-python")
    fields = dict(call.kwargs)
    if call.args:
        first = "script" if _STARTS[call.name] == "uv" else "image"
        fields.setdefault(first, call.args[0])
    if call.open:
        job.unread.append(Unread("further arguments", call.open, place_of(call)))
        job.extra["open"] = call.open
    fill(job, fields, _STARTS[call.name], env, tool=False)
    if call.name.startswith("create_scheduled"):
        job.extra["scheduled"] = True
    return job


def _from_tool(call: Obj, source: Source, env: ReadEnv) -> Job | None:
    operation = call.arg("operation", 0)
    if isinstance(operation, Map):
        return tool_job(operation, source, env, place_of(call))
    args = call.arg("args", 1) or call.arg("arguments", 1)
    word = text_of(operation)
    if word is None and operation is None and ("script" in call.kwargs or "image" in call.kwargs):
        fields = call.kwargs
        kind = "uv" if "script" in fields else "run"
    elif word is not None and _OPERATIONS.get(word.lower().strip()):
        kind = _OPERATIONS[word.lower().strip()]
        fields = {**call.kwargs, **entries(args)}
    else:
        return None
    job = _new(source, call, "hf-jobs-call")
    if args is not None and not isinstance(args, Map):
        job.unread.append(Unread("arguments of the call", reason_of(args), place_of(args)))
    if isinstance(args, Map) and args.now.open:
        job.extra["open"] = args.now.open
    job.extra["operation"] = word or kind
    fill(job, fields, kind, env, tool=True)
    return job


def read_tool_json(source: Source, env: ReadEnv) -> list[Job]:
    """Return the job of a tool call written as bare JSON: `{"operation": "uv", "args": {...}}`.

    Also `{"script": ..., "flavor": ...}`, `{"name": "hf_jobs", "arguments": {...}}` and a list of
    such. Anything else gives no job.
    """
    from ftdoctor.job.py_embedded import parse_document

    found = parse_document(source, None)
    calls = list(found.items) if isinstance(found, Seq) else [found]
    jobs = [tool_job(call, source, env, None) for call in calls[:20] if isinstance(call, Map)]
    return [job for job in jobs if job is not None]


def tool_job(call: Map, source: Source, env: ReadEnv, place: Place | None) -> Job | None:
    """Return the job behind the arguments of an `hf_jobs` call, None when they are none."""
    fields = entries(call)
    for inner in ("arguments", "input", "parameters", "function"):
        if isinstance(fields.get(inner), Map) and "operation" not in fields:
            nested = fields[inner]
            if isinstance(nested, Map):
                return tool_job(nested, source, env, place)
    operation = text_of(fields.get("operation"))
    if operation is not None:
        kind = _OPERATIONS.get(operation.lower().strip(), "")
        args = fields.get("args")
        fields = {
            **{k: v for k, v in fields.items() if k not in ("operation", "args")},
            **entries(args),
        }
    else:
        has_machine = bool({"flavor", "hardware_flavor", "secrets", "timeout"} & set(fields))
        kind = (
            ("uv" if "script" in fields else "run" if "image" in fields else "")
            if has_machine
            else ""
        )
    if not kind:
        return None
    if kind == "uv" and "script" not in fields and "command" not in fields:
        return None
    from ftdoctor.job.source import Place as _Place

    where = place or place_of(call) or _Place(source.path, 1)
    job = Job("hf-jobs", "hf-jobs-call", where, source)
    job.sources.append(source)
    job.extra["operation"] = operation or kind
    fill(job, fields, kind, env, tool=True)
    return job


def _new(source: Source, call: Obj, form: Form) -> Job:
    from ftdoctor.job.source import Place as _Place

    job = Job("hf-jobs", form, place_of(call) or _Place(source.path, 1), source)
    job.sources.append(source)
    job.extra["sdk"] = call.callee
    return job
