"""Which of the job's arguments a smoke run keeps, makes smaller, or leaves out."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ftdoctor.job.model import Training

#: Longest rows, largest batch and longest answer on a CPU: the point there is that it runs, not how
#: much it holds.
CPU_LENGTH, CPU_BATCH, CPU_ANSWER = 128, 2, 8
#: Methods that are run as they are; trl has them at its top level from 0.12 to 1.16.
METHODS = ("sft", "dpo", "grpo", "rloo", "kto", "reward", "trainer")
SAMPLED = ("grpo", "rloo")
#: Set by the payload itself, or without meaning for three steps. Their names are still checked.
UNUSED = frozenset(
    "output_dir max_steps num_train_epochs logging_steps logging_strategy logging_first_step "
    "logging_nan_inf_filter save_strategy save_steps save_total_limit report_to run_name "
    "push_to_hub hub_model_id hub_strategy hub_token hub_private_repo hub_always_push "
    "hub_revision eval_strategy evaluation_strategy eval_steps eval_delay eval_on_start do_eval "
    "do_train do_predict logging_dir per_device_train_batch_size per_device_eval_batch_size "
    "eval_accumulation_steps resume_from_checkpoint load_best_model_at_end metric_for_best_model "
    "greater_is_better dataset_num_proc dataloader_num_workers dataloader_prefetch_factor "
    "dataloader_persistent_workers model_init_kwargs trackio_space_id project "
    "overwrite_output_dir warmup_steps eval_packing".split()
)
#: Of a method that another stands for, these mean the same in every config class.
_GENERAL = frozenset(
    "learning_rate optim gradient_checkpointing gradient_checkpointing_kwargs weight_decay "
    "lr_scheduler_type max_grad_norm gradient_accumulation_steps bf16 fp16 adam_beta1 adam_beta2 "
    "max_length max_seq_length".split()
)
#: Keywords of a trainer that the payload gives itself, or that are code of the job.
_TRAINER_OWN = frozenset(
    "model args train_dataset eval_dataset tokenizer processing_class peft_config data_collator "
    "formatting_func compute_metrics callbacks reward_funcs ref_model model_init optimizers "
    "preprocess_logits_for_metrics rollout_func reward_processing_classes compute_loss_func "
    "optimizer_cls_and_kwargs environment_factory tools quantization_config".split()
)
LENGTHS = ("max_length", "max_seq_length")


def plain(value: Any) -> bool:
    """Whether a value goes into the plan as it is."""
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return False
    return True


def arguments_of(
    training: Training, notes: list[str], *, general: bool
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return (the arguments kept, those without meaning here) by name.

    `general` keeps only those that every config class has: another method stands for the job's.
    """
    kept, unused = {}, {}
    for name, value in training.arguments.items():
        if general and name not in _GENERAL:
            continue
        if name in training.trainer_kwargs:
            continue  # given to the trainer itself; the reader notes it in both places
        if name in UNUSED:
            unused[name] = value.value if value.known and plain(value.value) else None
        elif value.known and plain(value.value):
            kept[name] = value.value
        else:
            notes.append(f"{name} is not known here and is left out")
    return kept, unused


def loose_names(training: Training) -> list[str]:
    """Return arguments that a command line or a YAML file gives to a script of the job.

    Some may be for other things of that script than the config of the trainer: one that the config
    does not take is no fault.
    """
    if training.written_as == "trl-cli":
        return []
    return sorted(
        name
        for name, value in training.arguments.items()
        if value.place is not None and not value.place.path.endswith((".py", ".ipynb"))
    )


def trainer_keywords(training: Training, notes: list[str]) -> dict[str, Any]:
    """Return the keywords that the job gives the trainer itself and that are plain values."""
    kept = {}
    for name, value in training.trainer_kwargs.items():
        if name in _TRAINER_OWN:
            continue
        if value.known and plain(value.value):
            kept[name] = value.value
        else:
            notes.append(f"{name} of the trainer is not known here and is left out")
    return kept


def length_of(arguments: dict[str, Any], trainer: dict[str, Any], method: str) -> int:
    """Return how many tokens a row is filled to: for sampled answers, the prompt's."""
    if method in SAMPLED:
        return _number(arguments.get("max_prompt_length"), 512)
    for given in (arguments, trainer):
        for name in LENGTHS:
            if name in given:
                return _number(given[name], 1024)
    return 1024


def _number(value: Any, otherwise: int) -> int:
    """Return a positive whole number; a wrong one is left for the trainer to refuse."""
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 1:
        return int(value)
    return otherwise


def batch_of(training: Training) -> int:
    """Return the batch of one device; 8 is the default of every release of transformers."""
    value = training.arguments.get("per_device_train_batch_size")
    return _number(value.value, 8) if value is not None and value.known else 8


def shrink_for_gpu(plan: dict[str, Any], notes: list[str]) -> None:
    """Fewer steps of accumulation: two have the same peak as many."""
    arguments = plan["arguments"]
    steps = _number(arguments.get("gradient_accumulation_steps"), 1)
    if steps > 2 and plan["method"] not in SAMPLED:
        arguments["gradient_accumulation_steps"] = 2
        plan["job_accumulation"] = steps
        notes.append(f"gradients are accumulated over 2 steps instead of {steps}")
    if plan["method"] in SAMPLED and arguments.get("use_vllm"):
        arguments["use_vllm"] = False
        notes.append("answers are sampled by transformers, not by vLLM")


def shrink_for_cpu(plan: dict[str, Any], notes: list[str]) -> None:
    """Make everything small, and say what a CPU cannot do."""
    arguments, trainer = plan["arguments"], plan["trainer_kwargs"]
    plan["max_length"] = min(plan["max_length"], CPU_LENGTH)
    plan["batch"] = min(plan["batch"], CPU_BATCH)
    for given in (arguments, trainer):
        for name in LENGTHS:
            if isinstance(given.get(name), (int, float)) and given[name] > CPU_LENGTH:
                given[name] = CPU_LENGTH
    if plan["method"] in SAMPLED:
        plan["max_length"] = min(plan["max_length"], 32)
        plan["batch"] = CPU_BATCH
        arguments["max_completion_length"] = min(
            _number(arguments.get("max_completion_length"), CPU_ANSWER), CPU_ANSWER
        )
        arguments["num_generations"] = 2
        for name in ("steps_per_generation", "generation_batch_size", "max_prompt_length"):
            if name in arguments:
                del arguments[name]
                notes.append(f"{name} is left out: the batch is smaller here")
    if plan["method"] == "kto":
        plan["batch"] = CPU_BATCH  # trl refuses a batch of one for its KL term
    if _number(arguments.get("gradient_accumulation_steps"), 1) > 1:
        arguments["gradient_accumulation_steps"] = 1
        notes.append("gradients are not accumulated on the CPU")
    _without_gpu(plan, notes)


def _without_gpu(plan: dict[str, Any], notes: list[str]) -> None:
    """Note what the payload leaves out or replaces where there is no GPU."""
    arguments, model = plan["arguments"], plan["model_kwargs"]
    model.pop("device_map", None)
    if str(model.get("attn_implementation", "sdpa")).split("|")[-1] not in ("sdpa", "eager"):
        notes.append(f"attn_implementation {model['attn_implementation']}: sdpa on the CPU")
        model["attn_implementation"] = "sdpa"
    optimizer = str(arguments.get("optim", ""))
    if any(part in optimizer for part in ("8bit", "4bit", "paged", "apex")):
        notes.append(f"optim {optimizer} needs a GPU: adamw_torch stands for it")
    halves = [(model, n) for n in ("dtype", "torch_dtype")]
    halves += [(plan["quantization"] or {}, "bnb_4bit_compute_dtype")]
    for holder, name in halves:
        if holder.get(name) in ("float16", "half"):
            holder[name] = "bfloat16"
            notes.append(f"{name} float16: bfloat16 stands for it on the CPU")
    mixed = [n for n in ("fp16", "tf32") if arguments.get(n)]
    if mixed:
        notes.append(f"{', '.join(mixed)}: not on the CPU")
    for name in ("activation_offloading", "use_liger_kernel", "torch_compile", "use_vllm",
                 "use_transformers_paged", "use_transformers_continuous_batching",
                 "deepspeed", "fsdp"):  # fmt: skip
        if arguments.get(name):
            notes.append(f"{name} is left out on the CPU")
