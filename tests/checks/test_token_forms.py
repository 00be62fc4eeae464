"""What stands in a token's place: kinds, placeholders, broken texts, claims of OAuth tokens."""

from __future__ import annotations

import base64
import json

import pytest

from ftdoctor.checks.token_forms import claims, filler, kind, malformed, placeholder

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGH"


@pytest.mark.parametrize(
    "text",
    [
        "<YOUR_HF_TOKEN>", "hf_xxx", "hf_xxxxxxxxxxxxxxxxxxxx", "hf_XXXXXXXX", "hf_...", "hf_***", "your_token_here",
        "YOUR_HF_TOKEN", "hf_your_token", "REPLACE_ME", "CHANGE_ME", "[your-hugging-face-token]", "hf_token", "HF_TOKEN",
        "PASTE_TOKEN_HERE", "your-token-here", "<token>", "'hf_xxx'", "Bearer hf_xxx", "xxx", "my_hf_token",
    ],
)  # fmt: skip
def test_placeholder(text: str) -> None:
    assert placeholder(text)


@pytest.mark.parametrize(
    "text",
    [
        f"hf_{LETTERS}",
        "$HF_TOKEN",
        "projects/1/secrets/hf/versions/1",
        "hf_oauth_a.b.c",
        "0" * 40,
        "",
    ],
)
def test_no_placeholder(text: str) -> None:
    assert not placeholder(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"hf_{LETTERS}", "user"),
        ("hf_oauth_eyJh.eyJz.sig", "oauth"),
        ("hf_oauth__refresh_abcdef", "refresh"),
        ("hf_jwt_abcdef", "ci"),
        (f"api_org_{LETTERS}", "org"),
        ("hf_short", ""),
        ("$HF_TOKEN", ""),
    ],
)
def test_kind(text: str, expected: str) -> None:
    assert kind(text) == expected


def test_filler_is_told_from_a_token() -> None:
    assert filler("hf_" + "x" * 34)
    assert filler("hf_" + "ab" * 17)
    assert not filler(f"hf_{LETTERS}")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  ", "blank"),
        (f'"hf_{LETTERS}"', "quotes"),
        (f"Bearer hf_{LETTERS}", "Bearer"),
        ("hf_abc def", "space"),
        (f" hf_{LETTERS}\n", ""),
        (f"hf_{LETTERS}", ""),
    ],
)
def test_malformed(text: str, expected: str) -> None:
    found = malformed(text)
    assert (expected in found) if expected else found == ""


def _token(payload: object) -> str:
    def part(data: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(data).encode()).decode().rstrip("=")

    return f"hf_oauth_{part({'alg': 'none'})}.{part(payload)}.signature"


def test_claims_are_read_from_the_token_itself() -> None:
    listed = claims(_token({"scope": ["read-repos", "jobs"], "exp": 123}))
    spaced = claims(_token({"scope": "openid write-repos"}))
    assert listed is not None
    assert listed.scopes == ("read-repos", "jobs")
    assert listed.expires == 123
    assert spaced is not None
    assert spaced.scopes == ("openid", "write-repos")
    assert spaced.expires is None


@pytest.mark.parametrize(
    "text", ["hf_oauth_x", "hf_oauth_a.%%%.b", _token([1, 2]), _token("x"), "hf_oauth_a.b"]
)
def test_claims_of_what_is_no_token(text: str) -> None:
    assert claims(text) is None or claims(text).scopes == ()  # type: ignore[union-attr]
