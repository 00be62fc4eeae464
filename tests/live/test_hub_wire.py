"""What is read from the wire: every wording and shape of the Hub, and nothing more than is said."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from ftdoctor.facts import hub, hub_files
from ftdoctor.facts.told import disk_bytes, per_hour
from ftdoctor.facts.value import (
    Access,
    Account,
    NoRevision,
    Refs,
    RepoFiles,
    TokenRefused,
    Unknown,
)
from ftdoctor.facts.weights import download_bytes, weight_files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TOKEN = "hf_" + "abcdefghijklmnopqrstuvwxyzABCDEFGH"
Answer = tuple[int, dict[str, str], bytes]


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """A server that answers every request alike, byte for byte as given."""
    answer: list[Answer] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, body = answer[0]
            self.send_response_only(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{server.server_address[1]}/")

    def set_answer(status: int, body: object, **headers: str) -> None:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        answer[:] = [(status, {k.replace("_", "-"): v for k, v in headers.items()}, raw)]

    yield set_answer
    server.shutdown()
    server.server_close()


def kind(answer: object) -> str:
    return answer.kind if isinstance(answer, Access) else type(answer).__name__


GATE = "Access to model a/b is restricted"
NOT_LISTED = (
    f"{GATE} and you are not in the authorized list. Visit https://hf.co/a/b to ask for access."
)
LOG_IN = f"{GATE}. You must have access to it and be authenticated to access it. Please log in."
#: (status, X-Error-Code, sentence) -> kind with a token, kind as nobody.
ANSWERS = [
    (200, "", "OK", "open", "open"),
    (401, "GatedRepo", LOG_IN, "Unknown", "not-signed-in"),
    (401, "", LOG_IN, "Unknown", "not-signed-in"),
    (403, "GatedRepo", NOT_LISTED, "not-requested", "not-requested"),
    (403, "", NOT_LISTED, "not-requested", "not-requested"),
    (403, "gatedrepo", "", "not-requested", "not-requested"),
    (403, "GatedRepo", "Your request to access model a/b is awaiting a review from the repo authors.", "pending", "pending"),
    (403, "GatedRepo", "Your request to access model a/b has been rejected by the repo's authors.", "rejected", "rejected"),
    (403, "GatedRepo", "Your request to access model a/b has been reset by the repo's authors.", "reset", "reset"),
    (403, "", "Please enable access to public gated repositories in your fine-grained token settings to view this repository.", "fine-grained-no-gated", "fine-grained-no-gated"),
    (401, "", "Invalid credentials in Authorization header", "invalid-token", "invalid-token"),
    (401, "", "Invalid username or password.", "invalid-token", "missing-or-private"),
    (401, "RepoNotFound", "Repository not found", "missing-or-private", "missing-or-private"),
    (404, "RepoNotFound", "Repository not found", "missing-or-private", "missing-or-private"),
    (404, "", "Repository not found", "missing-or-private", "missing-or-private"),
    (404, "", "Not Found", "missing-or-private", "missing-or-private"),
    (404, "", "Sorry, we can't find the page you are looking for.", "Unknown", "Unknown"),
    (403, "", "Due to the organization token policy, your token needs to be approved by the organization", "org-policy", "org-policy"),
    (403, "DisabledRepo", "Access to this resource is disabled.", "disabled", "disabled"),
    (403, "", "Not for your region.", "refused", "refused"),
    (403, "", "", "Unknown", "Unknown"),
    (400, "", "Bad request", "Unknown", "Unknown"),
    (503, "", "Service Unavailable", "Unknown", "Unknown"),
]  # fmt: skip


@pytest.mark.parametrize(("status", "code", "said", "signed", "nobody"), ANSWERS)
def test_access(wire, status: int, code: str, said: str, signed: str, nobody: str) -> None:
    headers = {"x_error_code": code} if code else {}
    forms = [("body", {"error": said}, {}), ("header", {"error": ""}, {"x_error_message": said})]
    for form, body, extra in forms if status != 200 else [("ok", said, {}), ("raw", b"OK", {})]:
        wire(status, body, **headers, **extra)
        assert kind(hub.access("a/b", "model", TOKEN)) == signed, form
        assert kind(hub.access("a/b", "model", "")) == nobody, form


@pytest.mark.parametrize("body", [b"<html>hello</html>", b'{"a": \xff', b"moved, see elsewhere"])
def test_a_yes_has_to_be_one(wire, body: bytes) -> None:
    wire(200, body)
    assert isinstance(hub.access("a/b", "model", TOKEN), Unknown)


class Routes:
    """Answers by path, as a mirror that knows only a part of the Hub's addresses."""

    def __init__(self, metadata: dict[str, Any]) -> None:
        self.metadata = metadata

    def __call__(self, method: str, path: str, token: str) -> hub.Reply:
        if path.endswith("auth-check"):
            said = "Sorry, we can't find the page you are looking for."
            return hub.Reply(404, "", said, {"error": said}, said, path)
        return hub.Reply(200, "", "", self.metadata, "{}", path)


@pytest.mark.parametrize(
    ("metadata", "kind_of"),
    [({"gated": False}, "open"), ({"gated": "auto"}, "Unknown"), ({}, "Unknown")],
)
def test_a_server_without_auth_check(
    metadata: dict[str, Any], kind_of: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "send", Routes(metadata))
    assert kind(hub.access("a/b", "model", TOKEN)) == kind_of


def test_write(wire) -> None:
    wire(403, {"error": "You have read access but not the required permissions for this operation"})
    assert kind(hub.access("a/b", "model", TOKEN, write=True)) == "read-only"
    wire(403, {"error": "Forbidden"})
    assert kind(hub.access("a/b", "model", TOKEN, write=True)) == "read-only"
    wire(404, {"error": "Repository not found"}, X_ERROR_CODE="RepoNotFound")
    assert kind(hub.access("a/b", "model", TOKEN, write=True)) == "missing-or-private"


FINE = {
    "canReadGatedRepos": False,
    "global": ["discussion.write"],
    "scoped": [
        {"entity": {"_id": "u1", "type": "user", "name": "ada"}, "permissions": ["repo.write"]},
        {"entity": {"_id": "o1", "type": "org"}, "permissions": ["job.write"]},
        {"entity": {"_id": "x9", "type": "org"}, "permissions": ["repo.write"]},
    ],
}


def test_whoami_in_every_shape(wire) -> None:
    user: dict[str, Any] = {"type": "user", "id": "u1", "name": "ada"}
    wire(200, user)
    found = hub.whoami(TOKEN)
    assert isinstance(found, Account)
    assert (found.role, found.permissions, found.organisations) == ("", None, None)
    wire(
        200, user | {"auth": {"type": "access_token", "accessToken": {"role": "read"}}, "orgs": []}
    )
    found = hub.whoami(TOKEN)
    assert isinstance(found, Account)
    assert (found.role, found.organisations) == ("read", {})
    auth = {"type": "access_token", "accessToken": {"role": "fineGrained", "fineGrained": FINE}}
    orgs = [{"name": "team", "id": "o1", "roleInOrg": "read", "securityRestrictions": ["sso"]}]
    wire(200, user | {"auth": auth, "orgs": orgs})
    found = hub.whoami(TOKEN)
    assert isinstance(found, Account)
    assert found.permissions == {
        "": {"discussion.write"}, "user:ada": {"repo.write"}, "org:team": {"job.write"},
        "org:?": {"repo.write"},
    }  # fmt: skip
    assert found.can_read_gated is False
    assert found.restrictions == {"team": ("sso",)}
    wire(200, user | {"auth": {"type": "oauth", "expiresAt": "2027-08-05T00:00:00.000Z"}})
    found = hub.whoami(TOKEN)
    assert isinstance(found, Account)
    assert (found.kind, found.expires) == ("oauth", "2027-08-05T00:00:00.000Z")
    app = {"type": "app", "id": "1", "name": "bot", "scope": {"role": "read", "entities": []}}
    wire(200, app | {"auth": {"type": "app_token"}})
    found = hub.whoami(TOKEN)
    assert isinstance(found, Account)
    assert (found.name, found.role) == ("bot", "read")


def test_whoami_refused_or_not_told(wire) -> None:
    wire(401, {"error": "Invalid username or password."})
    assert isinstance(hub.whoami(TOKEN), TokenRefused)
    wire(403, {"error": "Your IP is not allowed"})
    assert isinstance(hub.whoami(TOKEN), Unknown)
    wire(200, ["ada"])
    assert isinstance(hub.whoami(TOKEN), Unknown)
    wire(401, b"<html>log in to the proxy</html>", content_type="text/html")
    assert isinstance(hub.whoami(TOKEN), Unknown)
    wire(429, {"error": "slow down"}, retry_after="17")
    answer = hub.whoami(TOKEN)
    assert isinstance(answer, Unknown)
    assert "17 seconds" in answer.reason


def test_files_and_revisions(wire) -> None:
    rows = [
        {"rfilename": "a.bin", "size": 3},
        {"rfilename": "b", "lfs": {"size": 5}},
        {"rfilename": "c"},
    ]
    wire(200, {"id": "a/b", "siblings": rows})
    found = hub_files.files("a/b", "model", TOKEN)
    assert isinstance(found, RepoFiles)
    assert found.files == {"a.bin": 3, "b": 5, "c": None}
    assert found.complete
    wire(200, {"id": "a/b", "siblings": []})
    empty = hub_files.files("a/b", "model", TOKEN)
    assert isinstance(empty, RepoFiles)
    assert not empty.complete  # nothing is called missing from a list that may not be one
    for said, code in (("Invalid rev id: x", ""), ("no", "RevisionNotFound")):
        wire(404, {"error": said}, x_error_code=code)
        assert isinstance(hub_files.files("a/b", "model", TOKEN, "x"), NoRevision)
    wire(404, {"error": "Repository not found"}, x_error_code="RepoNotFound")
    assert isinstance(hub_files.files("a/b", "model", TOKEN, "x"), Unknown)
    wire(200, {"branches": [{"name": "main"}], "tags": [{"name": "v1"}], "converts": []})
    names = hub_files.refs("a/b", "model", TOKEN)
    assert isinstance(names, Refs)
    assert names.names == ("main", "v1")


def test_jobs(wire) -> None:
    said = "You don't have the required permissions to complete this action on namespace team, missing permissions: job.write."
    wire(403, {"error": said})
    assert kind(hub.jobs_permission("team", TOKEN)) == "read-only"
    wire(404, {"error": "Namespace not found"})
    assert kind(hub.jobs_permission("team", TOKEN)) == "missing-or-private"
    wire(200, {"namespace": {"id": "1", "name": "team"}, "user": {"id": "2", "name": "ada"}})
    assert kind(hub.jobs_permission("team", TOKEN)) == "open"
    wire(200, [{"name": "l4x1", "unitCostUSD": 0.0133}, "noise", {"prettyName": "no name"}])
    rows = hub.hardware(TOKEN)
    assert isinstance(rows, dict)
    assert list(rows) == ["l4x1"]
    wire(200, {})
    assert isinstance(hub.hardware(TOKEN), Unknown)


def test_prices_and_disks() -> None:
    assert per_hour({"unitCostUSD": 0.01, "unitLabel": "minute"}) == pytest.approx(0.6)
    assert per_hour({"unitCostMicroUSD": "13333"}) == pytest.approx(0.8, abs=0.001)
    assert per_hour({"unitCostUSD": 2, "unitLabel": "hour"}) == 2
    assert per_hour({"unitCostUSD": 2, "unitLabel": "fortnight"}) is None
    assert per_hour({"unitCostUSD": "?"}) is None
    assert disk_bytes({"ephemeralStorage": "400 GB"}) == 400 * 2**30
    assert disk_bytes({"ephemeralStorage": "1.5TB"}) == int(1.5 * 2**40)
    assert disk_bytes({"ephemeralStorage": "much"}) is None
    assert disk_bytes({}) is None


def test_only_one_format_of_weights_is_downloaded() -> None:
    files: dict[str, int | None] = {
        "config.json": 1, "model-00001-of-00002.safetensors": 10, "model-00002-of-00002.safetensors": 12,
        "pytorch_model.bin": 100, "original/consolidated.00.pth": 1000, "model.fp16.safetensors": 5,
        "sub/model.safetensors": 7, "tf_model.h5": 50,
    }  # fmt: skip
    assert download_bytes(files) == 22
    assert download_bytes(files, subfolder="sub") == 7
    assert download_bytes(files, variant="fp16") == 5
    assert weight_files({"pytorch_model-00001-of-00001.bin": 1, "x.gguf": 3}) == [
        "pytorch_model-00001-of-00001.bin"
    ]
    assert download_bytes({"model.safetensors": None}) is None
    assert download_bytes({"x.gguf": 3}) is None
