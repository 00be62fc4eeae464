"""What happens when Google is slow, broken, away, or only partly there to be asked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from tests.conftest import ROOT
from tests.emulators.google import GoogleServer
from tests.emulators.google_state import PROJECT, good, scenario
from tests.live.google_job import LIVE, SPEC, checked, codes, skipped

from ftdoctor.config import Config
from ftdoctor.facts.gather import gatherer
from ftdoctor.inspection import inspect
from ftdoctor.job.read import read
from ftdoctor.rulebook.load import load

if TYPE_CHECKING:
    from pathlib import Path


def run(folder: Path, environment: dict[str, str], *options: str) -> tuple[int, dict, float]:
    """Run the command as a process, as a user would."""
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "ftdoctor", "check", "--format", "json", *options, "submit.sh"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert "Traceback" not in done.stderr
    return done.returncode, json.loads(done.stdout), time.monotonic() - start


@pytest.mark.parametrize("fault", ["429", "500", "cut", "garbage", "proxy", "redirect", "list"])
def test_a_broken_google_is_told_and_nothing_is_guessed(
    files: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    inspection = checked(scenario(fault), monkeypatch)
    assert codes(inspection) == []
    assert "FT-AUTH-255" in skipped(inspection)
    inspection.online = True
    assert inspection.exit_code() == 4


def test_one_deadline_for_all(files: Path) -> None:
    with GoogleServer(scenario("slow")) as server:
        code, data, seconds = run(files, server.variables(), "--online", "--deadline", "1")
    assert any("no answer within 1 s" in s["reason"] for s in data["skipped"])
    assert seconds < 4
    assert code == 4


def test_the_questions_go_side_by_side(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = good()
    state.delay = 0.8
    start = time.monotonic()
    inspection = checked(state, monkeypatch)
    seconds = time.monotonic() - start
    assert codes(inspection) == []
    assert len(state.seen) >= 9
    assert seconds < 0.8 * 1.3 + 0.5  # reading the job and the rules included


def test_with_no_network_the_offline_findings_come_at_once(files: Path) -> None:
    (files / "job.yaml").write_text(SPEC.replace("NVIDIA_L4", "NVIDIA_L40"))
    names = ("AIPLATFORM", "CLOUDRESOURCEMANAGER", "STORAGE", "ARTIFACTREGISTRY")
    away = {f"CLOUDSDK_API_ENDPOINT_OVERRIDES_{n}": "https://no.such.host.invalid/" for n in names}
    code, data, seconds = run(files, {**away, "CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "1"})
    assert code == 1
    assert any("cannot be reached" in s["reason"] for s in data["skipped"])
    assert seconds < 4  # 2 s on an idle machine, interpreter and imports included


def test_only_vertex_is_given_and_nothing_else_is_asked_without_a_login(files: Path) -> None:
    state = scenario("api-disabled")
    with GoogleServer(state) as server:
        code, data, seconds = run(files, {"FTDOCTOR_VERTEX_ENDPOINT": server.url}, "--online")
    assert [f["code"] for f in data["findings"] if f["severity"] == "error"] == ["FT-GCP-002"]
    assert state.seen == [f"GET /v1/projects/{PROJECT}/locations/us-central1/customJobs"]
    assert seconds < 4
    assert code == 1


def test_a_denied_list_tells_where_permissions_cannot_be_asked_for(
    files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = good()
    state.permissions = set()
    state.disabled = {"cloudresourcemanager"}
    inspection = checked(state, monkeypatch)
    assert codes(inspection) == ["FT-GCP-004"]
    assert inspection.findings()[0][1].evidence["missing"] == "aiplatform.customJobs.list"


def test_another_api_that_is_off_is_no_fault_of_the_job(
    files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = good()
    state.disabled = {"cloudresourcemanager", "cloudquotas", "serviceusage", "artifactregistry"}
    inspection = checked(state, monkeypatch)
    assert codes(inspection) == []
    assert "gcloud services enable" in " ".join(skipped(inspection).values())


def test_the_activation_page_and_the_paying_project_are_named(
    files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ((_, finding),) = checked(scenario("api-disabled"), monkeypatch).findings()
    fix = finding.fixes[0]
    assert "https://console.developers.google.com/apis/api/aiplatform" in fix.text
    assert fix.command == f"gcloud services enable aiplatform.googleapis.com --project={PROJECT}"


def test_only_vertex_and_logging_are_given(files: Path) -> None:
    state = good()
    state.entries_denied = True
    with GoogleServer(state) as server:
        given = {
            "FTDOCTOR_VERTEX_ENDPOINT": server.url,
            "FTDOCTOR_LOGGING_ENDPOINT": server.url,
        }
        _, data, _ = run(files, given)
    found = {f["code"]: f["severity"] for f in data["findings"]}
    assert found["FT-GCP-006"] == "warning"
    assert "FT-GCP-004" not in found


def test_service_usage_tells_that_the_api_is_off_where_vertex_cannot(
    files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Vertex AI itself is away (a region's host that is blocked), Service Usage is not."""
    with GoogleServer(scenario("api-disabled")) as server:
        for name, value in server.variables().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("FTDOCTOR_VERTEX_ENDPOINT", "http://127.0.0.1:9")
        inspection = inspect(
            read(["submit.sh"]).jobs,
            load(),
            Config(select=LIVE),
            gather=gatherer(online=True, deadline=10),
        )
    ((_, finding),) = inspection.findings()
    assert finding.code == "FT-GCP-002"
    assert f"--project={PROJECT}" in finding.fixes[0].command
