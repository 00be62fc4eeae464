"""What follows from the answers of the Hub, and what does not: unknown tokens, bases, Spaces."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from tests.emulators.hub import GATED, OPEN, TOKEN, Identity, Repo, base
from tests.live.looking import PUSH, SCRIPT, VERTEX, oauth, only

if TYPE_CHECKING:
    from pathlib import Path


def test_the_old_name_is_read_and_a_blank_new_one_hides_it(
    look, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUGGING_FACE_HUB_TOKEN", TOKEN)
    state = base()
    state.repos[GATED] = Repo(gate="manual", requests={"ada": "accepted"})
    assert look(state, model=GATED) == []
    monkeypatch.setenv("HF_TOKEN", "  ")
    assert only(look(state, model=GATED)).code == "FT-AUTH-251"


def test_a_token_that_is_not_known_here_is_no_finding(look) -> None:
    """What the Hub shows to nobody says nothing about a job that carries a token."""
    text = VERTEX.format(value='"{{ .Values.token }}"', timeout=3600)
    text = text.replace('value: "{{ .Values.token }}"', 'value: "$HF_FROM_ELSEWHERE"')
    findings = look(model=GATED, job="job.yaml", text=text)
    assert {f.code for f in findings} <= {"FT-AUTH-102"}
    assert any("is gated, and whether the job may read it is open" in r for r in look.skipped)


def test_a_login_that_is_about_to_be_renewed_is_not_called_invalid(
    look, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    token = oauth(time.time() - 60)
    (home / "token").write_text(token)
    (home / "stored_tokens").write_text(
        f"[oauth-ada]\nhf_token = {token}\nrefresh_token = hf_oauth__refresh_x\n"
        f"expires_at = {int(time.time()) - 60}\n"
    )
    assert look(push=PUSH) == []
    assert any("huggingface_hub renews it" in reason for reason in look.skipped)


def test_a_machine_that_sends_no_token_unasked(look, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setenv("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")
    state = base()
    state.repos[GATED] = Repo(gate="manual", requests={"ada": "accepted"})
    assert only(look(state, model=GATED)).code == "FT-AUTH-251"


def test_only_what_hangs_on_it_is_called_untold(look, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the list of files nothing is lost, unless the job names a revision or a file."""
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    state = base()
    state.fault, state.fault_at = "500", r"/refs|\?blobs"
    assert look(state) == []
    assert look.skipped == []
    text = SCRIPT.format(model=OPEN, push="").replace('tiny"', 'tiny", revision="v1.0"')
    assert look(state, job="own.py", text=text) == []
    assert [r for r in look.skipped if r.startswith("the files of open-org/tiny@v1.0")]
    assert only(look(state, job="own.py", text=text.replace(OPEN, GATED))).code == "FT-AUTH-003"
    assert look.skipped == []


def test_a_gated_data_set_has_its_own_page(look, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    state = base()
    state.repos["datasets/gate-org/notes"] = Repo(gate="auto")
    text = SCRIPT.format(model=OPEN, push="") + "\nfrom datasets import load_dataset\n"
    text += 'data = load_dataset("gate-org/notes", split="train")\n'
    found = only(look(state, job="own.py", text=text))
    assert found.code == "FT-AUTH-003"
    assert "gated dataset gate-org/notes" in found.summary
    assert "https://huggingface.co/datasets/gate-org/notes signed in as ada" in found.fixes[0].text


def test_the_gated_base_of_an_open_adapter(look, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    state = base()
    files = {"adapter_config.json": 600, "adapter_model.safetensors": 10_000}
    state.repos["ada/adapter"] = Repo(files=files, base=GATED)
    text = SCRIPT.format(model="ada/adapter", push="").replace(
        "AutoModelForCausalLM.from", "AutoPeftModelForCausalLM.from"
    ).replace("from transformers import AutoModelForCausalLM,", "from peft import AutoPeftModelForCausalLM\nfrom transformers import")  # fmt: skip
    found = only(look(state, job="own.py", text=text))
    assert found.code == "FT-AUTH-003"
    assert GATED in found.summary
    assert "base of the adapter ada/adapter" in found.fixes[0].text
    state.repos[GATED].requests = {"ada": "accepted"}
    assert look(state, job="own.py", text=text) == []


@pytest.mark.parametrize("line", ["from huggingface_hub import login; login()", "notebook_login()"])
def test_code_that_logs_in_is_not_called_without_a_token(look, line: str) -> None:
    text = f"{line}\n" + SCRIPT.format(model=GATED, push=PUSH)
    assert look(job="own.py", text=text) == []
    text = "import wandb\nwandb.login()\n" + SCRIPT.format(model=GATED, push="")
    assert only(look(job="own.py", text=text)).code == "FT-AUTH-251"


def test_an_unknown_token_matters_only_where_one_is_needed(look) -> None:
    value = '"{{ token }}"'
    text = VERTEX.format(value=value, timeout=3600).replace(value, '"$FROM_ELSEWHERE"')
    look(job="job.yaml", text=text)
    assert look.skipped == []
    look(job="job.yaml", text=text, push=PUSH)
    assert any("is not known here" in reason for reason in look.skipped)


def test_a_reward_model_is_asked_about(look, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    text = (
        "from datasets import load_dataset\nfrom trl import GRPOConfig, GRPOTrainer\n"
        'data = load_dataset("open-org/chat", split="train")\n'
        'GRPOTrainer("open-org/tiny", reward_funcs="gate-org/tiny-gated", '
        'args=GRPOConfig(output_dir="/tmp/o"), train_dataset=data).train()\n'
    )
    assert only(look(job="own.py", text=text)).code == "FT-AUTH-003"


def test_a_token_of_one_repository_may_have_no_account(
    look, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What whoami says to a trusted publisher's token for a repository is not documented."""
    token = "hf_jwt_eyJhbGciOiJFZERTQSJ9.e30.c2ln"
    monkeypatch.setenv("HF_TOKEN", token)
    state = base()
    state.tokens[token] = Identity(no_account=True)
    assert look(state) == []
    assert only(look(base())).code == "FT-AUTH-006"  # the repositories refuse it as well


def test_what_is_pushed_may_be_a_data_set(look, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    state = base()
    state.tokens[TOKEN] = Identity(
        role="fineGrained", permissions={"dataset:ada/notes": ["repo.write"]}
    )
    state.repos["datasets/ada/notes"] = Repo()
    text = SCRIPT.format(model=OPEN, push="") + "from datasets import load_dataset\n"
    text += 'load_dataset("open-org/chat", split="train").push_to_hub("ada/notes")\n'
    assert look(state, job="own.py", text=text) == []
    assert "ada/notes: is a data set, and can be written" in look.told["asked"]
    state.tokens[TOKEN] = Identity(role="read")
    assert only(look(state, job="own.py", text=text)).code == "FT-AUTH-008"
    state.tokens[TOKEN] = Identity(role="fineGrained", permissions={"model:ada/x": ["repo.write"]})
    del state.repos["datasets/ada/notes"]
    assert only(look(state, job="own.py", text=text)).code == "FT-AUTH-001"
    state.tokens[TOKEN] = Identity(role="read")
    assert only(look(state, job="own.py", text=text)).code == "FT-AUTH-001"
