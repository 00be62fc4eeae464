"""Loads of a model that its repository or the installed transformers is sure to refuse."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftdoctor.checks.about import code
from ftdoctor.checks.installed import imported, shown, text, version
from ftdoctor.job.pep440 import at_least
from ftdoctor.lazy import lazy, lazy_module
from ftdoctor.rulebook.model import Hit
from ftdoctor.tables import table

if TYPE_CHECKING:
    import ast
    from collections.abc import Iterator

    from ftdoctor.checks.context import Context
    from ftdoctor.job.model import Job, Script, Training
else:
    ast = lazy_module("ast")


def _mentions(job: Job, word: str) -> bool:
    """Whether anything that was read of a job says a word."""
    if word in code(job) or any(word in source.text for source in job.sources):
        return True
    return any(
        word in where or any(word in str(v.value) for v in where.values())
        for training in job.trainings
        for where in (training.model_kwargs, training.arguments)
    )


def remote_code(context: Context, **_: object) -> Iterator[Hit]:
    """A model with code of its own, and nothing in the job that allows it to run.

    transformers 5.23.0 dynamic_module_utils.py, resolve_trust_remote_code: with no code for the
    type in the library and none allowed from the repository it asks, and stops without an answer.
    """
    job = context.job
    theirs = version(job, "transformers")
    if not job.trainings:
        return
    facts = table("remote_code")
    if _mentions(job, "trust_remote_code") or imported(job, "unsloth") is not None:
        return
    if theirs and not (at_least(facts["newest"], theirs) and at_least(theirs, "4.28.0")):
        return
    for training in job.trainings:
        model = text(training.model)
        row = next((r for r in facts["patterns"] if re.fullmatch(r["id"], model)), None)
        if row is None or (row["since"] and (not theirs or at_least(theirs, row["since"]))):
            continue
        if not _by_auto_class(training, job):
            continue
        label = shown(job, "transformers") if theirs else "transformers"
        yield Hit(
            training.model.place if training.model else job.place,
            {"model": model, "model_type": row["model_type"]},
            {"transformers": theirs, "first_ok": row["since"]},
            summary=f"{model} brings its own code ({row['model_type']}), which "
            f"{label} does not have, and nothing allows it to run.",
        )


def _by_auto_class(training: Training, job: Job) -> bool:
    if training.written_as == "trl-cli":
        return True
    if any("keywords" in note or "model_init_kwargs" in note for note in training.notes):
        return False
    return training.model_as_string or bool(re.search(r"\bAuto\w+\.from_pretrained", code(job)))


#: Repositories whose config.json has Llama 3.1's five-field rope_scaling.
_LLAMA3_ROPE = lazy(
    r"(?:meta-llama|unsloth)/(?:Meta-)?Llama-3\.[123]-(?!.*Vision)[\w.-]+"
    r"|NousResearch/(?:Meta-Llama-3\.1|Hermes-3-Llama-3\.1)-[\w.-]+"
    r"|deepseek-ai/DeepSeek-R1-Distill-Llama-\w+"
)


def rope_scaling(context: Context, **_: object) -> Iterator[Hit]:
    """Llama 3.1 or later with a transformers that wants two fields in rope_scaling.

    transformers 4.42.4 configuration_llama.py:181 raises at anything else; 4.43.0 knows "llama3".
    """
    job = context.job
    theirs = version(job, "transformers")
    if not theirs or at_least(theirs, "4.43.0") or not at_least(theirs, "4.31.0"):
        return
    if _mentions(job, "rope_scaling"):
        return
    for training in job.trainings:
        model = text(training.model)
        if not _LLAMA3_ROPE.fullmatch(model):
            continue
        yield Hit(
            training.model.place if training.model else job.place,
            {"model": model, "transformers": theirs},
            {"first_ok": "4.43.0"},
            summary=f"{model} needs transformers 4.43.0 or later; "
            f"{shown(job, 'transformers')} will be there.",
        )
        return


def base_as_adapter(context: Context, **_: object) -> Iterator[Hit]:
    """A base model where peft wants an adapter: the repository has no adapter_config.json."""
    job = context.job
    for script in job.scripts:
        source = script.source.text
        if script.role == "submit" or "Peft" not in source or script.tree is None:
            continue
        if not re.search(r"PeftModel\w*\s*\.\s*from_pretrained", source):
            continue
        yield from _adapters(script)


def _adapters(script: Script) -> Iterator[Hit]:
    from ftdoctor.checks.token_uses import live_nodes, node_place
    from ftdoctor.memory.shapes import known_ids

    assert script.tree is not None
    named: dict[str, list[ast.expr]] = {}
    nodes = list(live_nodes(script.tree))
    for node in nodes:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            named.setdefault(node.targets[0].id, []).append(node.value)
    ids: frozenset[str] = frozenset()
    for node in nodes:
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        called = ast.unparse(node.func)
        match = re.search(r"(?:^|\.)(Auto)?PeftModel\w*\.from_pretrained\Z", called)
        if match is None:
            continue
        names = ("pretrained_model_name_or_path",) if match[1] else ("model_id",)
        given = next((k.value for k in node.keywords if k.arg in names), None)
        at = 0 if match[1] else 1
        if given is None and len(node.args) > at:
            given = node.args[at]
        written = given
        if isinstance(given, ast.Name) and len(named.get(given.id, [])) == 1:
            given = named[given.id][0]
        if not isinstance(given, ast.Constant) or not isinstance(given.value, str):
            continue
        ids = ids or frozenset(known_ids())
        if given.value in ids and written is not None:
            yield Hit(
                node_place(script.source, written),
                {"model": given.value, "call": called},
                {"model": given.value},
                summary="{call} is given {model}, a base model: there is no adapter in it.",
            )
