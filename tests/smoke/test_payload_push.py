"""A real push by the real client to a Hub on loopback, and its removal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from huggingface_hub.errors import HfHubHTTPError
from tests.emulators.hub import TOKEN, scenario
from tests.emulators.hub_push import PushServer

from ftdoctor.smoke.payload import hub
from ftdoctor.smoke.payload.state import Run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ADAPTER = {"adapter_config.json": b"{}", "adapter_model.safetensors": b"\x08" * 300}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[PushServer]:
    """A Hub where ada owns `ada/out`; the client is pointed at it."""
    with PushServer(scenario("open")) as server:
        use(server, monkeypatch, tmp_path)
        yield server


def use(server: PushServer, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Point the client of this process at a server."""
    import huggingface_hub
    from huggingface_hub import constants, hf_api

    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setattr(constants, "ENDPOINT", server.url)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder / "cache"))
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda: hf_api.HfApi(endpoint=server.url))


def saved(folder: Path, repo: str) -> Run:
    """Return a run that has saved an adapter and pushes it to `repo`."""
    run = Run({"push": repo, "folder": str(folder)})
    run.saved = str(folder / "adapter")
    (folder / "adapter").mkdir()
    for name, content in ADAPTER.items():
        (folder / "adapter" / name).write_bytes(content)
    return run


def commits(server: PushServer) -> list[str]:
    """Return the branches that were written to."""
    return [s.rpartition("/")[2] for s in server.state.seen if "/commit/" in s]


def test_it_is_pushed_to_a_branch_that_is_gone_afterwards(
    server: PushServer, tmp_path: Path
) -> None:
    found = hub.push(saved(tmp_path, "ada/out"))
    assert found["removed"]
    assert found["files"] == 2
    assert commits(server) == [found["branch"]]
    assert found["branch"] != "main"
    assert list(server.held["ada/out"]) == ["main"]
    assert server.held["ada/out"]["main"] == {}
    assert list(server.large.values()) == [ADAPTER["adapter_model.safetensors"]]


def test_a_repository_that_the_run_made_is_removed(server: PushServer, tmp_path: Path) -> None:
    found = hub.push(saved(tmp_path, "new-adapter"))  # the owner is the token's
    assert found["repo"] == "ada/new-adapter"
    assert found["removed"]
    assert "ada/new-adapter" not in server.state.repos
    assert "POST /api/repos/create" in server.state.seen


def test_one_that_was_there_is_never_deleted(server: PushServer, tmp_path: Path) -> None:
    hub.push(saved(tmp_path, "ada/out"))
    assert not [s for s in server.state.seen if s.startswith("DELETE /api/repos")]


def test_a_token_that_only_reads_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with PushServer(scenario("read-only")) as server:
        use(server, monkeypatch, tmp_path)
        with pytest.raises(HfHubHTTPError, match="403"):
            hub.push(saved(tmp_path, "ada/out"))
        assert not commits(server)


def test_a_push_that_breaks_in_the_middle_leaves_no_branch(
    server: PushServer, tmp_path: Path
) -> None:
    server.state.fault, server.state.fault_at = "proxy-login", r"/commit/"
    with pytest.raises(HfHubHTTPError, match="403"):
        hub.push(saved(tmp_path, "ada/out"))
    assert list(server.held["ada/out"]) == ["main"]
