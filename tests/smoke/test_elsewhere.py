"""A failure of this machine's packages or network is none of a job that has others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ftdoctor.job.read import read
from ftdoctor.job.versions import resolve_job
from ftdoctor.rulebook.load import load
from ftdoctor.smoke.elsewhere import weighed
from ftdoctor.smoke.evidence import version_differences
from ftdoctor.smoke.verdict import Verdict

if TYPE_CHECKING:
    from pathlib import Path

SCRIPT = """\
# /// script
# dependencies = ["trl=={trl}", "transformers", "peft"]
# ///
from trl import SFTConfig, SFTTrainer

SFTTrainer("Qwen/Qwen3-0.6B", args=SFTConfig(output_dir="o", max_seq_length=64)).train()
"""
RENAMED = {"code": "FT-API-014", "name": "sftconfig-max-seq-length-renamed"}


def job_of(folder: Path, trl: str, command: str = "hf jobs uv run --flavor l4x1 train.py") -> Any:
    (folder / "train.py").write_text(SCRIPT.format(trl=trl))
    (folder / "job.sh").write_text(command + "\n")
    job = read([folder / "job.sh"]).jobs[0]
    resolve_job(job, {})
    return job


def ran(
    job: Any, word: str, stage: str, cause: dict[str, str] | None, trl: str = "1.16.0"
) -> Verdict:
    """Return what a run here with some trl says of the job."""
    found = Verdict(word, [{"stage": stage, "ok": word == "works"}], cause)
    found.evidence = {"version_differences": version_differences({"trl": trl}, job)}
    return weighed(found, job, load())


def test_a_keyword_that_only_this_machine_refuses_is_no_verdict(tmp_path: Path) -> None:
    """trl 0.19.1 takes max_seq_length, 1.16.0 does not."""
    found = ran(job_of(tmp_path, "0.19.1"), "fails", "train", RENAMED)
    assert (found.word, found.exit_code) == ("none", 4)
    assert "FT-API-014" in found.reason
    assert "it ran with trl 1.16.0 (the job: 0.19.1)" in found.reason


def test_a_fault_that_check_sees_in_the_job_as_well_stays_one(tmp_path: Path) -> None:
    """trl 0.24.0 refuses it too: the job fails, whatever is installed here."""
    assert ran(job_of(tmp_path, "0.24.0"), "fails", "train", RENAMED).word == "fails"


def test_the_job_s_own_release_decides(tmp_path: Path) -> None:
    assert ran(job_of(tmp_path, "1.16.0"), "fails", "train", RENAMED).word == "fails"


def test_a_pass_of_another_stack_says_so(tmp_path: Path) -> None:
    found = ran(job_of(tmp_path, "0.19.1"), "works", "train", None)
    assert found.word == "works"
    assert found.reason == "with trl 1.16.0 (the job: 0.19.1): that is not the stack of the job"
    assert ran(job_of(tmp_path, "1.16.0"), "works", "train", None).reason == ""


@pytest.mark.parametrize(
    ("command", "word"),
    [("hf jobs uv run --flavor l4x1 train.py", "none"), ("uv run train.py", "fails")],
)
def test_this_machine_s_network_is_that_of_a_job_that_runs_here(
    command: str, word: str, tmp_path: Path
) -> None:
    cause = {"code": "FT-NET-009", "name": "hub-dns-failure"}
    assert ran(job_of(tmp_path, "1.16.0", command), "fails", "download", cause).word == word


def test_the_token_does_not_depend_on_the_packages(tmp_path: Path) -> None:
    cause = {"code": "FT-AUTH-006", "name": "hf-token-invalid-or-expired"}
    assert ran(job_of(tmp_path, "0.19.1"), "fails", "token", cause).word == "fails"
