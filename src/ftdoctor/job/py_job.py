"""A Python file that is itself the job: a uv script, or a training script run here."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftdoctor.job.model import Job, Script, Unread, WorkerPool
from ftdoctor.job.pep723 import read_header
from ftdoctor.job.py_training import read_training, trains
from ftdoctor.job.value import Value, known

if TYPE_CHECKING:
    from ftdoctor.job.pep723 import Header
    from ftdoctor.job.readenv import ReadEnv
    from ftdoctor.job.source import Source

#: An import of a library whose releases are known, or a call that only these have.
_USES = re.compile(
    r"\b(?:import|from)\s+(?:trl|peft|transformers|accelerate|datasets|huggingface_hub|bitsandbytes)\b"
    r"|\b\w+(?:Trainer|Config|TrainingArguments)\("
)
#: What trains or submits a job: a file with it is one that somebody runs.
_STARTS = re.compile(
    r"\b\w*Trainer\(|\.train\(\)|\b(?:Custom|CustomTraining|CustomContainerTraining)\w*Job\("
    r"|\brun_(?:uv_)?job\(|\bfrom_pretrained\("
)


def script_job(source: Source, env: ReadEnv) -> list[Job]:
    """Return the job of a Python file, or [] when it neither trains nor uses a model.

    With a PEP 723 header it is a uv script; a `[tool.hf-jobs]` table makes it a job of HF Jobs. A
    requirements file or pyproject beside a script without a header belongs to the job.
    """
    header = read_header(source)
    script = Script(source, "training")
    trainings = read_training(script, env)
    problem = script.broken
    if not any(trains(item) for item in trainings) and not _is_job(header, script):
        return []
    place = trainings[0].trainer.place if trainings and trainings[0].trainer else None
    job = Job(
        "local", "uv-script" if header is not None else "script", place or source.place(1), source
    )
    job.name = source.path
    job.sources.append(source)
    job.scripts.append(script)
    job.trainings.extend(trainings)
    if problem:
        job.unread.append(Unread("script", f"it is no Python: {problem}", source.place(1)))
    if header is not None:
        _apply_header(job, header)
    else:
        _beside(job, env)
    return [job]


def named_script(source: Source) -> list[Job]:
    """Return a job for a Python file that the user named although it trains nothing.

    A snippet, or a module with a config in it, is checked for what it imports and calls. A file
    that uses none of the libraries is no job.
    """
    script = Script(source, "training")
    if script.tree is None:
        script.broken = "it is no Python"
        if "..." not in source.text and not _STARTS.search(source.text):
            return []
    elif not _USES.search(source.text):
        return []
    job = Job("local", "script", source.place(1), source)
    job.name = source.path
    job.sources.append(source)
    job.scripts.append(script)
    return [job]


def broken_script(source: Source) -> list[Job]:
    """Return a job for a Python file that trains with these libraries and cannot be parsed."""
    if _STARTS.search(source.text) and _USES.search(source.text):
        script = Script(source, "training")
        if script.tree is None:
            return named_script(source)
    return []


def _is_job(header: Header | None, script: Script) -> bool:
    """Whether a script without a training in it is worth reading: a uv script that runs models."""
    if header is None:
        return False
    if script.broken or header.hf_jobs is not None:
        return True
    stack = {"transformers", "trl", "peft", "unsloth", "datasets", "torch", "vllm"}
    return bool(stack & set(script.imports))


def _apply_header(job: Job, header: Header) -> None:
    job.extra["header"] = header
    job.requirements.extend(header.requirements)
    if header.requires_python is not None:
        job.python = header.requires_python
    if header.broken:
        job.unread.append(Unread("script header", header.broken, header.place))
    table = header.hf_jobs
    if table is None:
        return
    job.platform = "hf-jobs"
    job.place = header.place
    job.extra["uv"] = True
    pool = WorkerPool(place=header.place)
    job.pools.append(pool)
    for key, target in (("flavor", "flavor"), ("namespace", "namespace"), ("name", "display_name")):
        if key in table:
            setattr(job, target, table[key])
    if "image" in table:
        pool.image = table["image"]
    if "python" in table:
        job.python = table["python"]
    if "timeout" in table:
        from ftdoctor.job.py_abstract import At, Const
        from ftdoctor.job.py_hf_fields import seconds

        job.timeout = seconds(Const(table["timeout"].value, At(None, None, table["timeout"].place)))
    for name in _list(table.get("secrets")):
        # Names only: the value comes from the environment of whoever submits.
        reason = f"it is the environment variable {name} of the machine that submits"
        job.secrets[name] = Value(None, table["secrets"].place, reason, name)
    _strings(table.get("env"), pool.env)
    _strings(table.get("labels"), job.labels)
    job.volumes += [known(item, table["volumes"].place) for item in _list(table.get("volumes"))]


def _list(value: Value[object] | None) -> list[str]:
    data = value.value if value is not None else None
    return [item for item in data if isinstance(item, str)] if isinstance(data, list) else []


def _strings(value: Value[object] | None, target: dict[str, Value[str]]) -> None:
    data = value.value if value is not None else None
    if isinstance(data, dict) and value is not None:
        for key, item in data.items():
            target[str(key)] = known(str(item), value.place)


def _beside(job: Job, env: ReadEnv) -> None:
    """A script without a header runs in an environment made from the file beside it, if any."""
    from ftdoctor.job.requirements import read_requirements_file

    for name in ("requirements.txt", "requirements/base.txt"):
        source = env.read_file(name)
        if source is not None:
            read = read_requirements_file(source, env)
            job.requirements.extend(read.requirements)
            job.sources.append(source)
            job.extra["indexes"] = read.indexes
            return
