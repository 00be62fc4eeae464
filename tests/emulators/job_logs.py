"""Jobs and their logs on loopback: Vertex AI with Cloud Logging, and Hugging Face Jobs.

The real clients (google-cloud-aiplatform, google-cloud-logging, huggingface_hub) talk to it. Shapes:
Vertex AI REST v1 `customJobs`, `trainingPipelines`; Cloud Logging v2 `entries:list` (pages of
`pageSize`, `nextPageToken`); the Hub's /api/jobs as in its OpenAPI description.
"""

from __future__ import annotations

import json
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit


@dataclass
class Jobs:
    """What the platforms hold. `denied` lists permissions that the caller lacks."""

    custom: dict[str, dict[str, Any]] = field(default_factory=dict)
    pipelines: dict[str, dict[str, Any]] = field(default_factory=dict)
    entries: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    hub: dict[str, dict[str, Any]] = field(default_factory=dict)
    hub_logs: dict[str, list[str]] = field(default_factory=dict)
    hardware: list[dict[str, Any]] = field(default_factory=list)
    denied: set[str] = field(default_factory=set)
    disabled: bool = False
    #: States that a job goes through, one a look.
    states: dict[str, list[str]] = field(default_factory=dict)
    filters: list[str] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: JobsServer

    def log_message(self, *_: Any) -> None:
        """Be quiet."""

    def _send(self, status: int, body: Any, kind: str = "application/json", **headers: str) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data)

    def _google_error(self, status: int, name: str, message: str, reason: str = "") -> None:
        details = [
            {
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": reason,
                "domain": "googleapis.com",
            }
        ]
        error = {"code": status, "message": message, "status": name}
        self._send(status, {"error": {**error, **({"details": details} if reason else {})}})

    def _may(self, permission: str) -> bool:
        if self.server.jobs.disabled:
            self._google_error(
                403,
                "PERMISSION_DENIED",
                "Agent Platform API has not been used in project some-project before or it is "
                "disabled.",
                "SERVICE_DISABLED",
            )
            return False
        if permission in self.server.jobs.denied:
            self._google_error(
                403,
                "PERMISSION_DENIED",
                f"Permission '{permission}' denied on resource (or it may not exist).",
                "IAM_PERMISSION_DENIED",
            )
            return False
        return True

    def do_GET(self) -> None:
        """Answer a GET."""
        url = urlsplit(self.path)
        path = unquote(url.path)
        query = parse_qs(url.query)
        jobs = self.server.jobs
        jobs.seen.append(f"GET {path}")
        if path.startswith("/api/"):
            self._hub(path, query)
            return
        match = re.fullmatch(r"/v1/(projects/[^/]+/locations/[^/]+)/(\w+)(?:/(\d+))?", path)
        if not match:
            self._google_error(404, "NOT_FOUND", f"no {path}")
            return
        parent, kind, number = match.groups()
        if not self._may(f"aiplatform.{kind}.{'get' if number else 'list'}"):
            return
        if number is None:
            wanted = query.get("filter", [""])[0]
            jobs.filters.append(wanted)
            state = re.search(r'state="(\w+)"', wanted)
            found = [
                job
                for name, job in jobs.custom.items()
                if name.startswith(parent) and (not state or job["state"] == state[1])
            ]
            self._send(200, {"customJobs": found})
            return
        name = f"{parent}/{kind}/{number}"
        job = (jobs.custom if kind == "customJobs" else jobs.pipelines).get(name)
        if job is None:
            self._google_error(404, "NOT_FOUND", f"The {kind} {name} does not exist.")
            return
        states = jobs.states.get(name)
        if states:
            job = {**job, "state": states.pop(0) if len(states) > 1 else states[0]}
        self._send(200, job)

    def do_POST(self) -> None:
        """Answer a POST."""
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length) or b"{}")
        jobs = self.server.jobs
        jobs.seen.append(f"POST {self.path}")
        if self.path.startswith("/v2/entries:list"):
            if not self._may("logging.logEntries.list"):
                return
            wanted = body.get("filter", "")
            jobs.filters.append(wanted)
            number = re.search(r'job_id="(\d+)"', wanted)
            since = re.search(r'timestamp>="([^"]+)"', wanted)
            rows = jobs.entries.get(number[1] if number else "", [])
            rows = [row for row in rows if not since or row["timestamp"] >= since[1]]
            start = int(body.get("pageToken") or 0)
            size = int(body.get("pageSize") or 50)
            answer: dict[str, Any] = {"entries": rows[start : start + size]}
            if start + size < len(rows):
                answer["nextPageToken"] = str(start + size)
            self._send(200, answer)
        elif self.path.endswith(":cancel"):
            self._send(200, {})
        else:
            self._google_error(404, "NOT_FOUND", f"no {self.path}")

    def _hub_error(self, status: int, message: str) -> None:
        self._send(status, {"error": message}, X_Error_Message=message, X_Request_Id="Root=1-t")

    def _hub(self, path: str, query: dict[str, list[str]]) -> None:
        jobs = self.server.jobs
        if not self.headers.get("Authorization"):
            self._hub_error(401, "Invalid username or password.")
            return
        if path == "/api/whoami-v2":
            self._send(200, {"type": "user", "name": "ada", "auth": {"type": "access_token"}})
            return
        if path == "/api/jobs/hardware":
            self._send(200, jobs.hardware)
            return
        if "job.write" in jobs.denied:
            self._hub_error(403, "You don't have the required permissions: job.write.")
            return
        match = re.fullmatch(r"/api/jobs/([^/]+)(?:/([0-9a-f]{24})(/logs)?)?", path)
        if not match:
            self._hub_error(404, "Not found")
            return
        owner, number, logs = match.groups()
        if number is None:
            stages = query.get("stage")
            found = [
                job
                for name, job in jobs.hub.items()
                if name.startswith(f"{owner}/") and (not stages or job["status"]["stage"] in stages)
            ]
            self._send(200, found)
            return
        name = f"{owner}/{number}"
        if name not in jobs.hub:
            self._hub_error(404, "Job not found")
        elif logs:
            events = "".join(
                f"data: {json.dumps({'data': row, 'timestamp': '2026-05-10T02:24:33.000Z'})}\n\n"
                for row in jobs.hub_logs.get(name, [])
            )
            self._send(200, events.encode(), "text/event-stream")
        else:
            self._send(200, jobs.hub[name])


class JobsServer(ThreadingHTTPServer):
    """The emulator on a free port."""

    daemon_threads = True

    def __init__(self, jobs: Jobs) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.jobs = jobs
        self.url = f"http://127.0.0.1:{self.server_port}"

    def start(self) -> JobsServer:
        """Serve in a thread."""
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self
