"""Asking side by side: the deadline, what hangs, and Ctrl-C in a real process."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from ftdoctor.facts import ask as asking
from ftdoctor.facts.ask import ask
from ftdoctor.facts.value import Unknown

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TOKEN = "hf_abcdefghijklmnopqrstuvwxyzABCDEFGH"
SCRIPT = """\
from transformers import AutoModelForCausalLM
from trl import SFTTrainer

model = AutoModelForCausalLM.from_pretrained("google/gemma-3-1b-it")
SFTTrainer(model=model).train()
"""


def test_side_by_side_and_in_order() -> None:
    begun = time.monotonic()
    answers = ask({str(n): lambda n=n: time.sleep(0.3) or n for n in range(20)}, 10)
    assert time.monotonic() - begun < 0.3 * 1.3 + 0.2
    assert list(answers.items()) == [(str(n), n) for n in range(20)]
    assert not asking.hung()


def test_what_is_late_is_unknown_and_the_rest_is_kept() -> None:
    held = threading.Event()
    begun = time.monotonic()
    answers = ask({"slow": held.wait, "quick": lambda: 1}, 0.4)
    assert 0.4 <= time.monotonic() - begun < 1
    assert answers["quick"] == 1
    assert isinstance(answers["slow"], Unknown)
    assert "0.4 s" in answers["slow"].reason
    assert asking.hung()
    held.set()
    time.sleep(0.1)
    assert not asking.hung()


def _leave() -> None:
    sys.exit(3)


def _fail() -> None:
    raise ValueError(f"no entry with {TOKEN}\nsecond line")


def test_what_fails_is_unknown_with_its_reason_and_no_secret() -> None:
    answers = ask({"exit": _leave, "error": _fail}, 5)
    assert isinstance(answers["exit"], Unknown)
    assert "SystemExit" in answers["exit"].reason
    assert answers["error"].reason.startswith("ValueError: no entry with")
    assert TOKEN not in answers["error"].reason


def test_no_question_and_no_time() -> None:
    assert ask({}, 5) == {}
    assert isinstance(ask({"a": lambda: time.sleep(0.5)}, 0.01)["a"], Unknown)


@pytest.fixture
def silent() -> Iterator[str]:
    """A server that takes every connection and never says a word."""
    server = socket.create_server(("127.0.0.1", 0), backlog=64)
    kept: list[Any] = []

    def accept() -> None:
        while True:
            try:
                kept.append(server.accept())
            except OSError:
                return

    threading.Thread(target=accept, daemon=True).start()
    yield f"http://127.0.0.1:{server.getsockname()[1]}"
    server.close()


def start(folder: Path, endpoint: str, *arguments: str, **options: Any) -> subprocess.Popen[str]:
    (folder / "train.py").write_text(SCRIPT)
    environment = os.environ | {"HF_ENDPOINT": endpoint, "HF_TOKEN": TOKEN}
    return subprocess.Popen(
        [sys.executable, "-m", "ftdoctor", "check", *arguments, "train.py"],
        cwd=folder,
        env=environment,
        text=True,
        stdin=subprocess.DEVNULL,
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options},
    )


def test_a_server_that_hangs_costs_the_deadline_and_no_more(tmp_path: Path, silent: str) -> None:
    begun = time.monotonic()
    process = start(tmp_path, silent, "--deadline", "1.5")
    out, err = process.communicate(timeout=60)
    assert time.monotonic() - begun < 1.5 + 6  # imports on a slow machine
    assert process.returncode == 0
    assert "no answer within 1.5 s" in " ".join(out.split())
    assert "Fatal" not in err
    assert "Traceback" not in err


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_ctrl_c_while_questions_are_out(tmp_path: Path, silent: str) -> None:
    process = start(tmp_path, silent, "--deadline", "30")
    time.sleep(3)
    assert process.poll() is None
    begun = time.monotonic()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert time.monotonic() - begun < 3
    assert process.returncode == 130
    assert (out, err.strip()) == ("", "Stopped.")


@pytest.mark.skipif(sys.platform == "win32", reason="terminals of POSIX")
def test_one_line_of_progress_on_a_terminal_alone(tmp_path: Path, silent: str) -> None:
    import pty

    ours, theirs = pty.openpty()
    process = start(tmp_path, silent, "--deadline", "1.5", stderr=theirs)
    os.close(theirs)
    process.communicate(timeout=60)
    shown = b""
    while True:
        try:
            part = os.read(ours, 4096)
        except OSError:
            break
        if not part:
            break
        shown += part
    os.close(ours)
    assert b"asking: 0 of " in shown
    assert b"\n" not in shown
    assert shown.endswith(b"\r\033[K")
    assert TOKEN.encode() not in shown
