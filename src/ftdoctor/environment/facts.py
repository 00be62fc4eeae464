"""What is true of this machine: plain values, each with where it was read."""

from __future__ import annotations

import configparser
import json
import os
import platform
import sys
from importlib import metadata
from pathlib import Path

from ftdoctor.records import dataclass, field

#: In the order that a reader of an issue looks for them.
PACKAGES = (
    "torch", "transformers", "trl", "peft", "accelerate", "bitsandbytes", "datasets", "tokenizers",
    "huggingface-hub", "safetensors", "numpy", "flash-attn", "xformers", "deepspeed", "unsloth",
    "liger-kernel", "vllm", "triton", "google-cloud-aiplatform", "wandb", "trackio",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU as NVML shows it. Memory in bytes; compute capability as (major, minor)."""

    name: str
    memory: int
    free: int
    capability: tuple[int, int]
    processes: int = 0


@dataclass(frozen=True, slots=True)
class Nvidia:
    """Driver and GPUs, or why they could not be read."""

    driver: str = ""
    #: Highest CUDA that the driver runs, "12.4".
    cuda: str = ""
    gpus: tuple[Gpu, ...] = ()
    problem: str = ""


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


def nvidia() -> Nvidia:
    """Ask NVML (package nvidia-ml-py) for the driver and the GPUs."""
    try:
        import pynvml
    except ImportError:
        return _from_proc()
    try:
        pynvml.nvmlInit()
    except Exception as error:
        seen = _from_proc()
        return Nvidia(seen.driver, problem=seen.problem or f"NVML does not start: {error}")
    try:
        number = pynvml.nvmlSystemGetCudaDriverVersion_v2()
        gpus = []
        for index in range(pynvml.nvmlDeviceGetCount()):
            handle = pynvml.nvmlDeviceGetHandleByIndex(index)
            memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
            gpus.append(
                Gpu(
                    str(pynvml.nvmlDeviceGetName(handle)),
                    int(memory.total),
                    int(memory.free),
                    tuple(pynvml.nvmlDeviceGetCudaComputeCapability(handle)),
                    len(pynvml.nvmlDeviceGetComputeRunningProcesses(handle)),
                )
            )
        return Nvidia(
            str(pynvml.nvmlSystemGetDriverVersion()),
            f"{number // 1000}.{number % 1000 // 10}",
            tuple(gpus),
        )
    except Exception as error:
        return Nvidia(problem=f"NVML answered with an error: {error}")
    finally:
        pynvml.nvmlShutdown()


def _from_proc() -> Nvidia:
    """Read the driver version that the Linux kernel module states; no GPU details."""
    path = Path("/proc/driver/nvidia/version")
    try:
        words = path.read_text().split()
    except OSError:
        return Nvidia(problem="no NVIDIA driver seen (nothing at /proc/driver/nvidia)")
    version = next((w for w in words if w[:1].isdigit() and w.count(".") >= 1), "")
    return Nvidia(version, problem="install nvidia-ml-py to see the GPUs")


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
    """Return where the token comes from that huggingface_hub would send.

    Order of huggingface_hub 2.4.0 utils/_auth.py:60: HF_TOKEN, HUGGING_FACE_HUB_TOKEN, token file.
    """
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        raw = os.environ.get(name, "")
        value = raw.replace("\r", "").replace("\n", "").strip()
        if value:
            problem = "" if value == raw else "it has white space around it, which is stripped"
            if value[0] in "\"'":
                problem = "it is in quotes, which are sent as part of it"
            return Token(f"environment variable {name}", token_kind(value), len(value), problem)
    home = os.environ.get("HF_HOME") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "huggingface"
    )
    path = Path(os.environ.get("HF_TOKEN_PATH") or os.path.join(home, "token"))
    try:
        value = path.read_text().strip()
    except FileNotFoundError:
        return Token(problem="none found: run `hf auth login`, or set HF_TOKEN")
    except (OSError, UnicodeDecodeError) as error:
        return Token(f"file {path}", problem=f"it cannot be read: {error}")
    if not value:
        return Token(f"file {path}", problem="the file is empty")
    return Token(f"file {path}", token_kind(value), len(value))


def google() -> dict[str, str]:
    """Return what gcloud's own files say: account, project, kind of default credentials."""
    root = Path(os.environ.get("CLOUDSDK_CONFIG") or os.path.expanduser("~/.config/gcloud"))
    found: dict[str, str] = {}
    try:
        active = (root / "active_config").read_text().strip()
    except OSError:
        active = "default"
    parser = configparser.ConfigParser()
    try:
        parser.read(root / "configurations" / f"config_{active}")
        for key in ("account", "project"):
            if parser.has_option("core", key):
                found[f"gcloud {key}"] = parser.get("core", key)
    except (configparser.Error, UnicodeDecodeError):
        found["gcloud configuration"] = "cannot be read"
    named = os.environ.get("GOOGLE_APPLICATION_CREDENTIALS", "")
    path = Path(named) if named else root / "application_default_credentials.json"
    try:
        data = json.loads(path.read_text())
        kind = data.get("type", "unknown") if isinstance(data, dict) else "unknown"
        found["default credentials"] = (
            f"{kind} ({'GOOGLE_APPLICATION_CREDENTIALS' if named else 'gcloud login'})"
        )
        if isinstance(data, dict) and data.get("quota_project_id"):
            found["quota project"] = str(data["quota_project_id"])
    except FileNotFoundError:
        found["default credentials"] = f"{path} does not exist" if named else "none"
    except (OSError, ValueError):
        found["default credentials"] = f"{path} cannot be read as JSON"
    return found


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
        nvidia=nvidia(),
        token=token(),
        google=google(),
        variables={name: os.environ[name] for name in _VARIABLES if name in os.environ},
    )
