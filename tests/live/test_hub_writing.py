"""A miswritten token is named for what it is, told once, and not sent."""

from __future__ import annotations

import json

import pytest
from tests.emulators.hub import GATED, LETTERS, OPEN, TOKEN, Identity, base
from tests.live.looking import PUSH, SCRIPT, VERTEX, only

UNSENT = {
    f'"{TOKEN}"': ("FT-AUTH-202", "quotes"),
    f"'{TOKEN}'": ("FT-AUTH-202", "quotes"),
    f"Bearer {TOKEN}": ("FT-AUTH-202", "Bearer"),
    f"{TOKEN[:20]} {TOKEN[20:]}": ("FT-AUTH-202", "space"),
    f"{TOKEN}\u200b": ("FT-AUTH-202", "character"),
    f"\ufeff{TOKEN}": ("FT-AUTH-202", "character"),
    "$HF_TOKEN": ("FT-AUTH-102", "$HF_TOKEN"),
    "${MY_TOKEN}": ("FT-AUTH-102", "${MY_TOKEN}"),
    "sk-proj-" + LETTERS + LETTERS: ("FT-AUTH-123", "OpenAI"),
    "ghp_" + (LETTERS + "0123")[:36]: ("FT-AUTH-123", "GitHub"),
    "0123456789abcdef" * 2 + "01234567": ("FT-AUTH-123", "Weights & Biases"),
    "hf_oauth__refresh_" + LETTERS: ("FT-AUTH-105", "refresh"),
    "api_org_" + LETTERS: ("FT-AUTH-106", "organisation"),
}


@pytest.mark.parametrize("raw", UNSENT, ids=lambda raw: UNSENT[raw][1] + str(len(raw)))
def test_miswritten_on_this_machine(look, raw: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", raw)
    state = base()
    found = only(look(state, model=GATED, push=PUSH))
    code, word = UNSENT[raw]
    assert found.code == code
    assert word.lower() in found.summary.lower()
    assert "HF_TOKEN" in found.summary + found.explain
    assert state.seen == []


@pytest.mark.parametrize("raw", [r for r in UNSENT if UNSENT[r][0] != "FT-AUTH-102"],
                         ids=lambda raw: UNSENT[raw][1] + str(len(raw)))  # fmt: skip
def test_miswritten_in_the_job(look, raw: str) -> None:
    state = base()
    text = VERTEX.format(value=json.dumps(raw), timeout=3600)
    findings = look(state, model=GATED, push=PUSH, job="job.yaml", text=text)
    found = only([f for f in findings if f.code != "FT-AUTH-115"])  # the key in the file as well
    assert found.code == UNSENT[raw][0]
    assert state.seen == []


@pytest.mark.parametrize("raw", [f"{TOKEN}\n", f"\n{TOKEN}", f"{TOKEN[:18]}\n{TOKEN[18:]}"])
def test_pasted_with_a_line_end(look, raw: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library strips it, so the job works; code that reads the variable itself does not."""
    monkeypatch.setenv("HF_TOKEN", raw)
    found = only(look())
    assert (found.code, found.severity) == ("FT-AUTH-202", "warning")
    assert "line end" in found.summary
    monkeypatch.delenv("HF_TOKEN")
    found = only(look(job="job.yaml", text=VERTEX.format(value=json.dumps(raw), timeout=3600)))
    assert (found.code, found.severity) == ("FT-AUTH-202", "warning")
    monkeypatch.setenv("HF_TOKEN", raw)
    text = "import os\ntoken = os.environ['HF_TOKEN']\n" + SCRIPT.format(model=OPEN, push="")
    found = only(look(job="own.py", text=text))
    assert (found.code, found.severity) == ("FT-AUTH-202", "error")


def test_a_placeholder_is_named_when_the_hub_refuses_it(
    look, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_your_token_here")
    assert only(look()).code == "FT-AUTH-101"
    state = base()
    state.tokens["hf_your_token_here"] = Identity()
    assert look(state) == []  # odd, and the Hub takes it


@pytest.mark.parametrize("name", ["HF_API_KEY", "HUGGINGFACE_TOKEN", "HUGGINGFACEHUB_API_TOKEN"])
def test_in_a_variable_that_nobody_reads(look, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, TOKEN)
    for case in ({"model": GATED}, {"push": PUSH}):
        found = only(look(**case))
        assert found.code == "FT-AUTH-110"
        assert name in found.summary
    assert look() == []  # nothing needs a token
    text = f"import os\nname = os.environ['{name}']\n" + SCRIPT.format(model=OPEN, push=PUSH)
    assert "FT-AUTH-110" not in {f.code for f in look(job="own.py", text=text)}
