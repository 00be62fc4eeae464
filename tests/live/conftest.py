"""A Hub on loopback for the tests of live facts."""

from __future__ import annotations

import pytest
from tests.emulators.hub import HubServer, State


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
