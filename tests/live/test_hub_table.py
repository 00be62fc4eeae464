"""Token kind x situation: the one finding that `check` gives."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import pytest
from tests.emulators.hub import GATED, LETTERS, OPEN, Identity, Repo, State

from ftdoctor.config import Config
from ftdoctor.facts.gather import gatherer
from ftdoctor.inspection import inspect
from ftdoctor.job.read import read
from ftdoctor.rulebook.load import load

if TYPE_CHECKING:
    from pathlib import Path

USER = "hf_" + LETTERS
#: Rules whose findings come from the Hub's answers.
LIVE = [
    "FT-AUTH-001", "FT-AUTH-002", "FT-AUTH-003", "FT-AUTH-004", "FT-AUTH-006", "FT-AUTH-008",
    "FT-AUTH-251", "FT-AUTH-253", "FT-AUTH-201", "FT-AUTH-205", "FT-NET-004", "FT-JOB-206",
]  # fmt: skip


def oauth(*scopes: str) -> str:
    payload = base64.urlsafe_b64encode(json.dumps({"scope": list(scopes)}).encode()).decode()
    return f"hf_oauth_eyJhbGciOiJFZERTQSJ9.{payload.rstrip('=')}.c2ln"


KINDS: dict[str, tuple[str, Identity | None]] = {
    "none": ("", None),
    "read": (USER, Identity(role="read")),
    "write": (USER, Identity()),
    "fine-grained": (
        USER,
        Identity(
            role="fineGrained",
            gated=True,
            permissions={"user:ada": ["repo.content.read", "repo.write"]},
        ),
    ),
    "fine-grained-no-gated": (
        USER,
        Identity(role="fineGrained", permissions={"user:ada": ["repo.content.read", "repo.write"]}),
    ),
    "fine-grained-one-repo": (
        USER,
        Identity(role="fineGrained", gated=True, permissions={"model:ada/out": ["repo.write"]}),
    ),
    "oauth-read": (
        oauth("read-repos", "gated-repos"),
        Identity(role="oauth", scopes=("read-repos", "gated-repos")),
    ),
    "oauth-write": (
        oauth("read-repos", "write-repos", "manage-repos"),
        Identity(role="oauth", scopes=("read-repos", "write-repos", "manage-repos")),
    ),
    "invalid": (USER, None),
    "ci": ("hf_jwt_eyJhbGciOiJFZERTQSJ9.e30.c2ln", Identity(role="write")),
    "organisation-blocked": (USER, Identity(blocked={"open-org": ["token-policy"]})),
}

SITUATIONS = (
    "open", "gated-accepted", "gated-not-requested", "gated-pending", "gated-rejected",
    "gated-reset", "missing", "private", "disabled", "out-writable", "out-missing", "out-others",
    "out-org",
)  # fmt: skip


def expected(kind: str, situation: str) -> set[str]:
    """The codes that the protocol calls for."""
    if kind == "invalid":
        return {"FT-AUTH-006"}
    open_model = not situation.startswith(("gated", "missing", "private", "disabled"))
    if kind == "organisation-blocked" and (open_model or situation == "private"):
        return {"FT-AUTH-205"} | _output(kind, situation)
    if situation.startswith("gated-"):
        if kind == "none":
            return {"FT-AUTH-251"}
        if kind == "fine-grained-no-gated":
            return {"FT-AUTH-002"}
        return {
            "gated-accepted": set(),
            "gated-not-requested": {"FT-AUTH-003"},
            "gated-pending": {"FT-AUTH-004"},
            "gated-rejected": {"FT-AUTH-201"},
            "gated-reset": {"FT-AUTH-201"},
        }[situation]
    if situation in ("missing", "private"):
        return {"FT-NET-004"}
    if situation == "disabled":
        return {"FT-AUTH-253"}
    return _output(kind, situation)


def _output(kind: str, situation: str) -> set[str]:
    if not situation.startswith("out-") or kind == "none":
        return set()
    writes = kind in (
        "write",
        "fine-grained",
        "fine-grained-no-gated",
        "oauth-write",
        "ci",
        "organisation-blocked",
    )
    if situation == "out-writable":
        return set() if writes or kind == "fine-grained-one-repo" else {"FT-AUTH-008"}
    if situation == "out-missing":
        return set() if writes else {"FT-AUTH-001"}
    return {"FT-AUTH-008"}  # another user's, or an organisation's that one only reads


def state_for(kind: str, situation: str) -> tuple[State, str, str]:
    """The Hub's state, the model and the output repository of a case."""
    token, identity = KINDS[kind]
    repos = {
        OPEN: Repo(),
        GATED: Repo(gate="manual"),
        "ada/out": Repo(),
        "bob/out": Repo(),
        "team/out": Repo(),
    }
    model, out = OPEN, ""
    if situation.startswith("gated-"):
        model = GATED
        wanted = situation.removeprefix("gated-")
        repos[GATED].requests = {} if wanted == "not-requested" else {"ada": wanted}
    elif situation == "missing":
        repos.pop(OPEN)
    elif situation == "private":
        repos[OPEN].private = True
    elif situation == "disabled":
        repos[OPEN].disabled = True
    elif situation.startswith("out-"):
        out = {
            "out-writable": "ada/out",
            "out-missing": "ada/new",
            "out-others": "bob/out",
            "out-org": "team/out",
        }[situation]
    tokens = {}
    if identity is not None:
        import copy

        who = copy.deepcopy(identity)
        who.orgs = {"team": "read", **({"open-org": "read"} if who.blocked else {})}
        tokens[token] = who
    return State(tokens=tokens, repos=repos), model, out


SCRIPT = """\
from transformers import AutoModelForCausalLM, Trainer, TrainingArguments

model = AutoModelForCausalLM.from_pretrained("{model}")
trainer = Trainer(model=model, args=TrainingArguments(output_dir="/tmp/out"{push}))
trainer.train()
"""


@pytest.mark.parametrize("situation", SITUATIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_table(
    kind: str, situation: str, hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, model, out = state_for(kind, situation)
    hub(state)
    token = KINDS[kind][0]
    if token:
        monkeypatch.setenv("HF_TOKEN", token)
    push = f', push_to_hub=True, hub_model_id="{out}"' if out else ""
    script = tmp_path / "train.py"
    script.write_text(SCRIPT.format(model=model, push=push))
    monkeypatch.chdir(tmp_path)
    inspection = inspect(
        read(["train.py"]).jobs,
        load(),
        Config(select=tuple(LIVE)),
        gather=gatherer(online=True, deadline=10),
    )
    assert not [c for report in inspection.jobs for c in report.crashed]
    found = {f.code for _, f in inspection.findings()}
    assert found == expected(kind, situation)
    assert state.seen.count("GET /api/whoami-v2") <= 1
    assert not [request for request in state.seen if not request.startswith("GET")]
