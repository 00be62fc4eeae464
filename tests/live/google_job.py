"""A job that names things of Google's, checked against a state of the emulator."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.emulators.google import GoogleServer
from tests.emulators.google_state import BUCKET, PROJECT, GoogleState

from ftdoctor.config import Config
from ftdoctor.facts.gather import gatherer
from ftdoctor.inspection import Inspection, inspect
from ftdoctor.job.read import read
from ftdoctor.rulebook.load import load

if TYPE_CHECKING:
    import pytest

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
