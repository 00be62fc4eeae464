"""Token kind x situation: the one finding that `check` gives, and the page that shows the table.

python -m tests.live.test_hub_table > docs/hub-answers.md
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import pytest
from tests.conftest import ROOT
from tests.emulators.hub import GATED, LETTERS, OPEN, Identity, Repo, State

from ftdoctor.config import Config
from ftdoctor.facts.gather import gatherer
from ftdoctor.inspection import inspect
from ftdoctor.job.read import read
from ftdoctor.rulebook.load import load

if TYPE_CHECKING:
    from pathlib import Path

USER = "hf_" + LETTERS
#: An open model of an organisation that blocks nobody.
FREE = "free-org/tiny"
#: Every rule on tokens, on the Hub and on jobs, offline ones too: one mistake is told once.
AREAS = ("FT-AUTH", "FT-NET", "FT-JOB")


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
    "oauth-no-scope": (
        oauth("openid", "inference-api"),
        Identity(role="oauth", scopes=("openid", "inference-api")),
    ),
    "invalid": (USER, None),
    "expired": (USER, Identity(refused='User Access Token "train" is expired')),
    "ci": ("hf_jwt_eyJhbGciOiJFZERTQSJ9.e30.c2ln", Identity(role="write")),
    "organisation-blocked": (
        USER,
        Identity(blocked={"open-org": ["token-policy"], "team": ["token-policy"]}),
    ),
}

SITUATIONS = (
    "open", "gated-accepted", "gated-not-requested", "gated-pending", "gated-rejected",
    "gated-reset", "missing", "private", "disabled", "revision", "out-writable", "out-missing",
    "out-others", "out-org",
)  # fmt: skip


def expected(kind: str, situation: str) -> set[str]:
    """The codes that the protocol calls for."""
    if kind in ("invalid", "expired"):
        return {"FT-AUTH-006" if kind == "invalid" else "FT-AUTH-124"}
    if kind == "organisation-blocked" and (situation in ("open", "private", "revision")):
        return {"FT-AUTH-205"}
    if situation.startswith("gated-"):
        if kind == "none":
            return {"FT-AUTH-251"}
        if kind == "fine-grained-no-gated":
            return {"FT-AUTH-002"}
        if kind == "oauth-no-scope":
            return {"FT-AUTH-003"}
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
    if situation == "revision":
        return {"FT-NET-005"}
    return _output(kind, situation)


def _output(kind: str, situation: str) -> set[str]:
    if not situation.startswith("out-"):
        return set()
    if kind == "none":
        return {"FT-AUTH-257"}
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


#: What the kinds and situations are, for the page.
KIND_WORDS = {
    "none": "no token",
    "read": "classic, role read",
    "write": "classic, role write",
    "fine-grained": "fine-grained: gated repositories, write on the user",
    "fine-grained-no-gated": "fine-grained: write on the user, gated box not ticked",
    "fine-grained-one-repo": "fine-grained: gated repositories, write on one repository",
    "oauth-read": "OAuth: read-repos, gated-repos",
    "oauth-write": "OAuth: read-repos, write-repos, manage-repos",
    "oauth-no-scope": "OAuth: openid, inference-api",
    "invalid": "refused by the Hub",
    "expired": "refused as expired",
    "ci": "of a trusted publisher (hf_jwt_)",
    "organisation-blocked": "classic, role write, blocked by the policy of the organisation",
}
SITUATION_WORDS = {
    "open": "open model",
    "gated-accepted": "gated, access given",
    "gated-not-requested": "gated, not asked for",
    "gated-pending": "gated, request pending",
    "gated-rejected": "gated, rejected",
    "gated-reset": "gated, reset",
    "missing": "no such model",
    "private": "private, of others",
    "disabled": "disabled",
    "revision": "no such revision",
    "out-writable": "output: one's own",
    "out-missing": "output: not there yet",
    "out-others": "output: another user's",
    "out-org": "output: an organisation's, role read",
}


def page() -> str:
    """Return docs/hub-answers.md. Every cell is what `test_table` asserts."""
    book = load()
    rows = [
        "# What `check` says of a token and a repository",
        "",
        "Each cell is one run of `ftdoctor check --online` against a server that speaks the Hub's",
        "protocol, and the one finding that it gives; `–` is none. Made and verified by",
        "`tests/live/test_hub_table.py`.",
        "",
        "| token | " + " | ".join(SITUATION_WORDS[s] for s in SITUATIONS) + " |",
        "|---" * (len(SITUATIONS) + 1) + "|",
    ]
    for kind in KINDS:
        cells = [" ".join(sorted(expected(kind, s))) or "–" for s in SITUATIONS]
        rows.append(f"| {KIND_WORDS[kind]} | " + " | ".join(cells) + " |")
    rows += ["", "| code | cause | what to do |", "|---|---|---|"]
    for code in sorted({c for k in KINDS for s in SITUATIONS for c in expected(k, s)}):
        rule = book.rule(code)
        fix = rule.fixes[0].text.replace("{page}", "its page").replace("{repo_type}", "model")
        rows.append(f"| {code} | {rule.name} | {fix} |")
    return "\n".join(rows) + "\n"


def test_the_page_shows_this_table() -> None:
    text = (ROOT / "docs" / "hub-answers.md").read_text()
    assert text == page(), "run: python -m tests.live.test_hub_table > docs/hub-answers.md"


def state_for(kind: str, situation: str) -> tuple[State, str, str, str]:
    """The Hub's state, the model, the output repository and the revision of a case."""
    token, identity = KINDS[kind]
    repos = {
        OPEN: Repo(),
        GATED: Repo(gate="manual"),
        "ada/out": Repo(),
        "bob/out": Repo(),
        FREE: Repo(),
        "team/out": Repo(),
    }
    model, out, revision = OPEN, "", ""
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
    elif situation == "revision":
        revision = ', revision="v9"'
    elif situation.startswith("out-"):
        model = FREE
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
    return State(tokens=tokens, repos=repos), model, out, revision


SCRIPT = """\
from transformers import AutoModelForCausalLM, Trainer, TrainingArguments

model = AutoModelForCausalLM.from_pretrained("{model}"{revision})
trainer = Trainer(model=model, args=TrainingArguments(output_dir="/tmp/out"{push}))
trainer.train()
"""


@pytest.mark.parametrize("situation", SITUATIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_table(
    kind: str, situation: str, hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, model, out, revision = state_for(kind, situation)
    hub(state)
    token = KINDS[kind][0]
    if token:
        monkeypatch.setenv("HF_TOKEN", token)
    push = f', push_to_hub=True, hub_model_id="{out}"' if out else ""
    script = tmp_path / "train.py"
    script.write_text(SCRIPT.format(model=model, push=push, revision=revision))
    monkeypatch.chdir(tmp_path)
    inspection = inspect(
        read(["train.py"]).jobs,
        load(),
        Config(select=AREAS),
        gather=gatherer(online=True, deadline=10),
    )
    assert not [c for report in inspection.jobs for c in report.crashed]
    found = [f.code for _, f in inspection.findings()]
    assert found == sorted(expected(kind, situation))
    assert len(found) <= 1
    assert state.seen.count("GET /api/whoami-v2") <= 1
    assert not [request for request in state.seen if not request.startswith("GET")]


if __name__ == "__main__":
    print(page(), end="")
