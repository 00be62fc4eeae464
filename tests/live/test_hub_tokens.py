"""Each situation of the token has its own answer, and one mistake is told once."""

from __future__ import annotations

import base64
import json
import time
from typing import TYPE_CHECKING

import pytest
from tests.emulators.hub import GATED, LETTERS, OPEN, TOKEN, Identity, Repo, State, base

from ftdoctor.config import Config
from ftdoctor.facts.gather import gatherer
from ftdoctor.inspection import Inspection, inspect
from ftdoctor.job.read import read
from ftdoctor.rulebook.load import load

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ftdoctor.rulebook.model import Finding

SCRIPT = """\
from transformers import AutoModelForCausalLM, Trainer, TrainingArguments

model = AutoModelForCausalLM.from_pretrained("{model}")
trainer = Trainer(model=model, args=TrainingArguments(output_dir="/tmp/out"{push}))
trainer.train()
"""
PUSH = ', push_to_hub=True, hub_model_id="ada/out"'
VERTEX = """\
workerPoolSpecs:
  - machineSpec: {{machineType: g2-standard-12, acceleratorType: NVIDIA_L4, acceleratorCount: 1}}
    replicaCount: 1
    containerSpec:
      imageUri: us-docker.pkg.dev/p/r/train:1
      command: [python, train.py]
      env:
        - name: HF_TOKEN
          value: {value}
scheduling: {{timeout: {timeout}s}}
"""


def oauth(expires: float = 0, *scopes: str) -> str:
    body: dict[str, object] = {"scope": list(scopes) or ["read-repos", "write-repos"]}
    if expires:
        body["exp"] = int(expires)
    payload = base64.urlsafe_b64encode(json.dumps(body).encode()).decode().rstrip("=")
    return f"hf_oauth_eyJhbGciOiJFZERTQSJ9.{payload}.c2ln"


@pytest.fixture
def look(hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Finding]]:
    """Check a job on a Hub with a state and return what is found of tokens and repositories."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))

    def call(
        state: State | None = None, *, model: str = OPEN, push: str = "", job: str = "train.py",
        text: str = "", online: bool = True,
    ) -> list[Finding]:  # fmt: skip
        hub(state or base())
        (tmp_path / "train.py").write_text(SCRIPT.format(model=model, push=push))
        if text:
            (tmp_path / job).write_text(text)
        done: Inspection = inspect(
            read([job]).jobs,
            load(),
            Config(select=("FT-AUTH", "FT-NET"), ignore={"FT-AUTH-113": "", "FT-AUTH-118": ""}),
            gather=gatherer(online=online, deadline=10),
        )
        assert not [c.error for report in done.jobs for c in report.crashed]
        call.skipped = [s.reason for report in done.jobs for s in report.skipped]  # type: ignore[attr-defined]
        return [f for _, f in done.findings()]

    return call


def only(findings: list[Finding]) -> Finding:
    assert len(findings) == 1, [f"{f.code} {f.summary}" for f in findings]
    return findings[0]


# Five situations


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


# Miswritten: named for what it is, and not sent


UNSENT = {
    f'"{TOKEN}"': ("FT-AUTH-202", "quotes"),
    f"'{TOKEN}'": ("FT-AUTH-202", "quotes"),
    f"Bearer {TOKEN}": ("FT-AUTH-202", "Bearer"),
    f"{TOKEN[:20]} {TOKEN[20:]}": ("FT-AUTH-202", "space"),
    f"{TOKEN}\u200b": ("FT-AUTH-202", "character"),
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
