"""How several processes of a smoke run are started: as the job starts its own."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ftdoctor.job.model import Job, Training
    from ftdoctor.smoke.wish import Wish

_KINDS = {"FSDP": "fsdp", "DEEPSPEED": "deepspeed"}
#: Options of `accelerate launch` that stand for keys of its config.
_FLAGS = {"use_fsdp": "FSDP", "use_deepspeed": "DEEPSPEED"}


def add_launch(
    plan: dict[str, Any], job: Job | None, training: Training | None, wish: Wish
) -> None:
    """Put the number of processes into the plan, and how they share the work."""
    arguments, notes = plan["arguments"], plan["notes"]
    config = _accelerate_config(job, training) if job is not None else None
    kind = _KINDS.get(str((config or {}).get("distributed_type", "")).upper(), "")
    inner = (config or {}).get("deepspeed_config")
    if isinstance(inner, dict) and inner.get("deepspeed_config_file"):
        # The file is not in the container; its content is given to the trainer instead.
        arguments.setdefault("deepspeed", str(inner["deepspeed_config_file"]))
        config = None
    if arguments.get("deepspeed"):
        kind = "deepspeed"
        arguments["deepspeed"] = _deepspeed(job, arguments["deepspeed"], notes)
        if arguments["deepspeed"] is None:
            del arguments["deepspeed"]
            kind = ""
    elif arguments.get("fsdp"):
        kind = "fsdp"
    several = wish.processes * wish.nodes > 1
    if not several:
        if kind:
            notes.append(f"one process: {kind} of the job is not run (give several GPUs for that)")
        for name in ("deepspeed", "fsdp", "fsdp_config", "fsdp_transformer_layer_cls_to_wrap"):
            arguments.pop(name, None)
        return
    plan["processes"], plan["nodes"] = wish.processes, wish.nodes
    if plan["device"] == "cpu" and kind:
        notes.append(f"{kind} needs GPUs: DDP (gloo) stands for it on the CPU")
        storage = (plan["quantization"] or {}).get("bnb_4bit_quant_storage")
        if kind == "fsdp" and plan["quantization"] and storage in (None, "uint8"):
            notes.append(
                "FSDP shards 4-bit layers only where bnb_4bit_quant_storage is the dtype of the "
                "rest of the model; the job leaves it at uint8"
            )
        kind = ""
    plan["launch"] = kind or "ddp"
    if kind and config:
        plan["launch_config"] = config
    after = plan["stages"].index("gpu") + 1
    plan["stages"].insert(after, "allreduce")
    if kind == "deepspeed":
        plan["imports"] = [*plan["imports"], "deepspeed"]


def _accelerate_config(job: Job, training: Training | None) -> dict[str, Any] | None:
    """Return the config of accelerate that the job is launched with, as plain JSON."""
    import yaml

    for found in job.extra.get("launch_configs", ()):
        if found.source is None:
            continue
        try:
            data = yaml.safe_load(found.source.text)
        except yaml.YAMLError:
            continue
        if isinstance(data, dict):
            kept: dict[str, Any] = json.loads(json.dumps(data, default=str))
            return kept
    for options in [x.options for x in job.extra.get("launches", ())] + (
        [training.launch] if training is not None else []
    ):
        for flag, kind in _FLAGS.items():
            if flag in options:
                return {"compute_environment": "LOCAL_MACHINE", "distributed_type": kind}
    return None


def _deepspeed(job: Job | None, given: Any, notes: list[str]) -> Any:
    """Return the configuration itself: the file that is named does not go into the container."""
    if not isinstance(given, str):
        return given
    for source in job.sources if job is not None else ():
        if os.path.basename(source.path) == os.path.basename(given):
            try:
                return json.loads(source.whole or source.text)
            except ValueError:
                break
    if os.path.isfile(given):
        try:
            with open(given, encoding="utf-8") as file:
                return json.load(file)
        except (OSError, ValueError):
            pass
    notes.append(f"the DeepSpeed configuration {given} is not here: DDP stands for it")
    return None
