"""Tokens are planted everywhere; no output, file, exception or process list shows one."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.conftest import ROOT
from tests.emulators.hub import HubServer, Identity, scenario

HERE = "hf_" + "Zyxwvutsrqponmlkjihgfedcbazyxwvuts"
IN_JOB = "hf_" + "QwertzuiopasdfghjklyxcvbnmQWERTZUI"
STORED = "hf_" + "MnbvcxyLkjhgfdsaPoiuztrewqMnbvcxyL"


def oauth() -> str:
    body = json.dumps({"scope": ["read-repos"], "exp": 4102444800, "sub": "secretsub"})
    payload = base64.urlsafe_b64encode(body.encode()).decode().rstrip("=")
    return f"hf_oauth_eyJhbGciOiJFZERTQSJ9.{payload}.c2lnbmF0dXJlLW9mLXRoZS10b2tlbg"


JOB = f"""\
# given by hand: {IN_JOB}
hf jobs uv run --flavor l4x1 --timeout 2h --secrets HF_TOKEN={IN_JOB} train.py
hf jobs uv run --flavor l4x1 --namespace ada --secrets HF_TOKEN train.py
"""
SCRIPT = """\
from transformers import AutoModelForCausalLM, Trainer, TrainingArguments

model = AutoModelForCausalLM.from_pretrained("open-org/tiny")
args = TrainingArguments(output_dir="/tmp/out", push_to_hub=True, hub_model_id="ada/out")
trainer = Trainer(model=model, args=args)
trainer.train()
"""
FORMATS = ("terminal", "json", "sarif", "github", "junit", "markdown")


def plant(folder: Path, endpoint: str, token: str) -> dict[str, str]:
    """Write the job and a stored login, and return the environment of a check."""
    (folder / "job.sh").write_text(JOB)
    (folder / "train.py").write_text(SCRIPT)
    home = Path(os.environ["HF_HOME"])
    home.mkdir(parents=True, exist_ok=True)
    (home / "token").write_text(STORED)
    return {
        **os.environ,
        "HF_ENDPOINT": endpoint,
        "HF_TOKEN": token,
        "FTDOCTOR_DEBUG": "1",
        "HF_DEBUG": "1",
        "PYTHONPATH": str(ROOT / "src"),
    }


def pieces(*tokens: str) -> list[str]:
    """Return the tokens and the parts of them that give them away."""
    return [part for token in tokens for part in (token, token[12:], token[3:20])]


def searched(text: str, where: str, *tokens: str) -> None:
    for piece in pieces(*tokens):
        assert piece not in text, f"{piece[:6]}... in {where}"


@pytest.mark.parametrize("name", ["open", "token-invalid", "echo", "cut", "garbage", "429"])
def test_no_token_in_any_output(name: str, tmp_path: Path) -> None:
    secrets = (HERE, IN_JOB, STORED, oauth())
    with HubServer(scenario(name)) as server:
        if name != "token-invalid":
            server.state.tokens |= dict.fromkeys((HERE, IN_JOB, oauth()), Identity())
        for number, fmt in enumerate(FORMATS if name == "echo" else FORMATS[:2]):
            token = oauth() if number % 2 else HERE
            done = subprocess.run(
                [sys.executable, "-m", "ftdoctor", "check", "--online", "--verbose", "--format", fmt,
                 "--fail-on", "never", "job.sh", "train.py"],
                cwd=tmp_path, env=plant(tmp_path, server.url, token), capture_output=True, text=True,
                check=False, timeout=60,
            )  # fmt: skip
            searched(done.stdout + done.stderr, f"{fmt} output", *secrets)
            assert done.stdout.strip()
    written = {tmp_path / "job.sh", Path(os.environ["HF_HOME"]) / "token"}
    for root in (tmp_path, Path(os.environ["HOME"]), Path(os.environ["XDG_CACHE_HOME"])):
        for path in root.rglob("*"):
            if path.is_file() and path not in written:
                searched(path.read_bytes().decode("latin-1"), str(path), *secrets)
    (Path(os.environ["HF_HOME"]) / "token").unlink()


def test_no_token_in_the_process_list(tmp_path: Path) -> None:
    if not Path("/proc/self/cmdline").exists():
        pytest.skip("no /proc on this system")
    with HubServer(scenario("open")) as server:
        server.state.delay = 1.5
        process = subprocess.Popen(
            [sys.executable, "-m", "ftdoctor", "check", "--online", "job.sh"],
            cwd=tmp_path, env=plant(tmp_path, server.url, HERE), stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        looks = 0
        while process.poll() is None:
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    searched(path.read_bytes().decode("latin-1"), str(path), HERE, IN_JOB, STORED)
                except OSError:
                    continue
            looks += 1
            time.sleep(0.1)
        assert process.stdout is not None
        searched(process.stdout.read(), "output", HERE, IN_JOB, STORED)
    assert looks > 3
    (Path(os.environ["HF_HOME"]) / "token").unlink()


@pytest.mark.parametrize("text", ["{}\n", "'{}'", "Bearer {}", "{}​", "\t{} \r\n", "{0} {0}"])
def test_a_token_pasted_wrong_is_not_shown_either(text: str, tmp_path: Path) -> None:
    with HubServer(scenario("echo")) as server:
        done = subprocess.run(
            [sys.executable, "-m", "ftdoctor", "check", "--verbose", "train.py"],
            cwd=tmp_path, env=plant(tmp_path, server.url, text.format(HERE)), capture_output=True,
            text=True, check=False, timeout=60,
        )  # fmt: skip
    (Path(os.environ["HF_HOME"]) / "token").unlink()
    assert "Traceback" not in done.stderr
    assert done.returncode in (0, 1, 4)
    searched(done.stdout + done.stderr, "output", HERE)
