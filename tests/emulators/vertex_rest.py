"""The jobs of `vertex_jobs` over REST, for the real clients.

`customJobs` create, get, list with a filter, `:cancel` (google-cloud-aiplatform 2.7.0,
services/job_service/transports/rest_base.py); Cloud Logging v2 `entries:list` in pages; the metadata
server and Secret Manager as a container asks them.
"""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

from google.protobuf import json_format

if TYPE_CHECKING:
    from tests.emulators.vertex_jobs import VertexJobs

_PARENT = r"/v1/projects/(?P<project>[^/]+)/locations/(?P<region>[^/]+)/customJobs"


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: VertexJobsServer

    def log_message(self, *_: Any) -> None:
        """Be quiet."""

    def _send(self, status: int, body: Any) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _error(self, status: int, name: str, message: str, reason: str = "") -> None:
        error: dict[str, Any] = {"code": status, "message": message, "status": name}
        if reason:
            kind = "type.googleapis.com/google.rpc.ErrorInfo"
            error["details"] = [{"@type": kind, "reason": reason, "domain": "googleapis.com"}]
        self._send(status, {"error": error})

    def _drop(self) -> None:
        self.connection.shutdown(socket.SHUT_RDWR)
        self.close_connection = True

    def do_GET(self) -> None:
        """Answer a question."""
        state, url = self.server.state, urlsplit(self.path)
        if state.cut:
            self._drop()
            return
        if url.path.startswith(("/computeMetadata/", "/v1/projects/some-project/secrets/")):
            self._secret(url.path)
            return
        match = re.fullmatch(rf"{_PARENT}(?:/(?P<number>\d+))?", unquote(url.path))
        if match is None:
            self._error(404, "NOT_FOUND", f"no {url.path}")
        elif match["number"] is None:
            self._list(parse_qs(url.query).get("filter", [""])[0])
        elif match["number"] not in state.jobs or state.unseen > 0:
            state.unseen -= 1
            self._error(404, "NOT_FOUND", f"CustomJob {match['number']} is not found.")
        else:
            self._send(200, state.look(match["number"]))

    def _secret(self, path: str) -> None:
        if path.endswith("/token"):
            self._send(200, {"access_token": "of-the-job", "expires_in": 3600})
        elif self.server.secret is None:
            said = "Permission 'secretmanager.versions.access' denied on resource (or it may not exist)."
            self._error(403, "PERMISSION_DENIED", said, "IAM_PERMISSION_DENIED")
        else:
            assert self.headers["Authorization"] == "Bearer of-the-job"
            self._send(200, {"name": path, "payload": {"data": self.server.secret}})

    def _list(self, wanted: str) -> None:
        state = self.server.state
        state.filters.append(wanted)
        label = re.fullmatch(r"labels\.([a-z0-9_-]+)=([a-z0-9_-]*)", wanted)
        if wanted and (label is None or state.no_labels):
            self._error(400, "INVALID_ARGUMENT", "Invalid filter.")
            return
        found = [
            job
            for job in state.jobs.values()
            if label is None or (job.get("labels") or {}).get(label[1]) == label[2]
        ]
        self._send(200, {"customJobs": found})

    def do_POST(self) -> None:
        """Create or cancel a job; list log entries."""
        state = self.server.state
        sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path == "/token":
            self._send(200, {"access_token": "of-the-caller", "expires_in": 3600})
            return
        body = json.loads(sent or b"{}")
        path = unquote(urlsplit(self.path).path)
        state.logins.add(self.headers.get("Authorization", ""))
        if state.cut:
            self._drop()
            return
        if path == "/v2/entries:list":
            self._entries(body)
            return
        match = re.fullmatch(rf"{_PARENT}(?:/(?P<number>\d+):cancel)?", path)
        if match is None:
            self._error(404, "NOT_FOUND", f"no {path}")
        elif match["number"]:
            if match["number"] not in state.jobs:
                self._error(404, "NOT_FOUND", "no such job")
                return
            state.cancel(match["number"])
            self._send(200, {})
        elif state.refuse is not None:
            self._error(*state.refuse)
        else:
            self._create(match["project"], match["region"], body)

    def _create(self, project: str, region: str, body: dict[str, Any]) -> None:
        state = self.server.state
        try:
            job = state.make(project, region, body)
        except json_format.ParseError as error:
            self._error(400, "INVALID_ARGUMENT", f"Invalid JSON payload received. {error}")
            return
        time.sleep(state.slow)
        if state.lose_answer:
            self._drop()
            return
        self._send(200, job)

    def _entries(self, body: dict[str, Any]) -> None:
        if self.server.state.no_logs:
            said = "Permission 'logging.logEntries.list' denied on resource (or it may not exist)."
            self._error(403, "PERMISSION_DENIED", said, "IAM_PERMISSION_DENIED")
            return
        wanted = str(body.get("filter") or "")
        number = re.search(r'resource\.labels\.job_id="(\d+)"', wanted)
        rows = self.server.state.entries(number[1]) if number else []
        start, size = int(body.get("pageToken") or 0), int(body.get("pageSize") or 50)
        answer: dict[str, Any] = {"entries": rows[start : start + size]}
        if start + size < len(rows):
            answer["nextPageToken"] = str(start + size)
        self._send(200, answer)


class VertexJobsServer(ThreadingHTTPServer):
    """The server; use as a context manager, `url` is its address."""

    daemon_threads = True

    def __init__(self, state: VertexJobs) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.state = state
        self.url = f"http://127.0.0.1:{self.server_port}"
        #: The secret of the project, base64; None where it may not be read.
        self.secret: str | None = None

    def handle_error(self, *_: Any) -> None:
        """Be quiet about a client that was killed while it was answered."""

    def __enter__(self) -> VertexJobsServer:
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.state.processes.values():
            process.kill()
        self.shutdown()
        self.server_close()
