"""What a container image brings along, read from its name.

Only names whose content is documented are read (table `images`, with its sources). An image that
someone built is unknown, and says so. Checks must treat "unknown" as such, never as "empty".
"""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from ftdoctor.job.pep440 import at_least
from ftdoctor.tables import table

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Packages of fine-tuning that a base image not made for it lacks.
STACK = frozenset(
    "accelerate bitsandbytes datasets deepspeed evaluate flash-attn huggingface-hub kernels "
    "liger-kernel peft sentence-transformers tokenizers trackio transformers trl unsloth vllm "
    "wandb xformers".split()
)


_NOTHING: Mapping[str, Any] = MappingProxyType({})


class Image(NamedTuple):
    """What is known of an image.

    `packages` maps a name to its version, or to None when only its presence is known; versions of
    torch carry their build ("2.3.0+cu121"). `absent` are packages known not to be in it. `whole`:
    nothing else of interest is in it.
    """

    name: str
    #: "hf-dlc" | "google-prebuilt" | "google-dlc" | "pytorch" | "trl" | "cuda" | "uv" | "python" |
    #: "ngc" | "os" | "unknown"
    family: str
    python: str = ""
    #: CUDA toolkit in the image, "12.1"; "" when there is none or it is unknown.
    cuda: str = ""
    packages: Mapping[str, str | None] = _NOTHING
    absent: frozenset[str] = frozenset()
    whole: bool = False
    user: str = ""
    home: str = "/root"
    env: Mapping[str, str] = _NOTHING
    #: Day on which the publisher stopped offering it, "2026-07-24"; "" when not known.
    ended: str = ""
    #: Why the content is not known, for reports.
    reason: str = ""

    @property
    def known(self) -> bool:
        """Whether the image could be told from its name."""
        return self.family != "unknown"


_PREBUILT = (
    r"(?:us|europe|asia)-docker\.pkg\.dev/vertex-ai/training/(?P<kind>pytorch-gpu|pytorch-cpu|pytorch-xla)"
    r"\.(?P<major>\d+)-(?P<minor>\d+)(?:\.py(?P<py>\d+))?"
)
_DLC = (
    r"deeplearning-platform-release/(?:gcr\.io/)?pytorch-(?P<kind>gpu|cpu|cu(?P<cu>\d{3}))"
    r"\.(?P<major>\d+)-(?P<minor>\d+)(?:\.(?:ubuntu\d+\.)?py(?P<py>\d+))?"
)
_HF = (
    r"deeplearning-platform-release/(?:gcr\.io/)?(?P<tag>huggingface-pytorch-training-"
    r"(?:cu(?P<cu>\d{3})|gpu)\.(?P<major>\d+)-(?P<minor>\d+)\.transformers\.(?P<tmaj>\d+)-(?P<tmin>\d+)"
    r"(?:\.[a-z0-9]+)?(?:\.py(?P<py>\d+))?)"
)
_TORCH_TAG = r"(?P<version>\d+\.\d+\.\d+)-cuda(?P<cuda>\d+\.\d+)-cudnn\d+-(?:runtime|devel)\Z"
_UV = r"(?:^|[-.])(?:python|py)(?P<py>3\.\d+)"
_PYTHON = r"(?P<py>3\.\d+)(?:\.\d+)?(?:-|\Z)"
_CUDA = r"(?P<cuda>\d+\.\d+)(?:\.\d+)?-"
_UBUNTU_PYTHON = {"20.04": "3.8", "22.04": "3.10", "24.04": "3.12"}


def split(uri: str) -> tuple[str, str]:
    """Return (repository, tag) of an image reference; a digest is dropped."""
    uri = uri.strip().removeprefix("docker://").partition("@")[0]
    head, slash, last = uri.rpartition("/")
    name, _, tag = last.partition(":")
    return f"{head}{slash}{name}", tag


def read_image(uri: str) -> Image:
    """Return what is known of an image from its name."""
    repository, tag = split(uri)
    for reader in (_hf_dlc, _google, _by_name):
        found = reader(uri, repository, tag)
        if found is not None:
            return found
    return Image(
        uri, "unknown", reason=f"what is inside the image {uri} cannot be told from its name"
    )


def colab_image() -> Image:
    """Return what a fresh Google Colab machine has (table `images`, dated; it only moves on)."""
    row = table("images")["colab"]
    packages: dict[str, str | None] = dict.fromkeys(row["also"])
    packages.update(row["packages"])
    return Image(
        f"Google Colab ({row['date']})",
        "colab",
        python=row["python"],
        cuda=row["cuda"],
        packages=packages,
        absent=frozenset(row["absent"]),
        home="/root",
        reason="Colab changes its packages every few weeks",
    )


def _dotted(digits: str | None) -> str:
    return f"{digits[0]}.{digits[1:]}" if digits else ""


def _hf_dlc(uri: str, repository: str, tag: str) -> Image | None:
    match = re.search(_HF, repository)
    if not match:
        return None
    rows = table("images")["hf_dlc"]
    for row in rows:
        if row["tag"].startswith(match["tag"]) or match["tag"].startswith(row["tag"]):
            packages: dict[str, str | None] = dict.fromkeys(row["also"])
            packages.update(
                {k: v if v and v[0].isdigit() else None for k, v in row["packages"].items()}
            )
            return Image(
                uri,
                "hf-dlc",
                python=row["python"],
                cuda=row["cuda"],
                packages=packages,
                absent=frozenset({"unsloth", "vllm", "xformers", "trackio"}) - set(packages),
                user=row.get("user", ""),
                home=row.get("home", "/root"),
                env=row.get("env", {}),
            )
    reason = "this Hugging Face image is not in the table; only what its tag says is known"
    torch = f"{match['major']}.{match['minor']}.0"
    build = f"+cu{match['cu']}" if match["cu"] else ""
    names = (
        "trl",
        "peft",
        "accelerate",
        "datasets",
        "bitsandbytes",
        "huggingface-hub",
        "transformers",
    )
    return Image(
        uri,
        "hf-dlc",
        python=_dotted(match["py"]),
        cuda=_cuda_of(match["cu"]),
        packages={**dict.fromkeys(names), "torch": torch + build},
        reason=reason,
    )


def _cuda_of(digits: str | None) -> str:
    return f"{digits[:-1]}.{digits[-1]}" if digits else ""


def _google(uri: str, repository: str, tag: str) -> Image | None:
    match = re.search(_PREBUILT, repository)
    family = "google-prebuilt"
    if not match:
        match = re.search(_DLC, repository)
        family = "google-dlc"
    if not match:
        return None
    version = f"{match['major']}.{match['minor']}"
    cuda = _cuda_of(match.groupdict().get("cu"))
    ended = ""
    if match["kind"].endswith(("cpu", "xla")):
        build = "+cpu"
    else:
        if not cuda:
            cuda = table("images")["google_prebuilt_cuda"].get(version, "")
        build = f"+cu{cuda.replace('.', '')}" if cuda else ""
    if family == "google-prebuilt":
        ended = table("images")["google_prebuilt_end"].get(version, "")
    return Image(
        uri,
        family,
        python=_dotted(match["py"]) or ("3.10" if int(match["major"]) >= 2 else "3.7"),
        cuda=cuda,
        packages={"torch": f"{version}.0{build}", "numpy": None, "pandas": None, "pillow": None},
        absent=frozenset(
            {"trl", "peft", "bitsandbytes", "flash-attn", "unsloth", "vllm", "trackio"}
        ),
        ended=ended,
        reason="the tag says the version of torch and Python, not what else is installed",
    )


def _by_name(uri: str, repository: str, tag: str) -> Image | None:
    short = repository.removeprefix("docker.io/").removeprefix("index.docker.io/")
    short = short.removeprefix("registry.hub.docker.com/").removeprefix("mirror.gcr.io/")
    short = short.removeprefix("library/")
    if short == "pytorch/pytorch":
        return _pytorch(uri, tag)
    if short == "huggingface/trl":
        return _trl(uri, tag)
    if short in ("nvidia/cuda", "nvcr.io/nvidia/cuda"):
        match = re.match(_CUDA, tag)
        ubuntu = re.search(r"ubuntu(\d\d\.?\d\d)", tag)
        release = ubuntu[1] if ubuntu else ""
        release = release if "." in release else f"{release[:2]}.{release[2:]}"
        return Image(
            uri,
            "cuda",
            python=_UBUNTU_PYTHON.get(release, ""),
            cuda=match["cuda"] if match else "",
            absent=STACK | {"torch", "numpy", "pillow", "sentencepiece"},
            whole=True,
        )
    if short == "ghcr.io/astral-sh/uv":
        match = re.search(_UV, tag)
        return Image(
            uri, "uv", python=match["py"] if match else "", absent=STACK | {"torch"}, whole=True
        )
    if short == "python":
        match = re.match(_PYTHON, tag)
        return Image(
            uri, "python", python=match["py"] if match else "", absent=STACK | {"torch"}, whole=True
        )
    if short in ("ubuntu", "debian", "alpine"):
        return Image(
            uri, "os", python=_UBUNTU_PYTHON.get(tag, ""), absent=STACK | {"torch"}, whole=True
        )
    if short == "nvcr.io/nvidia/pytorch":
        return Image(
            uri,
            "ngc",
            packages={"torch": None, "numpy": None, "torchvision": None},
            reason="NVIDIA builds its own torch; the tag does not say which versions",
        )
    return None


def _pytorch(uri: str, tag: str) -> Image:
    match = re.match(_TORCH_TAG, tag)
    present: dict[str, str | None] = {
        "torch": None,
        "torchvision": None,
        "numpy": None,
        "pillow": None,
    }
    if not match:
        return Image(
            uri,
            "pytorch",
            packages=present,
            absent=STACK,
            reason=f"the tag {tag or 'latest'!r} names no version",
        )
    version = match["version"]
    python = "3.12" if at_least(version, "2.10") else "3.11" if at_least(version, "2.4") else "3.10"
    packages = {**present, "torch": f"{version}+cu{match['cuda'].replace('.', '')}"}
    return Image(
        uri,
        "pytorch",
        python=python,
        cuda=match["cuda"],
        packages=packages,
        absent=STACK,
        whole=True,
    )


def _trl(uri: str, tag: str) -> Image:
    version = tag if re.fullmatch(r"\d+\.\d+\.\d+", tag) else None
    packages: dict[str, str | None] = dict.fromkeys(table("images")["trl_extras"])
    packages |= dict.fromkeys(
        ("transformers", "accelerate", "datasets", "huggingface-hub", "torch", "numpy")
    )
    packages["trl"] = version
    return Image(
        uri,
        "trl",
        packages=packages,
        absent=frozenset({"bitsandbytes", "unsloth", "vllm", "xformers"}),
        reason="the tag names the version of trl, not the versions installed beside it",
    )
