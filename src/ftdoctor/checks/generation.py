"""Generation settings that are refused when the model is saved."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftdoctor.checks.installed import shown, text, version
from ftdoctor.checks.setup_args import HF_TRAINERS
from ftdoctor.job.pep440 import at_least
from ftdoctor.lazy import lazy, lazy_module
from ftdoctor.rulebook.model import Hit

if TYPE_CHECKING:
    import ast
    from collections.abc import Iterator

    from ftdoctor.checks.context import Context
    from ftdoctor.job.model import Script
else:
    ast = lazy_module("ast")

#: Repositories whose generation_config.json samples: do_sample, temperature and top_p are set.
_SAMPLES = lazy(
    r"(?:meta-llama|unsloth)/(?:Meta-)?Llama-3(?:\.[123])?-\d+B-Instruct"
    r"|Qwen/Qwen2\.5-[\d.]+B-Instruct"
    r"|Qwen/Qwen3-(?:0\.6|1\.7|4|8|14|32)B|meta-llama/Llama-2-\d+b-chat-hf"
)
_DEFAULTS: dict[str, object] = {"temperature": 1.0, "top_p": 1.0}


def invalid_on_save(context: Context, **_: object) -> Iterator[Hit]:
    """do_sample=False beside a temperature or top_p: save_pretrained raises.

    transformers 4.39.3 to 5.23.0, generation/configuration_utils.py, save_pretrained: what only
    warns elsewhere is an error there. A training that saves only an adapter does not get there.
    """
    job = context.job
    theirs = version(job, "transformers")
    if theirs and not at_least(theirs, "4.39.0"):
        return
    whole = [t for t in job.trainings if t.lora is None and t.method in HF_TRAINERS and not t.open]
    if len(whole) != 1 or len(job.trainings) != 1:
        return
    given = text(whole[0].model)
    for script in job.scripts:
        if script.role == "submit" or "generation_config" not in script.source.text:
            continue
        if re.search(r"peft|unsloth|GenerationConfig|\.update\(", script.source.text):
            continue
        known = given if _SAMPLES.fullmatch(given) else ""
        yield from _settings(script, known, shown(job, "transformers") or "transformers")


def _settings(script: Script, samples: str, label: str) -> Iterator[Hit]:
    """Follow `model.generation_config.NAME = value` in one script.

    `samples` is the model when it is known to bring settings for sampling.
    """
    from ftdoctor.checks.token_uses import live_nodes, node_place

    if script.tree is None:
        return
    found: dict[str, ast.expr] = {}
    for node in live_nodes(script.tree):
        if not isinstance(node, ast.Assign) or not isinstance(node.targets[0], ast.Attribute):
            continue
        target = node.targets[0]
        owner = ast.unparse(target.value)
        if target.attr == "generation_config":
            return  # replaced as a whole
        if not owner.endswith(".generation_config"):
            continue
        if target.attr in found or not isinstance(node.value, ast.Constant):
            return  # set twice, or to what cannot be known
        found[target.attr] = node.value
    sampled = found.get("do_sample")
    if not isinstance(sampled, ast.Constant) or sampled.value is not False:
        return
    for name, default in _DEFAULTS.items():
        value = found.get(name)
        if value is None:
            if not samples:
                continue
            how = f"{samples} brings a {name}"
        else:
            assert isinstance(value, ast.Constant)
            if value.value is None or value.value == default:
                continue
            how = f"{name} is {value.value!r}"
        yield Hit(
            node_place(script.source, sampled),
            {"how": how, "transformers": label},
            {"do_sample": False, "name": name},
            summary="do_sample is False and {how}: {transformers} refuses to save that.",
        )
        return
