"""What happens when the Hub is slow, broken or away, and that no token leaks on the way."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.conftest import ROOT
from tests.emulators.hub import TOKEN, HubServer, base, scenario

SCRIPT = """\
from transformers import AutoModelForCausalLM, Trainer, TrainingArguments

model = AutoModelForCausalLM.from_pretrained("open-org/tiny")
trainer = Trainer(model=model, args=TrainingArguments(output_dir="/tmp/out", evaluation_strategy="no"))
trainer.train()
"""


def check(
    tmp_path: Path, endpoint: str, *options: str, token: str = TOKEN
) -> tuple[int, dict, str, float]:
    """Run the command as a process, as a user would."""
    (tmp_path / "train.py").write_text(SCRIPT)
    environment = {
        **os.environ,
        "HF_ENDPOINT": endpoint,
        "HF_TOKEN": token,
        "PYTHONPATH": str(ROOT / "src"),
    }
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "ftdoctor", "check", "--format", "json", *options, "train.py"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert "Traceback" not in done.stderr
    data = json.loads(done.stdout) if done.stdout.startswith("{") else {}
    return done.returncode, data, done.stdout + done.stderr, time.monotonic() - start


@pytest.mark.parametrize("fault", ["429", "500", "cut", "garbage", "proxy"])
def test_a_broken_hub_is_told_and_guessed_at_by_nobody(fault: str, tmp_path: Path) -> None:
    with HubServer(scenario(fault)) as server:
        code, data, text, _ = check(
            tmp_path, server.url, "--online", "--with", "transformers==4.40.2"
        )
    assert TOKEN not in text
    live = [f for f in data["findings"] if f["code"].startswith(("FT-AUTH", "FT-NET"))]
    assert not live
    assert any(s["code"] == "FT-AUTH-255" for s in data["skipped"])
    assert code in (1, 4)


def test_one_deadline_for_all(tmp_path: Path) -> None:
    with HubServer(scenario("slow")) as server:
        code, data, _, seconds = check(tmp_path, server.url, "--online", "--deadline", "1")
    assert any("no answer within 1 s" in s["reason"] for s in data["skipped"])
    assert seconds < 5
    assert code in (1, 4)


def test_with_the_network_gone_the_offline_findings_stand(tmp_path: Path) -> None:
    code, data, _, seconds = check(tmp_path, "http://127.0.0.1:9", "--with", "transformers==5.23.0")
    assert any("cannot be reached" in s["reason"] for s in data["skipped"])
    assert data["jobs"]
    assert seconds < 4  # 2 s on an idle machine, interpreter and imports included
    assert code in (0, 1)


def test_offline_asks_nothing(tmp_path: Path) -> None:
    state = base()
    with HubServer(state) as server:
        check(tmp_path, server.url, "--offline")
    assert state.seen == []


def test_the_questions_go_side_by_side(tmp_path: Path) -> None:
    state = base()
    state.delay = 1.0
    with HubServer(state) as server:
        _, data, _, seconds = check(tmp_path, server.url)
    assert len(state.seen) >= 2
    assert not [s for s in data["skipped"] if "no answer" in s["reason"]]
    assert seconds < 1.0 * len(state.seen) + 2.5


def test_no_token_in_output_cache_or_arguments(tmp_path: Path) -> None:
    secret = "hf_" + "Zyxwvutsrqponmlkjihgfedcbazyxwvuts"
    state = base()
    with HubServer(state) as server:
        for options in ((), ("--online",), ("--verbose",)):
            _, _, text, _ = check(tmp_path, server.url, *options, token=secret)
            assert secret not in text
            assert secret[8:] not in text
    for path in Path(os.environ["HOME"]).rglob("*"):
        if path.is_file():
            assert secret.encode() not in path.read_bytes()


@pytest.mark.parametrize("text", ["\n", "'{}'", "Bearer {}"])
def test_a_token_pasted_wrong_never_crashes(text: str, tmp_path: Path) -> None:
    with HubServer(base()) as server:
        code, _, shown, _ = check(tmp_path, server.url, token=text.format(TOKEN))
    assert code in (0, 1, 4)
    assert TOKEN not in shown
