"""The first rows of the data files beside a job: JSON lines, JSON and CSV.

Read as datasets 5.2.0 reads them (packaged_modules/json/json.py: lines, or one array of objects).
At most a part of a file is read, whatever its size.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from ftdoctor.job.model import Sample
from ftdoctor.job.readenv import decode
from ftdoctor.job.value import get

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ftdoctor.job.model import Dataset, Training
    from ftdoctor.job.readenv import ReadEnv

#: Bytes and rows that are looked at. Most faults of form show in the first rows.
MOST_BYTES = 512 * 1024
MOST_ROWS = 200
#: A longer line is passed over: parsing it would take longer than the whole check.
LONGEST = 64 * 1024


def sample_files(trainings: Iterable[Training], env: ReadEnv, script: str) -> None:
    """Give each data set of local files its first rows, where the file lies beside the job."""
    for training in trainings:
        for dataset in training.datasets:
            name = _file_of(dataset)
            if name and dataset.sample is None:
                dataset.sample = _sample(name, env, os.path.dirname(script))


def _file_of(dataset: Dataset) -> str:
    """Return the file that the training split is read from, "" when it is not one or not known."""
    if (get(dataset.id) or "") not in ("json", "csv") or dataset.data_files is None:
        return ""
    files = get(dataset.data_files)
    if isinstance(files, dict):
        files = files.get("train")
    if isinstance(files, (list, tuple)):
        files = files[0] if files else None
    known = isinstance(files, str) and files.endswith((".jsonl", ".json", ".csv"))
    return str(files) if known and not any(c in str(files) for c in "*?[{$~") else ""


def _sample(name: str, env: ReadEnv, folder: str) -> Sample | None:
    if os.path.isabs(name) or "://" in name or "\0" in name:
        return None
    for root in dict.fromkeys((folder, env.root)):
        path = os.path.normpath(os.path.join(root, name))
        head = env.files.head(path, MOST_BYTES)
        if head is not None:
            return read_sample(path, *head)
    return None


def read_sample(path: str, data: bytes, whole: bool) -> Sample | None:
    """Return the rows at the start of a file; None when they cannot be understood."""
    if not data:
        return Sample(path)
    if not whole:
        data = data[: data.rfind(b"\n") + 1]
    text = decode(data)
    if text is None or not data:
        return None
    if path.endswith(".csv"):
        return _csv(path, text)
    if text.lstrip()[:1] == "[":
        return _array(path, text) if whole else None
    return _lines(path, text, whole)


def _lines(path: str, text: str, whole: bool) -> Sample | None:
    import json

    rows: list[dict[str, Any]] = []
    numbers: list[int] = []
    lines = text.split("\n")
    for number, line in enumerate(lines, 1):
        if not line.strip() or len(line) > LONGEST:
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            if not rows:
                # One object over many lines, or not JSON at all: another reader's matter.
                return None
            reason = str(error).split(":")[0]
            return Sample(path, tuple(rows), tuple(numbers), _columns(rows), (number, reason))
        if not isinstance(row, dict):
            return None
        rows.append(row)
        numbers.append(number)
        if len(rows) >= MOST_ROWS:
            whole = False
            break
    return Sample(path, tuple(rows), tuple(numbers), _columns(rows), None, whole)


def _array(path: str, text: str) -> Sample | None:
    import json

    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not all(isinstance(row, dict) for row in found):
        return None
    rows = found[:MOST_ROWS]
    return Sample(
        path, tuple(rows), (1,) * len(rows), _columns(rows), None, len(found) == len(rows)
    )


def _csv(path: str, text: str) -> Sample | None:
    import csv

    try:
        header = next(csv.reader(text.split("\n")[:1]), [])
    except csv.Error:
        return None
    # Values are not read: pandas decides their types.
    return Sample(path, (), (), tuple(header), None, False) if header else Sample(path)


def _columns(rows: list[dict[str, Any]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(str(name) for row in rows for name in row))
