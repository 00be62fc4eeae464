"""Logs of any size: bounded memory, every form, broken ends."""

from __future__ import annotations

import gzip
import io
import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from ftdoctor.errors import UsageError
from ftdoctor.logs.explain import explain_log
from ftdoctor.logs.keep import END
from ftdoctor.logs.patterns import Patterns
from ftdoctor.logs.reading import RawLog, open_log
from ftdoctor.logs.scan import scan
from ftdoctor.logs.table import build
from tests.logs.test_fixtures import explain, named, patterns

if TYPE_CHECKING:
    from pathlib import Path

CAUSE = "TypeError: SFTTrainer.__init__() got an unexpected keyword argument 'tokenizer'\n"
CODE = "FT-API-017"


def filler(lines: int) -> bytes:
    return b"".join(
        b"\r%3d%%|###   | %d/90000 [00:%02d<01:00, 2.%dit/s]\n{'loss': 1.%04d, 'epoch': 0.1}\n"
        % (i % 100, i, i % 60, i % 10, i % 9999)
        for i in range(lines)
    )


def test_the_line_number_is_that_of_the_file() -> None:
    for before in (0, 3, 40_000):
        after = b"saving the logs of rank 3\n" * before
        found = explain(filler(before) + CAUSE.encode() + after)
        assert found.cause is not None
        assert found.cause["code"] == CODE
        assert found.cause["evidence"][0]["line"] == 2 * before + 1


def test_records_lead_back_to_the_line_of_their_entry() -> None:
    entries = [{"textPayload": "x", "timestamp": "2026-01-01T00:00:00Z"}] * 3
    entries.append({"textPayload": CAUSE, "timestamp": "2026-01-01T00:00:01Z"})
    pretty = json.dumps(entries, indent=2)
    found = explain(pretty.encode())
    assert found.cause is not None
    line = found.cause["evidence"][0]["line"]
    assert "{" in pretty.split("\n")[line - 1]
    assert "unexpected keyword" in pretty.split("\n")[line]


@pytest.mark.parametrize("engine", ["plain", "fast"])
def test_both_engines_keep_what_matters(engine: str) -> None:
    if engine == "fast":
        pytest.importorskip("hyperscan")
    data = filler(20_000) + CAUSE.encode() + filler(20_000)
    kept = scan(RawLog("x", io.BytesIO(data)), patterns(), engine=engine).lines
    assert any("unexpected keyword" in line.text for line in kept)
    assert len(kept) < 40_000


def test_a_line_without_end_is_read_in_pieces() -> None:
    data = b"x " * 3_000_000 + CAUSE.encode().strip() + b" y" * 3_000_000
    assert named(data) == CODE


def test_only_carriage_returns() -> None:
    data = b"\r".join([b" 10%|#   | 1/10 [00:01<00:09, 1.0it/s]"] * 50_000) + b"\r" + CAUSE.encode()
    assert named(data) == CODE


@pytest.mark.slow
def test_memory_stays_bounded_and_time_linear(tmp_path: Path) -> None:
    program = (
        "import re, sys, time\n"
        "from ftdoctor.cli import run\n"
        "code = run(['explain', sys.argv[1], '--engine', 'plain', '--format', 'json'])\n"
        # ru_maxrss would still hold what the test process had when it forked.
        "status = open('/proc/self/status').read()\n"
        "peak = int(re.search(r'VmHWM:\\s+(\\d+)', status)[1]) // 1024\n"
        "print(code, peak, time.process_time(), file=sys.stderr)\n"
    )
    took = {}
    for size in (50, 200):
        path = tmp_path / f"{size}.log"
        block = filler(5000)
        with path.open("wb") as file:
            for _ in range(size * 1_000_000 // len(block)):
                file.write(block)
            file.write(CAUSE.encode())
        done = subprocess.run(
            [sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True
        )
        code, peak, seconds = done.stderr.split()[-3:]
        assert json.loads(done.stdout)["cause"]["code"] == CODE
        assert int(code) == 0
        assert int(peak) < 150
        took[size] = float(seconds)
    assert took[200] < 8 * took[50]


def test_text_that_never_repeats_is_still_linear() -> None:
    def took(lines: int) -> float:
        data = "".join(f"{i:x}{i * 7:x} {'abc' * (i % 7)}{i:o} word{i:b}\n" for i in range(lines))
        started = time.process_time()
        explain(data.encode())
        return time.process_time() - started

    small, large = took(20_000), took(80_000)
    assert large < 8 * small + 0.5


def test_a_gzip_that_ends_early_is_said_to_be_incomplete() -> None:
    packed = gzip.compress(filler(1000) + b"done\n")
    found = explain(packed[:-200])
    assert found.scan.truncated
    assert found.exit_code == 4
    whole = explain(gzip.compress(CAUSE.encode()) + gzip.compress(b"more\n"))
    assert whole.cause is not None
    assert not whole.scan.truncated


def test_inputs_that_are_no_logs_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="zip archive"):
        explain(b"PK\x03\x04" + b"x" * 50)
    with pytest.raises(UsageError, match="zstd"):
        explain(b"\x28\xb5\x2f\xfd" + b"x" * 50)
    with pytest.raises(UsageError, match="folder"):
        open_log(str(tmp_path))
    with pytest.raises(UsageError, match="no such file"):
        open_log(str(tmp_path / "none"))


def test_a_notebook_with_a_failed_cell() -> None:
    book = {
        "nbformat": 4,
        "cells": [
            {"cell_type": "code", "outputs": [{"output_type": "stream", "text": ["hello\n"]}]},
            {
                "cell_type": "code",
                "outputs": [
                    {
                        "output_type": "error",
                        "ename": "TypeError",
                        "evalue": "x",
                        "traceback": [
                            "\x1b[0;31mTypeError\x1b[0m      Traceback (most recent call last)",
                            "Cell In[1], line 2",
                            f"\x1b[0;31mTypeError\x1b[0m: {CAUSE.split(': ', 1)[1]}",
                        ],
                    }
                ],
            },
        ],
    }
    assert named(json.dumps(book, indent=1).encode()) == CODE


def test_a_pasted_error_of_the_sdk() -> None:
    message = (
        "The replica workerpool0-0 exited with a non-zero status of 1. Termination reason: Error.\\n"
        'Traceback (most recent call last):\\n  File \\"/app/t.py\\", line 1, in <module>\\n'
        + CAUSE.strip()
    )
    log = (
        "Traceback (most recent call last):\n"
        '  File "submit.py", line 20, in <module>\n    job.run()\n'
        f'RuntimeError: Job failed with:\ncode: 3\nmessage: "{message}"\n'
    )
    assert named(log.encode()) == CODE


def test_a_container_that_prints_json() -> None:
    rows = [
        {"levelname": "INFO", "message": "start"},
        {
            "levelname": "ERROR",
            "message": "failed",
            "exc_info": "Traceback (most recent call last):\n" + CAUSE,
        },
    ]
    assert named("\n".join(map(json.dumps, rows)).encode()) == CODE


def test_the_head_and_the_tail_are_kept_whole() -> None:
    data = b"first words\n" + filler(30_000) + b"last words\n"
    kept = [
        line.text for line in scan(RawLog("x", io.BytesIO(data)), patterns(), engine="plain").lines
    ]
    assert kept[0] == "first words"
    assert kept[-1] == "last words"
    assert sum(map(len, kept)) > END


def test_four_times_the_rules_cost_at_most_half_as_much_again() -> None:
    """Selection by whole words makes the cost of a rule that does not match next to nothing."""

    def table(count: int) -> Patterns:
        rows = [
            {
                "code": f"FT-MANY-{i:03d}",
                "name": f"cause-{i}",
                "after": {"any": [f"the part{i:x}q of machine{i} broke down for (?P<why>\\w+)"]},
            }
            for i in range(count)
        ]
        return Patterns(build(rows), rows)

    data = filler(30_000) + b"".join(b"word%x of text %d\n" % (i, i) for i in range(20_000))

    def took(count: int) -> float:
        rules = table(count)
        best = 9.0
        for _ in range(3):
            started = time.process_time()
            explain_log(RawLog("x", io.BytesIO(data)), rules, engine="plain")
            best = min(best, time.process_time() - started)
        return best

    few, many = took(250), took(1000)
    assert many <= 1.5 * few


@pytest.mark.parametrize("data", [bytes(5000), bytes(range(256)) * 40])
def test_binary_is_no_log(data: bytes, tmp_path: Path, cli) -> None:
    path = tmp_path / "core.log"
    path.write_bytes(data)
    ran = cli("explain", path)
    assert ran.code == 4
    assert "binary" in ran.err
