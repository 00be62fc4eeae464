"""What a model's tokenizer, positions or weights do not allow, seen in the settings."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftdoctor.checks.about import argument, code, launched, remote
from ftdoctor.checks.token_uses import live_nodes, node_place
from ftdoctor.job.value import get
from ftdoctor.lazy import lazy, lazy_module
from ftdoctor.rulebook.model import Hit, Severity

if TYPE_CHECKING:
    import ast
    from collections.abc import Iterator

    from ftdoctor.checks.context import Context
    from ftdoctor.job.model import Job
    from ftdoctor.job.source import Place
else:
    ast = lazy_module("ast")

#: Models whose published tokenizer has no padding token.
_NO_PAD = lazy(
    r"(?:openai-community/)?gpt2(?:-medium|-large|-xl)?|(?:distilbert/)?distilgpt2|EleutherAI/pythia-.+"
    r"|EleutherAI/gpt-(?:neo|j|neox)-.+|meta-llama/(?:Llama-2-.+-hf|(?:Meta-)?Llama-3(?:\.[123])?-.+)"
    r"|mistralai/Mistral-7B-(?:Instruct-)?v0\.[123]|tiiuae/falcon-(?:7b|40b)(?:-instruct)?",
    re.I,
)
_PADS = lazy(r"padding\s*=\s*(?:True|[\"'](?:max_length|longest)[\"'])|DataCollatorWithPadding")


def pad_token_missing(context: Context, **_: object) -> Iterator[Hit]:
    """The code pads, the tokenizer has no padding token, and nothing gives it one."""
    job = context.job
    text = code(job)
    match = _PADS.search(text)
    if match is None or "pad_token" in text or "add_special_tokens" in text:
        return
    for training in job.trainings:
        model = get(training.model)
        if training.method != "trainer" or training.written_as == "trl-cli" or model is None:
            continue
        if not _NO_PAD.fullmatch(model) or not _same_tokenizer(text):
            continue
        if re.search(r"unsloth|get_chat_template|setup_chat_format", text):
            continue
        yield Hit(
            _place_of(job, match[0]) or job.place, {"model": model}, {"model": model}, summary=_PAD
        )
        return


def _same_tokenizer(text: str) -> bool:
    """Whether every tokenizer is loaded from what the model is loaded from."""
    loads = re.findall(r"(\w+)\.from_pretrained\(\s*([^,()\n]+)", text)
    tokenizers = {given.strip() for name, given in loads if "Tokenizer" in name}
    models = {given.strip() for name, given in loads if "Model" in name}
    return len(tokenizers) == 1 and tokenizers <= models


_PAD = "The code pads, and the tokenizer of {model} has no padding token."


def _place_of(job: Job, text: str) -> Place | None:
    for script in job.scripts:
        at = script.source.text.find(text)
        if at >= 0:
            return script.source.span(at, at + len(text))
    return None


#: Learned position tables end here; longer inputs index past them.
_POSITIONS = (
    (
        lazy(r"(?:openai-community/)?gpt2(?:-medium|-large|-xl)?|(?:distilbert/)?distilgpt2"),
        1024,
    ),
    (lazy(r"facebook/opt-.+"), 2048),
    (lazy(r"EleutherAI/gpt-neo-.+"), 2048),
)


def too_long(context: Context, **_: object) -> Iterator[Hit]:
    """A sequence length beyond the table of learned positions."""
    for training in context.job.trainings:
        model = get(training.model) or ""
        limit = next((n for shape, n in _POSITIONS if shape.fullmatch(model)), None)
        if limit is None:
            continue
        for name in ("max_length", "max_seq_length"):
            length = argument(training, name)
            value = training.arguments.get(name)
            if isinstance(length, int) and length > limit and value is not None:
                sure = argument(training, "packing") is True
                severity: Severity | None = None if sure else "warning"
                values = {"model": model, "limit": limit, "length": length}
                summary = "{length} tokens are asked for; {model} has positions for {limit}."
                yield Hit(value.place, values, values, severity=severity, summary=summary)


def resume_without_checkpoint(context: Context, **_: object) -> Iterator[Hit]:
    """train(resume_from_checkpoint=True) in a fresh container, where no checkpoint can be."""
    job = context.job
    if not launched(job) or not remote(job) or job.volumes:
        return
    text = code(job)
    if re.search(
        r"get_last_checkpoint|snapshot_download|gsutil|gcloud\s+storage|hf\s+download|/gcs/|try:",
        text,
    ):
        return
    folders = [get(t.arguments.get("output_dir")) for t in job.trainings]
    if (
        len(folders) != 1
        or not isinstance(folders[0], str)
        or re.match(r"/gcs/|/mnt/|/data\b|gs://", folders[0])
    ):
        return
    for script in job.scripts:
        if (
            script.role == "submit"
            or "resume_from_checkpoint" not in script.source.text
            or script.tree is None
        ):
            continue
        for node in live_nodes(script.tree):
            if not isinstance(node, ast.Call) or not ast.unparse(node.func).endswith(".train"):
                continue
            for keyword in node.keywords:
                value = keyword.value
                if (
                    keyword.arg == "resume_from_checkpoint"
                    and isinstance(value, ast.Constant)
                    and value.value is True
                ):
                    values = {"folder": folders[0]}
                    summary = (
                        "resume_from_checkpoint=True, and {folder} is empty in a fresh container."
                    )
                    yield Hit(node_place(script.source, value), values, values, summary=summary)
                    return


def fsdp_quantized(context: Context, **_: object) -> Iterator[Hit]:
    """FSDP and 4-bit weights that are stored as integers, which it cannot shard."""
    job = context.job
    for training in job.trainings:
        given = training.arguments.get("fsdp")
        sharded = get(given)
        if not isinstance(sharded, str) or not sharded.strip() or given is None:
            continue
        four = (training.quantization or {}).get("load_in_4bit")
        if four is None or get(four) is not True or "bnb_4bit_quant_storage" in code(job):
            continue
        summary = "FSDP cannot shard 4-bit weights without bnb_4bit_quant_storage."
        yield Hit(four.place or given.place, {}, {"fsdp": sharded}, summary=summary)
