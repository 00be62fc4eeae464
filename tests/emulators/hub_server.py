"""The HTTP of the Hub of the tests: routes, headers, and how it misbehaves."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

from tests.emulators.hub_state import (
    Answer,
    Identity,
    State,
    metadata,
    references,
    repo_access,
    whoami,
)

HARDWARE = [
    {
        "name": "l4x1",
        "prettyName": "1x Nvidia L4",
        "cpu": "8 vCPU",
        "ram": "30 GB",
        "ephemeralStorage": "400 GB",
        "accelerator": {
            "type": "gpu",
            "model": "L4",
            "quantity": "1",
            "vram": "24 GB",
            "manufacturer": "Nvidia",
        },
        "unitCostMicroUSD": 13333,
        "unitCostUSD": 0.013333,
        "unitLabel": "minute",
    }
]


class Handler(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    server: HubServer

    def log_message(self, *_: object) -> None:
        return

    def _send(
        self, status: int, body: bytes, kind: str = "application/json", **headers: str
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Request-Id", "Root=1-00000000-000000000000000000000000")
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def _identity(self) -> Identity | None:
        header = self.headers.get("Authorization", "")
        if not header:
            return None
        who = self.server.state.tokens.get(header.removeprefix("Bearer "))
        if who is None or who.refused:
            said = who.refused if who else "Invalid credentials in Authorization header"
            raise Answer(401, said)
        return who

    def _fault(self) -> bool:
        state = self.server.state
        if state.delay:
            time.sleep(state.delay)
        if not state.fault or not re.search(state.fault_at, self.path):
            return False
        pages = {
            "garbage": (200, b'{"name": \xff\xfe', "application/json"),
            "proxy": (200, b"<html><body>Sign in to the network</body></html>", "text/html"),
            "proxy-login": (403, b"<!DOCTYPE html><title>Blocked</title>", "text/html"),
            "500": (500, b'{"error":"Internal Error"}', "application/json"),
            "empty": (404, b"", "text/plain"),
        }
        if state.fault == "echo":
            said = f"Invalid user token: {self.headers.get('Authorization', '')}"
            self._send(401, json.dumps({"error": said}).encode(), X_Error_Message=said)
        elif state.fault == "cut":
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
        elif state.fault == "cut-body":
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", "500")
            self.end_headers()
            self.wfile.write(b'{"name": "a')
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
        elif state.fault == "429":
            limit = {
                "RateLimit": '"api";r=0;t=55',
                "RateLimit_Policy": '"fixed window";"api";q=500;w=300',
            }
            self._send(429, b'{"error":"We had to rate limit you"}', **limit)
        else:
            self._send(*pages[state.fault])
        return True

    def _handle(self, method: str) -> None:
        path = self.path.split("?")[0]
        self.server.state.seen.append(f"{method} {path}")
        if self._fault():
            return
        try:
            self._send(200, json.dumps(self._route(method, path)).encode())
        except Answer as answer:
            headers = {"X_Error_Message": answer.message}
            if answer.code:
                headers["X_Error_Code"] = answer.code
            if answer.status == 401:
                headers["WWW_Authenticate"] = (
                    'Bearer realm="Authentication required", charset="UTF-8"'
                )
            self._send(answer.status, json.dumps({"error": answer.message}).encode(), **headers)

    def _route(self, method: str, path: str) -> Any:
        state, who = self.server.state, self._identity()
        if path == "/api/whoami-v2":
            if who is None or who.no_account:
                raise Answer(401, "Invalid username or password.")
            return whoami(who)
        if path == "/api/jobs/hardware":
            return state.hardware or HARDWARE
        match = re.fullmatch(r"/api/jobs/([^/]+)/auth-check/(read|write)", path)
        if match and method == "POST":
            if who is None:
                raise Answer(401, "Invalid username or password.")
            if state.jobs_denied:
                raise Answer(
                    403,
                    "You don't have the required permissions to complete this action on namespace "
                    f"{match[1]}, missing permissions: job.write.",
                )
            return {
                "namespace": {"id": "1", "name": match[1]},
                "user": {"id": "2", "name": who.name},
            }
        match = re.fullmatch(r"/api/(model|dataset|space)s/([^/]+/[^/]+)/auth-check(/write)?", path)
        if match:
            repo_access(state, who, match[1], match[2], bool(match[3]))
            return "OK"
        match = re.fullmatch(r"/api/(model|dataset|space)s/([^/]+/[^/]+)/refs", path)
        if match:
            return references(state, who, match[1], match[2])
        match = re.fullmatch(
            r"/api/(model|dataset|space)s/([^/]+/[^/]+)(?:/revision/([^/]+))?", path
        )
        if match:
            return metadata(state, who, match[1], match[2], unquote(match[3] or ""))
        raise Answer(404, "Sorry, we can't find the page you are looking for.")

    def do_GET(self) -> None:
        self._handle("GET")

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        self.rfile.read(length)
        self._handle("POST")


class HubServer(ThreadingHTTPServer):
    """The server; use as a context manager, `url` is its address."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, state: State, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.state = state
        #: PEM file of the authority that signed the certificate, for SSL_CERT_FILE.
        self.authority = ""
        if state.certificate:
            from tests.emulators.certificates import server_side

            context, self.authority = server_side(expired=state.certificate == "expired")
            self.socket = context.wrap_socket(
                self.socket, server_side=True, do_handshake_on_connect=False
            )

    def handle_error(self, *_: object) -> None:
        """A client that goes away in the middle, or trusts nobody, is what is tested."""

    @property
    def url(self) -> str:
        scheme = "https" if self.state.certificate else "http"
        return f"{scheme}://127.0.0.1:{self.server_address[1]}"

    def __enter__(self) -> HubServer:
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()
