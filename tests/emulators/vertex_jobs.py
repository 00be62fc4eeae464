"""Vertex AI custom jobs that start, run and are cancelled, with their logs, on loopback.

What is the same over REST (`vertex_rest`) and gRPC (`vertex_grpc`): the states and the `error` of an
ended job (google-cloud-aiplatform 2.7.0, types/job_state.py; google.rpc.Status), and the log. One
entry a line, `jsonPayload.message`, severity by stream, `task_name` in the labels of
the resource. With `execute`, the container's command really runs here.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from google.cloud import aiplatform_v1
from google.protobuf import json_format

PROJECT, REGION = "some-project", "us-central1"
OK = [
    'FTDOCTOR {"stage": "imports", "ok": true, "seconds": 1.0, "versions": {}}',
    'FTDOCTOR {"stage": "train", "ok": true, "seconds": 2.0, "losses": [1.0, 0.9, 0.8]}',
    'FTDOCTOR {"stage": "end", "ok": true}',
]
SERVICE = [
    "Waiting for job to be provisioned.",
    "Vertex AI is provisioning job running framework. First time usage might take couple of "
    "minutes, and subsequent runs can be much faster.",
    "Waiting for training program to start.",
    "Job is preparing.",
    "Job is running.",
]
#: What Google's images print in runs that end well, and what pip says on stderr.
NOISE = [
    "Error in sitecustomize; set PYTHONVERBOSE for traceback:",
    "ModuleNotFoundError: No module named 'pythonjsonlogger'",
    "WARNING: Running pip as the 'root' user can result in broken permissions and conflicting "
    "behaviour with the system package manager.",
]
ENDED = ("JOB_STATE_SUCCEEDED", "JOB_STATE_FAILED", "JOB_STATE_CANCELLED")


@dataclass
class VertexJobs:
    """The jobs, and what goes wrong."""

    #: States that a job goes through, one a look; the last one stays.
    states: list[str] = field(default_factory=lambda: ["QUEUED", "PENDING", "RUNNING", "SUCCEEDED"])
    log: list[str] = field(default_factory=lambda: list(OK))
    #: Lines of the platform itself, and what the image says on its own, before the run's.
    service: list[str] = field(default_factory=lambda: list(SERVICE))
    noise: list[str] = field(default_factory=lambda: list(NOISE))
    #: `error.message` of a job that failed.
    message: str = ""
    execute: bool = False
    #: (HTTP status, status name, message, reason) with which a new job is refused.
    refuse: tuple[int, str, str, str] | None = None
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
    #: Looks that a job stays CANCELLING.
    cancelling: int = 2
    #: Times that the log is asked before its last line is there.
    log_late: int = 0
    #: The caller may not read logs.
    no_logs: bool = False
    #: The server knows no filter by labels.
    no_labels: bool = False
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    logs: dict[str, list[tuple[str, str, str]]] = field(default_factory=dict)
    looks: dict[str, int] = field(default_factory=dict)
    leaving: dict[str, int] = field(default_factory=dict)
    submitted: list[dict[str, Any]] = field(default_factory=list)
    cancels: list[str] = field(default_factory=list)
    filters: list[str] = field(default_factory=list)
    #: Authorization headers of what was created, cancelled or read.
    logins: set[str] = field(default_factory=set)
    #: By job and task.
    processes: dict[tuple[str, str], subprocess.Popen[str]] = field(default_factory=dict)
    lock: Any = field(default_factory=threading.RLock)

    def alive(self) -> list[str]:
        """Return the jobs that have not ended."""
        return [n for n, job in self.jobs.items() if job["state"] not in ENDED]

    def make(self, project: str, region: str, body: dict[str, Any]) -> dict[str, Any]:
        """Create a job; a field that the API does not have raises, as the server refuses it."""
        read = json_format.ParseDict(body, aiplatform_v1.CustomJob.pb()())
        body = json_format.MessageToDict(read)  # enums by name, whatever the client sent
        with self.lock:
            asked = f"projects/{project}/locations/{region}/customJobs"
            self.submitted.append({**body, "name": asked})
            number = str(4242000000000000000 + len(self.submitted))
            # The answer names the project by its number.
            name = f"projects/424242/locations/{region}/customJobs/{number}"
            first = "RUNNING" if self.execute else self.states[0]
            job = {**body, "name": name, "state": f"JOB_STATE_{first}", "createTime": _now()}
            self.jobs[number], self.looks[number] = job, 0
            self.logs[number] = []
            for line in self.service:
                self._write(number, "service", line, "INFO")
            if self.execute:
                threading.Thread(target=self._run, args=(number, body), daemon=True).start()
            else:
                for line in [*(self.noise if self.log else ()), *self.log]:
                    self._write(number, "workerpool0-0", line, "ERROR")
            return job

    def _write(self, number: str, task: str, line: str, severity: str) -> None:
        self.logs[number].append((task, line, severity))

    def _run(self, number: str, body: dict[str, Any]) -> None:
        """Run every replica of every pool; the job ends with its chief."""
        pools = body["jobSpec"]["workerPoolSpecs"]
        cluster = {
            f"workerpool{at}": [f"127.0.0.1:{_free_port()}" for _ in range(int(p["replicaCount"]))]
            for at, p in enumerate(pools)
        }
        with tempfile.TemporaryDirectory() as folder:
            shim = Path(folder, "python3")  # the image's interpreter is the one of the tests
            shim.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
            shim.chmod(0o755)
            replicas = []
            for name, places in cluster.items():
                for index in range(len(places)):
                    task = {"type": name, "index": index}
                    machine = {
                        "CLUSTER_SPEC": json.dumps({"cluster": cluster, "task": task}),
                        "PATH": f"{folder}:{os.environ['PATH']}",
                    }
                    container = pools[int(name.removeprefix("workerpool"))]["containerSpec"]
                    replicas.append((f"{name}-{index}", container, machine))
            threads = [
                threading.Thread(target=self._replica, args=(number, *replica), daemon=True)
                for replica in replicas
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        with self.lock:
            if self.jobs[number]["state"] not in ENDED:
                codes = [p.returncode for key, p in self.processes.items() if key[0] == number]
                self._end(number, "FAILED" if any(codes) else "SUCCEEDED")

    def _replica(
        self, number: str, task: str, container: dict[str, Any], machine: dict[str, str]
    ) -> None:
        process = subprocess.Popen(
            [*container.get("command", []), *container.get("args", [])],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={
                **os.environ,
                # What is there satisfies the request; nothing is downloaded.
                "PIP_NO_INDEX": "1",
                **{e["name"]: e["value"] for e in container.get("env", [])},
                **machine,
            },
            start_new_session=True,
        )
        self.processes[number, task] = process
        assert process.stdout is not None
        for line in process.stdout:
            self._write(number, task, line.rstrip("\n"), "INFO")
        process.wait()

    def _end(self, number: str, state: str) -> None:
        job = self.jobs[number]
        job["state"] = f"JOB_STATE_{state}"
        job["endTime"] = _now()
        if state == "FAILED":
            said = self.message or (
                "The replica workerpool0-0 exited with a non-zero status of 1. Termination reason: "
                "Error. To find out more about why your job exited please check the logs: "
                f"https://console.cloud.google.com/logs/viewer?resource=ml_job%2Fjob_id%2F{number}"
            )
            job["error"] = {"code": 3, "message": said}
        elif state == "CANCELLED":
            job["error"] = {"code": 1, "message": self.message or "CANCELED"}

    def look(self, number: str) -> dict[str, Any]:
        """Return a job, one state further."""
        with self.lock:
            job = self.jobs[number]
            if number in self.leaving:
                self.leaving[number] -= 1
                if self.leaving[number] <= 0:
                    del self.leaving[number]
                    self._end(number, "CANCELLED")
            elif not self.execute and job["state"] not in ENDED:
                at = min(self.looks[number], len(self.states) - 1)
                self.looks[number] += 1
                if f"JOB_STATE_{self.states[at]}" in ENDED:
                    self._end(number, self.states[at])
                else:
                    job["state"] = f"JOB_STATE_{self.states[at]}"
            if job["state"] == "JOB_STATE_RUNNING":
                job.setdefault("startTime", _now())
            return job

    def cancel(self, number: str) -> None:
        """Begin to end a job."""
        with self.lock:
            self.cancels.append(number)
            if self.deaf or self.jobs[number]["state"] in ENDED or number in self.leaving:
                return
            self.jobs[number]["state"] = "JOB_STATE_CANCELLING"
            self.leaving[number] = self.cancelling
            for key, process in self.processes.items():
                if key[0] == number:
                    os.killpg(process.pid, signal.SIGKILL)

    def entries(self, number: str) -> list[dict[str, Any]]:
        """Return the log of a job as LogEntry JSON, oldest first."""
        with self.lock:
            rows = list(self.logs.get(number, ()))
            if self.log_late and rows:
                self.log_late -= 1
                rows = rows[:-1]
        start = datetime.now(UTC)
        return [
            {
                "insertId": f"entry{i}",
                "logName": f"projects/{PROJECT}/logs/ml.googleapis.com%2F{number}",
                "severity": severity,
                "timestamp": (start + timedelta(milliseconds=i)).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
                "resource": {
                    "type": "ml_job",
                    "labels": {"job_id": number, "task_name": task, "project_id": PROJECT},
                },
                "jsonPayload": {"message": line, "levelname": severity, "attrs": {"tag": task}},
            }
            for i, (task, line, severity) in enumerate(rows)
        ]


def _free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
