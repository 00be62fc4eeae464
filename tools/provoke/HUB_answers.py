"""What the clients print when the Hub says no: the real libraries against a server on loopback.

Run this file on its own (`run.py HUB_answers.py`): it sets HF_ENDPOINT before the client is
imported.
Status codes, headers and bodies are those of the Hub (hub-docs, and the client's own
`huggingface_hub/utils/_http.py`, `hf_raise_for_status`).
"""

from __future__ import annotations

import json
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tiny import case

OWNER = "acme-lab"
#: name of the repository or path -> (status, X-Error-Code, message)
ANSWERS = {
    "gated-anonymous": (
        401,
        "GatedRepo",
        "Access to model acme-lab/gated-anonymous is restricted. You must have access to it and be "
        "authenticated to access it. Please log in.",
    ),
    "gated-other": (
        403,
        "GatedRepo",
        "Access to model acme-lab/gated-other is restricted and you are not in the authorized "
        "list. Visit https://huggingface.co/acme-lab/gated-other to ask for access.",
    ),
    "gated-pending": (
        403,
        "GatedRepo",
        "Your request to access model acme-lab/gated-pending is awaiting a review from the repo "
        "authors.",
    ),
    "gated-rejected": (
        403,
        "GatedRepo",
        "Your request to access model acme-lab/gated-rejected has been rejected by the repo's "
        "authors.",
    ),
    "gated-finegrained": (
        403,
        "",
        "Please enable access to public gated repositories in your fine-grained token settings to "
        "view this repository.",
    ),
    "bad-token": (401, "", "Invalid credentials in Authorization header"),
    "missing": (404, "RepoNotFound", "Repository not found"),
    "no-revision": (404, "RevisionNotFound", "Invalid rev id: v9"),
    "no-file": (404, "EntryNotFound", "Entry not found"),
    "limited": (
        429,
        "",
        "We had to rate limit you, you hit the quota of 1000 api requests per 5 minutes.",
    ),
    "down": (503, "", "Service Unavailable"),
    "read-only": (
        403,
        "",
        "You have read access but not the required permissions for this operation",
    ),
    "full": (
        403,
        "",
        "Private repository storage limit reached, please upgrade your plan to increase it.",
    ),
    "raced": (412, "", "A commit has happened since. Please refresh and try again."),
    "leaky": (
        400,
        "",
        "It appears that one or more of your files contain valid Hugging Face secrets, such as "
        "tokens or API keys.",
    ),
}


class Hub(BaseHTTPRequestHandler):
    """Answers every request by the name of the repository in it."""

    def answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length).decode("utf-8", "replace")
        if self.path.endswith("/api/repos/create"):
            name = json.loads(body)["name"]
            if name == "forbidden":
                self.reply(
                    403,
                    "",
                    'You don\'t have the rights to create a model under the namespace "acme-lab"',
                )
            elif name == "anonymous":
                self.reply(401, "", "Invalid username or password.")
            else:
                self.reply(200, "", "", {"url": f"https://huggingface.co/{OWNER}/{name}"})
            return
        if self.path.endswith("/whoami-v2"):
            self.reply(401, "", "Invalid credentials in Authorization header")
            return
        if "/api/jobs/" in self.path:
            self.reply(404, "", "Job not found")
            return
        for name, (status, code, message) in ANSWERS.items():
            if f"/{name}" in self.path:
                if name in ("raced", "leaky", "read-only", "full") and "/commit/" not in self.path:
                    break
                self.reply(status, code, message)
                return
        if "/preupload/" in self.path:
            files = json.loads(body)["files"]
            modes = [
                {"path": file["path"], "uploadMode": "regular", "shouldIgnore": False}
                for file in files
            ]
            self.reply(200, "", "", {"files": modes})
            return
        self.reply(200, "", "", {"id": f"{OWNER}/x", "sha": "0" * 40, "siblings": []})

    def reply(self, status: int, code: str, message: str, data: Any = None) -> None:
        body = json.dumps(data if data is not None else {"error": message}).encode()
        self.send_response(status)
        if code:
            self.send_header("X-Error-Code", code)
        if message:
            self.send_header("X-Error-Message", message)
        if status == 429:
            self.send_header("RateLimit", '"resolvers";r=0;t=55')
            self.send_header("RateLimit-Policy", '"fixed window";"resolvers";q=3000;w=300')
        self.send_header("X-Request-Id", "Root=1-00000000-000000000000000000000000")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_POST = do_PUT = answer

    def log_message(self, *_: object) -> None:
        """Stay silent."""


SERVER = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
threading.Thread(target=SERVER.serve_forever, daemon=True).start()
if "huggingface_hub" in sys.modules:
    raise SystemExit("HUB_answers.py must run on its own: HF_ENDPOINT is read at import")
os.environ["HF_ENDPOINT"] = f"http://127.0.0.1:{SERVER.server_port}"
os.environ["HF_TOKEN"] = "hf_abcdefghijklmnopqrstuvwxyzABCDEFGH"
os.environ.pop("HF_HUB_OFFLINE", None)


def _config(name: str, **options: Any) -> None:
    from transformers import AutoConfig

    AutoConfig.from_pretrained(f"{OWNER}/{name}", **options)


def _commit(name: str) -> None:
    from huggingface_hub import HfApi

    HfApi().upload_file(path_or_fileobj=b"text", path_in_repo="a.txt", repo_id=f"{OWNER}/{name}")


@case("FT-AUTH-005")
def gated_without_token() -> None:
    _config("gated-anonymous")


@case("FT-AUTH-005")
def gated_without_token_hub() -> None:
    from huggingface_hub import hf_hub_download

    hf_hub_download(f"{OWNER}/gated-anonymous", "config.json")


@case("FT-AUTH-003")
def gated_other_account() -> None:
    _config("gated-other")


@case("FT-AUTH-004")
def gated_pending() -> None:
    _config("gated-pending")


@case("FT-AUTH-201")
def gated_rejected() -> None:
    _config("gated-rejected")


@case("FT-AUTH-002")
def gated_fine_grained() -> None:
    _config("gated-finegrained")


@case("FT-AUTH-006")
def bad_token() -> None:
    _config("bad-token")


@case("FT-AUTH-006")
def bad_token_whoami() -> None:
    from huggingface_hub import whoami

    whoami()


@case("FT-AUTH-007")
def token_true_without_token() -> None:
    from huggingface_hub import HfApi

    kept = os.environ.pop("HF_TOKEN")
    try:
        HfApi(token=True).model_info(f"{OWNER}/x", token=True)
    finally:
        os.environ["HF_TOKEN"] = kept


@case("FT-AUTH-001")
def create_forbidden() -> None:
    from huggingface_hub import create_repo

    create_repo(f"{OWNER}/forbidden")


@case("FT-AUTH-007")
def create_anonymous() -> None:
    from huggingface_hub import create_repo

    create_repo(f"{OWNER}/anonymous", token=False)


@case("FT-AUTH-008")
def commit_forbidden() -> None:
    _commit("read-only")


@case("FT-AUTH-009")
def commit_with_secret() -> None:
    _commit("leaky")


@case("FT-NET-003")
def path_as_name() -> None:
    from huggingface_hub import hf_hub_download

    hf_hub_download("/workspace/models/orca", "config.json")


@case("FT-NET-003")
def path_as_model() -> None:
    _config("../models/orca/final")


@case("FT-NET-004")
def no_such_model() -> None:
    _config("missing")


@case("FT-NET-004")
def no_such_tokenizer() -> None:
    from transformers import AutoTokenizer

    AutoTokenizer.from_pretrained(f"{OWNER}/missing")


@case("FT-NET-005")
def no_such_revision() -> None:
    _config("no-revision", revision="v9")


@case("FT-NET-202")
def no_such_file() -> None:
    from huggingface_hub import hf_hub_download

    hf_hub_download(f"{OWNER}/no-file", "tokenizer.modle")


@case("FT-NET-008")
def commit_race() -> None:
    _commit("raced")


@case("FT-NET-015")
def storage_full() -> None:
    _commit("full")


@case("FT-NET-011")
def rate_limit() -> None:
    from huggingface_hub import HfApi

    HfApi().model_info(f"{OWNER}/limited")


@case("FT-NET-012")
def hub_down() -> None:
    from huggingface_hub import HfApi

    HfApi().model_info(f"{OWNER}/down")


@case("FT-DATA-018")
def no_such_data() -> None:
    from datasets import load_dataset

    load_dataset(f"{OWNER}/missing", split="train")


@case("FT-DATA-202")
def gated_data() -> None:
    from datasets import load_dataset

    load_dataset(f"{OWNER}/gated-anonymous", split="train")


@case("FT-JOB-005")
def job_of_another_namespace() -> None:
    from huggingface_hub import HfApi

    HfApi().inspect_job(job_id="68aa00000000000000000000", namespace=OWNER)
