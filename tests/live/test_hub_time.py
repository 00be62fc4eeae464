"""All questions of one job go out together: one slow answer is all that is waited for."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tests.emulators.hub import TOKEN, Identity, base

from ftdoctor.facts.gather import gatherer
from ftdoctor.facts.value import Unknown
from ftdoctor.job.read import read

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

OTHER = "hf_" + "ZYXWVUTSRQPONMLKJIHGFEDCBAzyxwvuts"
JOB = """\
hf jobs uv run --flavor l4x1 --namespace ada --timeout 2h --secrets HF_TOKEN train.py
"""
SCRIPT = """\
from datasets import load_dataset
from trl import SFTConfig, SFTTrainer

data = load_dataset("open-org/chat", data_files="data/train.jsonl", revision="main")
config = SFTConfig(output_dir="/tmp/out", push_to_hub=True, hub_model_id="ada/out")
trainer = SFTTrainer("gate-org/tiny-gated", args=config, train_dataset=data)
trainer.train()
"""


def test_the_questions_go_side_by_side(
    hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = base()
    state.delay = 2.0
    hub(state)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    (tmp_path / "job.sh").write_text(JOB)
    (tmp_path / "train.py").write_text(SCRIPT)
    monkeypatch.chdir(tmp_path)
    gather = gatherer(online=True, deadline=20)
    assert gather is not None
    job = read(["job.sh"]).jobs[0]
    start = time.monotonic()
    facts = gather(job)
    seconds = time.monotonic() - start
    answers = {name: a for name, a in facts.items() if name.startswith("hub.") and ":" in name}
    assert len(state.seen) >= 8
    assert len(state.seen) == len(set(state.seen))
    assert not [a for a in answers.values() if isinstance(a, Unknown)]
    assert seconds <= 1.3 * state.delay


def test_a_second_job_asks_nothing_again(
    hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = base()
    hub(state)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    literal = JOB.replace("HF_TOKEN", f"HF_TOKEN={OTHER}").replace("--namespace ada ", "")
    state.tokens[OTHER] = Identity()
    (tmp_path / "job.sh").write_text(JOB * 2 + literal)
    (tmp_path / "train.py").write_text(SCRIPT)
    monkeypatch.chdir(tmp_path)
    gather = gatherer(online=True, deadline=10)
    assert gather is not None
    jobs = read(["job.sh"]).jobs
    assert len(jobs) == 3
    for job in jobs[:2]:
        gather(job)
    assert len(state.seen) == len(set(state.seen))
    gather(jobs[2])
    assert state.seen.count("GET /api/whoami-v2") == 2  # two tokens, each asked about once


def test_a_hub_that_is_away_is_waited_for_once(
    hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = base()
    state.delay = 30
    hub(state)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    for number in range(4):
        text = SCRIPT.replace("gate-org/tiny-gated", f"open-org/model-{number}")
        (tmp_path / f"train{number}.py").write_text(text)
    monkeypatch.chdir(tmp_path)
    gather = gatherer(online=True, deadline=1)
    assert gather is not None
    start = time.monotonic()
    for job in read([f"train{number}.py" for number in range(4)]).jobs:
        answer = gather(job)["hub.whoami"]
        assert isinstance(answer, Unknown)
        assert "no answer within 1 s" in answer.reason
    assert time.monotonic() - start < 3
