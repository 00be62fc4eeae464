"""The first rows of a data file beside the job: are they what the trainer reads?

Only files whose rows reach the trainer as they are: a `map` may build the columns. Each fault was
provoked in trl 1.16.0 with datasets 5.2.0. No text of a row enters a finding.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ftdoctor.checks.about import code
from ftdoctor.job.value import get
from ftdoctor.lazy import lazy
from ftdoctor.rulebook.model import Hit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftdoctor.checks.context import Context
    from ftdoctor.job.model import Dataset, Job, Sample, Training

#: Instruct models whose template raises "Conversation roles must alternate": chat_template in
#: tokenizer_config.json of google/gemma-3-1b-it, mistralai/Mistral-7B-Instruct-v0.3,
#: meta-llama/Llama-2-7b-chat-hf.
_ALTERNATE = lazy(
    r"google/gemma-(?:1\.1-)?(?:2-|3-)?\d+b-it"
    r"|mistralai/Mi[sx]tral-\S*Instruct\S*"
    r"|meta-llama/Llama-2-\d+b-chat-hf"
)
#: A data set is made ready elsewhere, or another template is put in the place of the model's own.
_PREPARED = lazy(r"unsloth|skip_prepare_dataset|dataset_kwargs", re.I)
_OTHER_TEMPLATE = lazy(
    r"chat_template\s*=|chat_template_path|setup_chat_format|clone_chat_template"
)


def _samples(job: Job) -> Iterator[tuple[Training, Dataset, Sample]]:
    """Yield every data set of local files whose first rows were read, each file once."""
    seen = set()
    for training in job.trainings:
        for dataset in training.datasets:
            if dataset.sample is not None and dataset.sample.path not in seen:
                seen.add(dataset.sample.path)
                yield training, dataset, dataset.sample


def _fed(job: Job) -> Iterator[tuple[Training, Dataset, Sample]]:
    """Yield those whose rows reach a trainer of trl as they are."""
    if _PREPARED.search(code(job)):
        return
    for training, dataset, sample in _samples(job):
        home = (get(training.trainer) or "").split(".")[0]
        if home == "trl" and training.fed_by is not None and training.fed_by == dataset.place:
            yield training, dataset, sample


def _hit(job: Job, dataset: Dataset, captures: dict[str, Any], summary: str) -> Hit:
    place = (dataset.data_files and dataset.data_files.place) or dataset.place or job.place
    return Hit(place, captures, dict(captures), summary=summary)


def malformed(context: Context, **_: object) -> Iterator[Hit]:
    """A line of a JSON-lines file that is not JSON."""
    for _training, dataset, sample in _samples(context.job):
        if sample.broken is not None:
            line, reason = sample.broken
            told = {"path": sample.path, "line": line, "reason": reason}
            yield _hit(context.job, dataset, told, "{path}, line {line}: {reason}.")


def empty(context: Context, **_: object) -> Iterator[Hit]:
    """A data file without rows."""
    for _training, dataset, sample in _samples(context.job):
        if not sample.rows and not sample.columns and sample.broken is None and sample.whole:
            yield _hit(context.job, dataset, {"path": sample.path}, "{path} is empty.")


def _read(training: Training, sample: Sample) -> str:
    """Return the column that SFTTrainer tokenizes, "" when none of those that it reads is there."""
    columns = set(sample.columns)
    field = get(training.arguments.get("dataset_text_field")) or "text"
    if "messages" in columns:
        return "messages"
    if {"prompt", "completion"} <= columns:
        return "completion"
    for name in ("conversations", "input_ids", str(field)):
        if name in columns:
            return name
    return ""


def sft_columns(context: Context, **_: object) -> Iterator[Hit]:
    """None of the columns that SFTTrainer reads, or messages in another form."""
    for training, dataset, sample in _fed(context.job):
        formats = training.trainer_kwargs.get("formatting_func")
        field = training.arguments.get("dataset_text_field")
        if training.method != "sft" or training.open or formats is not None or not sample.columns:
            continue
        if field is not None and not isinstance(get(field), str):
            continue
        told = {"path": sample.path, "columns": ", ".join(sample.columns[:8])}
        if not _read(training, sample):
            wanted = (
                f"{get(field) if field is not None else 'text'}, messages, or prompt and completion"
            )
            yield _hit(
                context.job,
                dataset,
                {**told, "wanted": wanted},
                "{path} has the columns {columns}; SFTTrainer reads {wanted}.",
            )
            continue
        for row, line in zip(sample.rows, sample.lines, strict=True):
            if "messages" in row and not _turns(row["messages"]):
                yield _hit(
                    context.job,
                    dataset,
                    {**told, "line": line},
                    "{path}, line {line}: messages must be a list of turns with role and content.",
                )
                break


def _turns(messages: object) -> list[dict[str, Any]]:
    """Return the turns of a conversation in the form that chat templates read, else []."""
    if not isinstance(messages, list) or not messages:
        return []
    good = all(isinstance(turn, dict) and "role" in turn for turn in messages)
    # A turn that calls tools has no content.
    return messages if good and any("content" in turn for turn in messages) else []


#: Trainer -> columns that must be there, all of one of the groups.
_NEEDED: dict[str, tuple[frozenset[str], ...]] = {
    "dpo": (frozenset(("chosen", "rejected")),),
    "reward": (
        frozenset(("chosen", "rejected")),
        frozenset(("chosen_input_ids", "rejected_input_ids")),
        frozenset(("input_ids_chosen", "input_ids_rejected")),
    ),
    "kto": (frozenset(("completion", "label")), frozenset(("chosen", "rejected"))),
    "grpo": (frozenset(("prompt",)),),
    "rloo": (frozenset(("prompt",)),),
}


def columns_missing(context: Context, methods: list[str], **_: object) -> Iterator[Hit]:
    """The data of a preference or reinforcement trainer lack columns that it needs."""
    for training, dataset, sample in _fed(context.job):
        groups = _NEEDED.get(training.method)
        if training.method not in methods or groups is None or not sample.columns:
            continue
        if any(group <= set(sample.columns) for group in groups):
            continue
        missing = sorted(groups[0] - set(sample.columns))
        told = {
            "path": sample.path,
            "columns": ", ".join(sample.columns[:8]),
            "column": " and ".join(missing),
            "trainer": (get(training.trainer) or "").rsplit(".", 1)[-1],
        }
        text = "{path} has the columns {columns}; {trainer} also needs {column}."
        yield _hit(context.job, dataset, told, text)


_KINDS = ("a number", "an object")


def no_text(context: Context, kind: str, **_: object) -> Iterator[Hit]:
    """A row with null (`kind` null) or with a number (`kind` other) where SFT reads text."""
    for training, dataset, sample in _fed(context.job):
        if training.method != "sft" or training.trainer_kwargs.get("formatting_func") is not None:
            continue
        column = _read(training, sample)
        if not column or column in ("messages", "conversations", "input_ids"):
            continue
        for row, line in zip(sample.rows, sample.lines, strict=True):
            # A key that is not there arrives as None, like null.
            value = row.get(column)
            wrong = value is None if kind == "null" else isinstance(value, (int, float, dict))
            if wrong:
                told = {"path": sample.path, "line": line, "column": column}
                what = "null" if kind == "null" else _KINDS[isinstance(value, dict)]
                yield _hit(
                    context.job,
                    dataset,
                    {**told, "what": what},
                    "{path}, line {line}: {column} is {what} where SFTTrainer reads text.",
                )
                break


def roles_alternate(context: Context, **_: object) -> Iterator[Hit]:
    """Two turns of one role in a row, for a model whose template refuses that."""
    job = context.job
    if _OTHER_TEMPLATE.search(code(job)):
        return
    for training, dataset, sample in _fed(job):
        model = get(training.model) or ""
        if training.method != "sft" or not _ALTERNATE.fullmatch(model):
            continue
        for row, line in zip(sample.rows, sample.lines, strict=True):
            roles = [turn.get("role") for turn in _turns(row.get("messages"))]
            if roles[:1] == ["system"]:
                roles = roles[1:]
            if not roles or set(roles) - {"user", "assistant"}:
                continue
            if any(role != ("user", "assistant")[i % 2] for i, role in enumerate(roles)):
                told = {"path": sample.path, "line": line, "model": model}
                yield _hit(
                    job,
                    dataset,
                    told,
                    "{path}, line {line}: the turns do not alternate, which {model} wants.",
                )
                break
