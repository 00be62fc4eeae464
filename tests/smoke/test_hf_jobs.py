"""Runs on HF Jobs with the real huggingface_hub, as processes of their own, against loopback."""

from __future__ import annotations

import base64
import json
import os
import signal
import time

import pytest
from tests.emulators.hub_jobs import TOKEN
from tests.smoke.hf_bench import AGREED, Bench, bench, flat, wait_for

__all__ = ["bench"]

FAULT = [
    'FTDOCTOR {"stage": "imports", "ok": true, "seconds": 1.0}',
    "Traceback (most recent call last):",
    '  File "ftdoctor_smoke.py", line 250, in train',
    "    args=config_class(**arguments),",
    "TypeError: SFTConfig.__init__() got an unexpected keyword argument 'max_seq_length'",
    'FTDOCTOR {"stage": "train", "ok": false, "error": "TypeError: unexpected keyword"}',
]


def test_it_works_and_sends_what_the_dry_run_shows(bench: Bench) -> None:
    code, shown, _ = bench.run("--dry-run")
    assert code == 0
    assert bench.hub.submitted == []
    code, out, err = bench.run(*AGREED)
    assert code == 0, err
    assert "smoke: WORKS" in out
    assert not bench.state.exists()
    (sent,) = bench.hub.submitted
    dry = json.loads(shown)
    assert sent["command"] == dry["command"]
    assert sent["environment"] == dry["env"]
    assert sent["dockerImage"] == dry["image"]
    assert sent["flavor"] == dry["flavor"] == "l4x1"
    assert sent["timeoutSeconds"] == dry["timeout"] == 1200
    assert sent["attempts"] == 1
    assert sent["secrets"] == {"HF_TOKEN": TOKEN}
    assert dry["secrets"] == {"HF_TOKEN": "(hidden)"}
    assert "$0.27 at most" in err
    (kept,) = (bench.folder / ".ftdoctor" / "smoke").glob("*.json")
    document = json.loads(kept.read_text())
    assert document["verdict"] == "WORKS"
    assert document["run"]["machine"] == "l4x1"


def test_several_gpus_are_several_processes(bench: Bench) -> None:
    code, out, err = bench.run("--yes", "--max-cost", "2", gpu="4xl4")
    assert code == 0, out + err
    (sent,) = bench.hub.submitted
    assert sent["flavor"] == "l4x4"
    plan = json.loads(base64.b64decode(sent["environment"]["FTDOCTOR_SMOKE"]))
    assert plan["processes"] == 4
    assert "allreduce" in plan["stages"]
    assert "$1.27 at most" in err


def test_a_fault_fails_with_its_rule(bench: Bench) -> None:
    bench.hub.log, bench.hub.stages = FAULT, ["RUNNING", "ERROR"]
    code, out, _ = bench.run(*AGREED)
    assert code == 1
    assert "sftconfig-max-seq-length-renamed" in out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "nobody to ask"),
        (("--yes",), "--yes needs --max-cost"),
        (("--yes", "--max-cost", "0.05"), "more than --max-cost 0.05"),
        (("--yes", "--max-cost", "nan"), "more than --max-cost nan"),
        ((*AGREED, "--timeout", "nan"), "--timeout is more than a day"),
        ((*AGREED, "--timeout", "inf"), "--timeout is more than a day"),
    ],
)
def test_without_agreement_nothing_is_submitted(bench: Bench, words: tuple, told: str) -> None:
    code, _, err = bench.run(*words)
    assert code == 2
    assert told in err
    assert bench.hub.submitted == []
    assert not bench.state.exists()


@pytest.mark.parametrize(("answer", "jobs"), [("y", 1), ("n", 0)])
def test_the_question_decides(bench: Bench, answer: str, jobs: int) -> None:
    ours, theirs = os.openpty()
    process = bench.start(stdin=theirs)
    os.write(ours, f"{answer}\n".encode())
    _, err = process.communicate(timeout=60)
    assert "It costs $0.27 at most" in err
    assert process.returncode == (0 if jobs else 2), err
    assert len(bench.hub.submitted) == jobs
    assert not bench.state.exists()


def test_a_refused_job_leaves_nothing(bench: Bench) -> None:
    bench.hub.refuse = 402
    code, _, err = bench.run(*AGREED)
    assert code == 4
    assert "credit balance" in err
    assert not bench.state.exists()


def test_a_job_that_never_starts_is_no_verdict(bench: Bench) -> None:
    bench.hub.log, bench.hub.stages, bench.hub.message = [], ["SCHEDULING", "ERROR"], "No capacity"
    code, out, _ = bench.run(*AGREED)
    assert code == 4
    assert "No capacity" in out
    assert len(bench.hub.submitted) == 1


def test_progress_tells_the_queue_and_the_money(bench: Bench) -> None:
    code, _, err = bench.run(*AGREED)
    assert code == 0
    assert "scheduling" in err
    assert "in the queue" in err
    assert "train" in err
    assert "$0.02 of at most $0.27" in err


def test_a_run_beyond_its_time_limit_is_cancelled(bench: Bench) -> None:
    # The Hub does not end it: a minute past the limit, we do.
    bench.hub.stages, bench.hub.log = ["RUNNING"], bench.hub.log[:1]
    code, out, err = bench.run(*AGREED, "--timeout", "1")
    assert code == 4, err
    assert "the time limit of 1 s was reached" in out
    assert "may take a minute" in err
    assert bench.hub.alive() == []
    assert not bench.state.exists()


def test_a_run_that_the_hub_ends_at_its_time_limit_is_no_verdict(bench: Bench) -> None:
    bench.hub.stages, bench.hub.log = ["RUNNING"] * 8 + ["ERROR"], bench.hub.log[:1]
    bench.hub.message = "Job timeout"
    code, out, _ = bench.run(*AGREED)
    assert code == 4, out
    assert "Job timeout" in out


@pytest.mark.parametrize("stage", ["COMPLETED", "ERROR"])
def test_a_run_that_ends_in_its_middle_is_no_pass(bench: Bench, stage: str) -> None:
    bench.hub.stages, bench.hub.log = ["RUNNING", "RUNNING", stage], bench.hub.log[:1]
    code, out, _ = bench.run(*AGREED)
    assert code == 4, out
    assert f"the job ended as {stage}" in out
    assert not bench.state.exists()


def test_a_run_killed_for_memory_in_its_middle_fails(bench: Bench) -> None:
    bench.hub.stages, bench.hub.log = ["RUNNING", "ERROR"], [*bench.hub.log[:1], "Killed"]
    bench.hub.message = "Job failed with exit code: 137. Reason: OOMKilled"
    code, out, _ = bench.run(*AGREED)
    assert code == 1, out
    assert "FT-" in out


def test_a_job_cancelled_on_the_site_is_no_verdict(bench: Bench) -> None:
    bench.hub.stages, bench.hub.log = ["RUNNING", "CANCELED"], bench.hub.log[:1]
    code, out, _ = bench.run(*AGREED)
    assert code == 4, out
    assert "canceled" in out


def test_a_signal_before_the_answer_cancels_too(bench: Bench) -> None:
    bench.hub.stages, bench.hub.slow, bench.hub.log = ["RUNNING"], 1.0, []
    process = bench.start(*AGREED)
    wait_for(lambda: bench.hub.submitted)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 4, err
    assert len(bench.hub.submitted) == 1
    assert bench.hub.alive() == []
    assert not bench.state.exists()


def test_rows_of_the_user_go_as_a_secret(bench: Bench) -> None:
    (bench.folder / "rows.jsonl").write_text('{"text": "words of mine"}\n' * 4)
    (bench.folder / "train.py").write_text(
        "from datasets import load_dataset\n"
        "from trl import SFTConfig, SFTTrainer\n"
        "rows = load_dataset('json', data_files='rows.jsonl', split='train')\n"
        "SFTTrainer('Qwen/Qwen3-0.6B', train_dataset=rows, args=SFTConfig('out')).train()\n"
    )
    code, out, err = bench.run("train.py", *AGREED)
    assert code == 0, out + err
    (sent,) = bench.hub.submitted
    assert "FTDOCTOR_SMOKE" not in sent["environment"]
    plan = json.loads(base64.b64decode(sent["secrets"]["FTDOCTOR_SMOKE"]))
    assert plan["rows"][0] == {"text": "words of mine"}
    assert plan["stages"][2:4] == ["token", "download"]
    assert "words of mine" not in json.dumps(sent["environment"])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_cancels_the_job(bench: Bench, number: signal.Signals) -> None:
    bench.hub.stages, bench.hub.log = ["SCHEDULING", "RUNNING"], bench.hub.log[:1]
    process = bench.start(*AGREED)
    wait_for(lambda: any(looks > 2 for looks in bench.hub.looks.values()))
    process.send_signal(number)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 4, err
    assert "it is cancelled" in err
    assert "NO VERDICT" in out
    assert bench.hub.alive() == []
    assert not bench.state.exists()


def test_a_lost_answer_is_found_and_ended(bench: Bench) -> None:
    bench.hub.lose_answer, bench.hub.stages = True, ["RUNNING"]
    code, _, err = bench.run(*AGREED)
    assert code == 4
    assert "found and is cancelled" in err
    assert len(bench.hub.submitted) == 1
    assert bench.hub.alive() == []
    assert not bench.state.exists()


def test_a_killed_terminal_can_resume_or_cancel(bench: Bench) -> None:
    bench.hub.stages = ["RUNNING"]
    process = bench.start(*AGREED)
    wait_for(lambda: any(looks > 1 for looks in bench.hub.looks.values()))
    process.kill()
    process.communicate()
    assert bench.state.exists()
    code, _, err = bench.run(*AGREED)
    assert code == 2
    assert "--resume" in err
    assert len(bench.hub.submitted) == 1
    bench.hub.stages = ["COMPLETED"]
    code, out, err = bench.run("--resume", gpu="")
    assert code == 0, err
    assert "smoke: WORKS" in out
    assert not bench.state.exists()
    assert bench.run("--cancel", gpu="")[0] == 2


def test_a_cut_network_keeps_the_run_for_cancel(bench: Bench) -> None:
    bench.hub.stages, bench.hub.log = ["RUNNING"], bench.hub.log[:1]
    process = bench.start(*AGREED)
    wait_for(lambda: any(looks > 2 for looks in bench.hub.looks.values()))
    bench.hub.cut = True
    out, err = process.communicate(timeout=60)
    assert process.returncode == 4, err
    assert "may still be running" in flat(out)
    assert bench.state.exists()
    assert bench.run("--cancel", gpu="")[0] == 4
    assert bench.state.exists()
    bench.hub.cut = False
    code, _, err = bench.run("--cancel", gpu="")
    assert code == 0
    assert "cancelled" in err
    assert bench.hub.alive() == []
    assert not bench.state.exists()


def test_a_short_cut_is_survived(bench: Bench) -> None:
    bench.hub.stages = ["RUNNING"]
    process = bench.start(*AGREED)
    wait_for(lambda: any(looks > 2 for looks in bench.hub.looks.values()))
    bench.hub.cut = True
    time.sleep(0.5)
    bench.hub.stages, bench.hub.cut = ["COMPLETED"], False
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "WORKS" in out


def test_a_job_that_is_not_seen_at_once_is_waited_for(bench: Bench) -> None:
    bench.hub.unseen = 3
    code, out, err = bench.run(*AGREED)
    assert code == 0, err
    assert "WORKS" in out


def test_a_job_that_is_gone_is_no_verdict(bench: Bench) -> None:
    bench.hub.unseen = 10**6
    code, out, _ = bench.run(*AGREED)
    assert code == 4
    assert "The Hub knows no job" in out
    assert not bench.state.exists()


def test_a_job_that_stays_in_the_queue_is_given_up(bench: Bench) -> None:
    bench.hub.stages, bench.hub.log = ["SCHEDULING"], []
    code, out, _ = bench.run(*AGREED)
    assert code == 4
    assert "not started within" in out
    assert bench.hub.alive() == []
    assert not bench.state.exists()


def test_a_cancel_that_is_not_done_is_told(bench: Bench) -> None:
    bench.hub.stages, bench.hub.log, bench.hub.deaf = ["RUNNING"], [], True
    process = bench.start(*AGREED)
    wait_for(lambda: any(looks > 2 for looks in bench.hub.looks.values()))
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 4, err
    assert "ftdoctor smoke --cancel" in flat(out)
    assert bench.state.exists()


@pytest.mark.slow
def test_the_inline_payload_really_runs(bench: Bench) -> None:
    bench.hub.execute = True
    code, out, err = bench.run(*AGREED, gpu="cpu")
    assert code == 0, out + err
    assert "smoke: WORKS" in out
    assert "train" in out
