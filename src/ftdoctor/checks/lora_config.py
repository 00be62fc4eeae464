"""Settings of an adapter that peft or trl refuses, whatever the model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftdoctor.checks.installed import shown, true, version
from ftdoctor.checks.lora_targets import plain_lora, targets_of, type_row
from ftdoctor.job.pep440 import at_least
from ftdoctor.job.value import get
from ftdoctor.rulebook.edits import KEEP_QUOTES
from ftdoctor.rulebook.model import Edit, Hit, TextEdit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftdoctor.checks.context import Context
    from ftdoctor.job.model import Training

_ALWAYS = ("sft", "dpo", "grpo", "kto", "rloo")
#: First trl whose trainer refuses it with use_liger_kernel=True (trl wheels 1.4.0 to 1.14.2).
_WITH_LIGER = {"grpo": "1.7.0", "dpo": "1.8.0", "kto": "1.8.0"}


def on_lm_head(context: Context, **_: object) -> Iterator[Hit]:
    """lm_head among the targets, and a trainer whose loss reads its weight directly.

    From trl 1.15.0 on all of them; before that SFT with loss_type "chunked_nll" (from 1.4.0; the
    default from 1.7.0 on) and the others with Liger or with cast_lm_head_to_fp32.
    """
    job = context.job
    trl = version(job, "trl")
    if not trl:
        return
    for training in job.trainings:
        targets, value = targets_of(training, job)
        if not plain_lora(training, job) or not isinstance(targets, list) or value is None:
            continue
        if not any(t == "lm_head" or t.endswith(".lm_head") for t in targets) or training.open:
            continue
        lora = training.lora or {}
        if "exclude_modules" in lora or "modules_to_save" in lora:
            continue
        row = type_row(training)[1]
        why = _refuses(training, trl) if not row or "lm_head" in row["wrapped"].split() else ""
        if why:
            yield Hit(
                value.place or job.place,
                {"trl": shown(job, "trl"), "why": why},
                {"trl": trl, "target_modules": targets},
                summary="{trl} refuses a LoRA on lm_head: {why}.",
            )


def _refuses(training: Training, trl: str) -> str:
    """Return what reads lm_head.weight in this trl, "" when nothing does or it cannot be told."""
    method, args = training.method, training.arguments
    if method == "distillation":
        return "the distillation loss reads its weight" if at_least(trl, "1.10.0") else ""
    if method in _ALWAYS and at_least(trl, "1.15.0"):
        return "the loss reads its weight directly"
    liger = args.get("use_liger_kernel")
    if method == "sft" and at_least(trl, "1.4.0") and (liger is None or get(liger) is False):
        loss = args.get("loss_type")
        if loss is None:
            default = at_least(trl, "1.7.0")
            return "the loss reads its weight (chunked_nll, the default)" if default else ""
        return "loss_type='chunked_nll' reads its weight" if get(loss) == "chunked_nll" else ""
    since = _WITH_LIGER.get(method)
    if since and true(liger) and at_least(trl, since):
        return "the loss of use_liger_kernel reads its weight"
    if method == "grpo" and true(args.get("cast_lm_head_to_fp32")) and at_least(trl, "1.9.0"):
        return "cast_lm_head_to_fp32 cannot cast a wrapped head"
    return ""


#: peft/utils/peft_types.py, TaskType, the same from 0.4.0 to 0.21.2.
_TASKS = ("SEQ_CLS", "SEQ_2_SEQ_LM", "CAUSAL_LM", "TOKEN_CLS", "QUESTION_ANS", "FEATURE_EXTRACTION")
#: First peft whose configs raise at a task type that they do not know (peft/config.py).
_TASK_CHECKED = "0.14.0"


def task_type(context: Context, **_: object) -> Iterator[Hit]:
    """A task_type that is none of peft's: ValueError, or AttributeError for TaskType.NAME."""
    from ftdoctor.checks.about import near_names

    job = context.job
    peft = version(job, "peft")
    for training in job.trainings:
        value = (training.lora or {}).get("task_type")
        given = get(value)
        if value is None or not isinstance(given, str) or given in _TASKS:
            continue
        attribute = value.raw.startswith(("TaskType.", "peft.TaskType."))
        if not attribute and peft and not at_least(peft, _TASK_CHECKED):
            continue
        near = near_names(given.upper().replace("-", "_"), _TASKS, 1, 0.5)
        right = near[0] if near else "CAUSAL_LM"
        edits = {}
        place = value.place
        plain = given.strip() == given and value.raw.strip("\"'") == given
        if near and plain and place is not None and place.line == place.end_line:
            text = f"{KEEP_QUOTES}{right}{KEEP_QUOTES}"
            edits["change"] = Edit(f"{given} becomes {right}", (TextEdit(place, text),))
        yield Hit(
            place or job.place,
            {"given": given, "right": right, "peft": shown(job, "peft") or "peft"},
            {"task_type": given, "replacement": right, "first_bad": _TASK_CHECKED},
            edits,
            severity=None if attribute or peft else "warning",
            summary="{given} is no task_type of {peft}; did you mean {right}?",
        )
