"""What other accounts may do: inferred from policies, told as open where they leave it open."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.emulators.google_state import (
    BUCKET,
    NUMBER,
    PROJECT,
    GoogleState,
    bindings,
    good,
    scenario,
)
from tests.live.google_job import SPEC, checked, codes, skipped

if TYPE_CHECKING:
    from pathlib import Path

# -- what other accounts may do --------------------------------------------------------------------

ELSEWHERE = "us-central1-docker.pkg.dev/shared-images-1/images/train:1"


@pytest.fixture
def shared(files: Path) -> GoogleState:
    """An image of another project."""
    (files / "job.yaml").write_text(
        SPEC.replace(f"us-central1-docker.pkg.dev/{PROJECT}/images/train:1", ELSEWHERE)
    )
    return scenario("image-elsewhere")


REPOSITORY = "projects/shared-images-1/locations/us-central1/repositories/images"
PULLER = f"serviceAccount:service-{NUMBER}@gcp-sa-aiplatform-cc.iam.gserviceaccount.com"


def test_the_agent_may_not_read_the_image_of_another_project(
    shared: GoogleState, monkeypatch: pytest.MonkeyPatch
) -> None:
    ((_, finding),) = checked(shared, monkeypatch).findings()
    assert (finding.code, finding.severity) == ("FT-JOB-006", "error")
    assert finding.fixes[0].command.startswith("gcloud artifacts repositories add-iam-policy-bind")
    assert f"--member={PULLER}" in finding.fixes[0].command
    commands = [fix.command for fix in finding.fixes]
    assert not [command for command in commands if "PROJECT_NUMBER" in command]


def test_within_an_organisation_it_is_a_warning(
    shared: GoogleState, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared.parents["shared-images-1"] = {"type": "folder", "id": "1"}
    ((_, finding),) = checked(shared, monkeypatch).findings()
    assert (finding.code, finding.severity) == ("FT-JOB-006", "warning")


@pytest.mark.parametrize("where", [REPOSITORY, "projects/shared-images-1"])
def test_the_agent_may_read_it(
    shared: GoogleState, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    shared.policies[where] = bindings(("roles/artifactregistry.reader", PULLER))
    inspection = checked(shared, monkeypatch)
    assert codes(inspection) == []
    assert "FT-JOB-006" not in skipped(inspection)


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        (bindings(("roles/artifactregistry.reader", "group:all@example.com")), "group:all"),
        (bindings(("projects/p/roles/puller", PULLER)), "whose rights are not known"),
        (None, "not yours to ask"),
    ],
)
def test_what_bindings_leave_open_is_told_as_open(
    shared: GoogleState, monkeypatch: pytest.MonkeyPatch, policy: Any, said: str
) -> None:
    shared.policies[REPOSITORY] = policy
    inspection = checked(shared, monkeypatch)
    assert codes(inspection) == []
    assert said in skipped(inspection)["FT-JOB-006"]


def test_a_bucket_whose_policy_may_not_be_read(
    files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = good()
    state.policies[f"b/{BUCKET}"] = None
    state.policies[f"projects/{PROJECT}"] = None
    inspection = checked(state, monkeypatch)
    assert codes(inspection) == []
    assert "roles/iam.securityReviewer" in skipped(inspection)["FT-GCP-009"]


def test_the_agent_gets_its_role_when_it_is_first_used(
    files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = good()
    state.policies |= {f"b/{BUCKET}": bindings(), f"projects/{PROJECT}": bindings()}
    inspection = checked(state, monkeypatch)
    assert codes(inspection) == []
    assert skipped(inspection) == {}


def test_a_bucket_of_another_project(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = good()
    state.homes[BUCKET] = "999"
    state.policies[f"b/{BUCKET}"] = bindings()
    inspection = checked(state, monkeypatch)
    assert codes(inspection) == []
    assert "the project that the bucket belongs to" in skipped(inspection)["FT-GCP-009"]


@pytest.mark.parametrize(
    ("spec", "name", "severity"),
    [
        ("args: ['--data=gs://not-there-1/x']", "not-there-1", "warning"),
        ("args: ['--data', '/gcs/not-there-1/x']", "not-there-1", "warning"),
        ("args: ['s3://not-there-1/x', 'https://h/gcs/not-there-1/x']", "", ""),
        ("args: ['gs://${BUCKET}/x', 'gs://YOUR_BUCKET/x']", "", ""),
    ],
)
def test_buckets_in_arguments_are_looked_for(
    files: Path, monkeypatch: pytest.MonkeyPatch, spec: str, name: str, severity: str
) -> None:
    (files / "job.yaml").write_text(SPEC.replace("      imageUri", f"      {spec}\n      imageUri"))
    found = checked(good(), monkeypatch).findings()
    assert [(f.code, f.severity) for _, f in found] == ([("FT-GCP-009", severity)] if name else [])
    assert all(name in f.summary for _, f in found)


def test_packages_are_read_by_the_account_of_the_job(
    files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = f"trainer@{PROJECT}.iam.gserviceaccount.com"
    (files / "job.yaml").write_text(
        f"""\
workerPoolSpecs:
  - machineSpec: {{machineType: n1-standard-8}}
    replicaCount: 1
    pythonPackageSpec:
      executorImageUri: us-docker.pkg.dev/vertex-ai/training/pytorch-gpu.2-4.py310:latest
      packageUris: ['gs://{BUCKET}/trainer-0.1.tar.gz']
      pythonModule: trainer.task
serviceAccount: {account}
"""
    )
    state = good()
    state.policies[f"b/{BUCKET}"] = bindings(
        ("roles/storage.objectCreator", f"serviceAccount:{account}")
    )
    ((_, finding),) = checked(state, monkeypatch).findings()
    assert "has no role to read gs://" in finding.summary
    assert "roles/storage.objectViewer" in finding.fixes[0].command
    state.policies[f"b/{BUCKET}"] = bindings(
        ("roles/storage.objectViewer", f"serviceAccount:{account}")
    )
    assert codes(checked(state, monkeypatch)) == []


def test_image_and_bucket_are_looked_for_without_a_project(
    files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (files / "submit.sh").write_text(
        "gcloud ai custom-jobs create --project=$(cat project.txt) --region=us-central1 "
        "--display-name=t --config=job.yaml\n"
    )
    state = good()
    state.images, state.buckets = set(), {}
    inspection = checked(state, monkeypatch)
    assert sorted(codes(inspection)) == ["FT-GCP-009", "FT-JOB-201"]
    assert "cat project.txt" in skipped(inspection)["FT-GCP-004"]
    inspection = checked(good(), monkeypatch)
    assert codes(inspection) == []
    assert set(skipped(inspection)) == {"FT-GCP-004"}
