"""The config file of `accelerate launch`, held against the accelerate that the job will run."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ftdoctor.job.pep440 import at_least, matches
from ftdoctor.job.py_abstract import Const, Map
from ftdoctor.rulebook.model import Hit
from ftdoctor.tables import table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftdoctor.checks.context import Context
    from ftdoctor.job.launch_config import LaunchConfig
    from ftdoctor.job.model import Job
    from ftdoctor.job.source import Place
    from ftdoctor.job.value import Value

_DISTRIBUTED = ("MULTI_GPU", "FSDP", "DEEPSPEED")


def _configs(job: Job) -> Iterator[tuple[LaunchConfig, Map]]:
    """Yield every config that was read and that accelerate reads as one of this machine."""
    configs = job.extra.get("launch_configs", [])
    if not configs:
        return
    if not job.extra.get("launch_configs"):
        return
    from ftdoctor.job.py_embedded import parse_document

    seen: set[int] = set()
    for config in configs:
        if config.source is None or id(config.source) in seen:
            continue
        seen.add(id(config.source))
        document = parse_document(config.source, None)
        if not isinstance(document, Map) or not document.data or "<<" in document.data:
            continue
        # SageMaker has a class of its own; a template may become anything.
        where = _plain(document, "compute_environment", "LOCAL_MACHINE")
        if where != "LOCAL_MACHINE" or re.search(r"\{\{|\$\{|<%", config.source.text):
            continue
        yield config, document


def _plain(document: Map, name: str, default: Any = None) -> Any:
    item = document.data.get(name)
    return item[0].value if item and isinstance(item[0], Const) else default


def _place(document: Map, name: str, key: bool = False) -> Place | None:
    item, at = document.data[name]
    found = at if key else item.at
    return found.place if found is not None else None


def _version(job: Job) -> str:
    """Return the accelerate that will run, "" when it is not certain."""
    resolved = job.packages.get("accelerate")
    if resolved is None or resolved.version is None or resolved.reason:
        return ""
    newest, oldest = table("accelerate_config")["newest"], table("accelerate_config")["oldest"]
    known = at_least(resolved.version, oldest) and at_least(newest, resolved.version)
    return resolved.version if known else ""


def _has(row: list[str] | None, version: str) -> bool:
    """Whether a release has what a row stands for; any release, when the version is not known."""
    if row is None or not version:
        return row is not None
    return matches(version, f">={row[0]}" + (f",<={row[1]}" if row[1] else ""))


def unknown_keys(context: Context) -> Iterator[Hit]:
    """Keys at the top of the file that are no field of accelerate's config."""
    job = context.job
    version, rows = _version(job), table("accelerate_config")["keys"]
    for config, document in _configs(job):
        bad = [k for k in document.data if isinstance(k, str) and not _has(rows.get(k), version)]
        if not bad:
            continue
        first = bad[0]
        when = ""
        if row := rows.get(first):
            came = not at_least(version, row[0])
            when = f"it came with {row[0]}" if came else f"the last release with it is {row[1]}"
        listed = ", ".join(f"`{key}`" for key in bad[:6]) + (", ..." if len(bad) > 6 else "")
        shown = f"accelerate {version}" if version else "accelerate"
        yield Hit(
            _place(document, first, key=True),
            {"keys": listed, "version": version, "path": str(config.path.value)},
            {"package": "accelerate", "parameter": first, "keys": bad, "why": when},
            summary=f"{shown} does not know {listed} in its config file"
            + (f": {when}" if when else ""),
        )


def wrong_values(context: Context) -> Iterator[Hit]:
    """A distributed_type or mixed_precision that accelerate's enumerations do not have."""
    job = context.job
    version, facts = _version(job), table("accelerate_config")
    for config, document in _configs(job):
        kind = _plain(document, "distributed_type")
        if isinstance(kind, str) and not _has(facts["distributed_type"].get(kind), version):
            names = [n for n, row in facts["distributed_type"].items() if _has(row, version)]
            near = kind.upper() if kind.upper() in names else ", ".join(names)
            yield _value(document, "distributed_type", kind, near, version)
        elif "distributed_type" not in document.data:
            since = facts["distributed_type_needed_from"]
            if version and at_least(version, since):
                yield Hit(
                    config.path.place or config.step.place,
                    {"key": "distributed_type", "version": version},
                    {"first_bad": since},
                    summary=f"the config file has no `distributed_type`: accelerate {version} "
                    "stops without it",
                )
        if "mixed_precision" in config.given:
            continue
        precision = _plain(document, "mixed_precision")
        if precision is False:
            yield _value(document, "mixed_precision", "no", "'no' in quotes", version)
        elif isinstance(precision, str):
            name = precision.lower()
            if not _has(facts["mixed_precision"].get(name), version):
                names = [n for n, row in facts["mixed_precision"].items() if _has(row, version)]
                yield _value(document, "mixed_precision", precision, ", ".join(names), version)


def _value(document: Map, key: str, value: str, wanted: str, version: str) -> Hit:
    shown = f"accelerate {version}" if version else "accelerate"
    summary = f"`{key}: {value}` is no value that {shown} takes: {wanted}"
    if value == "no":
        summary = "`mixed_precision: no` without quotes is the boolean false in YAML: write 'no'"
    return Hit(
        _place(document, key),
        {"key": key, "value": value, "wanted": wanted, "version": version},
        {"package": "accelerate", "parameter": key, "replacement": wanted},
        summary=summary,
    )


def processes(context: Context) -> Iterator[Hit]:
    """`num_processes` of the file is not the number of GPUs of the job's machines."""
    from ftdoctor.checks.about import code, gpu_count, launched, remote

    job = context.job
    if not job.extra.get("launch_configs"):
        return
    gpus = gpu_count(job)
    if not launched(job) or not remote(job) or not gpus:
        return
    machines = _machines(job)
    if machines is None or re.search(r"vllm|CUDA_VISIBLE_DEVICES", code(job)):
        return  # some GPUs may be kept for something else
    for config, document in _configs(job):
        text = config.step.text
        if config.given & {"num_processes", "cpu", "gpu_ids", "num_machines"}:
            continue
        if re.search(r"CUDA_VISIBLE_DEVICES|vllm", text):
            continue
        if _plain(document, "gpu_ids", "all") != "all":
            continue
        count = _plain(document, "num_processes")
        if _plain(document, "distributed_type") not in _DISTRIBUTED or not isinstance(count, int):
            continue
        if _plain(document, "use_cpu") is True or count < 1 or count == gpus * machines:
            continue
        values = {"processes": count, "gpus": gpus * machines}
        more = count > gpus * machines
        end = "the processes without one stop" if more else f"{gpus * machines - count} stay idle"
        yield Hit(
            _place(document, "num_processes"),
            values,
            values,
            summary=f"the config file starts {count} process(es) and the job has "
            f"{gpus * machines} GPU(s): {end}",
        )


def _machines(job: Job) -> int | None:
    total = 0
    for pool in job.pools:
        count: Value[int] | None = pool.replica_count
        number = count.value if count is not None else 1
        if number is None:
            return None
        total += number
    return total or 1


#: A command before it that may bring the file.
_BRINGS = re.compile(
    r"\b(?:cp|mv|wget|curl|git|gsutil|gcloud|hf|tee|ln|tar|unzip|sed|envsubst|aws)\b"
    r"|accelerate config|>"
)


def missing(context: Context) -> Iterator[Hit]:
    """The file lies nowhere, and the script of the same command shows where it had to lie."""
    job = context.job
    for config in job.extra.get("launch_configs", []):
        if config.source is not None or config.missing_in is None:
            continue
        before = job.steps[: job.steps.index(config.step)] if config.step in job.steps else []
        if any(
            _BRINGS.search(s.text) or s.text.startswith(("python", "make", "./")) for s in before
        ):
            continue
        yield Hit(
            config.path.place or config.step.place,
            {"path": str(config.path.value)},
            {"folder": config.missing_in},
            summary=f"there is no {config.path.value} where this command runs",
        )
