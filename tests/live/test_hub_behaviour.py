"""What happens when the Hub is slow, broken or away: told with its reason, guessed at by nobody."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from tests.conftest import ROOT
from tests.emulators.hub import TOKEN, HubServer, base, scenario

from ftdoctor.facts.hub_http import reachable

if TYPE_CHECKING:
    from pathlib import Path

SCRIPT = """\
from transformers import AutoModelForCausalLM, Trainer, TrainingArguments

model = AutoModelForCausalLM.from_pretrained("open-org/tiny")
trainer = Trainer(model=model, args=TrainingArguments(output_dir="/tmp/out", evaluation_strategy="no"))
trainer.train()
"""
#: Rules that look at the Hub's answers and at nothing else.
HUB = ("--select", "FT-AUTH,FT-NET,FT-JOB")


def check(
    tmp_path: Path, endpoint: str, *options: str, token: str = TOKEN, authority: str = ""
) -> tuple[int, dict, str, float]:
    """Run the command as a process, as a user would."""
    (tmp_path / "train.py").write_text(SCRIPT)
    environment = {
        **os.environ,
        "HF_ENDPOINT": endpoint,
        "HF_TOKEN": token,
        "PYTHONPATH": str(ROOT / "src"),
        **(dict.fromkeys(("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"), authority) if authority else {}),
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


#: Fault -> what the report says of it.
FAULTS = {
    "429": "limits the rate of questions (429) for 55 seconds",
    "500": "has a fault (500)",
    "cut": "cut the connection",
    "cut-body": "cut the connection",
    "garbage": "not in the form that the Hub gives",
    "empty": "answered 404",
    "proxy": "a web page came in place of the Hub's answer (200)",
    "proxy-login": "a web page came in place of the Hub's answer (403)",
    "certificate-expired": "certificate has expired",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_broken_hub_is_told_and_guessed_at_by_nobody(fault: str, tmp_path: Path) -> None:
    with HubServer(scenario(fault)) as server:
        code, data, text, _ = check(
            tmp_path, server.url, "--online", *HUB, authority=server.authority
        )
    assert TOKEN not in text
    assert not data["findings"]
    reasons = [s["reason"] for s in data["skipped"] if s["code"] == "FT-AUTH-255"]
    assert FAULTS[fault] in " ".join(reasons)
    assert "access to open-org/tiny" in " ".join(reasons)
    assert all(s["needs"] for s in data["skipped"])
    assert code == 4


def test_without_online_what_was_not_told_is_no_failure(tmp_path: Path) -> None:
    with HubServer(scenario("500")) as server:
        code, data, _, _ = check(tmp_path, server.url, *HUB)
    assert data["skipped"]
    assert code == 0


def test_a_certificate_that_is_trusted(tmp_path: Path) -> None:
    with HubServer(scenario("certificate-good")) as server:
        code, data, _, _ = check(tmp_path, server.url, "--online", *HUB, authority=server.authority)
        assert (code, data["skipped"]) == (0, [])
        code, data, _, _ = check(tmp_path, server.url, "--online", *HUB)
    assert code == 4  # the same server, and nobody vouches for it
    assert "is not accepted" in data["skipped"][0]["reason"]


def test_one_deadline_for_all(tmp_path: Path) -> None:
    with HubServer(scenario("slow")) as server:
        code, data, _, seconds = check(tmp_path, server.url, "--online", "--deadline", "1", *HUB)
    assert any("no answer within 1 s" in s["reason"] for s in data["skipped"])
    assert seconds < 5
    assert code == 4


def test_with_the_network_gone_the_offline_findings_stand(tmp_path: Path) -> None:
    code, data, _, seconds = check(tmp_path, "http://127.0.0.1:9", "--with", "transformers==5.23.0")
    reasons = [s["reason"] for s in data["skipped"]]
    assert any("access to open-org/tiny" in r and "cannot be reached" in r for r in reasons)
    assert "FT-API-018" in {f["code"] for f in data["findings"]}
    assert seconds < 4  # 1 s on an idle machine, interpreter and imports included
    assert code == 1


def test_a_host_that_takes_no_connection_costs_little() -> None:
    """A full queue: packets go unanswered, as behind a firewall that drops them."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        port = server.getsockname()[1]
        waiting = []
        for _ in range(4):
            client = socket.socket()
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", port))
            waiting.append(client)
        from huggingface_hub import constants

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{port}")
            start = time.monotonic()
            problem = reachable(0.5)
        assert "cannot be reached" in problem
        assert time.monotonic() - start < 2
        for client in waiting:
            client.close()


def test_offline_asks_nothing(tmp_path: Path) -> None:
    state = base()
    with HubServer(state) as server:
        check(tmp_path, server.url, "--offline")
    assert state.seen == []


def test_hub_offline_is_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with HubServer(base()) as server:
        code, data, _, _ = check(tmp_path, server.url, "--online", *HUB)
    assert "HF_HUB_OFFLINE is set" in data["skipped"][0]["reason"]
    assert code == 4


def test_one_broken_answer_among_good_ones(tmp_path: Path) -> None:
    state = base()
    state.fault, state.fault_at = "500", "/whoami"
    with HubServer(state) as server:
        _, data, _, _ = check(tmp_path, server.url, "--online", *HUB)
    assert [s["reason"] for s in data["skipped"]] == [
        "whose token it is: the Hub, or what stands before it, has a fault (500)"
    ]
    assert "open-org/tiny: can be read" in data["job"]["told"]["asked"]
