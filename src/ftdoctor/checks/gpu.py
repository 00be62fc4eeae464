"""Checks of the GPU against what the job asks of it: precision, attention, torch build, driver."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftdoctor.checks.installed import (
    attention,
    bnb_uses,
    imported,
    place_of,
    setting,
    shown,
    text,
    true,
    version,
)
from ftdoctor.job.hardware import Hardware, hardware
from ftdoctor.job.pep440 import at_least
from ftdoctor.job.torch_build import build_of, labels_for, runs_on
from ftdoctor.rulebook.model import Hit
from ftdoctor.tables import table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftdoctor.checks.context import Context
    from ftdoctor.job.model import Job
    from ftdoctor.job.torch_build import Build

#: torch from which `is_bf16_supported` counts emulation (torch/cuda/__init__.py, 2.2.2 and 2.3.0).
BF16_EMULATED = "2.3"


def _below(machine: Hardware, capability: str) -> bool:
    return bool(machine.capability) and not machine.at_least(capability)


def _gpu_facts(machine: Hardware) -> dict[str, Any]:
    return {"gpu": machine.gpu or machine.name, "capability": machine.capability}


def bf16(context: Context) -> Iterator[Hit]:
    """bf16=True on a GPU older than Ampere: refused by old torch, emulated by newer ones."""
    machine = hardware(context.job)
    if not _below(machine, "8.0"):
        return
    torch = version(context.job, "torch")
    refused = bool(torch) and not at_least(torch, BF16_EMULATED)
    for training in context.job.trainings:
        for name in ("bf16", "bf16_full_eval"):
            value = training.arguments.get(name)
            if value is None or not true(value):
                continue
            summary = (
                f"{name}=True on a {machine.gpu or machine.name}, which has no bfloat16: "
                f"torch {torch} refuses it"
                if refused
                else f"{name}=True on a {machine.gpu or machine.name}, which has no bfloat16: "
                "torch emulates it, several times slower than fp16"
            )
            yield Hit(
                value.place,
                {"argument": name, **_gpu_facts(machine)},
                {"torch": torch or "unknown"},
                severity="error" if refused else "warning",
                summary=summary,
            )
            break


def tf32(context: Context) -> Iterator[Hit]:
    """tf32=True on a GPU older than Ampere: TrainingArguments raises."""
    machine = hardware(context.job)
    if not _below(machine, "8.0"):
        return
    for training in context.job.trainings:
        value = training.arguments.get("tf32")
        if value is not None and true(value):
            yield Hit(value.place, _gpu_facts(machine))


def flash_attention(context: Context) -> Iterator[Hit]:
    """FlashAttention 2 on a GPU older than Ampere, FlashAttention 3 on one older than Hopper."""
    machine = hardware(context.job)
    for name, value in attention(context.job):
        needed = {"flash_attention_2": "8.0", "flash_attention_3": "9.0"}.get(name)
        if needed and _below(machine, needed):
            yield Hit(value.place, {"attention": name, "needed": needed, **_gpu_facts(machine)})


def _torch_here(job: Job) -> str:
    """Return the torch installed on the machine that a job runs on, "" when it brings its own."""
    kind = job.environment.kind if job.environment else ""
    here = job.machine.installed if job.machine and kind == "local" else None
    return here.packages.get("torch", "") if here else ""


def _torch_build(job: Job) -> Build | None:
    torch = version(job, "torch") or _torch_here(job)
    if not torch:
        return None
    arch = job.environment.arch if job.environment else "x86_64"
    return build_of(torch, arch)


def architecture(context: Context) -> Iterator[Hit]:
    """The torch that will run has no machine code for the GPU."""
    job = context.job
    machine = hardware(job)
    build = _torch_build(job)
    if build is None or not build.archs or not machine.capability:
        return
    if runs_on(build.archs, machine.capability):
        return
    fitting = labels_for(build.version, machine.capability)
    advice = (
        f"take the {fitting[0]} build of torch {build.version}"
        if fitting
        else "take another torch: no build of this version runs on this GPU"
    )
    index = f"--index-url https://download.pytorch.org/whl/{fitting[0]}" if fitting else ""
    yield Hit(
        place_of(job, "torch"),
        {"torch": f"{build.version}+{build.label}", "advice": advice, **_gpu_facts(machine)},
        {"archs": ", ".join(build.archs), "origin": shown(job, "torch"), "index": index},
        summary=f"torch {build.version}+{build.label} has no code for {machine.gpu or machine.name}"
        f" (compute capability {machine.capability}): {advice}",
    )


def _driver(job: Job) -> dict[str, Any] | None:
    """Return the newest evidence on the driver of this job's machines, or None."""
    if job.machine is not None and job.machine.nvidia.cuda:
        nvidia = job.machine.nvidia
        seen = f"{nvidia.source} of this machine: driver {nvidia.driver}"
        return {"cuda": nvidia.cuda, "evidence": seen, "date": "now", "here": nvidia.driver}
    pool = job.pool
    machine = ""
    if job.platform == "vertex" and pool is not None and pool.machine_type is not None:
        machine = text(pool.machine_type)
    elif job.platform == "hf-jobs" and job.flavor is not None:
        machine = text(job.flavor)
    if not machine:
        return None
    for row in table("platforms")["drivers"]:
        prefixes = tuple(row["machines"])
        if row["platform"] == job.platform and machine.startswith(prefixes):
            found: dict[str, Any] = row
            return found
    return None


def _compat(job: Job) -> bool:
    """Whether the job puts a compatibility libcuda of its own in front."""
    if job.pool is None:
        return False
    path = job.pool.env.get("LD_LIBRARY_PATH")
    return path is not None and (not path.known or "compat" in text(path))


def driver(context: Context) -> Iterator[Hit]:
    """A torch wheel of a newer CUDA major than the driver of the machine is known to support."""
    job = context.job
    build = _torch_build(job)
    row = _driver(job)
    if build is None or row is None or not build.cuda or _compat(job):
        return
    if int(build.cuda.split(".")[0]) <= int(row["cuda"].split(".")[0]):
        return
    yield Hit(
        place_of(job, "torch", "trl", "transformers"),
        {
            "torch": f"{build.version}+{build.label}",
            "cuda": build.cuda,
            "driver_cuda": row["cuda"],
            "found": f"{row['cuda'].split('.')[0]}0{row['cuda'].split('.')[1]}0",
            "machine": text(job.pool.machine_type if job.pool else None)
            or text(job.flavor)
            or "this machine",
        },
        {"evidence": row["evidence"], "seen": row["date"], "origin": shown(job, "torch")},
        severity="error" if "here" in row else "warning",
        summary=f"{_named(job, build)} is built for CUDA {build.cuda}; the driver of this machine "
        f"({row['here']}) runs up to CUDA {row['cuda']}: torch will not see the GPU"
        if "here" in row
        else f"{shown(job, 'torch')} is built for CUDA {build.cuda}; the newest driver seen on "
        f"these machines supports CUDA {row['cuda']} ({row['date']})",
    )


def _named(job: Job, build: Build) -> str:
    """Return torch as a person would look for it: with the folder, when it is installed here."""
    if version(job, "torch") or job.machine is None or job.machine.installed is None:
        return shown(job, "torch")
    return f"torch {build.version} in {job.machine.installed.prefix}"


def cuda_image(context: Context) -> Iterator[Hit]:
    """An nvidia/cuda image newer than the driver of the machine supports."""
    job = context.job
    image = job.environment.image if job.environment else None
    row = _driver(job)
    if image is None or row is None or image.family != "cuda" or not image.cuda or _compat(job):
        return
    limit = row.get("image_cuda") or row["cuda"]
    if tuple(map(int, image.cuda.split("."))) <= tuple(map(int, limit.split("."))):
        return
    yield Hit(
        place_of(job),
        {"image_cuda": image.cuda, "limit": limit},
        {"evidence": row["evidence"], "seen": row["date"]},
    )


def cpu_build(context: Context) -> Iterator[Hit]:
    """A torch without CUDA on a machine with a GPU."""
    job = context.job
    machine = hardware(job)
    build = _torch_build(job)
    if build is None or build.has_cuda or not machine.has_gpu:
        return
    why = "the default wheel for Arm has no CUDA" if build.default else f"the {build.label} build"
    yield Hit(
        place_of(job, "torch"),
        {"torch": f"{build.version}+{build.label}", "why": why, **_gpu_facts(machine)},
        summary=f"torch {build.version} is a build without CUDA ({why}), and "
        + ("leaves idle the " if job.machine is not None else "the job pays for a ")
        + (machine.name if job.machine is not None else machine.gpu or machine.name),
    )


def precision_without_gpu(context: Context) -> Iterator[Hit]:
    """fp16 or bf16 asked for on a machine without a GPU."""
    machine = hardware(context.job)
    if not machine.cpu_only:
        return
    for training in context.job.trainings:
        if any(true(training.arguments.get(name)) for name in ("use_cpu", "no_cuda")):
            continue
        for name in ("bf16", "fp16"):
            value = training.arguments.get(name)
            if value is not None and true(value):
                yield Hit(
                    value.place, {"argument": name, "machine": _machine(context.job, machine)}
                )
                break


def quantization_without_gpu(context: Context) -> Iterator[Hit]:
    """4-bit or 8-bit loading on a machine without a GPU."""
    machine = hardware(context.job)
    if not machine.cpu_only:
        return
    bnb = version(context.job, "bitsandbytes")
    for what, place in bnb_uses(context.job):
        if what.startswith("load_in"):
            old = bool(bnb) and not at_least(bnb, "0.46")
            yield Hit(
                place,
                {"what": what, "machine": _machine(context.job, machine)},
                severity="error" if old else "warning",
                summary=f"{what} on {_machine(context.job, machine)}, which has no GPU",
            )
            return


def unsloth_without_gpu(context: Context) -> Iterator[Hit]:
    """Unsloth on a machine without a GPU: its import raises."""
    machine = hardware(context.job)
    place = imported(context.job, "unsloth")
    if machine.cpu_only and place is not None:
        yield Hit(place, {"machine": _machine(context.job, machine)})


def training_without_gpu(context: Context) -> Iterator[Hit]:
    """A language model is trained on a machine without a GPU, and nothing says that it is meant."""
    job = context.job
    machine = hardware(job)
    training = job.training
    if not machine.cpu_only or training is None or training.model is None:
        return
    if any(true(training.arguments.get(name)) for name in ("use_cpu", "no_cuda", "bf16", "fp16")):
        return
    if training.quantization or imported(job, "unsloth") is not None or _is_small(job):
        return
    place = machine.place or job.place
    default = job.platform == "hf-jobs" and job.flavor is None
    yield Hit(place, {"machine": _machine(job, machine)}, {"flavor_written": not default})


def _is_small(job: Job) -> bool:
    """Whether the model is known to be small enough for a CPU (below 200 M parameters)."""
    from ftdoctor.memory.shapes import find

    training = job.training
    shape = find(text(training.model)) if training and text(training.model) else None
    return shape is not None and shape.params < 200_000_000


def _machine(job: Job, machine: Hardware) -> str:
    if job.platform == "hf-jobs" and job.flavor is None:
        return "cpu-basic (the default: no flavor is given)"
    return machine.name or "this machine"


def triton(context: Context) -> Iterator[Hit]:
    """torch.compile or Unsloth on a GPU older than Volta, which Triton does not support."""
    machine = hardware(context.job)
    if not _below(machine, "7.0"):
        return
    place = imported(context.job, "unsloth")
    if place is not None:
        yield Hit(place, {"what": "unsloth", **_gpu_facts(machine)})
        return
    for training in context.job.trainings:
        value = setting(training, "torch_compile")
        if value is not None and true(value):
            yield Hit(value.place, {"what": "torch_compile=True", **_gpu_facts(machine)})
