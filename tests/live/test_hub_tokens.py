"""Each situation of the token has its own answer, and one mistake is told once."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from tests.emulators.hub import GATED, TOKEN, Identity, base
from tests.live.looking import PUSH, SCRIPT, VERTEX, oauth, only

if TYPE_CHECKING:
    from pathlib import Path


def test_absent(look) -> None:
    found = only(look(model=GATED))
    assert (found.code, found.severity) == ("FT-AUTH-251", "error")
    found = only(look(push=PUSH))
    assert found.code == "FT-AUTH-257"
    assert look() == []


def test_absent_and_the_code_logs_in_by_itself(look, tmp_path: Path) -> None:
    text = "import dotenv\ndotenv.load_dotenv()\n" + SCRIPT.format(model=GATED, push=PUSH)
    assert look(job="own.py", text=text) == []
    assert any("its code gets a token by itself" in reason for reason in look.skipped)


@pytest.mark.parametrize("what", ["folder", "binary"])
def test_unreadable(look, what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "token"
    if what == "folder":
        path.mkdir()
    else:
        path.write_bytes(b"hf_\xff\xfe\x00")
    monkeypatch.setenv("HF_TOKEN_PATH", str(path))
    state = base()
    found = only(look(state, model=GATED, push=PUSH))
    assert found.code == "FT-AUTH-256"
    assert str(path) in found.summary
    assert state.seen == []


def test_invalid(look, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_" + "A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7")
    found = only(look(model=GATED, push=PUSH))
    assert found.code == "FT-AUTH-006"
    assert "HF_TOKEN of this machine" in found.summary
    monkeypatch.setenv("HF_TOKEN", "hf_" + "A1b2C3d4E5")
    assert "was it cut?" in only(look(model=GATED, push=PUSH)).summary


def test_expired_as_the_hub_says(look, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    state = base()
    state.tokens[TOKEN].refused = 'User Access Token "train" is expired'
    assert only(look(state, model=GATED, push=PUSH)).code == "FT-AUTH-124"
    state = base()
    state.tokens[TOKEN].expires = "2026-01-02T03:04:05.000Z"
    found = only(look(state))
    assert found.code == "FT-AUTH-124"
    assert "2026-01-02 03:04 UTC" in found.summary


def test_expired_as_the_token_says(look, monkeypatch: pytest.MonkeyPatch) -> None:
    token = oauth(time.time() - 3600)
    monkeypatch.setenv("HF_TOKEN", token)
    found = only(look(base(), model=GATED, push=PUSH))
    assert found.code == "FT-AUTH-124"  # the Hub refuses it and it says itself why
    state = base()
    state.tokens[token] = Identity(role="oauth", scopes=("read-repos",))
    assert look(state) == []  # the Hub took it just now: its word counts more


def test_an_expired_token_in_the_job_is_told_once(look) -> None:
    text = VERTEX.format(value=oauth(time.time() - 3600), timeout=3600)
    assert only(look(job="job.yaml", text=text)).code == "FT-AUTH-124"


@pytest.mark.parametrize("stated", ["hub", "token"])
def test_ends_before_the_job(look, stated: str) -> None:
    state, end = base(), time.time() + 3600
    token = TOKEN if stated == "hub" else oauth(end)
    state.tokens[token] = Identity(role="write" if stated == "hub" else "oauth",
                                   scopes=("read-repos", "write-repos"))  # fmt: skip
    if stated == "hub":
        state.tokens[token].expires = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(end))
    found = only(look(state, job="job.yaml", text=VERTEX.format(value=token, timeout=7200)))
    assert (found.code, found.severity) == ("FT-AUTH-108", "warning")
    assert "2.0 hours" in found.summary
    assert look(state, job="job.yaml", text=VERTEX.format(value=token, timeout=1800)) == []


WEAK = {
    "role": (Identity(role="read"), "has the role read"),
    "repository": (
        Identity(role="fineGrained", permissions={"model:ada/other": ["repo.write"]}),
        "no repo.write for it",
    ),
    "organisation": (Identity(name="bob"), "bob is no member of ada"),
}


@pytest.mark.parametrize("kind", WEAK)
def test_too_weak_to_push(look, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    state = base()
    state.tokens[TOKEN], why = WEAK[kind]
    found = only(look(state, push=PUSH))
    assert found.code == "FT-AUTH-008"
    assert why in found.summary


def test_an_oauth_token_names_what_it_declares(look, monkeypatch: pytest.MonkeyPatch) -> None:
    for scopes, words in (
        (("read-repos",), "declares no scope that writes (read-repos)"),
        (("read-repos", "contribute-repos"), "contribute-repos, which covers only"),
    ):
        token = oauth(0, *scopes)
        monkeypatch.setenv("HF_TOKEN", token)
        state = base()
        state.tokens[token] = Identity(role="oauth", scopes=scopes)
        found = only(look(state, push=PUSH))
        assert found.code == "FT-AUTH-008"
        assert words in found.summary


def test_a_push_without_a_name_follows_from_the_role(look, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    state = base()
    assert look(state, push=", push_to_hub=True") == []
    state.tokens[TOKEN].role = "read"
    found = only(look(state, push=", push_to_hub=True"))
    assert (found.code, found.severity) == ("FT-AUTH-008", "error")


def test_the_fix_names_page_and_account(look, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    found = only(look(model=GATED))
    assert found.code == "FT-AUTH-003"
    assert f"https://huggingface.co/{GATED} signed in as ada" in found.fixes[0].text


def test_gated_and_the_scope_is_not_declared(look, monkeypatch: pytest.MonkeyPatch) -> None:
    token = oauth(0, "openid", "inference-api")
    monkeypatch.setenv("HF_TOKEN", token)
    state = base()
    state.tokens[token] = Identity(role="oauth", scopes=("openid", "inference-api"))
    found = only(look(state, model=GATED))
    assert found.code == "FT-AUTH-003"
    assert any("declares only the scopes" in fix.text for fix in found.fixes)


def test_an_oauth_token_in_the_job_is_told_by_what_the_hub_says(look) -> None:
    """Offline its list of scopes is the finding; the Hub's own no takes its place."""
    token = oauth(0, "read-repos")
    text = VERTEX.format(value=token, timeout=3600)
    state = base()
    state.tokens[token] = Identity(role="oauth", scopes=("read-repos",))
    assert only(look(state, push=PUSH, job="job.yaml", text=text)).code == "FT-AUTH-008"
    state.fault = "500"
    found = only(look(state, push=PUSH, job="job.yaml", text=text))
    assert (found.code, found.severity) == ("FT-AUTH-107", "error")
