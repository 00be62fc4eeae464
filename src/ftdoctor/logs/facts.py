"""Facts that a log states on the way: versions, GPU, driver, model, settings, step reached."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ftdoctor.lazy import lazy

if TYPE_CHECKING:
    from ftdoctor.logs.lines import Line

_PACKAGES = (
    "torch trl transformers peft accelerate datasets bitsandbytes huggingface-hub tokenizers "
    "flash-attn deepspeed vllm xformers triton numpy unsloth safetensors torchvision torchaudio "
    "sentencepiece protobuf"
).split()
_ALT = "|".join(name.replace("-", "[-_]") for name in sorted(_PACKAGES, key=len, reverse=True))

#: (a text that must stand in the log, pattern, name of the fact, how to read it)
_FACTS: tuple[tuple[str, str, str, type], ...] = (
    ("Driver Version:", r"Driver Version: (\d{3}\.\d[\d.]*)", "driver", str),
    ("CUDA Version:", r"CUDA Version: (\d+\.\d+)", "driver_cuda", str),
    ("Num examples", r"Num examples = ([\d,]+)", "examples", str),
    ("Num Epochs", r"Num Epochs = ([\d,]+)", "epochs", str),
    (
        "batch size per device",
        r"[Ii]nstantaneous batch size per device = ([\d,]+)",
        "per_device_batch_size",
        str,
    ),
    (
        "Gradient Accumulation",
        r"Gradient Accumulation steps = ([\d,]+)",
        "gradient_accumulation",
        str,
    ),
    ("Total optimization steps", r"Total optimization steps = ([\d,]+)", "total_steps", str),
    (
        "trainable parameters",
        r"Number of trainable parameters = ([\d,]+)",
        "trainable_parameters",
        str,
    ),
    ("trainable params", r"trainable params: ([\d,]+)", "trainable_parameters", str),
    ("all params", r"all params: ([\d,]+)", "parameters", str),
    ("world_size", r"world_size[\"']?[=: ]+(\d{1,5})\b", "world_size", int),
    ("WORLD_SIZE", r"WORLD_SIZE[=: ]+(\d{1,5})\b", "world_size", int),
    ("nproc_per_node", r"nproc[_-]per[_-]node[= ]+(\d{1,4})\b", "world_size", int),
    ("num_processes", r"--num_processes[= ]+(\d{1,4})\b", "world_size", int),
    ("local_rank", r"\blocal_rank: (\d{1,4})\b", "failed_local_rank", int),
    ("model_name_or_path", r"model_name_or_path[=: \"']+([\w./-]{3,120})", "model", str),
    (
        "huggingface.co/",
        r"huggingface\.co/(?!api/|datasets/|spaces/|docs|settings|models\b|join)([\w.-]+/[\w.-]+?)(?=/resolve|[.\s'\")]*(?:\s|$)|/)",
        "model",
        str,
    ),
    ("Python 3.", r"\bPython (3\.\d+(?:\.\d+)?)\b", "python", str),
    ("/lib/python3.", r"/lib/python(3\.\d+)/", "python", str),
    (
        "total capacity",
        r"(?:total capacity of |; )(\d+\.\d+ [GM]iB)(?: total capacity| of which)",
        "gpu_memory",
        str,
    ),
    ("per hour", r"\$(\d+\.\d+) ?(?:/|per )hour", "price_per_hour", float),
)
_GPU = lazy(
    r"\b((?:NVIDIA |Tesla |GeForce )?(?:A100|H100|H200|B200|GB200|L40S?|A10G|A10|A30|A40|L4|T4|V100"
    r"|P100|RTX (?:PRO )?[A-Z]?\d{4}\w{0,12}(?: Ti| Ada| Blackwell)?)"
    r"(?:[- ](?:SXM\d?|PCI[Ee]|NVL|HBM3e?|GH|\d\dGB|Generation|Laptop GPU)){0,4}"
    r"(?:-\d+GB)?)(?![\w-])"
)
_VERSION = lazy(
    rf"(?<![\w./-])({_ALT})(?:==|-| version:? |[ :=]+v?)(\d+\.\d+(?:\.\d+)?(?:[.+][\w.]+)?)"
)
_STEP = lazy(r"\|\s*(\d+)/(\d+) \[")


def gather(lines: list[Line]) -> dict[str, Any]:
    """Return the facts that the lines state; only what stands there, nothing concluded."""
    text = "\n".join(line.text for line in lines)
    facts: dict[str, Any] = {}
    for needle, pattern, name, kind in _FACTS:
        if name in facts or needle not in text:
            continue
        match = re.search(pattern, text)
        if match:
            facts[name] = kind(match[1])
    versions = _versions(text)
    if versions:
        facts["versions"] = versions
    gpu = _GPU.search(text)
    if gpu:
        facts["gpu"] = gpu[1]
    step = None
    if ("| " in text and "it/s" in text) or "s/it" in text:
        step = next(reversed(list(_STEP.finditer(text))), None)
    if step is not None and int(step[1]) <= int(step[2]):
        facts["step"] = int(step[1])
        facts["steps"] = int(step[2])
    streams = sorted({line.stream for line in lines if line.stream})
    if streams:
        facts["streams"] = streams[:64]
    return facts


def _versions(text: str) -> dict[str, str]:
    """Return package versions named in the log; the last wins (an install step may change it)."""
    found: dict[str, str] = {}
    for name, version in _VERSION.findall(text):
        found[name.replace("_", "-").lower()] = version.rstrip(".")
    return found
