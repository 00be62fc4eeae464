"""What the tests of runs on Vertex AI share: a folder, a Vertex AI on loopback, the command."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from tests.emulators.vertex_jobs import PROJECT, VertexJobs
from tests.emulators.vertex_rest import VertexJobsServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TOKEN = "hf_" + "abcdefghijklmnopqrstuvwxyzABCDEFGH"
AGREED = ("--yes", "--max-cost", "0.50")


class Bench:
    """A folder, a Vertex AI, and the command."""

    def __init__(self, folder: Path, server: VertexJobsServer) -> None:
        self.folder, self.server, self.vertex = folder, server, server.state
        self.endpoint = server.url
        self.state = folder / ".ftdoctor" / "smoke-running.json"

    def start(
        self, *words: str, gpu: str = "l4", stdin: int = subprocess.DEVNULL, token: str = TOKEN
    ) -> subprocess.Popen[str]:
        """Start `ftdoctor smoke`."""
        where = ("--gpu", gpu, "--on", "vertex") if gpu else ()
        environment = {
            **os.environ,
            "FTDOCTOR_VERTEX_ENDPOINT": self.endpoint,
            "FTDOCTOR_LOGGING_ENDPOINT": self.endpoint,
            "CLOUDSDK_CORE_PROJECT": PROJECT,
            "CLOUDSDK_AI_REGION": "us-central1",
            "CLOUDSDK_CONFIG": str(self.folder / "gcloud"),
            "HF_HOME": str(self.folder / "hf"),
            **({"HF_TOKEN": token} if token else {}),
        }
        return subprocess.Popen(
            [sys.executable, "-m", "ftdoctor", "smoke", *where, "--poll", "0.05", *words],
            cwd=self.folder,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def run(self, *words: str, gpu: str = "l4", token: str = TOKEN) -> tuple[int, str, str]:
        """Run it to its end: exit code, stdout without line breaks, stderr."""
        process = self.start(*words, gpu=gpu, token=token)
        out, err = process.communicate(timeout=240)
        assert "Traceback" not in err, err
        assert TOKEN not in out + err
        return process.returncode, " ".join(out.split()), err

    def looked(self, times: int = 2) -> None:
        """Wait until a job was looked at."""
        end = time.monotonic() + 60
        while not any(looks > times for looks in self.vertex.looks.values()):
            assert time.monotonic() < end
            time.sleep(0.02)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """Return a bench with a Vertex AI that runs every job well."""
    with VertexJobsServer(VertexJobs()) as server:
        yield Bench(tmp_path, server)


def pool(sent: dict[str, Any]) -> dict[str, Any]:
    """Return the chief pool of a job."""
    found: dict[str, Any] = sent["jobSpec"]["workerPoolSpecs"][0]
    return found


def variables(sent: dict[str, Any]) -> dict[str, str]:
    """Return the environment of the chief container."""
    return {e["name"]: e["value"] for e in pool(sent)["containerSpec"]["env"]}
