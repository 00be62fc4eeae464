"""What the tests of runs on HF Jobs share: a folder, a Hub on loopback, the command."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from tests.emulators.hub_jobs import TOKEN, HubJobs, HubJobsServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

AGREED = ("--yes", "--max-cost", "0.50")


class Bench:
    """A folder, a Hub, and the command."""

    def __init__(self, folder: Path, server: HubJobsServer) -> None:
        self.folder, self.server, self.hub = folder, server, server.state
        self.state = folder / ".ftdoctor" / "smoke-running.json"

    def start(
        self, *words: str, gpu: str = "l4", stdin: int = subprocess.DEVNULL
    ) -> subprocess.Popen[str]:
        """Start `ftdoctor smoke`."""
        where = ("--gpu", gpu, "--on", "hf-jobs") if gpu else ()
        return subprocess.Popen(
            [sys.executable, "-m", "ftdoctor", "smoke", *where, "--poll", "0.05", *words],
            cwd=self.folder,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={
                **os.environ,
                "HF_ENDPOINT": self.server.url,
                "HF_TOKEN": TOKEN,
                "HF_HOME": str(self.folder / "hf"),
            },
        )

    def run(self, *words: str, gpu: str = "l4") -> tuple[int, str, str]:
        """Run it to its end: exit code, stdout without line breaks, stderr."""
        process = self.start(*words, gpu=gpu)
        out, err = process.communicate(timeout=120)
        assert "Traceback" not in err, err
        assert TOKEN not in out + err
        return process.returncode, flat(out), err


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """Return a bench with a Hub that runs every job well."""
    with HubJobsServer(HubJobs()) as server:
        yield Bench(tmp_path, server)


def flat(text: str) -> str:
    """Return a report without its line breaks."""
    return " ".join(text.split())


def wait_for(what: Any, seconds: float = 30.0) -> None:
    """Wait until something is true."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end
        time.sleep(0.02)
