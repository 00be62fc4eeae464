"""Google's REST services on loopback: permissions, custom jobs, buckets, images, quota.

Error bodies have the form of https://cloud.google.com/apis/design/errors (google.rpc.Status with
ErrorInfo). Point the clients at it with FTDOCTOR_VERTEX_ENDPOINT and
CLOUDSDK_API_ENDPOINT_OVERRIDES_*; `variables()` gives them all.
"""

from __future__ import annotations

import json
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

SERVICES = (
    "AIPLATFORM", "LOGGING", "CLOUDRESOURCEMANAGER", "IAM", "STORAGE", "ARTIFACTREGISTRY",
    "CLOUDQUOTAS",
)  # fmt: skip


@dataclass
class GoogleState:
    """What this Google grants."""

    permissions: set[str] = field(default_factory=set)
    api_enabled: bool = True
    buckets: dict[str, set[str]] = field(default_factory=dict)
    images: set[str] = field(default_factory=set)
    accounts: dict[str, set[str]] = field(default_factory=dict)
    quotas: dict[tuple[str, str], int] = field(default_factory=dict)
    token_expired: bool = False
    seen: list[str] = field(default_factory=list)


def error(status: int, name: str, message: str, reason: str = "") -> tuple[int, dict[str, Any]]:
    """An error body."""
    details = (
        [
            {
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": reason,
                "domain": "googleapis.com",
            }
        ]
        if reason
        else []
    )
    return status, {
        "error": {"code": status, "message": message, "status": name, "details": details}
    }


class Handler(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    server: GoogleServer

    def log_message(self, *_: object) -> None:
        return

    def _handle(self, method: str, body: dict[str, Any]) -> None:
        parts = urlsplit(self.path)
        self.server.state.seen.append(f"{method} {parts.path}")
        status, data = self._route(method, parts.path, parse_qs(parts.query), body)
        content = json.dumps(data).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=UTF-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _route(
        self, method: str, path: str, query: dict[str, list[str]], body: dict[str, Any]
    ) -> tuple[int, dict[str, Any]]:
        state = self.server.state
        if state.token_expired:
            return error(401, "UNAUTHENTICATED", "Request had invalid authentication credentials.")
        asked = body.get("permissions", [])
        if re.fullmatch(r"/v1/projects/[^/]+:testIamPermissions", path):
            return 200, {"permissions": [p for p in asked if p in state.permissions]}
        match = re.fullmatch(r"/v1/projects/-/serviceAccounts/(.+):testIamPermissions", path)
        if match:
            account = unquote(match[1])
            if account not in state.accounts:
                return error(404, "NOT_FOUND", f"Unknown service account {account}")
            return 200, {"permissions": [p for p in asked if p in state.accounts[account]]}
        match = re.fullmatch(r"/v1/projects/([^/]+)/locations/([^/]+)/customJobs", path)
        if match and method == "GET":
            if not state.api_enabled:
                return error(
                    403,
                    "PERMISSION_DENIED",
                    f"Agent Platform API has not been used in project {match[1]} before or it is "
                    "disabled.",
                    "SERVICE_DISABLED",
                )
            return 200, {}
        match = re.fullmatch(r"/storage/v1/b/([^/]+)/iam/testPermissions", path)
        if match:
            if match[1] not in state.buckets:
                return error(404, "NOT_FOUND", "The specified bucket does not exist.")
            held = state.buckets[match[1]]
            return 200, {"permissions": [p for p in query.get("permissions", []) if p in held]}
        match = re.fullmatch(
            r"/v1/(projects/[^/]+/locations/[^/]+/repositories/[^/]+/packages/[^/]+)/(?:tags|versions)/.+",
            path,
        )
        if match:
            if unquote(path.removeprefix("/v1/")) in state.images:
                return 200, {"name": path.removeprefix("/v1/")}
            return error(404, "NOT_FOUND", "Requested entity was not found.")
        match = re.fullmatch(r".*/quotaInfos/(\w+)", path)
        if match:
            rows = [
                {
                    "dimensions": {"region": region},
                    "details": {"value": str(limit)},
                    "applicableLocations": [region],
                }
                for (quota, region), limit in state.quotas.items()
                if quota == match[1]
            ]
            return 200, {"quotaId": match[1], "dimensionsInfos": rows}
        return error(404, "NOT_FOUND", "Method not found.")

    def do_GET(self) -> None:
        self._handle("GET", {})

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        self._handle("POST", json.loads(self.rfile.read(length) or b"{}"))


class GoogleServer(ThreadingHTTPServer):
    """The server; use as a context manager."""

    daemon_threads = True

    def __init__(self, state: GoogleState, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.state = state

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def variables(self) -> dict[str, str]:
        """The environment that points every client here."""
        found = {f"CLOUDSDK_API_ENDPOINT_OVERRIDES_{name}": f"{self.url}/" for name in SERVICES}
        return {**found, "CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "1"}

    def __enter__(self) -> GoogleServer:
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


PROJECT = "my-project-1"
ACCOUNT = f"trainer@{PROJECT}.iam.gserviceaccount.com"
L4 = ("CustomModelTrainingL4GPUsPerProjectPerRegion", "us-central1")


def good() -> GoogleState:
    """A Google on which a job of PROJECT can be submitted."""
    name = f"projects/{PROJECT}/locations/us-central1/repositories/images/packages/train/tags/1"
    return GoogleState(
        permissions={
            "aiplatform.customJobs.create",
            "aiplatform.customJobs.get",
            "logging.logEntries.list",
        },
        buckets={
            "my-bucket-1": {"storage.objects.create", "storage.objects.get", "storage.objects.list"}
        },
        images={name},
        accounts={ACCOUNT: {"iam.serviceAccounts.actAs"}},
        quotas={L4: 4},
    )


def scenario(name: str) -> GoogleState:
    """Return a named state, for rule fixtures."""
    state = good()
    if name == "no-create":
        state.permissions.discard("aiplatform.customJobs.create")
    elif name == "no-logs":
        state.permissions.discard("logging.logEntries.list")
    elif name == "api-disabled":
        state.api_enabled = False
    elif name == "no-act-as":
        state.accounts[ACCOUNT] = set()
    elif name == "no-bucket":
        state.buckets = {}
    elif name == "no-image":
        state.images = set()
    elif name == "no-quota":
        state.quotas = {L4: 1}
    elif name == "expired":
        state.token_expired = True
    elif name != "good":
        raise SystemExit(f"no scenario {name!r}")
    return state
