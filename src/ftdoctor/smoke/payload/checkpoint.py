"""Save what was trained, read it back, compare; and go on from a checkpoint."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Any

from .model import auto_class, load
from .processes import together
from .telling import rank

if TYPE_CHECKING:
    from .state import Run


def save_and_reload(run: Run) -> dict[str, Any]:
    """Save with the trainer and read the files back; every value must be the trained one."""
    path = os.path.join(run.plan.get("save_folder") or run.folder, "checkpoint")
    trainer = run.trainer
    trainer.save_model(path)
    together(run, "checkpoint")
    run.saved = path
    if rank():
        return {}
    size = sum(os.path.getsize(os.path.join(path, name)) for name in os.listdir(path))
    facts: dict[str, Any] = {"files": sorted(os.listdir(path))[:8], "bytes": size}
    if run.kind in ("fsdp", "deepspeed"):
        # The weights of this process are shards: the file alone is looked at.
        facts["tensors"] = _not_empty(_tensors(path))
        return facts
    if run.plan.get("lora") is not None:
        facts["compared"] = _adapter(run, path)
    else:
        facts["compared"] = _whole(run, path)
    return facts


def _tensors(path: str) -> dict[str, Any]:
    """Return the tensors of a saved adapter or model, by name."""
    import torch

    found: dict[str, Any] = {}
    for name in sorted(os.listdir(path)):
        file = os.path.join(path, name)
        if name.endswith(".safetensors"):
            from safetensors.torch import load_file

            found.update(load_file(file))
        elif name.endswith(".bin") and name != "training_args.bin":
            found.update(torch.load(file, map_location="cpu", weights_only=True))
    if not found:
        raise RuntimeError(f"no weights were saved: {sorted(os.listdir(path))}")
    return found


def _not_empty(tensors: dict[str, Any]) -> int:
    learnt = [t for name, t in tensors.items() if "lora_B" in name]
    if learnt and not any(bool(t.any()) for t in learnt):
        raise RuntimeError("the saved adapter holds nothing but zeros: nothing was learnt")
    return len(tensors)


def _adapter(run: Run, path: str) -> int:
    """Read the saved adapter, load it into a model, and compare; return how many tensors."""
    from peft import get_peft_model_state_dict

    model = run.trainer.accelerator.unwrap_model(run.trainer.model)
    trained = get_peft_model_state_dict(model, save_embedding_layers=False)
    _same(trained, _tensors(path))
    if run.weights == "tiny":  # where a second base model costs nothing: as inference will do it
        from peft import PeftModel

        fresh = PeftModel.from_pretrained(load(run), path)
        again = get_peft_model_state_dict(fresh, save_embedding_layers=False)
        _same(trained, again, rounded=True)
        return len(trained)
    trains = {name: p.requires_grad for name, p in model.named_parameters()}
    model.load_adapter(path, adapter_name="reloaded")
    again = get_peft_model_state_dict(model, adapter_name="reloaded", save_embedding_layers=False)
    _same(trained, again, rounded=True)
    model.delete_adapter("reloaded")
    for name, parameter in model.named_parameters():  # some releases of peft freeze the first one
        parameter.requires_grad_(trains[name])
    return len(trained)


def _whole(run: Run, path: str) -> int:
    """Compare a full model with its files; a tiny one is loaded again as well."""
    trained = run.trainer.accelerator.unwrap_model(run.trainer.model).state_dict()
    if run.weights == "tiny":
        again = auto_class(run).from_pretrained(path).state_dict()
        _same(trained, again)
        return len(again)
    # Layers may be named differently in the files (transformers 5 renames on saving).
    read = _tensors(path)
    shared = {n: t for n, t in trained.items() if n in read}
    _same(shared, read)
    return len(shared)


def _same(trained: dict[str, Any], read: dict[str, Any], *, rounded: bool = False) -> None:
    """Compare values; `rounded` allows for a way through bfloat16, in which peft may load them.

    Raises:
        RuntimeError: a tensor is missing or has another value.
    """
    for name, value in trained.items():
        if name not in read:
            raise RuntimeError(f"{name} was trained and is not in what was saved")
        found = read[name].float().cpu()
        wanted = value.detach().to(read[name].dtype).float().cpu()
        near = 2.0**-7 if rounded else 0.0
        if not bool(((found - wanted).abs() <= near * wanted.abs() + near * 1e-6).all()):
            raise RuntimeError(f"{name} was read back with other values than were saved")


def resume(run: Run) -> dict[str, Any]:
    """Go on for one step from the checkpoint that the trainer wrote."""
    if not run.checkpoint:
        return {"resumed": False, "why": "no checkpoint was written"}
    trainer = run.trainer
    steps = int(run.plan.get("steps", 3))
    trainer.args.max_steps = steps + 1
    trainer.args.save_strategy = "no"
    trainer.train(resume_from_checkpoint=run.checkpoint)
    if trainer.state.global_step != steps + 1:
        raise RuntimeError(
            f"after one step from {os.path.basename(run.checkpoint)} the trainer stands at step "
            f"{trainer.state.global_step}, not {steps + 1}"
        )
    losses = [float(e["loss"]) for e in trainer.state.log_history if "loss" in e]
    if not losses or not math.isfinite(losses[-1]):
        raise FloatingPointError(f"the loss after the checkpoint is not finite: {losses}")
    return {
        "resumed": True,
        "from": os.path.basename(run.checkpoint),
        "files": sorted(os.listdir(run.checkpoint))[:12],
        "loss": losses[-1],
    }
