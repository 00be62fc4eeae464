"""What `check` says of Google's answers, through google-auth's own session."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from tests.emulators.google import ACCOUNT, L4, GoogleServer, GoogleState, good

from ftdoctor.config import Config
from ftdoctor.facts.gather import gatherer
from ftdoctor.facts.google_login import read_login
from ftdoctor.inspection import Inspection, inspect
from ftdoctor.job.read import read
from ftdoctor.rulebook.load import load

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

IMAGE = "us-central1-docker.pkg.dev/my-project-1/images/train:1"
ALL = {"aiplatform.customJobs.create", "aiplatform.customJobs.get", "logging.logEntries.list"}
LIVE = ("FT-GCP", "FT-JOB-018", "FT-JOB-201")
SUBMIT = f"""\
gcloud ai custom-jobs create --project=my-project-1 --region=us-central1 --display-name=t \\
  --service-account={ACCOUNT} --config=job.yaml
"""
SPEC = f"""\
workerPoolSpecs:
  - machineSpec: {{machineType: g2-standard-24, acceleratorType: NVIDIA_L4, acceleratorCount: 2}}
    replicaCount: 1
    containerSpec:
      imageUri: {IMAGE}
baseOutputDirectory: {{outputUriPrefix: gs://my-bucket-1/out}}
"""


@pytest.fixture
def inspected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[GoogleState], Inspection]:
    (tmp_path / "job.yaml").write_text(SPEC)
    (tmp_path / "submit.sh").write_text(SUBMIT)
    monkeypatch.chdir(tmp_path)

    def run(state: GoogleState) -> Inspection:
        with GoogleServer(state) as server:
            for name, value in server.variables().items():
                monkeypatch.setenv(name, value)
            return inspect(
                read(["submit.sh"]).jobs,
                load(),
                Config(select=LIVE),
                gather=gatherer(online=False, deadline=10),
            )

    return run


def codes(inspection: Inspection) -> set[str]:
    assert not [c for report in inspection.jobs for c in report.crashed]
    return {f.code for _, f in inspection.findings()}


def test_all_is_well(inspected) -> None:
    state = good()
    assert codes(inspected(state)) == set()
    assert not [s for s in state.seen if s.startswith("POST") and ":testIamPermissions" not in s]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"permissions": ALL - {"aiplatform.customJobs.create"}}, "FT-GCP-004"),
        ({"permissions": ALL - {"logging.logEntries.list"}}, "FT-GCP-006"),
        ({"api_enabled": False}, "FT-GCP-002"),
        ({"accounts": {ACCOUNT: set()}}, "FT-GCP-008"),
        ({"accounts": {}}, "FT-GCP-008"),
        ({"buckets": {}}, "FT-GCP-009"),
        ({"images": set()}, "FT-JOB-201"),
        (
            {"quotas": {L4: 1}},
            "FT-JOB-018",
        ),
        ({"token_expired": True}, "FT-GCP-003"),
    ],
)
def test_each_fault_is_the_only_finding(inspected, change: dict, code: str) -> None:
    state = good()
    for name, value in change.items():
        setattr(state, name, value)
    assert codes(inspected(state)) == {code}


def test_spot_asks_for_the_preemptible_quota(inspected, tmp_path: Path) -> None:
    (tmp_path / "job.yaml").write_text(SPEC + "scheduling: {strategy: SPOT}\n")
    state = good()
    inspected(state)
    assert any("CustomModelTrainingPreemptibleL4GPUs" in s for s in state.seen)


def test_the_login_is_read_from_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    assert read_login().problem == "absent"
    adc = tmp_path / "application_default_credentials.json"
    adc.write_text("{")
    assert read_login().problem == "not-json"
    adc.write_text('{"type": "foo"}')
    assert read_login().problem == "no-type"
    adc.write_text(
        json.dumps({"type": "authorized_user", "account": "a@x.org", "quota_project_id": "q"})
    )
    (tmp_path / "configurations").mkdir()
    (tmp_path / "configurations" / "config_default").write_text(
        "[core]\naccount = b@x.org\nproject = p\n"
    )
    login = read_login()
    assert (login.problem, login.account, login.gcloud_account) == ("", "a@x.org", "b@x.org")
    assert (login.quota_project, login.gcloud_project) == ("q", "p")
