"""Jobs by id, through the real clients against loopback."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.emulators.job_logs import Jobs, JobsServer
from tests.logs.envelopes import vertex_entries

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAME = "projects/some-project/locations/us-central1/customJobs/1234567890123"
HEX = "6a5b4c3d2e1f00112233aabb"
LOG = """\
Collecting trl==1.16.0
Traceback (most recent call last):
  File "/workspace/train.py", line 12, in <module>
    trainer = SFTTrainer(model=model, tokenizer=tokenizer)
TypeError: SFTTrainer.__init__() got an unexpected keyword argument 'tokenizer'
"""
WRAPPER = (
    "The replica workerpool0-0 exited with a non-zero status of 1. Termination reason: Error. "
    "To find out more about why your job exited please check the logs: "
    "https://console.cloud.google.com/logs/viewer?project=1&resource=ml_job%2Fjob_id%2F1234567890123"
)


def custom_job(state: str = "JOB_STATE_FAILED", message: str = WRAPPER) -> dict[str, Any]:
    return {
        "name": NAME.replace("some-project", "424242"),
        "displayName": "sft",
        "state": state,
        "createTime": "2026-05-10T02:20:00Z",
        "startTime": "2026-05-10T02:22:00Z",
        "endTime": "2026-05-10T02:52:00Z",
        "jobSpec": {
            "workerPoolSpecs": [
                {
                    "machineSpec": {
                        "machineType": "g2-standard-12",
                        "acceleratorType": "NVIDIA_L4",
                        "acceleratorCount": 1,
                    },
                    "replicaCount": "1",
                    "containerSpec": {"imageUri": "us-docker.pkg.dev/p/r/train:1"},
                }
            ]
        },
        **({"error": {"code": 3, "message": message}} if message else {}),
    }


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Jobs]:
    state = Jobs()
    state.custom[NAME] = custom_job()
    state.entries["1234567890123"] = vertex_entries(LOG)
    state.hub[f"ada/{HEX}"] = {
        "id": HEX,
        "type": "job",
        "createdAt": "2026-05-10T02:20:00.000Z",
        "dockerImage": "python:3.12",
        "flavor": "l4x1",
        "command": ["python", "train.py"],
        "arguments": [],
        "environment": {},
        "secrets": ["HF_TOKEN"],
        "durations": {"schedulingSecs": 3, "runningSecs": 600, "totalSecs": 603},
        "owner": {"id": "1" * 24, "name": "ada", "type": "user", "avatarUrl": ""},
        "createdBy": {"id": "1" * 24, "name": "ada"},
        "status": {"stage": "ERROR", "message": "Job failed with exit code: 1. Reason: Error"},
        "hfToken": {"ownerName": "ada", "tokenRole": "read"},
    }
    state.hub_logs[f"ada/{HEX}"] = LOG.splitlines()
    state.hardware = [{"name": "l4x1", "unitCostUSD": 0.8 / 60, "unitLabel": "minute"}]
    server = JobsServer(state).start()
    monkeypatch.setenv("FTDOCTOR_VERTEX_ENDPOINT", server.url)
    monkeypatch.setenv("FTDOCTOR_LOGGING_ENDPOINT", server.url)
    monkeypatch.setenv("FTDOCTOR_POLL_SECONDS", "0.01")
    monkeypatch.setenv("HF_TOKEN", "hf_" + "abcdefghijklmnopqrstuvwxyzABCDEFGH")
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", server.url)
    monkeypatch.setattr("huggingface_hub.hf_api.ENDPOINT", server.url, raising=False)
    yield state
    server.shutdown()


@pytest.mark.parametrize(
    "name",
    [
        NAME,
        "https://console.cloud.google.com/agent-platform/locations/us-central1/training/"
        "1234567890123?project=some-project",
        "https://console.cloud.google.com/vertex-ai/locations/us-central1/training/1234567890123"
        "/cpu?project=some-project",
        "https://console.cloud.google.com/vertex-ai/training/custom-jobs/locations/us-central1/"
        "1234567890123?project=some-project",
        "https://us-central1-aiplatform.googleapis.com/v1/" + NAME,
    ],
)
def test_a_vertex_job_is_found_in_every_form_of_its_name(cli: Any, jobs: Jobs, name: str) -> None:
    ran = cli("explain", name, "--format", "json")
    assert ran.code == 0, ran.err
    answer = json.loads(ran.out)
    assert answer["cause"]["name"] == "sfttrainer-tokenizer-arg-removed"
    assert answer["run"]["state"] == "JOB_STATE_FAILED"
    assert answer["run"]["facts"]["machine"] == "g2-standard-12"
    assert answer["run"]["facts"]["duration"] == "30 min"


def test_a_bare_number_takes_project_and_region_from_the_options(cli: Any, jobs: Jobs) -> None:
    ran = cli("explain", "1234567890123", "--project", "some-project", "--region", "us-central1")
    assert ran.code == 0, ran.err
    assert "sfttrainer-tokenizer-arg-removed" in ran.out
    ran = cli("explain", "1234567890123")
    assert ran.code == 2
    assert "--project" in ran.err


def test_a_pipeline_leads_to_its_custom_job(cli: Any, jobs: Jobs) -> None:
    pipeline = NAME.replace("customJobs/1234567890123", "trainingPipelines/777777")
    jobs.pipelines[pipeline] = {
        "name": pipeline,
        "state": "PIPELINE_STATE_FAILED",
        "trainingTaskMetadata": {"backingCustomJob": NAME},
    }
    ran = cli("explain", pipeline, "--format", "json")
    assert ran.code == 0, ran.err
    assert json.loads(ran.out)["run"]["id"] == NAME


def test_the_log_is_read_in_pages_since_the_job_was_created(cli: Any, jobs: Jobs) -> None:
    filler = "".join(f"step {i} of the warm-up is done\n" for i in range(2500))
    jobs.entries["1234567890123"] = vertex_entries(filler + LOG)
    ran = cli("explain", NAME, "--format", "json")
    assert json.loads(ran.out)["cause"]["name"] == "sfttrainer-tokenizer-arg-removed"
    assert sum("entries:list" in seen for seen in jobs.seen) == 3
    assert any('timestamp>="2026-05-10T02:20:00' in wanted for wanted in jobs.filters)


def test_the_error_of_the_job_explains_when_the_log_may_not_be_read(cli: Any, jobs: Jobs) -> None:
    jobs.denied.add("logging.logEntries.list")
    jobs.custom[NAME] = custom_job(
        message="Resources are insufficient in region: us-central1. Try a different region or use "
        "a different accelerator."
    )
    ran = cli("explain", NAME, "--format", "json")
    answer = json.loads(ran.out)
    assert answer["cause"]["name"] == "vertex-capacity-insufficient"
    assert "logging.logEntries.list" in answer["run"]["not_read_whole"]


def test_a_missing_permission_names_the_role_and_the_command(cli: Any, jobs: Jobs) -> None:
    jobs.denied.add("logging.logEntries.list")
    ran = cli("explain", NAME)
    assert ran.code == 4
    assert "logging.logEntries.list" in ran.err
    assert (
        "gcloud projects add-iam-policy-binding some-project --member=user:YOU@EXAMPLE.COM "
        "--role=roles/logging.viewer" in ran.err
    )
    jobs.denied = {"aiplatform.customJobs.get"}
    ran = cli("explain", NAME)
    assert ran.code == 4
    assert "roles/aiplatform.viewer" in ran.err


def test_a_disabled_api_and_an_unknown_job_are_told_apart(cli: Any, jobs: Jobs) -> None:
    ran = cli("explain", NAME.replace("1234567890123", "9999999"))
    assert ran.code == 2
    assert "There is no customJobs 9999999" in ran.err
    jobs.disabled = True
    ran = cli("explain", NAME)
    assert ran.code == 4
    assert "gcloud services enable aiplatform.googleapis.com --project=some-project" in ran.err


def test_last_and_follow(cli: Any, jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    older = NAME.replace("1234567890123", "1111111")
    jobs.custom[older] = {**custom_job(), "name": older, "createTime": "2026-05-09T00:00:00Z"}
    place = ("--platform", "vertex", "--project", "some-project", "--region", "us-central1")
    ran = cli("explain", "--last", *place, "--format", "json")
    assert ran.code == 0, ran.err
    assert json.loads(ran.out)["run"]["id"] == NAME
    monkeypatch.setattr("ftdoctor.platforms.fetch.POLL", 0.01)
    jobs.states[NAME] = ["JOB_STATE_PENDING", "JOB_STATE_RUNNING", "JOB_STATE_FAILED"]
    ran = cli("explain", NAME, "--follow", "--format", "json")
    assert json.loads(ran.out)["run"]["state"] == "JOB_STATE_FAILED"
    assert sum(seen.endswith("customJobs/1234567890123") for seen in jobs.seen) >= 4


def test_what_is_saved_holds_no_secret_and_explains_the_same(
    cli: Any, jobs: Jobs, tmp_path: Path
) -> None:
    secret = "hf_" + "abcdefghijklmnopqrstuvwxyzABCDEFGH"
    jobs.entries["1234567890123"] = vertex_entries(f"export HF_TOKEN={secret}\n{LOG}")
    pool = jobs.custom[NAME]["jobSpec"]["workerPoolSpecs"][0]
    pool["containerSpec"]["env"] = [{"name": "HF_TOKEN", "value": secret}]
    first = cli("explain", NAME, "--save", tmp_path / "kept", "--format", "json")
    assert first.code == 0, first.err
    kept = [path.read_text() for path in (tmp_path / "kept").iterdir()]
    assert len(kept) == 2
    assert not any(secret in text for text in kept)
    again = cli("explain", tmp_path / "kept", "--format", "json")
    assert json.loads(again.out)["cause"] == json.loads(first.out)["cause"]


@pytest.mark.parametrize("name", [f"https://huggingface.co/jobs/ada/{HEX}", f"ada/{HEX}", HEX])
def test_a_hub_job_with_its_cost_and_token(cli: Any, jobs: Jobs, name: str) -> None:
    ran = cli("explain", name, "--format", "json")
    assert ran.code == 0, ran.err
    answer = json.loads(ran.out)
    assert answer["cause"]["name"] == "sfttrainer-tokenizer-arg-removed"
    facts = answer["run"]["facts"]
    assert facts["cost"] == "$0.13"
    assert facts["token"] == "read token of ada"
    assert facts["machine"] == "l4x1"


def test_hub_errors_tell_what_to_do(cli: Any, jobs: Jobs) -> None:
    ran = cli("explain", "ada/" + "0" * 24)
    assert ran.code == 2
    assert "--namespace" in ran.err
    jobs.denied.add("job.write")
    ran = cli("explain", f"ada/{HEX}")
    assert ran.code == 4
    assert "job.write" in ran.err


def test_the_latest_failed_hub_job(cli: Any, jobs: Jobs) -> None:
    ran = cli("explain", "--last", "--platform", "hf-jobs", "--format", "json")
    assert ran.code == 0, ran.err
    assert json.loads(ran.out)["run"]["id"] == f"ada/{HEX}"


def test_a_name_that_is_no_job_says_so(cli: Any) -> None:
    ran = cli("explain", "no-such-thing")
    assert ran.code == 2
    assert "no such file" in ran.err
