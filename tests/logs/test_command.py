"""`ftdoctor explain` as a command: exits, formats, standard input, several files, comparison."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.logs.test_scan import CAUSE, CODE

if TYPE_CHECKING:
    from pathlib import Path

UNKNOWN = (
    "loading the acme model\nTraceback (most recent call last):\n"
    '  File "train.py", line 12, in <module>\n    frob()\n'
    "acme.FrobError: the frob 'left' has 12 teeth, not 13\n"
)
HEALTHY = "{'loss': 1.2, 'epoch': 0.1}\n{'loss': 1.1, 'epoch': 0.2}\n{'train_runtime': 3.0}\n"


@pytest.fixture
def logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "named.log").write_text(CAUSE)
    (tmp_path / "unknown.log").write_text(UNKNOWN)
    (tmp_path / "healthy.log").write_text(HEALTHY)
    return tmp_path


def test_exit_codes(cli: Any, logs: Path) -> None:
    assert cli("explain", "named.log").code == 0
    assert cli("explain", "healthy.log").code == 0
    assert cli("explain", "unknown.log").code == 3
    assert cli("explain", "missing.log").code == 2
    assert cli("explain", "named.log", "unknown.log").code == 3
    assert cli("explain", "named.log", "missing.log").code == 2
    assert cli("explain", "--last", "named.log").code == 2


def test_the_terminal_report_holds_cause_lines_reason_and_fix(cli: Any, logs: Path) -> None:
    out = cli("explain", "named.log").out
    assert CODE in out
    assert "      1 | TypeError" in out
    assert "fix:" in out
    assert "`ftdoctor check` would have stopped this" in out
    assert "\x1b" not in out


def test_an_unknown_failure_shows_its_block_and_the_way_on(cli: Any, logs: Path) -> None:
    out = cli("explain", "unknown.log").out
    assert "acme.FrobError" in out
    assert "ftdoctor rule new --from-log" in out


def test_json_follows_the_contract(cli: Any, logs: Path) -> None:
    document = json.loads(cli("explain", "named.log", "--format", "json").out)
    assert document["schema_version"] == 1
    assert document["outcome"] == "named"
    assert {
        "code",
        "name",
        "parent",
        "confidence",
        "summary",
        "explain",
        "fixes",
        "evidence",
    } <= set(document["cause"])
    assert document["cause"]["would_have_been_stopped_by_check"] is True
    assert document["run"]["source"] == "named.log"
    assert set(document) == {
        "schema_version", "run", "outcome", "cause", "also_seen", "error_block",
    }  # fmt: skip


def test_json_lines_for_several(cli: Any, logs: Path) -> None:
    ran = cli("explain", "named.log", "unknown.log", "healthy.log", "--format", "jsonl")
    documents = [json.loads(line) for line in ran.out.splitlines()]
    assert [d["run"]["source"] for d in documents] == ["named.log", "unknown.log", "healthy.log"]
    assert [d["outcome"] for d in documents] == ["named", "unrecognised", "healthy"]


def test_standard_input(shell: Any, logs: Path) -> None:
    ran = shell("explain", "-", "--format", "json", stdin=CAUSE)
    assert ran.code == 0
    assert json.loads(ran.out)["cause"]["code"] == CODE
    assert shell("explain", stdin=CAUSE).code == 0


@pytest.mark.parametrize("fmt", ["sarif", "github", "junit", "markdown"])
def test_the_format_never_changes_the_exit_code(cli: Any, logs: Path, fmt: str) -> None:
    for name, code in (("named.log", 0), ("unknown.log", 3), ("healthy.log", 0)):
        ran = cli("explain", name, "--format", fmt)
        assert ran.code == code
        assert (CODE in ran.out) == (name == "named.log")
    if fmt == "sarif":
        assert json.loads(ran.out)["version"] == "2.1.0"


def test_against_a_good_log_shows_what_is_new(cli: Any, logs: Path) -> None:
    (logs / "good.log").write_text("loading the acme model\nstep 1 took 12 ms\n" + HEALTHY)
    (logs / "bad.log").write_text(
        "loading the acme model\nstep 7 took 99 ms\nthe disk is hot\n" + UNKNOWN
    )
    ran = cli("explain", "bad.log", "--against", "good.log", "--format", "json")
    texts = [row["text"] for row in json.loads(ran.out)["unusual"]]
    assert "the disk is hot" in texts
    assert not any("took" in text for text in texts)
    assert "the disk is hot" in cli("explain", "bad.log", "--against", "good.log").out


def test_a_teams_rule_explains_too(cli: Any, logs: Path) -> None:
    assert cli("rule", "new", "--from-log", "unknown.log", "--to", "ours").code == 0
    (logs / "ftdoctor.toml").write_text('rules = ["ours"]\n')
    document = json.loads(cli("explain", "unknown.log", "--format", "json").out)
    assert document["cause"]["code"] == "FT-ACME-001"
    again = cli("rule", "new", "--from-log", "unknown.log", "--to", "ours")
    assert again.code == 2
    assert "already names" in again.err


def test_a_draft_overwrites_nothing_and_needs_a_failure(cli: Any, logs: Path) -> None:
    assert cli("rule", "new", "--from-log", "healthy.log").code == 2
    assert cli("rule", "new", "--from-log", "named.log").code == 2
    assert cli("rule", "new", "--from-log", "unknown.log", "--to", "a").code == 0
    ran = cli("rule", "new", "--from-log", "unknown.log", "--to", "a")
    assert ran.code == 2
    assert "exists" in ran.err


def test_score_counts_right_wrong_silent_and_false_alarms(cli: Any, logs: Path) -> None:
    rows = [
        {"id": "1", "cause": "sfttrainer-tokenizer-arg-removed", "accept": [], "log": CAUSE},
        {
            "id": "2",
            "cause": "disk-full",
            "accept": ["sfttrainer-tokenizer-arg-removed"],
            "log": CAUSE,
        },
        {"id": "3", "cause": "disk-full", "accept": [], "log": CAUSE},
        {"id": "4", "cause": "disk-full", "accept": [], "log": UNKNOWN},
        {"id": "5", "cause": "none", "accept": [], "log": CAUSE},
        {"id": "6", "cause": "none", "accept": [], "log": HEALTHY},
    ]
    (logs / "corpus.jsonl").write_text("\n".join(map(json.dumps, rows)))
    document = json.loads(cli("rule", "score", "corpus.jsonl", "--format", "json").out)
    counts = {k: document[k] for k in ("right", "wrong", "silent", "false_alarm", "quiet")}
    assert counts == {"right": 2, "wrong": 1, "silent": 1, "false_alarm": 1, "quiet": 1}
    assert "3 " in cli("rule", "score", "corpus.jsonl", "--misses").out
    (logs / "broken.jsonl").write_text('{"id": 1}\n')
    ran = cli("rule", "score", "broken.jsonl")
    assert ran.code == 2
    assert "broken.jsonl:1" in ran.err


def test_out_of_memory_with_its_job_is_read_with_the_memory_model(cli: Any, logs: Path) -> None:
    (logs / "oom.log").write_text(
        "Traceback (most recent call last):\n"
        '  File "/x/torch/nn/functional.py", line 1, in linear\n    return F.linear(x)\n'
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 512.00 MiB. GPU 0 has a "
        "total capacity of 22.05 GiB of which 0.20 GiB is free. Including non-PyTorch memory, this "
        "process has 21.80 GiB memory in use. Of the allocated memory 21.00 GiB is allocated by "
        "PyTorch, and 300.00 MiB is reserved by PyTorch but unallocated.\n"
    )
    (logs / "job.sh").write_text(
        'hf jobs run --flavor l4x1 --timeout 6h python:3.12 bash -c "pip install trl==1.16.0 '
        "transformers==5.10.0 peft==0.18.1 && trl sft --dataset_name trl-lib/Capybara "
        "--output_dir notes --model_name_or_path meta-llama/Llama-3.2-3B-Instruct --dtype bfloat16 "
        "--use_peft --max_length 4096 --per_device_train_batch_size 4 "
        '--gradient_checkpointing false"\n'
    )
    ran = cli("explain", "oom.log", "--job", "job.sh", "--format", "json")
    assert ran.code == 0, ran.err
    cause = json.loads(ran.out)["cause"]
    assert cause["name"] == "oom-batch-or-activations"
    assert cause["memory"]["expected"] is True
    assert any("gradient_checkpointing=True" in fix["text"] for fix in cause["fixes"][:3])
    (logs / "none.sh").write_text("echo hello\n")
    assert cli("explain", "oom.log", "--job", "none.sh").code == 2
