"""An unknown model: its config.json comes from the Hub, through the real client."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = {
    "model_type": "llama",
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": 1000,
    "intermediate_size": 2600,
    "num_hidden_layers": 7,
    "num_attention_heads": 10,
    "num_key_value_heads": 5,
    "vocab_size": 32100,
    "max_position_embeddings": 2048,
    "tie_word_embeddings": False,
}
BODY = json.dumps(CONFIG).encode()


class Handler(BaseHTTPRequestHandler):
    """The two requests of a download: HEAD tells commit and ETag, GET gives the bytes."""

    def log_message(self, *_: object) -> None:
        return

    def do_HEAD(self) -> None:
        known = self.path == "/odd/model-x/resolve/main/config.json"
        self.send_response(200 if known else 404)
        if known:
            self.send_header("X-Repo-Commit", "a" * 40)
            self.send_header("ETag", '"0123abcd"')
        else:
            self.send_header("X-Error-Code", "RepoNotFound")
        self.send_header("Content-Length", str(len(BODY) if known else 0))
        self.end_headers()

    def do_GET(self) -> None:
        self.do_HEAD()
        self.wfile.write(BODY)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    from huggingface_hub import constants

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}"
    monkeypatch.setattr(constants, "ENDPOINT", url)
    monkeypatch.setattr(
        constants, "HUGGINGFACE_CO_URL_TEMPLATE", url + "/{repo_id}/resolve/{revision}/{filename}"
    )
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    yield server
    server.shutdown()


ASKED = ("--method", "lora", "--seq-len", "128", "--batch-size", "1", "--format", "json")


def test_the_configuration_is_fetched_and_then_cached(hub, cli) -> None:
    ran = cli("estimate", "--model", "odd/model-x", *ASKED)
    assert ran.code == 0, ran.err
    assert json.loads(ran.out)["peak"]["allocated_bytes"] > 0
    assert cli("estimate", "--model", "odd/model-x", "--offline", *ASKED).code == 0


def test_offline_and_missing_are_told(hub, cli) -> None:
    for arguments in (("odd/model-x", "--offline"), ("odd/no-such-model",)):
        ran = cli("estimate", "--model", *arguments, *ASKED)
        assert ran.code == 2
        assert "--model-config" in ran.err
