"""No secret of a shape that we know passes the door; ordinary text passes unchanged."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftdoctor.redact import redact, redact_tree

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGH"
SECRETS = {
    "user": "hf_" + LETTERS,
    "oauth": "hf_oauth_eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJhYmMifQ.c2lnbmF0dXJlLXBhcnQ",
    "refresh": "hf_oauth__refresh_" + LETTERS,
    "ci": "hf_jwt_eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJhYmMifQ.c2ln",
    "organisation": "api_org_" + LETTERS,
    "google access": "ya29." + LETTERS * 2,
    "google key": "AIza" + "B" * 35,
    "google secret": "GOCSPX-" + LETTERS,
    "github": "ghp_" + LETTERS + "12",
    "openai": "sk-proj-" + LETTERS,
    "aws": "AKIA" + "ABCDEFGHIJKLMNOP",
    "jwt": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abcdefghijk",
}


@pytest.mark.parametrize("kind", SECRETS)
@pytest.mark.parametrize(
    "frame",
    ["{}", 'token="{}"', "x={} y", "Bearer {}", "https://u:{}@host/x", "é{}é", "\x1b[1m{}\x1b[0m"],
)
def test_secret_is_masked(kind: str, frame: str) -> None:
    secret = SECRETS[kind]
    shown = redact(frame.format(secret))
    assert secret not in shown
    assert secret[12:] not in shown


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        (
            "WANDB_API_KEY=0123456789abcdef0123456789abcdef01234567",
            "0123456789abcdef0123456789abcdef01234567",
        ),
        ('"password": "correct horse9"', "correct"),
        ("MY_SECRET: s3cr3t-value-here", "s3cr3t-value-here"),
        ("--api-key=abcd1234efgh", "abcd1234efgh"),
        ("Authorization: Basic dXNlcjpwYXNzd29yZA==", "dXNlcjpwYXNzd29yZA"),
        ("postgres://me:hunter22@db/x", "hunter22"),
    ],
)
def test_named_secret_is_masked(text: str, secret: str) -> None:
    assert secret not in redact(text)


@pytest.mark.parametrize(
    "text",
    [
        "HF_TOKEN: ${HF_TOKEN}",
        "HF_TOKEN=$HF_TOKEN",
        "value: <YOUR_HF_TOKEN>",
        'token=os.environ["HF_TOKEN"]',
        "hf_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "eos_token: <|end_of_text|>",
        "pad_token=tokenizer.eos_token",
        "TypeError: SFTTrainer.__init__() got an unexpected keyword argument 'tokenizer'",
        "hf_api.HfApi().create_repo",
        "from transformers import AutoTokenizer",
    ],
)
def test_ordinary_text_is_kept(text: str) -> None:
    assert redact(text) == text


@given(st.text(max_size=400))
def test_any_text_and_twice_is_once(text: str) -> None:
    once = redact(text)
    assert redact(once) == once or "redacted" in once


def test_tree() -> None:
    secret = SECRETS["user"]
    assert secret not in str(redact_tree({"a": [secret, (secret, 1)], secret: None}))
