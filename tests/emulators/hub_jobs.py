"""Hugging Face Jobs that start, run and are cancelled, on loopback, for the real huggingface_hub.

Shapes: POST /api/jobs/{owner}, GET /api/jobs/{owner}[/{id}[/logs]], POST .../{id}/cancel, GET
/api/jobs/hardware, GET /api/whoami-v2, as huggingface_hub 2.4.0 sends and reads them (hf_api.py,
`run_job` to `cancel_job`). With `execute`, the job's `python -c` program really runs here.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

TOKEN = "hf_" + "abcdefghijklmnopqrstuvwxyzABCDEFGH"
OK = [
    'FTDOCTOR {"stage": "imports", "ok": true, "seconds": 1.0, "versions": {}}',
    'FTDOCTOR {"stage": "train", "ok": true, "seconds": 2.0, "losses": [1.0, 0.9, 0.8]}',
    'FTDOCTOR {"stage": "end", "ok": true}',
]
ENDED = ("COMPLETED", "CANCELED", "ERROR")


@dataclass
class HubJobs:
    """The jobs, and what goes wrong."""

    #: Stages that a job goes through, one a look; the last one stays.
    stages: list[str] = field(default_factory=lambda: ["SCHEDULING", "RUNNING", "COMPLETED"])
    log: list[str] = field(default_factory=lambda: list(OK))
    message: str = ""
    execute: bool = False
    #: Where jobs that run find this Hub.
    endpoint: str = ""
    #: Status with which a new job is refused, 0 for none.
    refuse: int = 0
    #: The job is made, and the connection is cut before the answer.
    lose_answer: bool = False
    #: Seconds between the making of a job and the answer.
    slow: float = 0.0
    #: Every connection is cut.
    cut: bool = False
    #: How often a new job is looked for and not seen yet.
    unseen: int = 0
    #: Cancelling is answered and not done.
    deaf: bool = False
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    logs: dict[str, list[str]] = field(default_factory=dict)
    looks: dict[str, int] = field(default_factory=dict)
    submitted: list[dict[str, Any]] = field(default_factory=list)
    processes: dict[str, subprocess.Popen[str]] = field(default_factory=dict)
    lock: Any = field(default_factory=threading.RLock)

    def alive(self) -> list[str]:
        """Return the jobs that have not ended."""
        return [n for n, job in self.jobs.items() if job["status"]["stage"] not in ENDED]

    def make(self, owner: str, spec: dict[str, Any]) -> dict[str, Any]:
        """Start a job."""
        with self.lock:
            self.submitted.append(spec)
            number = f"{len(self.submitted):024x}"
            job = {
                "id": number,
                "createdAt": "2026-11-21T12:00:00.000Z",
                "dockerImage": spec.get("dockerImage"),
                "flavor": spec["flavor"],
                "labels": spec.get("labels"),
                "owner": {"id": "1", "name": owner, "type": "user"},
                "status": {"stage": "RUNNING" if self.execute else self.stages[0], "message": None},
            }
            self.jobs[number], self.looks[number] = job, 0
            self.logs[number] = [] if self.execute else list(self.log)
            if self.execute:
                threading.Thread(target=self._run, args=(number, spec), daemon=True).start()
            return job

    def _run(self, number: str, spec: dict[str, Any]) -> None:
        code = spec["command"][spec["command"].index("-c") + 1]
        process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={
                **os.environ,
                "HF_ENDPOINT": self.endpoint,
                **spec["environment"],
                **spec.get("secrets", {}),
            },
            start_new_session=True,
        )
        self.processes[number] = process
        assert process.stdout is not None
        for line in process.stdout:
            self.logs[number].append(line.rstrip("\n"))
        code_out = process.wait()
        with self.lock:
            if self.jobs[number]["status"]["stage"] not in ENDED:
                self.jobs[number]["status"]["stage"] = "ERROR" if code_out else "COMPLETED"

    def look(self, number: str) -> dict[str, Any]:
        """Return a job, one stage further."""
        with self.lock:
            job = self.jobs[number]
            if not self.execute and job["status"]["stage"] not in ENDED:
                at = min(self.looks[number], len(self.stages) - 1)
                self.looks[number] += 1
                job["status"]["stage"] = self.stages[at]
                if self.stages[at] in ENDED:
                    job["status"]["message"] = self.message or None
            return job

    def cancel(self, number: str) -> None:
        """End a job."""
        with self.lock:
            if not self.deaf and self.jobs[number]["status"]["stage"] not in ENDED:
                self.jobs[number]["status"]["stage"] = "CANCELED"
                if number in self.processes:
                    os.killpg(self.processes[number].pid, signal.SIGKILL)


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: HubJobsServer

    def log_message(self, *_: Any) -> None:
        """Be quiet."""

    def _send(self, status: int, body: Any, kind: str = "application/json") -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        if status >= 400:
            self.send_header("X-Error-Message", body["error"])
        self.end_headers()
        self.wfile.write(data)

    def _drop(self) -> None:
        self.connection.shutdown(socket.SHUT_RDWR)
        self.close_connection = True

    def do_GET(self) -> None:
        """Answer a question."""
        state, path = self.server.state, unquote(urlsplit(self.path).path)
        if state.cut:
            self._drop()
            return
        if path == "/api/whoami-v2":
            who = {"type": "user", "name": "ada", "auth": {"accessToken": {"role": "write"}}}
            self._send(200, who)
            return
        if path == "/api/jobs/hardware":
            row = {"name": "l4x1", "unitCostUSD": 0.8 / 60, "unitLabel": "minute"}
            self._send(200, [row])
            return
        match = re.fullmatch(r"/api/jobs/([^/]+)(?:/([0-9a-f]{24})(/logs)?)?", path)
        if match is None or (match[2] and match[2] not in state.jobs):
            self._send(404, {"error": "Not found"})
        elif not match[2]:
            self._send(200, list(state.jobs.values()))
        elif match[3]:
            events = "".join(
                f"data: {json.dumps({'data': row, 'timestamp': '2026-11-21T12:00:01.000Z'})}\n\n"
                for row in list(state.logs[match[2]])
            )
            self._send(200, events.encode(), "text/event-stream")
        elif state.unseen:
            state.unseen -= 1
            self._send(404, {"error": "Job not found"})
        else:
            self._send(200, state.look(match[2]))

    def do_POST(self) -> None:
        """Start or cancel a job."""
        state = self.server.state
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if state.cut:
            self._drop()
            return
        match = re.fullmatch(r"/api/jobs/([^/]+)(?:/([0-9a-f]{24})/cancel)?", self.path)
        if match is None or (match[2] and match[2] not in state.jobs):
            self._send(404, {"error": "Not found"})
        elif match[2]:
            state.cancel(match[2])
            self._send(200, state.jobs[match[2]])
        elif state.refuse:
            self._send(state.refuse, {"error": "Pre-paid credit balance is insufficient"})
        else:
            job = state.make(match[1], json.loads(body))
            time.sleep(state.slow)
            if state.lose_answer:
                self._drop()
                return
            self._send(200, job)


class HubJobsServer(ThreadingHTTPServer):
    """The server; use as a context manager, `url` is its address."""

    daemon_threads = True

    def __init__(self, state: HubJobs) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.state = state
        self.url = state.endpoint = f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, *_: Any) -> None:
        """Be quiet about a client that was killed while it was answered."""

    def __enter__(self) -> HubJobsServer:
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.state.processes.values():
            process.kill()
        self.shutdown()
        self.server_close()
