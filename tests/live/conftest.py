"""A Hub on loopback for the tests of live facts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.emulators.hub import HubServer, State
from tests.live.google_job import SPEC, SUBMIT
from tests.live.looking import look as look

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch):
    """Start a Hub with a state and point huggingface_hub at it."""
    servers: list[HubServer] = []

    def start(state: State) -> HubServer:
        from huggingface_hub import constants

        server = HubServer(state)
        server.__enter__()
        servers.append(server)
        monkeypatch.setattr(constants, "ENDPOINT", server.url)
        return server

    yield start
    for server in servers:
        server.__exit__()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """gcloud's folder, empty, and a folder to work in."""
    folder = tmp_path / "gcloud"
    (folder / "configurations").mkdir(parents=True)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(folder))
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return folder


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A job and the command that submits it."""
    (tmp_path / "job.yaml").write_text(SPEC)
    (tmp_path / "submit.sh").write_text(SUBMIT)
    monkeypatch.chdir(tmp_path)
    return tmp_path
