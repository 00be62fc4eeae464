"""Wrap a plain log the way each platform, launcher and tool hands it out."""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_START = datetime(2026, 5, 10, 2, 24, 33, tzinfo=UTC)
_HEALTHY = [
    "loading configuration file config.json",
    "Map:  50%|█████     | 12/24 [00:00<00:00, 897.19 examples/s]",
    "NCCL INFO Channel 00/0 : 1[1] -> 0[0] via P2P/CUMEM",
    "Waiting for the main process.",
]


def _times(count: int) -> list[str]:
    return [
        (_START + timedelta(milliseconds=37 * i)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        for i in range(count)
    ]


def _rows(log: str) -> list[str]:
    """Lines as a log agent sees them: a carriage return ends one too."""
    return log.rstrip("\n").replace("\r\n", "\n").replace("\r", "\n").split("\n")


def vertex_entries(log: str) -> list[dict[str, object]]:
    """Cloud Logging entries, one a line, severity by stream."""
    return [
        {
            "insertId": f"id{i:06d}",
            "jsonPayload": {
                "attrs": {"tag": "workerpool0-0"},
                "levelname": "ERROR",
                "message": row,
            },
            "logName": "projects/some-project/logs/workerpool0-0",
            "resource": {
                "type": "ml_job",
                "labels": {"job_id": "1234567890", "task_name": "workerpool0-0"},
            },
            "severity": "ERROR",
            "timestamp": time,
        }
        for i, (row, time) in enumerate(zip(_rows(log), _times(len(_rows(log))), strict=True))
    ]


def gcloud_json(log: str) -> bytes:
    """`gcloud logging read --format=json`: an array, newest first."""
    return json.dumps(vertex_entries(log)[::-1], indent=2).encode()


def json_lines(log: str) -> bytes:
    """Exported entries, one a line, text payloads."""
    rows = []
    for entry in vertex_entries(log):
        payload = entry.pop("jsonPayload")
        assert isinstance(payload, dict)
        rows.append(json.dumps({**entry, "textPayload": payload["message"]}))
    return "\n".join(rows).encode()


def gcloud_yaml(log: str) -> bytes:
    """`gcloud logging read` with its default format: YAML documents, newest first."""
    import yaml

    documents = vertex_entries(log)[::-1]
    return "".join(
        "---\n" + yaml.safe_dump(d, sort_keys=True, allow_unicode=True) for d in documents
    ).encode()


def stream_logs(log: str) -> bytes:
    """`gcloud ai custom-jobs stream-logs`, tab-separated."""
    rows = ["INFO\t2026-05-10 02:24:30 +0000\tservice\tJob is running."]
    rows += [f"ERROR\t2026-05-10 02:24:33 +0000\tworkerpool0-0\t{row}" for row in _rows(log)]
    rows.append("ERROR\t2026-05-10 02:25:33 +0000\tservice\tJob failed.")
    return "\n".join(rows).encode()


def stream_logs_pasted(log: str) -> bytes:
    """The same after a terminal expanded the tabs."""
    return stream_logs(log).decode().expandtabs(8).encode()


def hf_events(log: str) -> bytes:
    """Server-sent events of HF Jobs."""
    rows = _rows(log)
    parts = ["event: log\n", ": keep-alive\n\n"]
    for row, time in zip(rows, _times(len(rows)), strict=True):
        parts.append(f"data: {json.dumps({'data': row, 'timestamp': time})}\n\n")
    return "".join(parts).encode()


def docker_json(log: str) -> bytes:
    """Docker's json-file driver."""
    rows = _rows(log)
    return "\n".join(
        json.dumps({"log": row + "\n", "stream": "stderr", "time": time})
        for row, time in zip(rows, _times(len(rows)), strict=True)
    ).encode()


def cri(log: str) -> bytes:
    """The container runtime interface, as on a Kubernetes node."""
    rows = _rows(log)
    return "\n".join(
        f"{time} stderr F {row}" for row, time in zip(rows, _times(len(rows)), strict=True)
    ).encode()


def console_csv(log: str) -> bytes:
    """The console's CSV download."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["insertId", "timestamp", "severity", "jsonPayload.message", "logName"])
    rows = _rows(log)
    for i, (row, time) in enumerate(zip(rows, _times(len(rows)), strict=True)):
        writer.writerow([f"id{i}", time, "ERROR", row, "projects/p/logs/workerpool0-0"])
    return out.getvalue().encode()


def stamped(log: str) -> bytes:
    """A timestamp before each line (GitHub Actions, `kubectl logs --timestamps`)."""
    rows = _rows(log)
    return "\n".join(
        f"{time} {row}" for row, time in zip(rows, _times(len(rows)), strict=True)
    ).encode()


def bracketed(log: str) -> bytes:
    """A bracketed timestamp before each line."""
    return "\n".join(f"[2026-05-10 02:24:33,123] {row}" for row in _rows(log)).encode()


def crlf(log: str) -> bytes:
    """Windows line ends."""
    return "\r\n".join(log.replace("\r\n", "\n").split("\n")).encode()


def utf16(log: str) -> bytes:
    """PowerShell's redirection."""
    return "\ufeff".encode("utf-16-le") + log.encode("utf-16-le", "replace")


def gzipped(log: str) -> bytes:
    """A rotated log."""
    return gzip.compress(log.encode("utf-8", "replace"))


def coloured(log: str) -> bytes:
    """ANSI colours round every word of some lines, as Rich and IPython print them."""
    rows = []
    for number, row in enumerate(_rows(log)):
        if number % 2 and row.strip():
            lead = len(row) - len(row.lstrip())
            words = row.strip().split(" ")
            row = row[:lead] + " ".join(f"\x1b[1;31m{word}\x1b[0m" for word in words)
        rows.append(row)
    return "\n".join(rows).encode()


def _interleaved(log: str, label: Callable[[int], str], seed: int) -> bytes:
    """Rank 0 writes the log; rank 1 writes harmless lines between."""
    rng = random.Random(seed)
    rows = []
    for row in _rows(log):
        rows.append(f"{label(0)}{row}")
        while rng.random() < 0.4:
            rows.append(f"{label(1)}{rng.choice(_HEALTHY)}")
    return "\n".join(rows).encode()


def torchrun(log: str) -> bytes:
    """c10d's prefixes, ranks interleaved."""
    return _interleaved(log, lambda rank: f"[rank{rank}]: ", 1)


def elastic(log: str) -> bytes:
    """`torchrun --tee` prefixes."""
    return _interleaved(log, lambda rank: f"[default{rank}]:", 2)


def worker_pools(log: str) -> bytes:
    """Replicas of a Vertex job, interleaved."""
    return _interleaved(log, lambda rank: f"(workerpool{rank}-0) ", 3)


def srun(log: str) -> bytes:
    """`srun --label`."""
    return _interleaved(log, lambda rank: f"{rank}: ", 4)


def mpirun(log: str) -> bytes:
    """`mpirun --tag-output`."""
    return _interleaved(log, lambda rank: f"[1,{rank}]<stderr>:", 5)


def ray(log: str) -> bytes:
    """Ray Train workers."""
    return _interleaved(
        log, lambda rank: f"(RayTrainWorker pid={700 + rank}, ip=10.0.0.{rank}) ", 6
    )


def compose(log: str) -> bytes:
    """docker compose."""
    return _interleaved(log, lambda rank: f"trainer-{rank}  | ", 7)


def long_after(log: str) -> bytes:
    """The failure, then a megabyte of another rank's ordinary output."""
    return log.encode("utf-8", "replace").rstrip() + b"\n" + _filler(6000)


def long_before(log: str) -> bytes:
    """A megabyte of ordinary output, then the failure."""
    return _filler(6000) + log.encode("utf-8", "replace")


def long_both(log: str) -> bytes:
    """The failure deep in the middle of a large log."""
    return _filler(7000) + log.encode("utf-8", "replace").rstrip() + b"\n" + _filler(7000)


def _filler(lines: int) -> bytes:
    return b"".join(
        b"node-1:4%d:49%d [3] NCCL INFO Channel %02d/0 : 3[3] -> 4[4] via P2P/CUMEM/read\n"
        % (i % 1000, i % 10, i % 32)
        for i in range(lines)
    )


#: Every envelope that must not change the answer.
ENVELOPES: dict[str, Callable[[str], bytes]] = {
    function.__name__: function
    for function in (
        gcloud_json,
        json_lines,
        gcloud_yaml,
        stream_logs,
        stream_logs_pasted,
        hf_events,
        docker_json,
        cri,
        console_csv,
        stamped,
        bracketed,
        crlf,
        utf16,
        gzipped,
        coloured,
        torchrun,
        elastic,
        worker_pools,
        srun,
        mpirun,
        ray,
        compose,
        long_after,
        long_before,
        long_both,
    )
}
