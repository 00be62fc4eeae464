"""What was understood of a job, each value with where it came from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftdoctor.job.value import Value, get

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftdoctor.environment.limits import Room
    from ftdoctor.facts.machine import Machine
    from ftdoctor.job.model import Job, Training, WorkerPool
    from ftdoctor.job.source import Place

FORMS = {
    "vertex-yaml": "Vertex AI custom job, YAML",
    "vertex-json": "Vertex AI custom job, JSON",
    "vertex-gcloud": "Vertex AI custom job, gcloud command",
    "vertex-python": "Vertex AI custom job, Python",
    "hf-jobs-cli": "Hugging Face job, hf command",
    "hf-jobs-python": "Hugging Face job, Python",
    "hf-jobs-call": "Hugging Face job, hf_jobs tool call",
    "uv-script": "uv script",
    "trl-cli": "trl command",
    "launcher": "launch command",
    "script": "training script",
    "notebook": "notebook",
    "terraform": "Vertex AI custom job, Terraform",
    "kfp": "Vertex AI pipeline component",
    "tuning": "Vertex AI hyperparameter tuning job",
}


def place_json(place: Place | None) -> dict[str, Any] | None:
    """Return a place as the contract has it."""
    if place is None:
        return None
    result: dict[str, Any] = {"path": place.path, "line": place.line, "column": place.column}
    if place.end_line:
        result |= {"end_line": place.end_line, "end_column": place.end_column}
    if place.context:
        result["context"] = place.context
    return result


def value_json(value: Value[Any] | None) -> dict[str, Any] | None:
    """Return a value with its place, or with the reason why it is not known."""
    if value is None:
        return None
    result: dict[str, Any] = {}
    if value.known:
        result["value"] = value.value if _plain(value.value) else str(value.value)
    else:
        result |= {"unknown": value.unknown, "raw": value.raw}
    if value.place is not None:
        result["from"] = place_json(value.place)
    return result


def _plain(value: object) -> bool:
    if isinstance(value, (list, tuple)):
        return all(_plain(v) for v in value)
    if isinstance(value, dict):
        return all(isinstance(k, str) and _plain(v) for k, v in value.items())
    return value is None or isinstance(value, (str, int, float, bool))


def _values(pairs: dict[str, Value[Any]]) -> dict[str, Any]:
    return {name: value_json(value) for name, value in pairs.items()}


def _pool(pool: WorkerPool) -> dict[str, Any]:
    fields = {
        "machine_type": pool.machine_type,
        "accelerator_type": pool.accelerator_type,
        "accelerator_count": pool.accelerator_count,
        "replica_count": pool.replica_count,
        "boot_disk_gb": pool.boot_disk_gb,
        "image": pool.image,
        "python_module": pool.python_module,
    }
    result: dict[str, Any] = {
        name: value_json(value) for name, value in fields.items() if value is not None
    }
    result["command"] = [value_json(v) for v in pool.command]
    result["args"] = [value_json(v) for v in pool.args]
    result["env"] = _values(pool.env)
    return result


def _training(training: Training) -> dict[str, Any]:
    result: dict[str, Any] = {"method": training.method, "written_as": training.written_as}
    for name in ("trainer", "model", "tokenizer", "config_class"):
        value = getattr(training, name)
        if value is not None:
            result[name] = value_json(value)
    result["datasets"] = [value_json(d.id) for d in training.datasets]
    result["arguments"] = _values(training.arguments)
    result["model_kwargs"] = _values(training.model_kwargs)
    for name in ("quantization", "lora"):
        pairs = getattr(training, name)
        result[name] = None if pairs is None else _values(pairs)
    return result


def job_json(job: Job) -> dict[str, Any]:
    """Return the job as the JSON report shows it."""
    result: dict[str, Any] = {
        "platform": job.platform,
        "form": job.form,
        "name": job.name,
        "from": place_json(job.place),
    }
    for name in (
        "project",
        "region",
        "display_name",
        "timeout",
        "strategy",
        "service_account",
        "network",
        "base_output_dir",
        "staging_bucket",
        "flavor",
        "namespace",
        "python",
    ):
        value = getattr(job, name)
        if value is not None:
            result[name] = value_json(value)
    result["worker_pools"] = [_pool(pool) for pool in job.pools]
    result["secrets"] = _values(job.secrets)
    result["packages"] = {
        name: {
            "version": r.version,
            "source": r.source,
            "floating": r.floating,
            "specifier": r.specifier,
            "reason": r.reason,
            "from": place_json(r.place),
        }
        for name, r in sorted(job.packages.items())
    }
    if job.machine is not None:
        result["machine"] = machine_json(job.machine)
    result["training"] = [_training(t) for t in job.trainings]
    result["scripts"] = [s.source.path for s in job.scripts]
    result["not_read"] = [
        {"what": u.what, "reason": u.reason, "from": place_json(u.place)} for u in job.unread
    ]
    return result


def shown(value: Value[Any] | None, missing: str = "") -> str:
    """Return a value for a person: itself, what was written, or `missing`."""
    if value is None:
        return missing
    if value.known:
        return str(value.value)
    return f"{value.raw or '?'} (not known: {value.unknown})"


_SHOWN_PACKAGES = ("torch", "transformers", "trl", "peft", "bitsandbytes", "huggingface-hub")


def lines(job: Job) -> Iterator[tuple[str, str]]:
    """Yield (label, text) for the head of the terminal report: what decides most faults."""
    pool = job.pool
    hardware = _hardware(job, pool)
    if hardware:
        yield "runs on", hardware
    if job.machine is not None:
        yield "here", _machine(job.machine)
    if pool is not None and pool.image is not None:
        yield "image", shown(pool.image)
    training = job.training
    if training is not None:
        parts = [shown(training.trainer) or training.method]
        if training.model is not None:
            parts.append(shown(training.model))
        if training.datasets:
            parts.append("on " + ", ".join(shown(d.id) for d in training.datasets[:3]))
        yield "trains", " · ".join(parts)
    versions = []
    for name in _SHOWN_PACKAGES:
        resolved = job.packages.get(name)
        if resolved is not None and resolved.version:
            versions.append(f"{name} {resolved.version}{' (floats)' if resolved.floating else ''}")
    if versions:
        yield "versions", ", ".join(versions)


def _machine(machine: Machine) -> str:
    """Return what decides most of this machine, on one line."""
    nvidia = machine.nvidia
    parts = [
        f"{gpu.name}, {gpu.free / 2**30:.1f} of {gpu.memory / 2**30:.1f} GiB free"
        for gpu in machine.gpus
    ]
    if not parts:
        parts.append(machine.hidden or nvidia.problem or "no GPU")
    if nvidia.driver:
        cuda = f" (CUDA {nvidia.cuda})" if nvidia.cuda else ""
        parts.append(f"driver {nvidia.driver}{cuda}")
    torch = machine.installed.packages.get("torch", "") if machine.installed else ""
    if torch:
        parts.append(f"torch {torch}")
    return " · ".join(parts)


def machine_json(machine: Machine) -> dict[str, Any]:
    """Return this machine as the JSON report shows it; sizes in bytes."""

    def room(found: Room | None) -> dict[str, Any] | None:
        if found is None:
            return None
        return {"path": found.path, "free": found.free, "total": found.total}

    nvidia, memory = machine.nvidia, machine.memory
    return {
        "runs_here": machine.meant,
        "driver": nvidia.driver,
        "cuda": nvidia.cuda,
        "problem": nvidia.problem or machine.hidden,
        "asked": nvidia.source,
        "gpus": [
            {
                "name": gpu.name,
                "memory": gpu.memory,
                "free": gpu.free,
                "compute_capability": f"{gpu.capability[0]}.{gpu.capability[1]}",
                "processes": gpu.processes,
                "compute_mode": gpu.mode,
                "mig": gpu.mig,
            }
            for gpu in machine.gpus
        ],
        "torch": machine.installed.packages.get("torch") if machine.installed else None,
        "environment": machine.installed.prefix if machine.installed else None,
        "memory": memory.total if memory else None,
        "memory_limited": memory.limited if memory else None,
        "shared_memory": room(machine.shared_memory),
        "cache": room(machine.cache),
        "output": room(machine.output),
    }


def _hardware(job: Job, pool: WorkerPool | None) -> str:
    parts = []
    if job.flavor is not None:
        parts.append(shown(job.flavor))
    if pool is not None and pool.machine_type is not None:
        parts.append(shown(pool.machine_type))
    if pool is not None and pool.accelerator_type is not None:
        count = get(pool.accelerator_count)
        parts.append(f"{count or '?'} × {shown(pool.accelerator_type)}")
    if len(job.pools) > 1:
        parts.append(f"{len(job.pools)} worker pools")
    if job.region is not None:
        parts.append(shown(job.region))
    return " · ".join(parts)
