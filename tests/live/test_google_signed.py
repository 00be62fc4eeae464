"""Questions signed with a login: refused ones, whose they are, where a token may go."""

from __future__ import annotations

import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.emulators.google import GoogleServer
from tests.emulators.google_state import PROJECT, TOKEN, good, scenario
from tests.live.google_logins import (
    PERSON,
    PYTHON,
    REFRESH,
    SHELL,
    adc,
    check,
    codes,
    configure,
    gcloud_store,
    key,
)

from ftdoctor.facts.google_call import Caller
from ftdoctor.facts.google_endpoint import read_setting
from ftdoctor.facts.google_login import read_login
from ftdoctor.facts.google_sign import Signer

# -- signed, and refused ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["person", "key"])
def test_questions_are_signed_with_the_login(
    home: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    state = good()
    state.wants_token = True

    def login(url: str) -> None:
        adc(home, {**PERSON, "token_uri": f"{url}/token"} if kind == "person" else key(url))

    assert codes(check(state, monkeypatch, PYTHON, login)) == []
    assert state.seen.count("POST /token") == 1
    assert f"Bearer {TOKEN}" in state.signed


def test_a_gcloud_job_is_asked_about_with_gclouds_login(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = good()
    state.wants_token = True

    def login(url: str) -> None:
        configure(home, core_account="grace@example.com")
        gcloud_store(home, "grace@example.com", PERSON)
        monkeypatch.setenv("CLOUDSDK_AUTH_TOKEN_HOST", f"{url}/token")

    assert codes(check(state, monkeypatch, SHELL, login)) == []
    assert f"Bearer {TOKEN}" in state.signed


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("invalid-grant", "expired or revoked"),
        ("invalid-rapt", "Reauthentication is needed"),
        ("invalid-key", "Invalid JWT Signature"),
    ],
)
def test_a_refused_login_is_the_only_finding(
    home: Path, monkeypatch: pytest.MonkeyPatch, name: str, said: str
) -> None:
    state = scenario(name)

    def login(url: str) -> None:
        whose = key(url) if name == "invalid-key" else {**PERSON, "token_uri": f"{url}/token"}
        adc(home, whose)

    inspection = check(state, monkeypatch, PYTHON, login)
    assert codes(inspection) == ["FT-GCP-003"]
    assert not [s.reason for report in inspection.jobs for s in report.skipped]
    ((_, finding),) = inspection.findings()
    assert said in finding.evidence["said"]
    command = "keys list" if name == "invalid-key" else "application-default login"
    assert command in finding.fixes[0].command


def test_gclouds_expired_login_is_renewed_by_gcloud(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def login(url: str) -> None:
        configure(home, core_account="grace@example.com")
        gcloud_store(home, "grace@example.com", PERSON)
        monkeypatch.setenv("CLOUDSDK_AUTH_TOKEN_HOST", f"{url}/token")

    inspection = check(scenario("invalid-grant"), monkeypatch, SHELL, login)
    ((_, finding),) = inspection.findings()
    assert (finding.code, finding.fixes[0].command) == ("FT-GCP-003", "gcloud auth login")


def test_a_damaged_key_is_told(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def login(url: str) -> None:
        text = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
        adc(home, {**key(url), "private_key": text})

    inspection = check(good(), monkeypatch, PYTHON, login)
    assert codes(inspection) == ["FT-GCP-003"]


def test_two_accounts_and_which_one_counts(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = good()

    def login(url: str) -> None:
        configure(home, core_account="grace@example.com")
        gcloud_store(home, "grace@example.com", {**PERSON})
        monkeypatch.setenv("CLOUDSDK_AUTH_TOKEN_HOST", f"{url}/token")
        # The file of a person's login does not name the account: Google tells it.
        adc(home, {**PERSON, "token_uri": f"{url}/token"})

    inspection = check(state, monkeypatch, PYTHON, login)
    ((_, finding),) = inspection.findings()
    assert (finding.code, finding.severity) == ("FT-GCP-251", "warning")
    assert "Python submits this job, so ada@example.com counts" in finding.summary
    inspection = check(good(), monkeypatch, SHELL, login)
    ((_, finding),) = inspection.findings()
    assert (finding.code, finding.severity) == ("FT-GCP-251", "note")
    assert "gcloud submits this job, so grace@example.com counts" in finding.summary


def test_what_lacks_is_granted_to_the_account_that_asks(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = scenario("no-create")
    inspection = check(state, monkeypatch, PYTHON, lambda url: adc(home, key(url)))
    ((_, finding),) = inspection.findings()
    assert finding.code == "FT-GCP-004"
    who = f"serviceAccount:ci@{PROJECT}.iam.gserviceaccount.com"
    assert f"{PROJECT} --member={who} --role=roles/aiplatform.user" in finding.fixes[0].command


# -- where a token may go --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "signs"),
    [
        ("http://127.0.0.1:9", True),
        ("http://localhost:9", True),
        ("https://proxy.example.com", True),
        ("proxy.example.com:8443", True),
        ("http://10.1.2.3:9", False),
        ("http://localhost.example.com:9", False),
        ("http://127.0.0.1.example.com", False),
    ],
)
def test_a_token_goes_over_tls_or_within_this_machine(setting: str, signs: bool) -> None:
    assert read_setting("aiplatform", setting).may_sign is signs


def test_no_token_in_the_clear_on_a_network(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
            address = probe.getsockname()[0]
        except OSError:
            pytest.skip("this machine has no network address")
    if address.startswith("127."):
        pytest.skip("this machine has no network address")
    state = good()
    with GoogleServer(state, host="0.0.0.0") as server:
        url = f"http://127.0.0.1:{server.server_address[1]}"
        adc(home, {**PERSON, "token_uri": f"{url}/token"})
        port = server.server_address[1]
        monkeypatch.setenv("FTDOCTOR_VERTEX_ENDPOINT", f"http://{address}:{port}")
        path = f"/v1/projects/{PROJECT}/locations/us-central1/customJobs"
        Caller(read_login()).ask("GET", "aiplatform", path)
    assert state.signed == [""]


def test_a_foreign_token_endpoint_is_not_given_a_persons_login(home: Path) -> None:
    adc(home, {**PERSON, "token_uri": "https://tokens.example.com/token"})
    from ftdoctor.facts.google_sign import _token_host

    assert _token_host(read_login()) == "https://oauth2.googleapis.com/token"
    adc(home, {**key("http://192.0.2.7"), "token_uri": "http://192.0.2.7/token"})
    answer = Signer(read_login()).token()
    assert "not encrypted" in getattr(answer, "reason", "")


@pytest.mark.parametrize("fmt", ["terminal", "json", "sarif", "markdown"])
def test_no_secret_in_any_output(
    home: Path, monkeypatch: pytest.MonkeyPatch, cli: Any, fmt: str
) -> None:
    Path("submit.py").write_text(PYTHON)
    for name in ("good", "no-create", "invalid-grant", "expired"):
        state = scenario(name)
        with GoogleServer(state) as server:
            for variable, value in server.variables(signed=True).items():
                monkeypatch.setenv(variable, value)
            adc(home, {**PERSON, "token_uri": f"{server.url}/token"})
            ran = cli("check", "--verbose", "--format", fmt, "submit.py")
        text = ran.out + ran.err
        for secret in (TOKEN, REFRESH, PERSON["client_secret"]):
            assert secret not in text
            assert secret[6:20] not in text


@pytest.mark.parametrize("fault", ["500", "cut", "garbage", "proxy", "redirect", "list"])
@pytest.mark.parametrize("kind", ["person", "key"])
def test_a_broken_token_endpoint_is_told_and_asked_once(
    home: Path, monkeypatch: pytest.MonkeyPatch, fault: str, kind: str
) -> None:
    state = scenario(fault)

    def login(url: str) -> None:
        adc(home, {**PERSON, "token_uri": f"{url}/token"} if kind == "person" else key(url))

    inspection = check(state, monkeypatch, PYTHON, login)
    assert codes(inspection) == []
    # google-auth itself tries three times after a 500
    assert state.seen.count("POST /token") <= 3


def test_the_expired_login_of_the_libraries_is_no_fault_of_a_gcloud_job(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = scenario("invalid-grant")
    state.wants_token = False
    later = (datetime.now(tz=UTC) + timedelta(minutes=30)).replace(tzinfo=None)

    def login(url: str) -> None:
        configure(home, core_account="grace@example.com")
        gcloud_store(home, "grace@example.com", PERSON, token=TOKEN, expiry=str(later))
        adc(home, {**PERSON, "token_uri": f"{url}/token"})

    assert codes(check(state, monkeypatch, SHELL, login)) == []
    assert "POST /token" in state.seen
