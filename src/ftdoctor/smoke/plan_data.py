"""Which rows a smoke run gets: the job's own first ones, and of which form those made here are."""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING, Any

from ftdoctor.job.value import get
from ftdoctor.tables import table

if TYPE_CHECKING:
    from ftdoctor.job.model import Dataset, Job, Training

#: The job's own code makes the rows: their form in the file is not what the trainer gets.
_MAKES_ROWS = re.compile(
    r"\.map\(|formatting_func|rename_columns?\(|apply_chat_template|from_list\(|from_dict\(|"
    r"from_generator\(|data_collator|remove_columns\("
)
_SETS_TEMPLATE = re.compile(
    r"chat_template\s*=|setup_chat_format|clone_chat_template|get_chat_template|chat_template_path"
)
#: Builders of the datasets package whose files a container does not have.
_BUILDERS = ("json", "csv", "parquet", "text", "arrow", "disk", "webdataset", "imagefolder")
MOST_ROWS = 16


def add_data(
    plan: dict[str, Any], job: Job, training: Training, notes: list[str], *, hub: bool
) -> None:
    """Put the rows, or where they come from, into the plan."""
    text = "\n".join(s.source.text for s in job.scripts if s.role != "submit")
    made = bool(_MAKES_ROWS.search(text)) or "formatting_func" in training.trainer_kwargs
    plan["rows_as_they_are"] = training.written_as == "trl-cli" and not made
    arguments = plan["arguments"]
    field = arguments.get("dataset_text_field") or plan["trainer_kwargs"].get("dataset_text_field")
    if isinstance(field, str):
        plan["text_field"] = field
    if arguments.get("packing") or plan["trainer_kwargs"].get("packing"):
        plan["packs"] = True
    if arguments.get("assistant_only_loss"):
        plan["row_form"] = "messages"
    elif arguments.get("completion_only_loss"):
        plan["row_form"] = "prompt-completion"
    plan["sets_template"] = bool(_SETS_TEMPLATE.search(text)) or bool(
        arguments.get("chat_template_path")
    )
    for dataset in training.datasets:
        name = get(dataset.id)
        if isinstance(name, str) and table("gated")["conversational"].get(name) == "messages":
            plan.setdefault("row_form", "messages")
    path = _local_file(training)
    if path:
        rows, total = read_rows(path)
        if rows:
            plan["total_rows"] = total
            if made:
                notes.append(
                    "the job's own code makes its rows from the file: rows made here stand for them"
                )
            else:
                plan["rows"] = rows
                notes.append("the rows are the first of the job's own file")
        return
    spec = next((s for d in training.datasets if (s := hub_dataset(d)) is not None), None)
    if spec is not None and hub:
        plan["dataset"] = spec
        plan["own_rows_train"] = not made
    elif spec is not None:
        notes.append(f"{spec['id']} is not fetched: rows made here stand for its own")


def hub_dataset(dataset: Dataset) -> dict[str, Any] | None:
    """Return how to load a data set of the Hub, or None where it is not one or is not known."""
    name = get(dataset.id)
    if not isinstance(name, str) or not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", name):
        return None
    if name in _BUILDERS or os.path.exists(name) or name.endswith((".json", ".jsonl", ".csv")):
        return None
    spec: dict[str, Any] = {"id": name}
    for key in ("split", "config", "data_files"):
        value = getattr(dataset, key)
        if value is None:
            continue
        if not value.known:
            return None
        if value.value is not None:
            spec[key] = value.value
    return spec


def _local_file(training: Training) -> str:
    """Return the JSON-lines file of the job that lies on this machine, or ""."""
    for dataset in training.datasets:
        files = get(dataset.data_files) if dataset.data_files is not None else None
        names = files if isinstance(files, list) else [files, get(dataset.id)]
        if isinstance(files, dict):
            parts = [part if isinstance(part, list) else [part] for part in files.values()]
            names = [one for part in parts for one in part]
        for name in names:
            if (
                isinstance(name, str)
                and name.endswith((".jsonl", ".json"))
                and os.path.isfile(name)
            ):
                return name
    return ""


def read_rows(path: str, most: int = MOST_ROWS) -> tuple[list[dict[str, Any]], int | None]:
    """Return the first rows of a file (JSON lines, or one JSON list) and how many it has."""
    with open(path, encoding="utf-8", errors="replace") as file:
        start = file.read(64).lstrip()
        file.seek(0)
        if start.startswith("["):
            try:
                found = json.load(file)
            except (ValueError, RecursionError):
                return [], None
            rows = [row for row in found if isinstance(row, dict)] if type(found) is list else []
            return rows[:most], len(rows)
        rows, total = [], 0
        for line in file:
            total += bool(line.strip())
            if len(rows) >= most:
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(row, dict):
                rows.append(row)
    return rows, total
