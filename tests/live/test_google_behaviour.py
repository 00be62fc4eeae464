"""What happens when Google is slow, broken, away, or only partly there to be asked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from tests.conftest import ROOT
from tests.emulators.google import GoogleServer
from tests.emulators.google_state import (
    BUCKET,
    CPUS,
    L4,
    NUMBER,
    PROJECT,
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
    from pathlib import Path

LIVE = (
    "FT-GCP", "FT-JOB-006", "FT-JOB-017", "FT-JOB-018", "FT-JOB-201", "FT-JOB-252", "FT-AUTH-255",
)  # fmt: skip
SUBMIT = f"""\
gcloud ai custom-jobs create --project={PROJECT} --region=us-central1 --display-name=t \\
  --config=job.yaml
"""
SPEC = f"""\
workerPoolSpecs:
  - machineSpec: {{machineType: g2-standard-24, acceleratorType: NVIDIA_L4, acceleratorCount: 2}}
    replicaCount: 1
    containerSpec:
      imageUri: us-central1-docker.pkg.dev/{PROJECT}/images/train:1
baseOutputDirectory: {{outputUriPrefix: gs://{BUCKET}/out}}
"""


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A job and the command that submits it."""
    (tmp_path / "job.yaml").write_text(SPEC)
    (tmp_path / "submit.sh").write_text(SUBMIT)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def checked(
    state: GoogleState, monkeypatch: pytest.MonkeyPatch, deadline: float = 10
) -> Inspection:
    """Check the job against a server in this state."""
    with GoogleServer(state) as server:
        for name, value in server.variables().items():
            monkeypatch.setenv(name, value)
        found = inspect(
            read(["submit.sh"]).jobs,
            load(),
            Config(select=LIVE),
            gather=gatherer(online=True, deadline=deadline),
        )
    assert not [c for report in found.jobs for c in report.crashed]
    return found


def skipped(inspection: Inspection) -> dict[str, str]:
    return {s.code: f"{s.reason} [{s.needs}]" for report in inspection.jobs for s in report.skipped}


def codes(inspection: Inspection) -> list[str]:
    return [f.code for _, f in inspection.findings()]


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


# -- quota -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("service", ["cloudquotas", "serviceusage"])
@pytest.mark.parametrize(
    ("quotas", "code"),
    [
        ({L4: 2, CPUS: 24}, ""),
        ({L4: -1, CPUS: -1}, ""),
        ({L4: 1, CPUS: 24}, "FT-JOB-018"),
        ({L4: 0, CPUS: 24}, "FT-JOB-018"),
        ({L4: 2, CPUS: 23}, "FT-JOB-017"),
        ({(L4[0], None): 8, L4: 1, CPUS: 24}, "FT-JOB-018"),
        # The row of another region, or of all others, says nothing of this one.
        ({(L4[0], "us-east4"): 0, CPUS: 24}, ""),
    ],
)
def test_either_quota_service_is_read(
    files: Path,
    monkeypatch: pytest.MonkeyPatch,
    service: str,
    quotas: dict[Any, int],
    code: str,
) -> None:
    state = good()
    state.quotas = quotas
    state.disabled = {"cloudquotas", "serviceusage"} - {service}
    assert codes(checked(state, monkeypatch)) == ([code] if code else [])


def test_a_quota_that_is_not_listed_is_not_told(
    files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = good()
    state.quotas = {}
    inspection = checked(state, monkeypatch)
    assert codes(inspection) == []
    assert "names no limit" in skipped(inspection)["FT-JOB-018"]
    assert "names no limit" in skipped(inspection)["FT-JOB-017"]


def test_a_job_in_a_reservation_counts_against_other_quotas(
    files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (files / "job.yaml").write_text(
        SPEC.replace(
            "acceleratorCount: 2}",
            "acceleratorCount: 2, reservationAffinity: {reservationAffinityType: ANY_RESERVATION}}",
        )
    )
    state = good()
    state.quotas = {L4: 0, CPUS: 0}
    assert codes(checked(state, monkeypatch)) == []


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
