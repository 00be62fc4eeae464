"""Every format of one report: the contract's fields, SARIF by its model, and no secret anywhere."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest

from ftdoctor.report import FORMATS

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "hf_" + "QwErTyUiOpAsDfGhJkLzXcVbNmQwErTyUi"
WANDB = "0123456789abcdef0123456789abcdef01234567"
JOB = f"""\
workerPoolSpecs:
  - machineSpec:
      machineType: g2-standard-8
      acceleratorType: NVIDIA_L40
      acceleratorCount: 1
    replicaCount: 1
    containerSpec:
      imageUri: us-docker.pkg.dev/my-project-1/images/train:1
      args: ["--hub_token={SECRET}"]
      env:
        - name: HF_TOKEN
          value: {SECRET}
        - name: WANDB_API_KEY
          value: {WANDB}
"""


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "job.yaml"
    path.write_text(JOB)
    return path


@pytest.mark.parametrize("fmt", FORMATS)
def test_the_format_never_changes_the_exit_code_and_shows_no_secret(
    fmt: str, job: Path, cli
) -> None:
    ran = cli("check", "--offline", "--format", fmt, "job.yaml")
    assert ran.code == 1
    assert "FT-JOB-101" in ran.out
    for secret in (SECRET, WANDB):
        assert secret not in ran.out + ran.err
        assert secret[4:] not in ran.out + ran.err


def test_json_contract(job: Path, cli) -> None:
    data = json.loads(cli("check", "--offline", "--format", "json", "job.yaml").out)
    assert data["schema_version"] == 1
    assert data["tool"]["name"] == "ftdoctor"
    assert {"job", "findings", "skipped", "summary"} <= set(data)
    found = next(f for f in data["findings"] if f["code"] == "FT-JOB-101")
    fields = {
        "code", "name", "severity", "summary", "explain", "evidence", "location", "fixes", "references",
    }  # fmt: skip
    assert fields <= set(found)
    assert found["location"]["path"] == "job.yaml"
    assert (found["location"]["line"], found["location"]["column"]) == (4, 24)
    assert {"text", "command", "edit", "safe"} == set(found["fixes"][0])
    machine = data["job"]["worker_pools"][0]["machine_type"]
    assert machine["value"] == "g2-standard-8"
    assert machine["from"]["line"] == 3


def test_sarif_is_valid_and_lists_all_rules(job: Path, cli) -> None:
    from sarif_pydantic import Sarif

    text = cli("check", "--offline", "--format", "sarif", "job.yaml").out
    Sarif.model_validate_json(text)
    run = json.loads(text)["runs"][0]
    rules = run["tool"]["driver"]["rules"]
    assert len(rules) > 150
    assert len({r["id"] for r in rules}) == len(rules)
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        region = result["locations"][0]["physicalLocation"]["region"]
        assert region["startLine"] >= 1


def test_junit_and_github(job: Path, cli) -> None:
    suites = ElementTree.fromstring(cli("check", "--offline", "--format", "junit", "job.yaml").out)
    suite = suites.find("testsuite")
    assert suite is not None
    assert int(suite.get("failures", "0")) == len(suite.findall("testcase/failure")) > 0
    out = cli("check", "--offline", "--format", "github", "job.yaml").out
    assert "::error title=FT-JOB-101 accelerator-name-unknown,file=job.yaml,line=4,col=24" in out


def test_whole_terminal_output(job: Path, cli) -> None:
    """A snapshot of what a person sees, for one rule: any change of a byte is seen here."""
    ran = cli("check", "--offline", "--select", "FT-JOB-101", "job.yaml")
    assert ran.out == SNAPSHOT


SNAPSHOT = """\
job.yaml  Vertex AI custom job, YAML
  runs on   g2-standard-8 · 1 × NVIDIA_L40
  image     us-docker.pkg.dev/my-project-1/images/train:1
  not read  entry point: the image runs its own entry point, which these files do not show

error[FT-JOB-101] There is no accelerator NVIDIA_L40; use NVIDIA_L4.
  --> job.yaml:4:24
    4 |       acceleratorType: NVIDIA_L40
      |                        ^^^^^^^^^^
      The API takes only the names of its own list, and gcloud sends the YAML as it stands, so the
      refusal comes from the server. The memory is part of some names (NVIDIA_H200_141GB) and TESLA
      only of the old ones (NVIDIA_TESLA_T4, but NVIDIA_L4).
      fix: Replace NVIDIA_L40 by NVIDIA_L4. [--fix]

1 error in 1 job (0 rules passed).
1 finding can be mended with --fix (--diff shows the edits).
"""


def test_fix_mends_and_the_next_check_is_clean(job: Path, cli) -> None:
    shown = cli("check", "--offline", "--diff", "--select", "FT-JOB-101", "job.yaml")
    assert "-      acceleratorType: NVIDIA_L40\n+      acceleratorType: NVIDIA_L4" in shown.out
    assert job.read_text() == JOB
    ran = cli("check", "--offline", "--fix", "--select", "FT-JOB-101", "job.yaml")
    assert ran.code == 0
    assert job.read_text() == JOB.replace("NVIDIA_L40", "NVIDIA_L4")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["nothing.yaml"], 2),
        (["--with", "trl=1", "job.yaml"], 2),
        (["--offline", "--online", "job.yaml"], 2),
        (["--offline", "--fail-on", "never", "job.yaml"], 0),
        (["--offline", "--ignore", "FT-JOB,FT-AUTH", "job.yaml"], 0),
        (["--offline", "empty"], 3),
        (["--offline", "broken.yaml"], 4),
    ],
)
def test_exit_codes(arguments: list[str], code: int, job: Path, cli) -> None:
    (job.parent / "empty").mkdir()
    (job.parent / "broken.yaml").write_text(
        "workerPoolSpecs:\n  - machineSpec: {machineType: [g2\n"
    )
    ran = cli("check", *arguments)
    assert ran.code == code, ran.out + ran.err
    assert "Traceback" not in ran.err
