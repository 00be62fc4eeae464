"""What `check` says of Google's answers, one fault at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.emulators.google import GoogleServer
from tests.emulators.google_state import (
    ACCOUNT,
    BUCKET,
    CPUS,
    L4,
    PROJECT,
    SCENARIOS,
    GoogleState,
    bindings,
    good,
    scenario,
)

from ftdoctor.config import Config
from ftdoctor.facts.gather import gatherer
from ftdoctor.inspection import Inspection, inspect
from ftdoctor.job.read import read
from ftdoctor.rulebook.load import load

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

IMAGE = "us-central1-docker.pkg.dev/my-project-1/images/train:1"
ALL = {"aiplatform.customJobs.create", "aiplatform.customJobs.get", "logging.logEntries.list"}
LIVE = ("FT-GCP", "FT-JOB-006", "FT-JOB-017", "FT-JOB-018", "FT-JOB-201", "FT-JOB-252")
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
    # Reading a policy and testing permissions are POSTs too; nothing else may be one.
    asking = (":testIamPermissions", ":getIamPolicy")
    assert not [s for s in state.seen if s.startswith("POST") and not s.endswith(asking)]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"permissions": ALL - {"aiplatform.customJobs.create"}}, "FT-GCP-004"),
        ({"permissions": ALL - {"logging.logEntries.list"}}, "FT-GCP-006"),
        ({"refuses": "disabled"}, "FT-GCP-002"),
        ({"refuses": "vpc"}, "FT-GCP-201"),
        ({"refuses": "billing"}, "FT-GCP-202"),
        ({"refuses": "project"}, "FT-GCP-007"),
        ({"refuses": "quota-project"}, "FT-GCP-252"),
        ({"refuses": "scopes"}, "FT-GCP-005"),
        ({"refuses": "region"}, "FT-JOB-252"),
        ({"accounts": {ACCOUNT: set()}}, "FT-GCP-008"),
        ({"accounts": {}}, "FT-GCP-008"),
        ({"buckets": {}}, "FT-GCP-009"),
        ({"images": set()}, "FT-JOB-201"),
        ({"quotas": {L4: 1, CPUS: 100}}, "FT-JOB-018"),
        ({"quotas": {L4: 0, CPUS: 100}}, "FT-JOB-018"),
        ({"quotas": {L4: 8, CPUS: 23}}, "FT-JOB-017"),
        (
            {"policies": {f"b/{BUCKET}": bindings(), f"projects/{PROJECT}": bindings()}},
            "FT-GCP-009",
        ),
        ({"states": {PROJECT: "DELETE_REQUESTED"}}, "FT-GCP-007"),
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


def test_each_scenario_of_the_emulator_can_be_had() -> None:
    assert all(isinstance(scenario(name), GoogleState) for name in SCENARIOS)
    with pytest.raises(SystemExit, match="no-create"):
        scenario("nope")


def test_what_was_learnt_is_told(inspected) -> None:
    (report,) = inspected(good()).jobs
    asked = report.told["asked"]
    assert f"project {PROJECT}: may start and follow it" in asked
    assert "quota custom_model_training_nvidia_l4_gpus: 4, 2 needed" in asked
    assert f"{IMAGE}: is there" in asked
    state = good()
    state.permissions.discard("aiplatform.customJobs.create")
    (report,) = inspected(state).jobs
    assert "lacks aiplatform.customJobs.create" in report.told["asked"]
