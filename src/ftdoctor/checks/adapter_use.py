"""Adapters that are configured and never used, and reference models that DPO refuses."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftdoctor.checks.about import softer
from ftdoctor.checks.installed import shown, version
from ftdoctor.job.pep440 import at_least
from ftdoctor.lazy import lazy_module
from ftdoctor.rulebook.model import Hit

if TYPE_CHECKING:
    import ast
    from collections.abc import Iterator

    from ftdoctor.checks.context import Context
else:
    ast = lazy_module("ast")


def without_use_peft(context: Context, **_: object) -> Iterator[Hit]:
    """LoRA options for trl's ModelConfig and no use_peft: the whole model is trained.

    trl 1.16.0 trainer/utils.py:286, get_peft_config: None unless use_peft (the same since 0.7.11).
    """
    for training in context.job.trainings:
        given = {k: v for k, v in training.lora_ignored.items() if k != "task_type"}
        if training.lora is not None or training.open or not given:
            continue
        place = next((v.place for v in given.values() if v.place is not None), None)
        yield Hit(
            place or context.job.place,
            {},
            {"use_peft": None, "given": sorted(given)},
            severity=softer(place),
            summary="LoRA is configured and use_peft is not set: the whole model is trained.",
        )


def unused(context: Context, **_: object) -> Iterator[Hit]:
    """`peft_config = LoraConfig(...)` and nothing in the code that uses the name."""
    from ftdoctor.checks.token_uses import live_nodes, node_place

    job = context.job
    if not any(t.trainer is not None and t.lora is None for t in job.trainings):
        return
    for script in job.scripts:
        if script.role == "submit" or "LoraConfig(" not in script.source.text:
            continue
        if script.tree is None or re.search(
            r"\b(?:globals|locals|eval|exec)\(", script.source.text
        ):
            continue
        made: dict[str, ast.Assign] = {}
        used: set[str] = set()
        for node in live_nodes(script.tree):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                used.add(node.id)
            if (
                isinstance(node, ast.Assign)
                and isinstance(node.targets[0], ast.Name)
                and isinstance(node.value, ast.Call)
                and ast.unparse(node.value.func) in ("LoraConfig", "peft.LoraConfig")
            ):
                made[node.targets[0].id] = node
        for name, node in made.items():
            if name not in used and len(made) == 1 and _runs(script.source.text, name):
                yield Hit(
                    node_place(script.source, node),
                    {"name": name},
                    {"name": name},
                    summary="{name} is made and never used: the whole model is trained.",
                )


def _runs(text: str, name: str) -> bool:
    """Whether the code trains by itself and does not hand the name on as a module's."""
    return ".train(" in text and "__all__" not in text and f"import {name}" not in text


def reference_model(context: Context, **_: object) -> Iterator[Hit]:
    """A ref_model that DPOTrainer refuses: beside a peft_config, or the model itself.

    trl 0.7.11 to 0.27.2 dpo_trainer.py: "You passed both a ref_model and a peft_config"; from
    0.11.0 on: "`model` and `ref_model` cannot be the same object".
    """
    from ftdoctor.checks.token_uses import live_nodes, node_place

    job = context.job
    trl = version(job, "trl")
    if trl and not at_least(trl, "0.7.11"):
        return
    for script in job.scripts:
        text = script.source.text
        if script.role == "submit" or "DPOTrainer(" not in text or script.tree is None:
            continue
        for node in live_nodes(script.tree):
            if not isinstance(node, ast.Call) or not re.fullmatch(
                r"(?:trl\.)?DPOTrainer", ast.unparse(node.func)
            ):
                continue
            if any(k.arg is None for k in node.keywords):
                continue
            given = {k.arg: k.value for k in node.keywords}
            given.update(zip(("model", "ref_model"), node.args, strict=False))
            reference, adapter = given.get("ref_model"), given.get("peft_config")
            if reference is None or _is_none(reference):
                continue
            why = ""
            model = given.get("model")
            adapted = isinstance(adapter, ast.Call) or (
                isinstance(adapter, ast.Name) and _surely_set(script.tree, adapter.id)
            )
            names = [n.id for n in (model, reference) if isinstance(n, ast.Name)]
            if len(names) == 2 and names[0] == names[1] and (not trl or at_least(trl, "0.11.0")):
                why = "it is the model itself"
            old = bool(trl) and not at_least(trl, "0.28.0")
            if not why and adapted and old and "force_use_ref_model" not in text:
                why = "a peft_config is given too"
            if not why or not _surely_model(script.tree, reference):
                continue
            yield Hit(
                node_place(script.source, reference),
                {"why": why, "trl": shown(job, "trl") or "trl"},
                {"trl": trl},
                summary="{trl} refuses this ref_model: {why}.",
            )


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _values(tree: ast.Module, name: str) -> list[ast.expr | None]:
    """Return what a name is bound to, everywhere in the code; None for what is no assignment."""
    from ftdoctor.checks.merging import _bindings

    return [v for node in ast.walk(tree) for bound, v in _bindings(node) if bound == name]


def _surely_set(tree: ast.Module, name: str) -> bool:
    """Whether a name is bound to the result of `LoraConfig(...)`, and to nothing else."""
    values = _values(tree, name)
    return len(values) == 1 and (
        isinstance(values[0], ast.Call) and ast.unparse(values[0].func).endswith("LoraConfig")
    )


def _surely_model(tree: ast.Module, node: ast.expr) -> bool:
    """Whether an expression is a loaded model, or the name of one that is never None."""
    if isinstance(node, ast.Name):
        values = _values(tree, node.id)
        return bool(values) and all(isinstance(v, ast.Call) for v in values)
    return isinstance(node, ast.Call) or (
        isinstance(node, ast.Constant) and isinstance(node.value, str)
    )
