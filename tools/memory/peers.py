"""What other estimators say of the same steps, for the table of `tools.memory.validate`.

They live in a virtual environment of their own (`pip install canifinetune ftuneai`); FTDOCTOR_PEERS
names its python. `accelerate estimate-memory` is its formula (commands/estimate.py: Adam
training takes four times the weights of the dtype), since the command wants the Hub.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftdoctor.memory.settings import GIB

if TYPE_CHECKING:
    from collections.abc import Callable

    from ftdoctor.memory.settings import TrainingSettings

_FTUNEAI = """
import json, sys
from ftuneai import Estimator
from ftuneai.core.models import ModelSpec
a = json.load(sys.stdin)
e = Estimator(**a["arguments"])
m = e._memory_estimator
for name, value in vars(m).items():
    if isinstance(value, ModelSpec):
        setattr(m, name, ModelSpec(**a["spec"]))
print(m.estimate().total_gb)
"""


def python() -> str:
    """Return the python of the peers' environment.

    Raises:
        SystemExit: it is not named.
    """
    found = os.environ.get("FTDOCTOR_PEERS", "")
    if not found:
        raise SystemExit("Set FTDOCTOR_PEERS to the python of an environment with the peers.")
    return found


def _scope(s: TrainingSettings) -> str:
    if s.lora_targets == ("all-linear",) or "gate_proj" in s.lora_targets:
        return "all_linear"
    return "attention"


def canifinetune(s: TrainingSettings) -> float | None:
    """Sum of its tensors in GiB, without its CUDA overhead and safety margin."""
    command = [
        str(Path(python()).with_name("canifinetune")),
        "estimate",
        *("--model", _hub_id(s), "--gpu-vram-gb", "24", "--method", s.method),
        *("--seq-len", str(s.seq_len), "--micro-batch-size", str(s.batch_size)),
        *("--lora-rank", str(s.lora_rank), "--target-scope", _scope(s), "--offline", "--json"),
        "--gradient-checkpointing" if s.gradient_checkpointing else "--no-gradient-checkpointing",
    ]
    if s.method != "qlora":
        command += ["--quantization", "none"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return None
    memory = json.loads(done.stdout)["memory"]
    spare = memory["safety_margin_gb"] + memory["cuda_overhead_gb"]
    return float(memory["total_estimated_gb"] - spare)


def ftuneai(s: TrainingSettings) -> float | None:
    """Its total in GiB, with the architecture given (its own list is short)."""
    shape = s.shape
    arguments: dict[str, Any] = {
        "model": "Qwen/Qwen2.5-7B",
        "method": s.method,
        "quantization": "4bit" if s.method == "qlora" else "none",
        "batch_size": s.batch_size,
        "seq_length": s.seq_len,
        "gradient_checkpointing": s.gradient_checkpointing,
        "optimizer": "adam_8bit" if "8bit" in s.optimizer else "adamw",
        "lora_rank": s.lora_rank,
        "lora_target": "all_linear" if _scope(s) == "all_linear" else "attention_all",
    }
    spec = {
        "name": shape.key,
        "parameters": shape.params,
        "hidden_size": shape.hidden,
        "num_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_kv_heads": shape.kv_heads,
        "intermediate_size": shape.ffn,
        "vocab_size": shape.vocab,
        "max_seq_length": 131072,
    }
    done = subprocess.run(
        [python(), "-c", _FTUNEAI],
        input=json.dumps({"arguments": arguments, "spec": spec}),
        capture_output=True,
        text=True,
        check=False,
    )
    return float(done.stdout.strip().splitlines()[-1]) if done.returncode == 0 else None


def accelerate(s: TrainingSettings) -> float:
    """Four times the weights in bfloat16."""
    return 4 * 2 * s.shape.params / GIB


def _hub_id(s: TrainingSettings) -> str:
    from ftdoctor.tables import table

    ids = next((row["ids"] for row in table("models")["models"] if row["key"] == s.shape.key), [])
    return next((x for x in ids if x.endswith("-Instruct")), ids[0] if ids else s.shape.key)


def estimators() -> dict[str, Callable[[TrainingSettings], float | None]]:
    """Return the estimators by name."""
    return {"canifinetune": canifinetune, "ftuneai": ftuneai, "accelerate": accelerate}
