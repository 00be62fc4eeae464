"""`smoke --confirm CODE`: what is run, where, and what a result says of the rule."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from tests.emulators.hub import TOKEN, scenario
from tests.emulators.hub_files import FilesServer

from ftdoctor.errors import UsageError
from ftdoctor.job.read import read
from ftdoctor.rulebook.load import load
from ftdoctor.smoke.confirm import Proof, outcome, proof_of, reduced, still_seen, target
from ftdoctor.smoke.plan import default_plan
from ftdoctor.smoke.verdict import Verdict

if TYPE_CHECKING:
    from pathlib import Path

GATED = "gate-org/tiny-gated"
JOB = (
    'hf jobs run --flavor l4x1 --secrets HF_TOKEN python:3.12 bash -c "pip install trl && '
    f'trl sft --model_name_or_path {GATED} --dataset_name trl-lib/Capybara --use_peft"\n'
)


def proof(code: str) -> Proof:
    return proof_of(code, load())


def job_at(folder: Path, text: str = JOB) -> Any:
    (folder / "job.sh").write_text(text)
    return read([folder / "job.sh"]).jobs[0]


@pytest.mark.parametrize(
    ("code", "stages"),
    [
        ("FT-AUTH-006", ["token"]),
        ("hf-gated-not-authorized", ["token", "download"]),
        ("FT-API-014", ["imports", "tokenizer", "data", "template", "model", "train"]),
        (
            "FT-AUTH-008",
            "imports token tokenizer data template model train checkpoint push".split(),
        ),
    ],
)
def test_just_what_it_stands_on_is_run(code: str, stages: list[str]) -> None:
    plan = {**default_plan("cpu"), "model": GATED, "push": "ada/out"}
    assert reduced(plan, proof(code))["stages"] == stages


def test_on_a_gpu_the_gpu_is_looked_at_too() -> None:
    assert "gpu" in reduced(default_plan("cuda"), proof("FT-API-014"))["stages"]
    assert reduced(default_plan("cuda"), proof("FT-AUTH-006"))["stages"] == ["token"]


@pytest.mark.parametrize(
    ("code", "needs"),
    [
        ("FT-AUTH-003", "a model on the Hub"),
        ("FT-AUTH-008", "add --push"),
        ("FT-DIST-018", "several GPUs"),
    ],
)
def test_what_a_plan_lacks_is_said(code: str, needs: str) -> None:
    with pytest.raises(UsageError, match=needs):
        reduced(default_plan("cpu"), proof(code))


def test_where_it_runs(tmp_path: Path) -> None:
    job = job_at(tmp_path)
    assert target(proof("FT-AUTH-006"), None, None, None) == ("cpu", "local")
    assert target(proof("FT-API-014"), job, None, None) == ("cpu", "local")
    # The packages of this machine say nothing of the job's.
    assert target(proof("FT-PKG-114"), job, None, None) == ("cpu", "hf-jobs")
    assert target(proof("FT-PKG-114"), job, "cpu", "local") == ("cpu", "local")
    assert target(proof("FT-GPU-015"), job, None, None) == ("l4x1", "hf-jobs")
    assert target(proof("FT-GPU-015"), job, "local", None) == ("local", "local")
    with pytest.raises(UsageError, match="Only a run on a GPU proves"):
        target(proof("FT-GPU-015"), job, "cpu", None)
    with pytest.raises(UsageError, match="is about a job, and none was given"):
        target(proof("FT-API-014"), None, None, None)


@pytest.mark.parametrize("before", [True, False], ids=["seen by check", "seen in logs only"])
def test_a_rule_that_no_run_proves_is_refused(before: bool) -> None:
    rule = next(r for r in load() if not r.verify and bool(r.before) is before)
    with pytest.raises(UsageError) as caught:
        proof_of(rule.code, load())
    assert f"No smoke run can prove the fix of {rule.code}" in caught.value.message
    assert ("ftdoctor check JOB" if before else "ftdoctor explain LOG") in caught.value.todo
    with pytest.raises(UsageError, match="There is no rule"):
        proof_of("FT-NONE-001", load())


#: What marks a plan as the job's own training.
OWN = {"job_max_length": 1024}


def works(*stages: dict[str, Any], **evidence: Any) -> Verdict:
    lines = [{"ok": True, **s} for s in stages]
    return Verdict("works", lines, evidence=evidence)


@pytest.mark.parametrize(
    ("code", "verdict", "why"),
    [
        ("FT-AUTH-006", works({"stage": "token", "token": "none"}), "no token reached the run"),
        ("FT-AUTH-003", works({"stage": "token", "token": "read"}), "the stage download was not"),
        (
            "FT-API-014",
            works(
                {"stage": "train"},
                version_differences=[
                    {"package": "trl", "installed": "1.16", "expected": "0.24", "pinned": True}
                ],
            ),
            "it ran with trl 1.16, and the job pins 0.24",
        ),
        (
            "FT-DATA-012",
            works({"stage": "data", "source": "made here"}, {"stage": "train"}),
            "the rows were made",
        ),
        ("FT-API-009", works({"stage": "train"}), "another architecture"),
        ("FT-DATA-024", works({"stage": "tokenizer"}, {"stage": "train"}), "a small tokenizer"),
        (
            "FT-MEM-003",
            works(
                {"stage": "gpu"},
                {"stage": "train"},
                memory={"own_shape": False, "not_of_the_job": ["seq_len 64, the job's 2048"]},
            ),
            "seq_len 64, the job's 2048",
        ),
    ],
)
def test_a_pass_without_what_the_rule_is_about_is_no_verdict(
    code: str, verdict: Verdict, why: str
) -> None:
    found = outcome(verdict, proof(code), {**OWN, "other_architecture": True})
    assert (found.word, found.exit_code) == ("none", 4)
    assert why in found.reason
    assert found.confirm is not None
    assert found.confirm["outcome"] == "not proved"


def test_a_version_that_floats_is_no_reason_against_it() -> None:
    floats = {"package": "trl", "installed": "1.16", "expected": "1.15", "pinned": False}
    found = outcome(
        works({"stage": "train"}, version_differences=[floats]), proof("FT-API-014"), OWN
    )
    assert found.confirm is not None
    assert found.confirm["outcome"] == "proved"


@pytest.mark.parametrize("plan", [{}, {"job_max_length": 1024, "stands": True}])
def test_a_run_of_something_else_proves_nothing(plan: dict[str, Any]) -> None:
    found = outcome(works({"stage": "train"}), proof("FT-API-014"), plan)
    assert found.word == "none"
    assert "a default run stood for it" in found.reason


def test_what_check_still_sees_is_not_proved(tmp_path: Path) -> None:
    """A value that the CPU replaces cannot fail there: the run passes, and the fault is there."""
    text = (
        "from transformers import AutoModelForCausalLM\nfrom trl import SFTConfig, SFTTrainer\n"
        "model = AutoModelForCausalLM.from_pretrained('Qwen/Qwen3-0.6B')\n"
        "SFTTrainer(model, args=SFTConfig(output_dir='o', {name}=64)).train()\n"
    )
    places = {}
    for name in ("max_seq_length", "max_length"):
        (tmp_path / "train.py").write_text(text.format(name=name))
        job = read([tmp_path / "train.py"]).jobs[0]
        (tmp_path / "ftdoctor.toml").write_text('with = ["trl==1.16.0"]\n')
        with contextlib.chdir(tmp_path):
            places[name] = still_seen(job, proof("FT-API-014").rule)
    assert places["max_length"] == ""
    assert "train.py:4:" in places["max_seq_length"]
    seen = places["max_seq_length"]
    found = outcome(works({"stage": "train"}), proof("FT-API-014"), OWN, seen=seen)
    assert (found.word, found.exit_code) == ("none", 4)
    assert f"`ftdoctor check` still sees it at {seen}" in found.reason


@pytest.mark.parametrize(
    ("cause", "failed", "says"),
    [
        (
            {"code": "FT-API-014", "name": "sftconfig-max-seq-length-renamed"},
            "train",
            "still there",
        ),
        ({"code": "FT-TRAIN-003", "name": "loss-nan"}, "train", "other cause"),
        ({"code": "FT-PKG-005", "name": "bitsandbytes-missing"}, "imports", "not reached"),
        (None, "train", "other cause"),
    ],
)
def test_a_failure_is_of_the_rule_or_is_not(cause: Any, failed: str, says: str) -> None:
    verdict = Verdict("fails", [{"stage": failed, "ok": False}], cause)
    found = outcome(verdict, proof("FT-API-014"), {})
    assert (found.word, found.exit_code) == ("fails", 1)
    assert found.confirm is not None
    assert found.confirm["outcome"] == says


def test_findings_and_explanations_name_the_run(tmp_path: Path, cli: Any, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text(
        "from trl import SFTConfig, SFTTrainer\n"
        "SFTTrainer(model='a/b', args=SFTConfig(max_seq_length=64)).train()\n"
    )
    ran = cli("check", "--offline", "--with", "trl==1.16.0", "train.py")
    assert "prove: $ ftdoctor smoke --confirm FT-API-014 train.py" in ran.out
    ran = cli("check", "--offline", "--with", "trl==1.16.0", "--format", "json", "train.py")
    proofs = {f["code"]: f["prove"] for f in json.loads(ran.out)["findings"]}
    assert proofs["FT-API-014"] == "ftdoctor smoke --confirm FT-API-014 train.py"
    log = "TypeError: SFTConfig.__init__() got an unexpected keyword argument 'max_seq_length'\n"
    (tmp_path / "job.log").write_text(f"Traceback (most recent call last):\n{log}")
    assert (
        "prove the fix:  ftdoctor smoke --confirm FT-API-014 JOB" in cli("explain", "job.log").out
    )
    ran = cli("explain", "--format", "json", "--job", "train.py", "job.log")
    assert json.loads(ran.out)["cause"]["prove"] == proofs["FT-API-014"]
    assert "--confirm FT-API-014" in cli("rule", "FT-API-014").out


def smoke(folder: Path, server: FilesServer, *words: str) -> tuple[int, dict[str, Any]]:
    """Run `ftdoctor smoke` as a process against a Hub; return exit code and its JSON."""
    environment = {"HF_ENDPOINT": server.url, "HF_TOKEN": TOKEN, "HF_HOME": str(folder / "hf")}
    done = subprocess.run(
        [sys.executable, "-m", "ftdoctor", "smoke", "--format", "json", *words],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert TOKEN not in done.stdout + done.stderr
    return done.returncode, json.loads(done.stdout)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "words", "fault", "mended"),
    [
        ("FT-AUTH-006", (), "token-invalid", "open"),
        ("FT-AUTH-003", ("job.sh",), "gated-not-requested", "gated-accepted"),
        ("FT-AUTH-004", ("job.sh",), "gated-pending", "gated-accepted"),
    ],
)
def test_a_token_and_a_gate_with_the_real_client(
    code: str, words: tuple[str, ...], fault: str, mended: str, tmp_path: Path
) -> None:
    """The fault FAILS with that very rule; what mends it gives WORKS; no part more is run."""
    job_at(tmp_path)
    where = ("--confirm", code, *words)
    with FilesServer(scenario(fault)) as server:
        exit_code, document = smoke(tmp_path, server, *where)
    assert (exit_code, document["verdict"]) == (1, "FAILS")
    assert document["cause"]["code"] == code
    assert document["confirm"]["outcome"] == "still there"
    with FilesServer(scenario(mended)) as server:
        exit_code, document = smoke(tmp_path, server, *where)
    assert (exit_code, document["verdict"]) == (0, "WORKS")
    assert document["confirm"]["outcome"] == "proved"
    assert {s["stage"] for s in document["stages"]} <= {"token", "download", "end"}


def test_a_run_without_a_job_asks_about_a_token_that_is_set(monkeypatch: Any) -> None:
    assert "token" not in default_plan("cpu")["stages"]
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert default_plan("cpu")["stages"][1:3] == ["gpu", "token"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("more", "word"), [({}, "works"), ({"hub": True}, "fails"), ({"confirms": "x"}, "fails")]
)
def test_a_hub_that_is_away_matters_only_to_a_run_that_needs_it(
    more: dict[str, Any], word: str
) -> None:
    from ftdoctor.smoke import run_local
    from ftdoctor.smoke.verdict import judge

    plan = {**default_plan("cpu"), "stages": ["token"], **more}
    nobody = {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_TOKEN": TOKEN}
    log, code, _ = run_local.run(plan, timeout=60, environment=nobody)
    verdict = judge(log, exit_code=code)
    assert verdict.word == word
    if word == "works":
        assert verdict.stages[0]["token"] == "not asked"
