"""Google's REST services on loopback: permissions, jobs, buckets, images, secrets, quota, tokens.

Error bodies have the form of https://cloud.google.com/apis/design/errors (google.rpc.Status with
ErrorInfo). Point the clients at it with FTDOCTOR_VERTEX_ENDPOINT and
CLOUDSDK_API_ENDPOINT_OVERRIDES_*; `variables()` gives them all. By hand:

    python -m tests.emulators.google --scenario no-create --port 8766
    python -m tests.emulators.google --scenario no-create --grpc      (aiplatform over gRPC)
"""

from __future__ import annotations

import argparse
import json
import re
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.emulators.google_bodies import Reply, error
from tests.emulators.google_routes import ROUTES
from tests.emulators.google_state import (
    ACCOUNT,
    L4,
    PROJECT,
    SCENARIOS,
    TOKEN,
    GoogleState,
    good,
    scenario,
)

__all__ = ["ACCOUNT", "L4", "PROJECT", "GoogleServer", "GoogleState", "good", "scenario"]

SERVICES = (
    "AIPLATFORM", "LOGGING", "CLOUDRESOURCEMANAGER", "IAM", "STORAGE", "ARTIFACTREGISTRY",
    "CLOUDQUOTAS", "SERVICEUSAGE", "SECRETMANAGER", "OAUTH2",
)  # fmt: skip


class Handler(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    server: GoogleServer

    def log_message(self, *_: object) -> None:
        return

    def _send(self, status: int, body: bytes, kind: str, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _fault(self) -> bool:
        """Misbehave as the state says; True when the request is done with."""
        state = self.server.state
        time.sleep(state.delay)
        kind = "application/json"
        if state.fault == "cut":
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
        elif state.fault == "garbage":
            self._send(200, b'{"permissions": \xff\xfe', kind)
        elif state.fault == "list":
            self._send(200, b'["not", "an", "object"]', kind)
        elif state.fault == "proxy":
            self._send(200, b"<html><body>Sign in to the network</body></html>", "text/html")
        elif state.fault == "redirect":
            self._send(302, b"", "text/html", Location="https://login.example.com/")
        elif state.fault in ("429", "500"):
            name = "RESOURCE_EXHAUSTED" if state.fault == "429" else "INTERNAL"
            status, body = error(int(state.fault), name, "Quota exceeded, or an internal error.")
            self._send(status, json.dumps(body).encode(), kind)
        return bool(state.fault)

    def _handle(self, method: str, raw: bytes) -> None:
        state = self.server.state
        parts = urlsplit(self.path)
        state.seen.append(f"{method} {parts.path}")
        state.signed.append(self.headers.get("Authorization", ""))
        if self._fault():
            return
        if parts.path.startswith("/computeMetadata/"):
            self._metadata(parts.path)
            return
        if parts.path in ("/token", "/tokeninfo", "/sts"):
            status, data = self._token(parts.path)
        else:
            body = json.loads(raw or b"{}") or {}
            refused = self._signature()
            status, data = refused or self._route(method, parts.path, parse_qs(parts.query), body)
        self._send(status, json.dumps(data).encode(), "application/json; charset=UTF-8")

    def _metadata(self, path: str) -> None:
        """https://cloud.google.com/compute/docs/metadata/predefined-metadata-keys"""
        email = self.server.state.email
        found: Any = {"email": email, "scopes": [], "aliases": ["default"]}
        if self.headers.get("Metadata-Flavor") != "Google":
            self._send(403, b"Missing Metadata-Flavor:Google header.", "text/html")
            return
        if path.endswith("/email"):
            self._send(200, email.encode(), "application/text", **{"Metadata-Flavor": "Google"})
            return
        if path.endswith("/token"):
            found = {"access_token": TOKEN, "expires_in": 3599, "token_type": "Bearer"}
        body = json.dumps(found).encode()
        self._send(200, body, "application/json", **{"Metadata-Flavor": "Google"})

    def _token(self, path: str) -> Reply:
        """https://oauth2.googleapis.com/token, and tokeninfo."""
        state = self.server.state
        if path == "/tokeninfo":
            return 200, {"email": state.email, "expires_in": "3000"}
        if state.grant:
            said = {
                "invalid_grant": {"error_description": "Token has been expired or revoked."},
                "invalid_rapt": {
                    "error_description": "reauth related error (invalid_rapt)",
                    "error_uri": "https://support.google.com/a/answer/9368756",
                    "error_subtype": "invalid_rapt",
                },
                "invalid_key": {"error_description": "Invalid JWT Signature."},
            }
            return 400, {"error": "invalid_grant", **said[state.grant]}
        if path == "/sts":  # https://cloud.google.com/iam/docs/reference/sts/rest
            kind = "urn:ietf:params:oauth:token-type:access_token"
            given = {"access_token": "federated", "issued_token_type": kind, "expires_in": 3599}
            return 200, given | {"token_type": "Bearer"}
        return 200, {"access_token": TOKEN, "expires_in": 3599, "token_type": "Bearer"}

    def _signature(self) -> Reply | None:
        state = self.server.state
        given = self.headers.get("Authorization", "")
        if state.token_expired or (given and given != f"Bearer {TOKEN}" and state.wants_token):
            return error(
                401,
                "UNAUTHENTICATED",
                "Request had invalid authentication credentials. Expected OAuth 2 access token, "
                "login cookie or other valid authentication credential.",
                "ACCESS_TOKEN_EXPIRED",
            )
        if state.wants_token and not given:
            return error(
                401,
                "UNAUTHENTICATED",
                "Request is missing required authentication credential. Expected OAuth 2 access "
                "token, login cookie or other valid authentication credential.",
                "CREDENTIALS_MISSING",
            )
        return None

    def _route(
        self, method: str, path: str, query: dict[str, list[str]], body: dict[str, Any]
    ) -> Reply:
        for pattern, answer in ROUTES:
            match = re.fullmatch(pattern, path)
            if match:
                return answer(self.server.state, match, query, body)
        return error(404, "NOT_FOUND", "Method not found.")

    def do_GET(self) -> None:
        self._handle("GET", b"")

    def do_POST(self) -> None:
        self._handle("POST", self.rfile.read(int(self.headers.get("Content-Length") or 0)))


class GoogleServer(ThreadingHTTPServer):
    """The server; use as a context manager."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(
        self, state: GoogleState, port: int = 0, host: str = "127.0.0.1", tls: str = ""
    ) -> None:
        super().__init__((host, port), Handler)
        self.state = state
        self.tls = tls
        #: PEM file of the authority that signed the certificate.
        self.authority = ""
        if tls:
            from tests.emulators.certificates import server_side

            context, self.authority = server_side(expired=tls == "expired")
            self.socket = context.wrap_socket(
                self.socket, server_side=True, do_handshake_on_connect=False
            )

    @property
    def url(self) -> str:
        return f"http{'s' if self.tls else ''}://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, *_: object) -> None:
        """A client that hangs up is none of our business."""

    def variables(self, *, signed: bool = False) -> dict[str, str]:
        """The environment that points every client here; unsigned unless asked otherwise."""
        found = {f"CLOUDSDK_API_ENDPOINT_OVERRIDES_{name}": f"{self.url}/" for name in SERVICES}
        return found | ({} if signed else {"CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "1"})

    def __enter__(self) -> GoogleServer:
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


def main() -> None:
    """Run by hand until interrupted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenario", default="good")
    parser.add_argument("--list", action="store_true", help="name the scenarios")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--tls", choices=("valid", "expired"), default="")
    parser.add_argument("--grpc", action="store_true", help="also serve aiplatform over gRPC")
    given = parser.parse_args()
    if given.list:
        print(*SCENARIOS, sep="\n")
        return
    state = scenario(given.scenario)
    with GoogleServer(state, given.port, tls=given.tls) as server:
        for name, value in server.variables().items():
            print(f"export {name}={value}", flush=True)
        if given.grpc:
            from tests.emulators.google_grpc import serve

            _server, target = serve(state)
            print(f"export FTDOCTOR_VERTEX_ENDPOINT={target}", flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
