"""Data and paths: what is not in the container, and data that the model's tokenizer cannot take."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftdoctor.checks.about import code, code_gap, remote
from ftdoctor.checks.token_uses import node_place
from ftdoctor.job.value import get
from ftdoctor.lazy import lazy, lazy_module
from ftdoctor.rulebook.model import Hit, Severity
from ftdoctor.tables import table

if TYPE_CHECKING:
    import ast
    from collections.abc import Iterator

    from ftdoctor.checks.context import Context
    from ftdoctor.job.model import Job
    from ftdoctor.job.source import Place
    from ftdoctor.job.value import Value
else:
    ast = lazy_module("ast")


def _major(version: str) -> int:
    """Return the first number of a version, 0 for what is none."""
    match = re.match(r"\d+", version)
    return int(match[0]) if match else 0


def loading_script(context: Context, **_: object) -> Iterator[Hit]:
    """A dataset loading script, which datasets 4 and later refuse (datasets 5.2.0 load.py:1058)."""
    job = context.job
    version = job.version("datasets")
    if version is None or _major(version) < 4:
        return
    for training in job.trainings:
        for dataset in training.datasets:
            name = get(dataset.id)
            if isinstance(name, str) and name.endswith(".py"):
                yield Hit(
                    dataset.id.place or dataset.place,
                    {"name": name, "version": version},
                    {"id": name, "datasets": version},
                    summary="{name} is a loading script, and datasets {version} runs none.",
                )


def remote_code_data(context: Context, **_: object) -> Iterator[Hit]:
    """trust_remote_code=True for load_dataset under datasets 4: the sign of a loading script."""
    job = context.job
    version = job.version("datasets")
    if version is None or _major(version) < 4:
        return
    for script in job.scripts:
        if "trust_remote_code" not in script.source.text or script.tree is None:
            continue
        for node in ast.walk(script.tree):
            if (
                not isinstance(node, ast.Call)
                or ast.unparse(node.func).rsplit(".", 1)[-1] != "load_dataset"
            ):
                continue
            for keyword in node.keywords:
                if (
                    keyword.arg == "trust_remote_code"
                    and isinstance(keyword.value, ast.Constant)
                    and keyword.value.value is True
                ):
                    name = ast.unparse(node.args[0]) if node.args else "the data set"
                    yield Hit(
                        node_place(script.source, keyword.value),
                        {"name": name, "version": version},
                        {"datasets": version},
                    )


_SETS_TEMPLATE = lazy(
    r"chat_template|setup_chat_format|get_chat_template|ChatML|\.map\(|formatting_func|add_special_tokens|FastLanguageModel"
)


def chat_template_missing(context: Context, **_: object) -> Iterator[Hit]:
    """Conversations for a base model whose tokenizer has no chat template."""
    job = context.job
    for training in job.trainings:
        if training.method not in ("sft", "dpo", "grpo", "reward", "kto") or not _strict(job):
            continue
        model = get(training.model)
        tokenizer = get(training.tokenizer)
        if training.tokenizer is not None and (
            not isinstance(tokenizer, str) or tokenizer != model
        ):
            continue
        if not isinstance(model, str) or not no_chat_template(model):
            continue
        if training.arguments.get("chat_template_path") or training.arguments.get("chat_template"):
            continue
        text = code(job)
        applied = _applies_template(job)
        if applied is not None and not re.search(
            r"chat_template\s*=|setup_chat_format|clone_chat_template|get_chat_template", text
        ):
            yield Hit(
                applied,
                {"model": model, "data": "the code's apply_chat_template call"},
                {"model": model},
                summary="{model} is a base model without a chat template, and {data} needs one.",
            )
            return
        dataset = next(
            (d for d in training.datasets if get(d.id) in table("gated")["conversational"]), None
        )
        if (
            dataset is None
            or _SETS_TEMPLATE.search(text)
            or training.trainer_kwargs.get("formatting_func")
        ):
            continue
        if code_gap(job):
            continue
        yield Hit(
            training.model.place if training.model else dataset.place,
            {"model": model, "data": str(get(dataset.id))},
            {"model": model, "dataset": str(get(dataset.id))},
            summary="{model} is a base model without a chat template, and {data} needs one.",
        )
        return


def _strict(job: Job) -> bool:
    """Whether transformers has no default templates any more (removed in 4.44)."""
    version = job.version("transformers") or ""
    match = re.match(r"(\d+)\.(\d+)", version)
    return match is not None and (int(match[1]), int(match[2])) >= (4, 44)


def no_chat_template(model: str) -> bool:
    """Whether the table lists a model as a base model without a chat template."""
    return any(
        re.fullmatch(row["pattern"], model, re.I) for row in table("gated")["no_chat_template"]
    )


def _applies_template(job: Job) -> Place | None:
    """Return where the code calls `tokenizer.apply_chat_template(` without giving a template."""
    for script in job.scripts:
        if script.role == "submit":
            continue
        match = re.search(r"^[^#\n]*?\btokenizer\.apply_chat_template\(", script.source.text, re.M)
        if match:
            start = script.source.text.index("tokenizer.apply_chat_template", match.start())
            return script.source.span(start, start + len("tokenizer.apply_chat_template"))
    return None


_HOME = lazy(
    r"(?:/Users/[\w.-]+/|[A-Za-z]:[\\/]|/content/|/kaggle/|~/|/home/(?!huggingface|jupyter|user/app|appuser|ray|vertex)[\w.-]+/)"
)


def home_path(context: Context, **_: object) -> Iterator[Hit]:
    """Data or a model read from a path of someone's own machine, Colab or Kaggle."""
    job = context.job
    if not remote(job) or job.volumes:
        return
    for what, value in _inputs(job):
        text = get(value)
        if not isinstance(text, str) or not _HOME.match(text):
            continue
        if re.search(
            rf"(?:mkdir|makedirs|git\s+clone|wget|curl|gsutil|gcloud|download|COPY|mount)[^\n]*{re.escape(text[:24])}",
            code(job),
        ):
            continue
        sure = re.match(r"/Users/|[A-Za-z]:[\\/]|/content/drive|/kaggle/", text)
        severity: Severity | None = None if sure else "warning"
        yield Hit(
            value.place or job.place,
            {"what": what, "path": text},
            {"path": text},
            severity=severity,
        )
        return


def _inputs(job: Job) -> Iterator[tuple[str, Value[str]]]:
    for training in job.trainings:
        if training.model is not None:
            yield "the model", training.model
        for dataset in training.datasets:
            yield "the data", dataset.id
            files = dataset.data_files
            if files is not None and isinstance(get(files), str):
                yield "the data", files
    for script in job.scripts:
        for value in script.args:
            text = get(value)
            if (
                isinstance(text, str)
                and re.search(r"data|train|model|input", text)
                and "output" not in text
            ):
                name, equals, path = text.partition("=")
                if equals and name.startswith("-"):
                    from ftdoctor.job.value import known

                    yield "an argument", known(path, value.place)
                else:
                    yield "an argument", value


def model_as_url(context: Context, **_: object) -> Iterator[Hit]:
    """A model or data set named by its web address, where the libraries want owner/name."""
    job = context.job
    for training in job.trainings:
        values: list[tuple[str, Value[str]]] = [("model", training.model)] if training.model else []
        values += [("data set", d.id) for d in training.datasets]
        for what, value in values:
            text = get(value)
            match = (
                re.match(
                    r"https?://(?:www\.)?huggingface\.co/(?:datasets/)?([\w.-]+/[\w.-]+)/?(?:tree/main/?)?\Z",
                    text,
                )
                if isinstance(text, str)
                else None
            )
            if match:
                from ftdoctor.rulebook.model import Edit, TextEdit

                edits = {}
                if value.place is not None and value.place.end_line:
                    edits["replace"] = Edit(
                        f"Write {match[1]}", (TextEdit(value.place, f"\0{match[1]}\0"),)
                    )
                yield Hit(
                    value.place or job.place,
                    {"what": what, "url": text, "right": match[1]},
                    {"url": text},
                    edits,
                )
