"""Logs that come as data: Cloud Logging entries, container runtimes, HF Jobs events, notebooks.

`records()` yields (line in the file, stream, time, message); a plain log does not come here.
Shapes: Cloud Logging's LogEntry (`textPayload`, `jsonPayload.message` with `attrs.tag`,
`resource.labels.task_name`; docs.cloud.google.com/logging/docs/reference/v2/rest/v2/LogEntry),
Docker's json-file driver (`log`, `stream`, `time`), HF Jobs events (`data`, `timestamp`;
huggingface_hub 2.4.0, `_jobs_api.py`), structured loggers (`message` | `msg` | `event`).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from ftdoctor.logs.forms import COLUMNS
from ftdoctor.logs.json_entries import lines_of, values

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class Record(NamedTuple):
    """One entry: the line of the file where it starts, who wrote it, when, and the message."""

    number: int
    stream: str
    time: str
    message: str


_MESSAGE_KEYS = ("message", "msg", "log", "event", "data", "textPayload", "MESSAGE", "text")


def records(form: str, chunks: Iterable[bytes]) -> Iterator[Record]:
    """Yield the entries of a log in one of the forms of `detect`."""
    if form == "json":
        for number, value in values(chunks):
            if isinstance(value, str):
                yield Record(number, "", "", value)
            else:
                yield from _entry(number, value)
    elif form == "sse":
        for number, line in lines_of(chunks):
            if line.startswith("data: {"):
                yield from _entry(number, _loads(line[6:]))
    elif form == "csv":
        yield from _csv(chunks)
    else:
        yield from _yaml(chunks)


def _loads(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _entry(number: int, value: Any) -> Iterator[Record]:
    """Yield the record(s) of one JSON value."""
    if not isinstance(value, dict):
        return
    if "cells" in value and "nbformat" in value:
        yield from _notebook(value)
        return
    state = value.get("state")
    status = value.get("status")
    if isinstance(state, str) and state.startswith(("JOB_STATE_", "PIPELINE_STATE_")):
        yield from platform_job(number, value)
        return
    if (
        isinstance(status, dict)
        and "stage" in status
        and ("dockerImage" in value or "flavor" in value)
    ):
        yield from platform_job(number, value)
        return
    payload = value.get("jsonPayload")
    message: Any = None
    stream = ""
    if isinstance(payload, dict):
        message = next((payload[k] for k in _MESSAGE_KEYS if isinstance(payload.get(k), str)), None)
        attrs = payload.get("attrs")
        if isinstance(attrs, dict) and isinstance(attrs.get("tag"), str):
            stream = attrs["tag"]
        if message is None:
            message = value.get("textPayload") or json.dumps(payload, ensure_ascii=False)
    elif isinstance(value.get("textPayload"), str):
        message = value["textPayload"]
    elif isinstance(value.get("protoPayload"), dict):
        inner = value["protoPayload"].get("status")
        message = inner.get("message") if isinstance(inner, dict) else None
        stream = "service"
    else:
        message = next((value[k] for k in _MESSAGE_KEYS if isinstance(value.get(k), str)), None)
        if message is None:
            message = json.dumps(value, ensure_ascii=False)
        extra = value.get("exc_info") or value.get("exception") or value.get("stack_trace")
        if isinstance(extra, str) and extra not in message:
            message = f"{message}\n{extra}"
    if not isinstance(message, str):
        return
    stream = _task(value) or stream
    time = next(
        (
            value[k]
            for k in ("timestamp", "time", "receiveTimestamp", "@timestamp", "asctime", "ts")
            if isinstance(value.get(k), str)
        ),
        "",
    )
    if "===== Job started" in message[:40] or message:
        yield Record(number, stream, time, message.rstrip("\n"))


def _task(value: dict[str, Any]) -> str:
    resource = value.get("resource")
    labels = resource.get("labels") if isinstance(resource, dict) else None
    if isinstance(labels, dict):
        for key in ("task_name", "pod_name", "container_name"):
            if isinstance(labels.get(key), str):
                return str(labels[key])
    own = value.get("labels")
    if isinstance(own, dict):
        for key in ("ml.googleapis.com/task_name", "k8s-pod/statefulset_kubernetes_io/pod-name"):
            if isinstance(own.get(key), str):
                return str(own[key])
    kubernetes = value.get("kubernetes")
    if isinstance(kubernetes, dict) and isinstance(kubernetes.get("pod_name"), str):
        return str(kubernetes["pod_name"])
    rank = value.get("rank")
    return f"rank{rank}" if isinstance(rank, int) else ""


def platform_job(number: int, job: dict[str, Any]) -> Iterator[Record]:
    """Yield what a job resource itself says about its end (Vertex `error`, HF Jobs `status`)."""
    error = job.get("error")
    time = str(job.get("endTime") or job.get("finishedAt") or job.get("updateTime") or "")
    if isinstance(error, dict) and error.get("message"):
        yield Record(number, "service", time, str(error["message"]))
    status = job.get("status")
    if isinstance(status, dict):
        for key in ("message", "cancelReason"):
            if status.get(key):
                prefix = "" if key == "message" else "cancelReason: "
                yield Record(number, "service", time, f"{prefix}{status[key]}")


def _notebook(book: dict[str, Any]) -> Iterator[Record]:
    """Yield the outputs of a notebook. Line numbers are those of the output, not of the file."""
    number = 1
    for cell in book.get("cells") or ():
        for output in (cell.get("outputs") or ()) if isinstance(cell, dict) else ():
            if output.get("output_type") == "error":
                text = "\n".join(map(str, output.get("traceback") or ()))
                text = text or f"{output.get('ename')}: {output.get('evalue')}"
            elif output.get("output_type") == "stream":
                raw = output.get("text") or ""
                text = raw if isinstance(raw, str) else "".join(map(str, raw))
            else:
                continue
            yield Record(number, "", "", text)
            number += text.count("\n") + 1


def _csv(chunks: Iterable[bytes]) -> Iterator[Record]:
    """The console's CSV download: a header, then one entry a row (quoted fields may span lines)."""
    import csv

    count = 1

    def text() -> Iterator[str]:
        nonlocal count
        for number, line in lines_of(chunks):
            count = number
            yield line + "\n"

    csv.field_size_limit(16 << 20)
    reader = csv.reader(text())
    header: list[str] | None = None
    try:
        before = 1
        for row in reader:
            start, before = before, count + 1
            if header is None:
                header = [cell.strip().lstrip("\ufeff") for cell in row]
                continue
            cells = dict(zip(header, row, strict=False))
            message = next((cells[c] for c in COLUMNS if cells.get(c)), "")
            stream = (
                cells.get("resource.labels.task_name") or cells.get("jsonPayload.attrs.tag") or ""
            )
            if message:
                yield Record(start, stream, cells.get("timestamp", ""), message.rstrip("\n"))
    except csv.Error:
        return


def _yaml(chunks: Iterable[bytes]) -> Iterator[Record]:
    """What `gcloud logging read` prints by default: YAML documents divided by `---`."""
    import io

    import yaml

    loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
    pending = io.StringIO()
    start = 1
    for number, line in [*lines_of(chunks), (-1, "---")]:
        if line.strip() == "---":
            try:
                value = yaml.load(pending.getvalue(), Loader=loader)
            except yaml.YAMLError:
                value = None
            yield from _entry(start, value)
            pending, start = io.StringIO(), number + 1
        else:
            pending.write(line + "\n")
