"""The emulator is read by huggingface_hub's own methods as the Hub is: same errors, same values."""

from __future__ import annotations

import pytest
from huggingface_hub import HfApi, constants
from huggingface_hub.errors import (
    DisabledRepoError,
    GatedRepoError,
    HfHubHTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from tests.emulators.hub import DATA, GATED, OPEN, SCENARIOS, TOKEN, HubServer, scenario

#: Scenario -> (what is asked, error of the client, words in it).
ERRORS = {
    "gated-not-requested": (GATED, GatedRepoError, "not in the authorized list"),
    "gated-pending": (GATED, GatedRepoError, "awaiting a review"),
    "gated-rejected": (GATED, GatedRepoError, "has been rejected"),
    "gated-reset": (GATED, GatedRepoError, "has been reset"),
    "gated-fine-grained": (GATED, HfHubHTTPError, "enable access to public gated repositories"),
    "missing": (OPEN, RepositoryNotFoundError, "Repository Not Found"),
    "disabled": (OPEN, DisabledRepoError, "disabled"),
    "token-invalid": (OPEN, HfHubHTTPError, "Invalid credentials in Authorization header"),
    "org-policy": (OPEN, HfHubHTTPError, "token needs to be approved"),
}


def api(server: HubServer, token: str | bool = TOKEN) -> HfApi:
    return HfApi(endpoint=server.url, token=token)


@pytest.mark.parametrize("name", ERRORS)
def test_errors_are_those_of_the_hub(name: str) -> None:
    repo, error, words = ERRORS[name]
    with HubServer(scenario(name)) as server, pytest.raises(error) as caught:
        api(server).auth_check(repo)
    assert words in str(caught.value)


def test_nobody_is_told_to_log_in() -> None:
    with HubServer(scenario("open")) as server, pytest.raises(GatedRepoError) as caught:
        api(server, token=False).auth_check(GATED)
    assert caught.value.response.status_code == 401
    assert "Please log in" in str(caught.value)


def test_writing() -> None:
    with HubServer(scenario("open")) as server:
        api(server).auth_check("ada/out", write=True)
    with HubServer(scenario("read-only")) as server, pytest.raises(HfHubHTTPError) as caught:
        api(server).auth_check("ada/out", write=True)
    assert "read access but not the required permissions" in str(caught.value)


def test_values(monkeypatch: pytest.MonkeyPatch) -> None:
    with HubServer(scenario("open")) as server:
        hub = api(server)
        assert hub.whoami()["auth"]["accessToken"]["role"] == "write"
        info = hub.model_info(OPEN, files_metadata=True)
        assert {s.rfilename: s.size for s in info.siblings or []}["model.safetensors"] == 10_000_000
        assert hub.model_info(GATED).gated == "manual"  # open to all, and no proof of access
        assert hub.dataset_info(DATA).siblings
        assert [branch.name for branch in hub.list_repo_refs(OPEN).branches] == ["main", "v1.0"]
        with pytest.raises(RevisionNotFoundError):
            hub.model_info(OPEN, revision="v9")
        monkeypatch.setattr(constants, "ENDPOINT", server.url)
        (row,) = hub.list_jobs_hardware()
        assert (row.name, row.unit_label) == ("l4x1", "minute")


def test_every_scenario_starts() -> None:
    for name in SCENARIOS:
        with HubServer(scenario(name)) as server:
            assert server.url.startswith("http")
    with pytest.raises(SystemExit):
        scenario("no-such")
