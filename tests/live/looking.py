"""One check against the Hub of the tests, and what it finds of tokens and repositories."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import pytest
from tests.emulators.hub import OPEN, State, base

from ftdoctor.config import Config
from ftdoctor.facts.gather import gatherer
from ftdoctor.inspection import Inspection, inspect
from ftdoctor.job.read import read
from ftdoctor.rulebook.load import load

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ftdoctor.rulebook.model import Finding

SCRIPT = """\
from transformers import AutoModelForCausalLM, Trainer, TrainingArguments

model = AutoModelForCausalLM.from_pretrained("{model}")
trainer = Trainer(model=model, args=TrainingArguments(output_dir="/tmp/out"{push}))
trainer.train()
"""
PUSH = ', push_to_hub=True, hub_model_id="ada/out"'
VERTEX = """\
workerPoolSpecs:
  - machineSpec: {{machineType: g2-standard-12, acceleratorType: NVIDIA_L4, acceleratorCount: 1}}
    replicaCount: 1
    containerSpec:
      imageUri: us-docker.pkg.dev/p/r/train:1
      command: [python, train.py]
      env:
        - name: HF_TOKEN
          value: {value}
scheduling: {{timeout: {timeout}s}}
"""


def oauth(expires: float = 0, *scopes: str) -> str:
    body: dict[str, object] = {"scope": list(scopes) or ["read-repos", "write-repos"]}
    if expires:
        body["exp"] = int(expires)
    payload = base64.urlsafe_b64encode(json.dumps(body).encode()).decode().rstrip("=")
    return f"hf_oauth_eyJhbGciOiJFZERTQSJ9.{payload}.c2ln"


@pytest.fixture
def look(hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Finding]]:
    """Check a job on a Hub with a state and return what is found of tokens and repositories."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))

    def call(
        state: State | None = None, *, model: str = OPEN, push: str = "", job: str = "train.py",
        text: str = "", online: bool = True,
    ) -> list[Finding]:  # fmt: skip
        hub(state or base())
        (tmp_path / "train.py").write_text(SCRIPT.format(model=model, push=push))
        if text:
            (tmp_path / job).write_text(text)
        done: Inspection = inspect(
            read([job]).jobs,
            load(),
            Config(select=("FT-AUTH", "FT-NET"), ignore={"FT-AUTH-113": "", "FT-AUTH-118": ""}),
            gather=gatherer(online=online, deadline=10),
        )
        assert not [c.error for report in done.jobs for c in report.crashed]
        call.skipped = [s.reason for report in done.jobs for s in report.skipped]  # type: ignore[attr-defined]
        call.told = done.jobs[0].told if done.jobs else {}  # type: ignore[attr-defined]
        return [f for _, f in done.findings()]

    return call


def only(findings: list[Finding]) -> Finding:
    assert len(findings) == 1, [f"{f.code} {f.summary}" for f in findings]
    return findings[0]
