"""Functions that the script hands to a trainer: formatting_func, reward functions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftdoctor.checks.about import code
from ftdoctor.checks.installed import shown, version
from ftdoctor.job.pep440 import at_least
from ftdoctor.job.value import get
from ftdoctor.rulebook.model import Hit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftdoctor.checks.context import Context

#: Keywords that a trainer gives to every reward function, and the trl that began with it: read from
#: the wheels of trl 0.14.0 to 1.16.0, trl/trainer/{grpo,rloo}_trainer.py, `_calculate_rewards`.
_GIVEN = {
    "grpo": {
        "prompts": "0.14.0",
        "completions": "0.14.0",
        "completion_ids": "0.18.0",
        "trainer_state": "0.20.0",
        "log_extra": "1.0.0",
        "log_metric": "1.0.0",
    },
    "rloo": {
        "prompts": "0.22.0",
        "completions": "0.22.0",
        "completion_ids": "0.22.0",
        "trainer_state": "0.22.0",
        "log_extra": "1.0.0",
        "log_metric": "1.0.0",
    },
}


def reward_keywords(context: Context, **_: object) -> Iterator[Hit]:
    """A reward function without **kwargs that does not take what this trl gives to it."""
    job = context.job
    trl = version(job, "trl")
    if not trl or re.search(r"unsloth", code(job), re.I):
        return
    for training in job.trainings:
        if (get(training.trainer) or "").split(".")[0] != "trl":
            continue
        given = [n for n, v in _GIVEN.get(training.method, {}).items() if at_least(trl, v)]
        for function in training.reward_functions:
            missing = [name for name in given if name not in function.parameters]
            if function.open or not missing:
                continue
            yield Hit(
                function.place or job.place,
                {"function": function.name, "names": ", ".join(missing), "trl": shown(job, "trl")},
                {"function": function.name, "missing": missing, "trl": trl},
                summary="{trl} also gives {names} to the reward function {function}, which takes "
                "neither them nor **kwargs.",
            )


def formatting_returns(context: Context, **_: object) -> Iterator[Hit]:
    """formatting_func gives a list where trl wants one text, or a text where it wants a list.

    Read from the wheels, trl/trainer/sft_trainer.py: up to 0.14 (without packing) anything but a
    list is refused; 0.15 to 0.20 take both; from 0.21 on the function is called for one record and
    its result is used as the text ("add_eos" then fails on a list).
    """
    job = context.job
    trl = version(job, "trl")
    text = code(job)
    if not trl or re.search(r"unsloth|skip_prepare_dataset", text, re.I):
        return
    for training in job.trainings:
        value = training.trainer_kwargs.get("formatting_func")
        if value is None or training.method != "sft" or not training.formatting_returns:
            continue
        if (get(training.trainer) or "").split(".")[0] != "trl":
            continue
        gives = training.formatting_returns
        if at_least(trl, "0.21"):
            # Records of a conversation are read from their own column, whatever the text is.
            if gives == "text" or re.search(r"messages|conversation", text):
                continue
            wants = "one text, because it is called for one record"
        elif at_least(trl, "0.15"):
            continue
        else:
            packing = training.arguments.get("packing")
            if gives != "text" or (packing is not None and get(packing) is not False):
                continue
            # Data in blocks of one length are packed already, and not formatted again.
            if training.open or "ConstantLengthDataset" in text:
                continue
            wants = "a list of texts, because it is called for a batch"
        yield Hit(
            value.place or job.place,
            {"gives": f"a {gives}", "wants": wants, "trl": shown(job, "trl")},
            {"returns": gives, "trl": trl},
            summary="formatting_func returns {gives}; {trl} wants {wants}.",
        )
