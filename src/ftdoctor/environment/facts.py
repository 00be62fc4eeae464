"""What is true of this machine: plain values, each with where it was read."""

from __future__ import annotations

import os
import platform
import sys
from importlib import metadata

from ftdoctor.environment.nvidia import Nvidia, nvidia
from ftdoctor.records import dataclass, field

#: In the order that a reader of an issue looks for them.
PACKAGES = (
    "torch", "transformers", "trl", "peft", "accelerate", "bitsandbytes", "datasets", "tokenizers",
    "huggingface-hub", "safetensors", "numpy", "flash-attn", "xformers", "deepspeed", "unsloth",
    "liger-kernel", "vllm", "triton", "google-cloud-aiplatform", "wandb", "trackio",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Token:
    """Which Hugging Face token a library would send, never the token itself."""

    source: str = ""
    kind: str = ""
    length: int = 0
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Environment:
    """All of it."""

    python: str
    system: str
    packages: dict[str, str]
    nvidia: Nvidia
    token: Token
    google: dict[str, str] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)


def packages() -> dict[str, str]:
    """Return the installed versions of PACKAGES, from metadata alone."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def token_kind(token: str) -> str:
    """Return the kind of a Hugging Face token by its shape (facts: huggingface.co/docs/hub)."""
    if token.startswith("hf_oauth__refresh_"):
        return "OAuth refresh token (never valid as a token)"
    if token.startswith("hf_oauth_"):
        return "OAuth token of a browser login"
    if token.startswith("hf_jwt_"):
        return "trusted-publisher token (60 minutes)"
    if token.startswith("api_org_"):
        return "organisation token (no longer accepted)"
    if token.startswith("hf_") and len(token) == 37 and token[3:].isalnum():
        return "user access token"
    return "unknown shape"


def token() -> Token:
    """Return where the token comes from that huggingface_hub would send, and of what kind it is."""
    from ftdoctor.facts.token import local_token

    found = local_token()
    if found is None:
        return Token(problem="none found: run `hf auth login`, or set HF_TOKEN")
    text = found.raw.strip()
    return Token(found.source, token_kind(text) if text else "", len(text), found.reason)


def google() -> dict[str, str]:
    """Return what gcloud's own files say: account, project, kind of default credentials."""
    from ftdoctor.facts.google_login import read_login

    login = read_login()
    found = {
        "gcloud account": login.gcloud_account,
        "gcloud project": login.gcloud_project,
        "default credentials": "none" if login.problem == "absent" else login.said or login.kind,
        "quota project": login.quota_project,
    }
    return {name: value for name, value in found.items() if value}


#: Variables that change what the libraries do; secrets are not among them.
_VARIABLES = (
    "HF_HOME", "HF_ENDPOINT", "HF_HUB_OFFLINE", "HF_HUB_ENABLE_HF_TRANSFER",
    "HF_HUB_DISABLE_IMPLICIT_TOKEN", "TRANSFORMERS_OFFLINE", "PYTORCH_CUDA_ALLOC_CONF",
    "PYTORCH_ALLOC_CONF", "CUDA_VISIBLE_DEVICES", "LD_LIBRARY_PATH", "NCCL_DEBUG",
    "NCCL_SOCKET_IFNAME", "BNB_CUDA_VERSION", "TOKENIZERS_PARALLELISM",
)  # fmt: skip


def gather() -> Environment:
    """Read all of it; about 50 ms, no network."""
    return Environment(
        python=f"{platform.python_version()} ({sys.executable})",
        system=platform.platform(),
        packages=packages(),
        nvidia=nvidia(sure=True),
        token=token(),
        google=google(),
        variables={name: os.environ[name] for name in _VARIABLES if name in os.environ},
    )
