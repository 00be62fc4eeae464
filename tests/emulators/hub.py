"""A small Hub on loopback that speaks the real one's protocol; driven through huggingface_hub.

Statuses, the headers X-Error-Code and X-Error-Message, and the sentences are those that the Hub
sends (huggingface_hub 2.4.0 utils/_http.py keys on them). The answers follow from the state: who
holds which token, which repository has which gate and who asked for access.

    python -m tests.emulators.hub --scenario gated-pending --port 8765
    HF_ENDPOINT=http://127.0.0.1:8765 HF_TOKEN=... ftdoctor check --online job.yaml
"""

from __future__ import annotations

import argparse
import json
import re
import socket
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGH"
TOKEN = "hf_" + LETTERS


@dataclass
class Identity:
    """Whose token it is and what it may do."""

    name: str = "ada"
    role: str = "write"  # read | write | fineGrained | oauth
    permissions: dict[str, list[str]] = field(default_factory=dict)
    gated: bool = False
    orgs: dict[str, str] = field(default_factory=dict)
    blocked: dict[str, list[str]] = field(default_factory=dict)
    scopes: tuple[str, ...] = ()
    expires: str = ""


@dataclass
class Repo:
    """A repository: `gate` is "", "auto" or "manual"; `requests` maps an account to its state."""

    gate: str = ""
    private: bool = False
    disabled: bool = False
    requests: dict[str, str] = field(default_factory=dict)


@dataclass
class State:
    """All that this Hub knows, and how it misbehaves."""

    tokens: dict[str, Identity] = field(default_factory=dict)
    repos: dict[str, Repo] = field(default_factory=dict)
    hardware: list[dict[str, Any]] = field(default_factory=list)
    jobs_denied: bool = False
    #: "", slow, 429, 500, cut, garbage, proxy
    fault: str = ""
    delay: float = 0.0
    seen: list[str] = field(default_factory=list)


class Answer(Exception):
    """An error answer of the Hub."""

    def __init__(self, status: int, message: str, code: str = "") -> None:
        super().__init__(message)
        self.status, self.message, self.code = status, message, code


def repo_access(state: State, who: Identity | None, kind: str, repo: str, write: bool) -> None:
    """Raise the Answer that the Hub gives when access is refused."""
    found = state.repos.get(f"{kind}s/{repo}") or (
        state.repos.get(repo) if kind == "model" else None
    )
    owner = repo.split("/")[0]
    member = who is not None and (
        owner == who.name or who.orgs.get(owner, "no_access") != "no_access"
    )
    if found is None or (found.private and not (member and _reads(who, owner, repo))):
        if who is None:
            raise Answer(401, "Invalid username or password.", "RepoNotFound")
        raise Answer(404, "Repository not found", "RepoNotFound")
    if found.disabled:
        raise Answer(403, "Access to this resource is disabled.", "DisabledRepo")
    if who is not None and who.blocked.get(owner):
        raise Answer(
            403,
            "Due to the organization token policy, your token needs to be approved by the "
            "organization before you can access this resource.",
        )
    word = "dataset" if kind == "dataset" else "model"
    page = f"https://huggingface.co/{'datasets/' if kind == 'dataset' else ''}{repo}"
    if found.gate and not member:
        if who is None:
            raise Answer(
                401,
                f"Access to {word} {repo} is restricted. You must have access to it and be "
                "authenticated to access it. Please log in.",
                "GatedRepo",
            )
        if who.role == "fineGrained" and not who.gated:
            raise Answer(
                403,
                "Please enable access to public gated repositories in your fine-grained token "
                "settings to view this repository.",
            )
        said = {
            "": f"Access to {word} {repo} is restricted and you are not in the authorized list. "
            f"Visit {page} to ask for access.",
            "pending": f"Your request to access {word} {repo} is awaiting a review from the repo authors.",
            "rejected": f"Your request to access {word} {repo} has been rejected by the repo's authors.",
            "reset": f"Your request to access {word} {repo} has been reset by the repo's authors. "
            f"Visit {page} to submit a new request.",
        }
        status = found.requests.get(who.name, "")
        if status != "accepted":
            raise Answer(403, said[status], "GatedRepo")
    if write and not _writes(who, owner, repo, kind):
        if who is None:
            raise Answer(401, "Invalid username or password.")
        raise Answer(
            403, "You have read access but not the required permissions for this operation"
        )


def _entities(owner: str, who: Identity, kind: str, repo: str) -> list[str]:
    return [f"{'user' if owner == who.name else 'org'}:{owner}", f"{kind}:{repo}"]


def _reads(who: Identity | None, owner: str, repo: str) -> bool:
    if who is None:
        return False
    if who.role != "fineGrained":
        return who.role != "oauth" or bool({"read-repos", "write-repos"} & set(who.scopes))
    held = [p for e in _entities(owner, who, "model", repo) for p in who.permissions.get(e, [])]
    return bool({"repo.content.read", "repo.write"} & set(held))


def _writes(who: Identity | None, owner: str, repo: str, kind: str) -> bool:
    if who is None:
        return False
    if owner != who.name and who.orgs.get(owner) not in ("admin", "write", "contributor"):
        return False
    if who.role == "fineGrained":
        held = [p for e in _entities(owner, who, kind, repo) for p in who.permissions.get(e, [])]
        return "repo.write" in held
    if who.role == "oauth":
        return bool({"write-repos", "manage-repos"} & set(who.scopes))
    return who.role == "write"


def whoami(who: Identity) -> dict[str, Any]:
    """The body of /api/whoami-v2."""
    auth: dict[str, Any] = {"type": "oauth" if who.role == "oauth" else "access_token"}
    if who.expires:
        auth["expiresAt"] = who.expires
    if who.role != "oauth":
        token: dict[str, Any] = {
            "displayName": "train",
            "role": who.role,
            "createdAt": "2026-01-01T00:00:00.000Z",
        }
        if who.role == "fineGrained":
            token["fineGrained"] = {
                "canReadGatedRepos": who.gated,
                "global": [],
                "scoped": [
                    {
                        "entity": {
                            "_id": "0" * 24,
                            "type": e.split(":")[0],
                            "name": e.split(":", 1)[1],
                        },
                        "permissions": p,
                    }
                    for e, p in who.permissions.items()
                ],
            }
        auth["accessToken"] = token
    return {
        "type": "user",
        "id": "0" * 24,
        "name": who.name,
        "fullname": who.name.title(),
        "isPro": False,
        "auth": auth,
        "orgs": [
            {
                "type": "org",
                "id": "1" * 24,
                "name": org,
                "roleInOrg": role,
                "securityRestrictions": who.blocked.get(org, []),
            }
            for org, role in who.orgs.items()
        ],
    }


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
        if who is None:
            raise Answer(401, "Invalid credentials in Authorization header")
        return who

    def _fault(self) -> bool:
        state = self.server.state
        if state.delay:
            time.sleep(state.delay)
        if state.fault == "cut":
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
            return True
        if state.fault == "garbage":
            self._send(200, b'{"name": \xff\xfe')
            return True
        if state.fault == "proxy":
            self._send(200, b"<html><body>Sign in to the network</body></html>", "text/html")
            return True
        if state.fault == "429":
            self._send(429, b'{"error":"We had to rate limit you"}', RateLimit='"api";r=0;t=55')
            return True
        if state.fault == "500":
            self._send(500, b'{"error":"Internal Error"}')
            return True
        return False

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
            if who is None:
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

    def __init__(self, state: State, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.state = state

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def __enter__(self) -> HubServer:
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


GATED = "gate-org/tiny-gated"
OPEN = "open-org/tiny"
DATA = "open-org/chat"


def base() -> State:
    """A Hub with an open model, a gated one, an open data set and ada's own repository."""
    return State(
        tokens={TOKEN: Identity()},
        repos={
            OPEN: Repo(),
            GATED: Repo(gate="manual"),
            f"datasets/{DATA}": Repo(),
            "ada/out": Repo(),
            "team/out": Repo(),
        },
    )


def scenario(name: str) -> State:
    """Return a named state, for starting by hand and for rule fixtures."""
    state = base()
    who = state.tokens[TOKEN]
    gate = state.repos[GATED]
    if name.startswith("gated-") and name != "gated-fine-grained":
        wanted = name.removeprefix("gated-")
        gate.requests = {} if wanted == "not-requested" else {"ada": wanted}
    elif name == "gated-fine-grained":
        who.role = "fineGrained"
        who.permissions = {"user:ada": ["repo.write", "repo.content.read"]}
        gate.requests = {"ada": "accepted"}
    elif name == "token-invalid":
        state.tokens.clear()
    elif name == "read-only":
        who.role = "read"
    elif name == "disabled":
        state.repos[OPEN].disabled = True
    elif name == "org-policy":
        who.blocked = {"open-org": ["token-policy"]}
    elif name == "jobs-denied":
        state.jobs_denied = True
    elif name == "missing":
        state.repos.pop(OPEN)
    elif name.startswith("output-missing"):
        state.repos.pop("ada/out")
        who.role = "read" if name.endswith("read-only") else "write"
    elif name in ("429", "500", "cut", "garbage", "proxy"):
        state.fault = name
    elif name == "slow":
        state.delay = 5.0
    elif name != "open":
        raise SystemExit(f"no scenario {name!r}")
    return state


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenario", default="open")
    parser.add_argument("--port", type=int, default=0)
    given = parser.parse_args()
    with HubServer(scenario(given.scenario), given.port) as server:
        print(f"HF_ENDPOINT={server.url}  token: {TOKEN}")
        threading.Event().wait()
