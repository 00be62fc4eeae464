"""The job's arguments, given to the trainer of whatever version is installed.

What the job wrote is passed as it wrote it, so that a keyword that this version does not take fails
here as it would there. What the run itself needs goes in under the name that the version knows.
"""

from __future__ import annotations

import inspect
import os
from typing import TYPE_CHECKING, Any

from .rows import method

if TYPE_CHECKING:
    from .state import Run

#: Optimizers that need a GPU, by part of their name.
_GPU_OPTIMIZERS = ("8bit", "4bit", "paged", "apex", "torch_npu")
#: Trainer and config by method. Their modules moved: see `classes`.
NAMES = {
    "sft": ("SFTTrainer", "SFTConfig"),
    "dpo": ("DPOTrainer", "DPOConfig"),
    "grpo": ("GRPOTrainer", "GRPOConfig"),
    "rloo": ("RLOOTrainer", "RLOOConfig"),
    "kto": ("KTOTrainer", "KTOConfig"),
    "reward": ("RewardTrainer", "RewardConfig"),
    "trainer": ("Trainer", "TrainingArguments"),
}


def classes(run: Run) -> tuple[Any, Any]:
    """Return the trainer and the config class of the plan."""
    import transformers

    trainer, config = NAMES[method(run)]
    config = str(run.plan.get("config_class") or config)
    if method(run) == "trainer":
        return transformers.Trainer, getattr(transformers, config, transformers.TrainingArguments)
    import trl

    kind = getattr(trl, config, None) or getattr(transformers, config, None)
    if kind is None and run.plan.get("config_class"):
        kind = getattr(trl, config)  # raises what the job's own import raises
    return getattr(trl, trainer), kind or transformers.TrainingArguments


def accepted(kind: Any) -> set[str]:
    """Return the names that a class takes, through `**kwargs` of subclasses too."""
    names: set[str] = set()
    for base in inspect.getmro(kind):
        if base is object or "__init__" not in vars(base):
            continue
        found = inspect.signature(vars(base)["__init__"]).parameters
        names |= set(found)
        if not any(p.kind is p.VAR_KEYWORD for p in found.values()):
            break
    return names


def build(run: Run, config_class: Any, init_kwargs: dict[str, Any] | None) -> Any:
    """Return the config of the run: the job's arguments, and ours."""
    plan = run.plan
    known = accepted(config_class)
    given = dict(plan.get("arguments") or {})
    # Their values are without meaning for three steps; a name that is not known must still fail.
    given.update({n: v for n, v in (plan.get("unused") or {}).items() if n not in known})
    # Names that may be for something else than the config; with Unsloth none is refused.
    for name in list(given) if plan.get("lenient") else plan.get("loose") or ():
        if name not in known:
            given.pop(name, None)
    fp16 = bool(given.get("fp16"))
    if run.cpu:
        _for_cpu(given)
    ours: dict[str, Any] = {
        "output_dir": os.path.join(run.folder, "out"),
        "max_steps": int(plan.get("steps", 3)),
        "logging_steps": 1,
        "report_to": "none",
        "save_strategy": "steps" if plan.get("checkpoints", True) else "no",
        "save_steps": int(plan.get("steps", 3)),
        "per_device_train_batch_size": int(plan["batch"]),
        "disable_tqdm": True,
        # Else a loss that is not a number is logged as the mean of those before it.
        "logging_nan_inf_filter": False,
    }
    if int(plan.get("nodes") or 1) > 1:  # each machine has a disk of its own
        ours["save_on_each_node"] = True
    if run.cpu:
        ours["use_cpu" if "use_cpu" in known else "no_cuda"] = True
        if fp16:  # a CPU has bfloat16 alone
            ours["bf16"] = False
    if init_kwargs is not None and "model_init_kwargs" in known:
        ours["model_init_kwargs"] = init_kwargs
    _length(plan, given, known)
    if run.cpu and method(run) in ("dpo", "kto") and "max_prompt_length" in known:
        # The default of older releases is longer than the whole row here.
        given["max_prompt_length"] = int(plan["max_length"]) // 2
    field = plan.get("text_field")
    if "dataset_text_field" in known and (field or "text" in (run.rows[0] if run.rows else {})):
        given.setdefault("dataset_text_field", field or "text")
    return config_class(**{**given, **{n: v for n, v in ours.items() if n in known}})


def _length(plan: dict[str, Any], given: dict[str, Any], known: set[str]) -> None:
    """Set the longest length under this version's name, where the job leaves it to the default."""
    names = ("max_length", "max_seq_length")
    elsewhere = plan.get("trainer_kwargs") or {}
    if any(n in given or n in elsewhere for n in names):
        return
    for name in names:
        if name in known:
            given[name] = int(plan["max_length"])
            return


def _for_cpu(given: dict[str, Any]) -> None:
    """Take out what only a GPU can do; the plan's notes tell it."""
    for name in ("tf32", "fp16", "fp16_full_eval", "deepspeed", "fsdp"):
        given.pop(name, None)
    given.pop("fsdp_config", None)
    for name in ("torch_compile", "use_liger_kernel", "use_liger_loss", "use_vllm",
                 "activation_offloading", "use_transformers_paged",
                 "use_transformers_continuous_batching"):  # fmt: skip
        if given.get(name):
            given[name] = False
    optimizer = given.get("optim")
    if isinstance(optimizer, str):
        from transformers.training_args import OptimizerNames

        OptimizerNames(optimizer)  # a name that this version does not know fails here too
        if any(part in optimizer for part in _GPU_OPTIMIZERS):
            given["optim"] = "adamw_torch"


def trainer_keywords(run: Run, trainer_class: Any) -> dict[str, Any]:
    """Return what the trainer itself gets, but for the model, its config and the rows."""
    plan = run.plan
    known = accepted(trainer_class)
    found = dict(plan.get("trainer_kwargs") or {})
    names = plan.get("tokenizer_keywords")
    if plan.get("lenient"):
        found = {name: value for name, value in found.items() if name in known}
        names = None
    if names is None:
        names = ["processing_class" if "processing_class" in known else "tokenizer"]
    for name in names:
        found[name] = run.tokenizer
    return found
