"""A small Hub on loopback that speaks the real one's protocol; driven through huggingface_hub.

The answers follow from the state: who holds which token, which repository has which gate, which
revisions and files, and who asked for access.

    python -m tests.emulators.hub --list
    python -m tests.emulators.hub --scenario gated-pending --port 8765
    HF_ENDPOINT=http://127.0.0.1:8765 HF_TOKEN=... ftdoctor check --online job.yaml
"""

from __future__ import annotations

import argparse
import threading

from tests.emulators.hub_server import HARDWARE, HubServer
from tests.emulators.hub_state import LETTERS, TOKEN, Identity, Repo, State

__all__ = ["DATA", "GATED", "HARDWARE", "LETTERS", "OPEN", "TOKEN", "HubServer", "Identity", "Repo",
           "State", "base", "scenario"]  # fmt: skip

GATED = "gate-org/tiny-gated"
OPEN = "open-org/tiny"
DATA = "open-org/chat"


def base() -> State:
    """A Hub with an open model, a gated one, an open data set and ada's own repository."""
    return State(
        tokens={TOKEN: Identity()},
        repos={
            OPEN: Repo(revisions=("v1.0",)),
            GATED: Repo(gate="manual"),
            f"datasets/{DATA}": Repo(files={"README.md": 10, "data/train.jsonl": 5000}),
            "ada/out": Repo(),
            "team/out": Repo(),
        },
    )


#: What each scenario is for, in the order of `--list`.
SCENARIOS = {
    "open": "everything is as it should be",
    "gated-accepted": "gate-org/tiny-gated: ada has access",
    "gated-not-requested": "ada never asked",
    "gated-pending": "ada's request waits",
    "gated-rejected": "it was rejected",
    "gated-reset": "it was reset",
    "gated-fine-grained": "ada has access, the fine-grained token no gated permission",
    "token-invalid": "the Hub knows no token",
    "token-expired": "the Hub says that the token is expired",
    "read-only": "the token has the role read",
    "disabled": "open-org/tiny is disabled",
    "org-policy": "open-org blocks the token",
    "refused": "open-org/tiny answers 403 in words of its own",
    "jobs-denied": "no permission to start Jobs",
    "missing": "open-org/tiny is not there",
    "gguf-only": "open-org/tiny holds GGUF files only",
    "large": "open-org/tiny has 500 GB of weights",
    "output-missing": "ada/out is not there, ada may make it",
    "output-missing-read-only": "ada/out is not there, ada may not make it",
    "429": "every question is one too many",
    "500": "the Hub has a fault",
    "cut": "connections are cut before the answer",
    "cut-body": "connections are cut in the middle of the answer",
    "garbage": "answers are no JSON",
    "empty": "answers are empty",
    "proxy": "a sign-in page with status 200 answers",
    "proxy-login": "a page of a proxy with status 403 answers",
    "echo": "every answer is 401 and repeats the token that was sent",
    "slow": "every answer takes five seconds",
    "certificate-good": "https, with a certificate of its own authority",
    "certificate-expired": "https, with a certificate whose time is over",
}


def scenario(name: str) -> State:
    """Return a named state, for starting by hand and for rule fixtures."""
    if name not in SCENARIOS:
        raise SystemExit(f"no scenario {name!r}; see --list")
    state = base()
    who = state.tokens[TOKEN]
    gate = state.repos[GATED]
    if name == "gated-fine-grained":
        who.role = "fineGrained"
        who.permissions = {"user:ada": ["repo.write", "repo.content.read"]}
        gate.requests = {"ada": "accepted"}
    elif name.startswith("gated-"):
        wanted = name.removeprefix("gated-")
        gate.requests = {} if wanted == "not-requested" else {"ada": wanted}
    elif name == "token-invalid":
        state.tokens.clear()
    elif name == "token-expired":
        who.refused = 'User Access Token "train" is expired'
    elif name == "read-only":
        who.role = "read"
    elif name == "disabled":
        state.repos[OPEN].disabled = True
    elif name == "org-policy":
        who.blocked = {"open-org": ["token-policy"]}
    elif name == "refused":
        state.repos[OPEN].closed = "Access to this model is not possible from your region."
    elif name == "jobs-denied":
        state.jobs_denied = True
    elif name == "missing":
        state.repos.pop(OPEN)
    elif name == "gguf-only":
        state.repos[OPEN].files = {"README.md": 10, "tiny-q4.gguf": 4_000_000}
    elif name == "large":
        parts = {f"model-{i:05}-of-00010.safetensors": 50_000_000_000 for i in range(1, 11)}
        state.repos[OPEN].files = {"config.json": 700, **parts}
    elif name.startswith("output-missing"):
        state.repos.pop("ada/out")
        who.role = "read" if name.endswith("read-only") else "write"
    elif name == "slow":
        state.delay = 5.0
    elif name.startswith("certificate-"):
        state.certificate = name.removeprefix("certificate-")
    elif name != "open":
        state.fault = name
    return state


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenario", default="open")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--list", action="store_true", help="say which scenarios there are")
    given = parser.parse_args()
    if given.list:
        for name, what in SCENARIOS.items():
            print(f"{name:26}{what}")
        raise SystemExit
    with HubServer(scenario(given.scenario), given.port) as server:
        trust = f"SSL_CERT_FILE={server.authority} " if server.authority else ""
        print(f"{trust}HF_ENDPOINT={server.url} HF_TOKEN={TOKEN}", flush=True)
        threading.Event().wait()
