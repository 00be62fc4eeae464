"""What LoRA is put on, held against the modules that the model has.

The names come from models built without weights in several transformers releases
(rules/tables/lora_modules.json, made by tools/lora_modules.py). A model whose type the table does
not name is left alone, unless the names are wrong for every model.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ftdoctor.checks.about import code
from ftdoctor.checks.installed import imported, shown, version
from ftdoctor.job.pep440 import at_least
from ftdoctor.job.value import get
from ftdoctor.rulebook.model import Hit
from ftdoctor.tables import table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftdoctor.checks.context import Context
    from ftdoctor.job.model import Job, Training
    from ftdoctor.job.value import Value

#: Heads and containers that a class of the model may have beside those that were built.
_HEADS = frozenset(
    "lm_head embed_out score classifier classification_head qa_outputs summary v_head value_head "
    "cls pooler model transformer base_model encoder decoder shared "
    "language_model text_model vision_tower vision_model multi_modal_projector visual".split()
)
#: Names inside experts: parameters in some releases, modules in others, and peft translates some.
_EXPERTS = frozenset(
    "experts gate router w1 w2 w3 gate_proj up_proj down_proj gate_up_proj".split()
)
#: Projections inside the blocks of every model; none stands at the top of one.
_INNER = frozenset(
    "q_proj k_proj v_proj o_proj gate_proj up_proj down_proj qkv_proj gate_up_proj out_proj "
    "query_key_value dense_h_to_4h dense_4h_to_h c_attn c_proj c_fc fc1 fc2 fc_in fc_out Wqkv "
    "W_pack query key value".split()
)
#: Types whose repositories have (or had) code of their own with other names.
_OWN_CODE = frozenset(("phi", "mpt", "falcon", "nemotron_h", "deepseek_v2", "deepseek_v3"))
#: Types whose text part is loaded with a type of its own by some classes and releases.
_COMPOSITE = frozenset(("gemma3", "mistral3", "qwen3_5", "qwen3_5_moe", "mllama", "llama4"))


def model_type_of(model: str) -> str:
    """Return the model type of a Hub id, as transformers names it, "" when it is not known."""
    for pattern, found in table("lora_modules")["ids"]:
        if re.fullmatch(pattern, model):
            return str(found)
    from ftdoctor.memory.shapes import find

    shape = find(model)
    if shape is not None:
        return shape.model_type
    from ftdoctor.checks.versions import model_floor

    row = model_floor(model)
    return row[0] if row else ""


def plain_lora(training: Training, job: Job) -> bool:
    """Whether the adapter is a LoRA that peft itself puts on the model as it is loaded."""
    if training.lora is None or "config_class" in training.lora:
        return False
    return imported(job, "unsloth") is None


def type_row(training: Training) -> tuple[str, dict[str, Any]]:
    """Return the model type and its row of the table; ("", {}) when either is not known."""
    model = get(training.model)
    if not isinstance(model, str):
        return "", {}
    found = model_type_of(model)
    remote = training.model_kwargs.get("trust_remote_code")
    if found in _OWN_CODE and remote is not None and get(remote) is not False:
        return "", {}
    row = table("lora_modules")["types"].get(found)
    return (found, row) if row else ("", {})


def targets_of(training: Training, job: Job) -> tuple[list[str] | str | None, Value[Any] | None]:
    """Return the targets as peft gets them, and where they stand; None when not known.

    trl's ModelConfig turns a list of one into its text (trl/trainer/model_config.py).
    """
    value = (training.lora or {}).get("target_modules")
    given = get(value)
    if isinstance(given, (list, tuple, set, frozenset)):
        items = [item for item in given if isinstance(item, str)]
        if len(items) != len(given) or not items:
            return None, None
        if len(items) == 1 and training.written_as == "trl-cli":
            return items[0], value
        place = value.place if value is not None else None
        in_code = place is not None and place.path.endswith((".py", ".ipynb"))
        if len(items) == 1 and (not in_code or "get_peft_config" in code(job)):
            # Either form may reach peft: said only of names that match in neither.
            return (None, None) if items[0].lower() == "all-linear" else (items, value)
        return items, value
    return (given, value) if isinstance(given, str) and given.strip() else (None, None)


def not_found(context: Context, **_: object) -> Iterator[Hit]:
    """None of the targets is in the model (peft raises when nothing matches, from 0.4.0 on)."""
    job = context.job
    for training in job.trainings:
        if (
            not plain_lora(training, job)
            or (training.lora or {}).get("target_parameters") is not None
        ):
            continue
        targets, value = targets_of(training, job)
        if targets is None or value is None:
            continue
        kind, row = type_row(training)
        if isinstance(targets, str):
            wrong = _text_misses(targets, kind, row)
        else:
            wrong = _list_misses(targets, kind, row)
        if not wrong:
            continue
        model = get(training.model) or "the model"
        names = _projections(row)
        values = {"model": model, "wrong": wrong, "names": names}
        yield Hit(
            value.place or job.place,
            values,
            {"target_modules": targets, "model_type": kind},
            summary="LoRA would find nothing in {model}: {wrong}"
            + (" (it has {names})." if names else "."),
        )


def _every(row: dict[str, Any]) -> set[str]:
    return {name for key in ("wrapped", "other", "also") for name in row.get(key, "").split()}


def _has(name: str, row: dict[str, Any]) -> bool:
    """Whether a module of this name may be in a model of the row."""
    known = _every(row)
    return name in known or name in _HEADS or ("experts" in known and name in _EXPERTS)


def _projections(row: dict[str, Any]) -> str:
    """Return the names inside the blocks that LoRA is usually put on."""
    outside = {"embed_tokens", "wte", "wpe", "embed_in", "word_embeddings"}
    return ", ".join(n for n in row.get("wrapped", "").split() if n not in outside | _HEADS)


def _list_misses(targets: list[str], kind: str, row: dict[str, Any]) -> str:
    """Return why no entry of a list names a module, "" when one may."""
    if [t.lower() for t in targets] == ["all-linear"]:
        return '["all-linear"] is a list with a name in it; the shorthand is the plain text'
    last = [target.rsplit(".", 1)[-1] for target in targets]
    if not kind or any(name.isdigit() or not name or _has(name, row) for name in last):
        return ""
    shown_names = ", ".join(targets[:6])
    return (
        f"it has no module of the name {shown_names}"
        if len(targets) == 1
        else (f"it has none of {shown_names}")
    )


def _text_misses(target: str, kind: str, row: dict[str, Any]) -> str:
    """Return why a text, which peft reads as a regular expression of whole names, cannot match."""
    if target.lower() == "all-linear":
        return ""
    whole = "a text is matched against whole names such as model.layers.0.self_attn.q_proj"
    parts = [part.strip() for part in re.split(r"[,\s]+", target.strip("[]()")) if part.strip()]
    if len(parts) > 1 and all(re.fullmatch(r"['\"]?[\w.-]+['\"]?", part) for part in parts):
        return f"{target!r} is one text, not a list"
    if re.fullmatch(r"all[_ -]?linears?|linear|all|auto|default", target, re.I):
        return f"{target!r} is no shorthand that peft knows"
    words = target.strip("()").removeprefix("?:").split("|")
    if all(re.fullmatch(r"\w+", word) for word in words):
        inner = all(word in _INNER for word in words)
        return f"{whole}, and {target!r} is only the end of one" if inner else ""
    if not kind:
        return ""
    ending = re.fullmatch(r".*(?:\.\*|\\\.|\.)(?:\((?:\?:)?([\w|]+)\)|(\w+))\$?", target)
    if ending is None or "experts" in _every(row):
        return ""
    ends = tuple((ending[1] or ending[2]).split("|"))
    if not all(ends) or any(name.endswith(ends) for name in _every(row) | _HEADS):
        return ""
    return f"no name in it ends in {' or '.join(ends)}"


def without_targets(context: Context, **_: object) -> Iterator[Hit]:
    """A LoRA without target_modules on a model that this peft has no default targets for."""
    job = context.job
    peft = version(job, "peft")
    first, last = table("lora_modules")["peft"]
    if peft and (not at_least(peft, first) or not at_least(last, peft)):
        return
    for training in job.trainings:
        lora = training.lora
        if lora is None or not plain_lora(training, job) or _adds_elsewhere(training):
            continue
        given = lora.get("target_modules")
        if (given is not None and (given.unknown or given.value is not None)) or lora.get(
            "target_parameters"
        ):
            continue
        kind, row = type_row(training)
        if not row or kind in _COMPOSITE or (not lora and training.written_as != "trl-cli"):
            continue
        since = table("lora_modules")["defaults"].get(kind)
        if since and not peft:
            continue  # some release has a default
        if since and at_least(peft, since[0]) and (not since[1] or at_least(since[1], peft)):
            continue
        place = next((v.place for v in lora.values() if v.place is not None), None)
        if place is None and training.model is not None:
            place = training.model.place
        names = _projections(row)
        values = {
            "model": get(training.model) or "",
            "peft": shown(job, "peft") or "peft",
            "names": names,
        }
        yield Hit(
            place or job.place,
            {**values, "wrong": "no target_modules are given"},
            {"model_type": kind, "peft": peft, "first_ok": since[0] if since else ""},
            summary="target_modules is not given, and {peft} has no default for the layers of "
            "{model}.",
        )


def _adds_elsewhere(training: Training) -> bool:
    """Whether parts of the adapter's settings were not read."""
    notes = " ".join(training.notes)
    return (
        "gets more keywords" in notes
        or "adapter" in notes
        or bool(any(v.unknown for v in (training.lora or {}).values()))
    )


def unsupported(context: Context, **_: object) -> Iterator[Hit]:
    """A target that names a container or a norm: LoRA cannot wrap it, and peft raises."""
    job = context.job
    for training in job.trainings:
        lora = training.lora or {}
        targets, value = targets_of(training, job)
        if not plain_lora(training, job) or not isinstance(targets, list) or value is None:
            continue
        if any(n in lora for n in ("exclude_modules", "modules_to_save", "layers_to_transform")):
            continue
        kind, row = type_row(training)
        bad = [t for t in targets if t in row.get("other", "").split()]
        if not bad or "experts" in bad:
            continue
        values = {"model": get(training.model) or "", "bad": ", ".join(bad)}
        yield Hit(
            value.place or job.place,
            {**values, "names": _projections(row)},
            {"target_modules": targets, "model_type": kind},
            summary="{bad} in {model} is no layer that LoRA can wrap.",
        )
