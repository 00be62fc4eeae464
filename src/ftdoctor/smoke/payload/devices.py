"""Which versions are there, and what torch sees of the device."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from .telling import local_rank

if TYPE_CHECKING:
    from .state import Run

TOLD = (
    "torch transformers trl peft bitsandbytes accelerate datasets huggingface_hub tokenizers "
    "safetensors deepspeed flash_attn liger_kernel unsloth vllm triton"
).split()


def imports(run: Run) -> dict[str, Any]:
    """Import what the job trains with and say which versions are really there."""
    from importlib import import_module, metadata

    found = {}
    for name in run.plan.get("imports", ["torch", "transformers", "trl", "peft"]):
        import_module(name)
    for name in TOLD:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    found["python"] = ".".join(map(str, sys.version_info[:3]))
    return {"versions": found}


def gpu(run: Run) -> dict[str, Any]:
    """Say what torch sees of the device; a GPU that is asked for must be there."""
    import torch

    if run.cpu:
        return {"device": "cpu", "threads": torch.get_num_threads()}
    if not torch.cuda.is_available():
        torch.cuda.init()  # raises torch's own reason: a CPU build, no driver, one that is too old
        raise RuntimeError(
            f"torch {torch.__version__} (CUDA {torch.version.cuda}) sees no GPU: "
            "torch.cuda.is_available() is False"
        )
    needed = int(run.plan.get("processes") or 1)
    if torch.cuda.device_count() < needed:
        raise RuntimeError(f"{needed} GPUs are planned, torch sees {torch.cuda.device_count()}")
    torch.cuda.set_device(local_rank())
    properties = torch.cuda.get_device_properties(local_rank())
    free, total = torch.cuda.mem_get_info()
    # A kernel that this torch has no code for fails here, not in the middle of the training.
    torch.ones(8, 8, device="cuda").matmul(torch.ones(8, 8, device="cuda")).sum().item()
    return {
        "device": properties.name,
        "count": torch.cuda.device_count(),
        "memory_bytes": total,
        "free_bytes": free,
        "capability": [properties.major, properties.minor],
        "architectures": torch.cuda.get_arch_list(),
        "cuda": torch.version.cuda,
        "driver": _driver(),
        "bf16": torch.cuda.is_bf16_supported(),
    }


def _driver() -> str:
    try:
        with open("/proc/driver/nvidia/version", encoding="utf-8") as file:
            return file.readline().strip()
    except OSError:
        return ""
