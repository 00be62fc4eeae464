"""An endpoint that speaks gRPC only, and the same address written in every way."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.emulators.google import GoogleServer
from tests.emulators.google_grpc import serve
from tests.emulators.google_state import JOB, GoogleState, good, scenario
from tests.logs.envelopes import vertex_entries

from ftdoctor.facts.google_call import Answer, Caller
from ftdoctor.facts.google_endpoint import endpoint
from ftdoctor.facts.google_login import GoogleLogin
from ftdoctor.facts.google_refusal import Refused
from ftdoctor.facts.value import Unknown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PATH = "/v1/projects/my-project-1/locations/us-central1/customJobs?pageSize=1"
LOG = """\
Traceback (most recent call last):
  File "/workspace/train.py", line 12, in <module>
    trainer = SFTTrainer(model=model, tokenizer=tokenizer)
TypeError: SFTTrainer.__init__() got an unexpected keyword argument 'tokenizer'
"""


@pytest.fixture
def grpc_server() -> Iterator[Callable[[GoogleState], str]]:
    """Start a gRPC server for a state; gives its "localhost:PORT"."""
    servers: list[Any] = []

    def start(state: GoogleState) -> str:
        server, target = serve(state)
        servers.append(server)
        return target

    yield start
    for server in servers:
        server.stop(None)


def asked(login: GoogleLogin | None = None) -> Any:
    caller = Caller(login or GoogleLogin(problem="absent", path="nowhere"))
    return caller.ask("GET", "aiplatform", PATH, region="us-central1")


def test_a_list_over_grpc(monkeypatch: pytest.MonkeyPatch, grpc_server: Any) -> None:
    state = good()
    monkeypatch.setenv("FTDOCTOR_VERTEX_ENDPOINT", grpc_server(state))
    assert isinstance(asked(), Answer)
    assert state.seen == ["grpc ListCustomJobs"]
    assert state.signed == [""]


def test_a_token_goes_along(monkeypatch: pytest.MonkeyPatch, grpc_server: Any) -> None:
    state = good()
    monkeypatch.setenv("FTDOCTOR_VERTEX_ENDPOINT", grpc_server(state))
    assert isinstance(asked(GoogleLogin(kind="access_token", token="ya29.given")), Answer)
    assert state.signed == ["Bearer ya29.given"]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("api-disabled", "api-disabled"),
        ("vpc", "vpc"),
        ("project", "project"),
        ("quota-project", "quota-project"),
        ("scopes", "scopes"),
        ("region", "region"),
        ("expired", "reauth"),
    ],
)
def test_refusals_mean_the_same_over_both(
    monkeypatch: pytest.MonkeyPatch, grpc_server: Any, name: str, kind: str
) -> None:
    monkeypatch.setenv("FTDOCTOR_VERTEX_ENDPOINT", grpc_server(scenario(name)))
    over_grpc = asked()
    with GoogleServer(scenario(name)) as server:
        monkeypatch.setenv("FTDOCTOR_VERTEX_ENDPOINT", server.url)
        over_rest = asked()
    assert isinstance(over_grpc, Refused)
    assert isinstance(over_rest, Refused)
    assert over_grpc.kind == over_rest.kind == kind
    assert over_grpc.project == over_rest.project
    assert over_grpc.link == over_rest.link


def test_a_denied_permission_is_named(monkeypatch: pytest.MonkeyPatch, grpc_server: Any) -> None:
    state = good()
    state.permissions = set()
    monkeypatch.setenv("FTDOCTOR_VERTEX_ENDPOINT", grpc_server(state))
    answer = asked()
    assert (answer.kind, answer.permission) == ("permission", "aiplatform.customJobs.list")


def test_nobody_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FTDOCTOR_VERTEX_ENDPOINT", "localhost:9")
    assert isinstance(asked(), Unknown)


def test_host_and_port_of_a_rest_server_are_asked_over_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    state = good()
    with GoogleServer(state) as server:
        monkeypatch.setenv("FTDOCTOR_VERTEX_ENDPOINT", server.url.removeprefix("http://"))
        assert isinstance(asked(), Answer)


@pytest.mark.parametrize(
    ("setting", "protocol", "url", "target"),
    [
        ("http://127.0.0.1:9/", "rest", "http://127.0.0.1:9", "127.0.0.1:9"),
        ("http://[::1]:9", "rest", "http://[::1]:9", "[::1]:9"),
        ("localhost:9", "grpc", "http://localhost:9", "localhost:9"),
        ("h.example.com", "rest", "https://h.example.com", "h.example.com:443"),
        ("h.example.com:443", "rest", "https://h.example.com:443", "h.example.com:443"),
        ("h.example.com:8443", "grpc", "https://h.example.com:8443", "h.example.com:8443"),
        (
            "https://h.example.com/prefix/",
            "rest",
            "https://h.example.com/prefix",
            "h.example.com:443",
        ),
        ("https://h.example.com/v1/", "rest", "https://h.example.com", "h.example.com:443"),
    ],
)
def test_how_a_setting_is_read(
    monkeypatch: pytest.MonkeyPatch, setting: str, protocol: str, url: str, target: str
) -> None:
    monkeypatch.setenv("FTDOCTOR_VERTEX_ENDPOINT", setting)
    found = endpoint("aiplatform", "us-central1")
    assert (found.protocol, found.url, found.target) == (protocol, url, target)


def test_gclouds_configuration_names_an_endpoint_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    (tmp_path / "configurations").mkdir()
    text = "[api_endpoint_overrides]\naiplatform = https://private.example.com/\n"
    (tmp_path / "configurations" / "config_default").write_text(text)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    assert endpoint("aiplatform", "us-central1").url == "https://private.example.com"
    assert endpoint("iam").url == "https://iam.googleapis.com"


def test_a_job_is_explained_over_grpc(
    cli: Any, monkeypatch: pytest.MonkeyPatch, grpc_server: Any
) -> None:
    state = good()
    state.entries = vertex_entries(LOG)
    target = grpc_server(state)
    monkeypatch.setenv("FTDOCTOR_VERTEX_ENDPOINT", target)
    monkeypatch.setenv("FTDOCTOR_LOGGING_ENDPOINT", target)
    ran = cli("explain", JOB, "--format", "json")
    assert ran.code == 0, ran.err
    assert json.loads(ran.out)["cause"]["name"] == "sfttrainer-tokenizer-arg-removed"
    assert state.seen == ["grpc GetCustomJob", "grpc ListLogEntries"]


def test_a_job_that_may_not_be_read_over_grpc(
    cli: Any, monkeypatch: pytest.MonkeyPatch, grpc_server: Any
) -> None:
    state = good()
    state.permissions = set()
    monkeypatch.setenv("FTDOCTOR_VERTEX_ENDPOINT", grpc_server(state))
    ran = cli("explain", JOB)
    assert ran.code == 4
    assert "aiplatform.customJobs.get" in ran.err
    assert "Traceback" not in ran.err
