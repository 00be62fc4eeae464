"""What an evaluation keeps on the GPU."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftdoctor.checks.about import argument, code
from ftdoctor.checks.installed import text, true, version
from ftdoctor.job.pep440 import at_least
from ftdoctor.job.value import get
from ftdoctor.lazy import lazy
from ftdoctor.rulebook.model import Hit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftdoctor.checks.context import Context
    from ftdoctor.job.model import Job, Training

_ROWS = (
    lazy(r"\[\s*:\s*(\d+)\s*\][\"']"),
    lazy(r"\.select\(\s*range\(\s*(\d+)\s*\)\s*\)"),
    lazy(r"test_size\s*=\s*(\d+)\s*[,)]"),
)
_GIB = 2**30


def logits(context: Context, **_: object) -> Iterator[Hit]:
    """compute_metrics, and the logits of all evaluation rows stay on the GPU until the end.

    transformers 5.23.0 trainer.py, evaluation_loop: they go to the host every
    eval_accumulation_steps batches, after the last one when it is not set. Said only where the
    rows, their padded length and the vocabulary are all written, and together exceed the GPU.
    """
    from ftdoctor.job.hardware import hardware

    job = context.job
    machine = hardware(job)
    if not machine.has_gpu or not machine.memory_gib:
        return
    for training in job.trainings:
        if not _collects(training, job):
            continue
        rows, length, vocabulary = _rows(job), _length(training, job), _vocabulary(training)
        if not rows or not length or not vocabulary:
            continue
        size = rows * length * vocabulary * _bytes(training) / _GIB
        if size < machine.memory_gib:
            continue
        metrics = training.trainer_kwargs["compute_metrics"]
        yield Hit(
            metrics.place or job.place,
            {
                "rows": rows,
                "length": length,
                "vocabulary": vocabulary,
                "size": f"{size:,.0f} GiB",
                "gpu": f"{machine.memory_gib:g} GiB",
            },
            {"logits_gib": round(size, 1), "gpu_gib": machine.memory_gib},
            severity="warning",
            summary="Evaluation keeps the logits of {rows} rows on the GPU: {size} of {gpu}.",
        )


def _collects(training: Training, job: Job) -> bool:
    if training.method not in ("trainer", "sft") or training.open:
        return False
    trl = version(job, "trl")
    if training.method == "sft" and (not trl or at_least(trl, "1.7.0")):
        return False  # its loss makes no logits
    metrics = training.trainer_kwargs.get("compute_metrics")
    if metrics is None or (metrics.known and metrics.value is None):
        return False
    if any(
        name in training.trainer_kwargs or name in training.arguments
        for name in (
            "preprocess_logits_for_metrics",
            "eval_accumulation_steps",
            "prediction_loss_only",
            "predict_with_generate",
            "batch_eval_metrics",
        )
    ):
        return False
    return "ForCausalLM" in code(job) or training.model_as_string


def _rows(job: Job) -> int:
    """Return how many rows are evaluated, 0 when that is not written in one way only."""
    found = {int(m[1]) for shape in _ROWS[1:] for m in shape.finditer(code(job))}
    for training in job.trainings:
        for data in training.datasets:
            match = _ROWS[0].search(f"{text(data.split)}'")
            if match and re.match(r"(?:test|val)", text(data.split)):
                found.add(int(match[1]))
    return found.pop() if len(found) == 1 else 0


def _length(training: Training, job: Job) -> int:
    """Return the length that every row is padded to, 0 when it is not known."""
    if not re.search(r"padding\s*=\s*[\"']max_length[\"']", code(job)):
        return 0
    lengths = {int(n) for n in re.findall(r"max_length\s*=\s*(\d+)", code(job))}
    given = argument(training, "max_length")
    if isinstance(given, int):
        lengths.add(given)
    return lengths.pop() if len(lengths) == 1 else 0


def _vocabulary(training: Training) -> int:
    from ftdoctor.memory.shapes import find

    model = get(training.model)
    shape = find(model) if isinstance(model, str) else None
    return shape.vocab if shape is not None else 0


def _bytes(training: Training) -> int:
    """Return the bytes of one logit: 4 under mixed precision (accelerate casts), else as is."""
    if true(training.arguments.get("bf16")) or true(training.arguments.get("fp16")):
        return 4
    dtype = training.model_kwargs.get("dtype") or training.model_kwargs.get("torch_dtype")
    return 2 if dtype is not None else 4
