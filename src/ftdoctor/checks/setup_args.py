"""Training settings that contradict each other: certain to raise, whatever the data."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftdoctor.checks.about import (
    argument,
    code,
    gpu_count,
    launched,
    launcher_processes,
    program,
    trains,
    words,
)
from ftdoctor.job.value import get
from ftdoctor.lazy import lazy
from ftdoctor.rulebook.model import Hit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftdoctor.checks.context import Context
    from ftdoctor.job.model import Job, Training
    from ftdoctor.job.value import Value

HF_TRAINERS = frozenset(("sft", "dpo", "grpo", "reward", "kto", "trainer"))


def _word(value: Value[object] | None) -> str | None:
    """Return an enum-like argument in lower case: "steps" for IntervalStrategy.STEPS."""
    text = get(value)
    if text is False:
        return "no"  # `no` of a command line or of YAML
    return str(text).rsplit(".", 1)[-1].lower() if text is not None else None


def both_precisions(context: Context, **_: object) -> Iterator[Hit]:
    """fp16 and bf16 together (transformers 5.23 training_args.py: at most one may be True)."""
    for training in context.job.trainings:
        if argument(training, "fp16") is True and argument(training, "bf16") is True:
            value = training.arguments["fp16"]
            yield Hit(value.place or context.job.place, {}, {"fp16": True, "bf16": True})


def best_model_mismatch(context: Context, **_: object) -> Iterator[Hit]:
    """load_best_model_at_end with different save and eval strategies or steps."""
    for training in context.job.trainings:
        args = training.arguments
        if argument(training, "load_best_model_at_end") is not True or training.open:
            continue
        evaluate = args.get("eval_strategy") or args.get("evaluation_strategy")
        save = args.get("save_strategy")
        if (evaluate is not None and not evaluate.known) or (save is not None and not save.known):
            continue
        eval_word, save_word = _word(evaluate) or "no", _word(save) or "steps"
        if save_word == "best":
            continue
        place = args["load_best_model_at_end"].place or context.job.place
        if eval_word != save_word:
            values = {"wrong": f"it evaluates by '{eval_word}' and saves by '{save_word}'"}
            yield Hit(
                place,
                values,
                {"eval_strategy": eval_word, "save_strategy": save_word},
                summary="load_best_model_at_end cannot work: {wrong}.",
            )
            continue
        steps, saves = argument(training, "eval_steps"), argument(training, "save_steps")
        if (
            eval_word != "steps"
            or (args.get("eval_steps") is not None and steps is None)
            or (args.get("save_steps") is not None and saves is None)
        ):
            continue
        if args.get("eval_steps") is None:
            if (
                args.get("logging_steps") is not None
                and argument(training, "logging_steps") is None
            ):
                continue
            steps = argument(training, "logging_steps") or 500
        saves = saves if saves is not None else 500
        if isinstance(steps, int) and isinstance(saves, int) and steps > 0 and saves % steps:
            values = {"wrong": f"save_steps ({saves}) is no multiple of eval_steps ({steps})"}
            yield Hit(
                place,
                values,
                {"eval_steps": steps, "save_steps": saves},
                summary="load_best_model_at_end cannot work: {wrong}.",
            )


def eval_data_missing(context: Context, **_: object) -> Iterator[Hit]:
    """An evaluation strategy and a trainer without eval_dataset."""
    for training in context.job.trainings:
        value = training.arguments.get("eval_strategy") or training.arguments.get(
            "evaluation_strategy"
        )
        word = _word(value)
        if (
            value is None
            or word not in ("steps", "epoch")
            or training.written_as == "trl-cli"
            or training.open
        ):
            continue
        if (
            training.method not in HF_TRAINERS
            or not training.trainer_kwargs
            or training.trainer is None
        ):
            continue
        if "train_dataset" not in training.trainer_kwargs:
            continue  # given by position, or from somewhere else
        if "eval_dataset" in training.trainer_kwargs or any(
            k.startswith("*") for k in training.trainer_kwargs
        ):
            continue
        if re.search(
            r"trainer\.eval_dataset|eval_dataset\s*=|\*\*\w+|eval_data", code(context.job)
        ):
            continue
        yield Hit(
            value.place or context.job.place,
            {"strategy": word},
            {"eval_strategy": word},
            summary="eval_strategy is '{strategy}', and the trainer gets no eval_dataset.",
        )


def grpo_groups(context: Context, **_: object) -> Iterator[Hit]:
    """GRPO's batch is no multiple of the number of generations (trl 1.16.0 grpo_config.py:1131).

    Newer releases count gradient accumulation in, older ones do not: a batch that fails with it
    fails without it too, so only that is reported.
    """
    job = context.job
    for training in job.trainings:
        args = training.arguments
        if (
            training.method != "grpo"
            or training.open
            or args.get("generation_batch_size")
            or args.get("steps_per_generation")
        ):
            continue
        numbers: dict[str, int] = {}
        for name, default in (
            ("per_device_train_batch_size", 8),
            ("gradient_accumulation_steps", 1),
            ("num_generations", 8),
        ):
            given = args.get(name)
            number = get(given) if given is not None else default
            if not isinstance(number, int) or number <= 0:
                break
            numbers[name] = number
        if len(numbers) < 3:
            continue
        world = _world(job)
        if world is None:
            continue
        batch = (
            numbers["per_device_train_batch_size"] * numbers["gradient_accumulation_steps"] * world
        )
        if batch % numbers["num_generations"]:
            value = args.get("num_generations") or args.get("per_device_train_batch_size")
            yield Hit(
                value.place if value is not None and value.place else job.place,
                {"batch": batch, "generations": numbers["num_generations"]},
                {**numbers, "processes": world},
                summary="A batch of {batch} is no multiple of num_generations ({generations}).",
            )


def _world(job: Job) -> int | None:
    """Return the number of training processes, None when it cannot be told."""
    if not launched(job) or len(job.pools) != 1 or (get(job.pools[0].replica_count) or 1) != 1:
        return None
    gpus = gpu_count(job)
    if gpus == 1:
        return 1
    return launcher_processes(job) if gpus else None


def device_map_distributed(context: Context, **_: object) -> Iterator[Hit]:
    """device_map="auto" in several processes (accelerate 1.15 accelerator.py:1479)."""
    job = context.job
    if launched(job) and (gpu_count(job) or 2) < 2:
        return
    many = (launcher_processes(job) or 0) > 1 or any(
        "--multi_gpu" in words(step) or "--multi-gpu" in words(step)
        for step in job.steps
        if trains(step)
    )
    if not many:
        return
    for training in job.trainings:
        value = training.model_kwargs.get("device_map")
        if value is None or not _loaded_for_training(training, value):
            continue
        spread = get(value) in ("auto", "balanced", "balanced_low_0", "sequential")
        if spread or (_first_gpu(get(value)) and _quantized(training)):
            yield Hit(
                value.place or job.place,
                {"device_map": str(get(value))},
                {"device_map": str(get(value))},
                summary="device_map={device_map} under a launcher of several processes.",
            )


def _first_gpu(device_map: object) -> bool:
    """Whether a device_map puts the whole model on the first GPU, in every process."""
    if isinstance(device_map, dict):
        return set(device_map) == {""} and device_map[""] in (0, "0", "cuda:0")
    return device_map == "cuda:0"


def _quantized(training: Training) -> bool:
    """Whether bitsandbytes packs the weights, which cannot be moved to another GPU later.

    accelerate 1.15.0 accelerator.py:1864, prepare_model, raises in every process but the first.
    """
    found = training.quantization or {}
    return any(get(found.get(name)) is True for name in ("load_in_4bit", "load_in_8bit"))


def _loaded_for_training(training: Training, value: Value[object]) -> bool:
    """Whether a keyword belongs to the load before the trainer, not to one after it."""
    if training.written_as == "notebook":
        return False
    trainer = training.trainer.place if training.trainer else None
    if trainer is None or value.place is None or trainer.path != value.place.path:
        return training.written_as == "trl-cli"
    return value.place.line <= trainer.line


_ZERO3 = lazy(r"zero_?-?(?:stage_?)?3|\"stage\"\s*:\s*3|zero_stage\D{0,3}3|stage3|ds_z3", re.I)


def zero3_device_map(context: Context, **_: object) -> Iterator[Hit]:
    """DeepSpeed ZeRO-3 and a device_map (transformers 5.23 integrations/accelerate.py:137)."""
    job = context.job
    uses = any(
        _ZERO3.search(" ".join(words(step)))
        for step in job.steps
        if program(step) in ("accelerate", "deepspeed", "torchrun", "trl")
    )
    for training in job.trainings:
        configured = argument(training, "deepspeed")
        if not uses and not (isinstance(configured, str) and _ZERO3.search(configured)):
            continue
        value = training.model_kwargs.get("device_map")
        if value is None or get(value) is None:
            continue
        if _loaded_for_training(training, value):
            yield Hit(
                value.place or job.place,
                {"device_map": str(get(value))},
                {"device_map": str(get(value))},
                summary="device_map={device_map} with DeepSpeed ZeRO-3.",
            )
