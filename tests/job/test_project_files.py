"""pyproject.toml, setup.py, lock files and Dockerfiles."""

from __future__ import annotations

from ftdoctor.job.dockerfile import read_dockerfile
from ftdoctor.job.locks import is_lock, read_lock
from ftdoctor.job.pyproject import poetry_specifier, read_pyproject, read_setup, wanted_groups
from ftdoctor.job.source import Source


def test_pyproject() -> None:
    text = (
        '[project]\nname = "x"\nrequires-python = ">=3.11"\ndependencies = [\n  "trl>=1.0",\n  "torch==2.8.0",\n]\n'
        '[project.optional-dependencies]\ngpu = ["flash-attn"]\n[dependency-groups]\ndev = ["pytest", {include-group = "x"}]\n'
        '[tool.uv]\nno-build-isolation-package = ["flash-attn"]\n'
    )
    found = read_pyproject(Source("pyproject.toml", text))
    assert [(r.name, r.specifier) for r in found.requirements] == [
        ("trl", ">=1.0"),
        ("torch", "==2.8.0"),
    ]
    place = found.requirements[0].place
    assert place is not None
    assert (place.line, place.column) == (5, 3)
    assert [r.name for r in wanted_groups(found, ["gpu", "dev"])] == ["flash-attn", "pytest"]
    assert found.requires_python is not None
    assert found.uv
    assert "TOML" in read_pyproject(Source("p", "[project\n")).broken


def test_poetry() -> None:
    text = (
        '[tool.poetry.dependencies]\npython = "^3.10"\ntrl = "^0.9.2"\n'
        'torch = {version = "~2.3", extras = ["x"]}\nmine = {git = "https://example.org/m.git"}\nany = "*"\n'
    )
    found = read_pyproject(Source("pyproject.toml", text))
    assert {r.name: r.specifier for r in found.requirements} == {
        "trl": ">=0.9.2,<0.10",
        "torch": ">=2.3,<2.4",
        "mine": "",
        "any": "",
    }
    assert poetry_specifier("^1.2.3") == ">=1.2.3,<2"
    assert poetry_specifier("^0.0.3") == ">=0.0.3,<0.0.4"
    assert poetry_specifier("1.2.*") == "==1.2.*"


def test_setup_py() -> None:
    text = (
        "from setuptools import setup, find_packages\nREQ = ['trl==0.9.6']\n"
        "setup(name='t', packages=find_packages(), install_requires=REQ + ['peft'],\n"
        "      extras_require={'gpu': ['flash-attn']}, python_requires='>=3.9')\n"
    )
    found = read_setup(Source("setup.py", text))
    assert [(r.name, r.source) for r in found.requirements] == [
        ("trl", "setup.py"),
        ("peft", "setup.py"),
    ]
    assert found.groups["gpu"][0].name == "flash-attn"
    assert found.requires_python is not None
    unknown = read_setup(Source("setup.py", "setup(install_requires=open('r.txt').read().split())"))
    assert unknown.broken


def test_lock_files() -> None:
    uv = (
        'version = 1\n\n[[package]]\nname = "trl"\nversion = "1.0.0"\nsource = { registry = "https://example.org/simple" }\n'
        'dependencies = [\n    { name = "torch" },\n]\n\n[[package]]\nname = "mine"\nversion = "0.1"\nsource = { editable = "." }\n'
        '\n[package.metadata]\nrequires-dist = [{ name = "x" }]\n\n[[package]]\nname = "torch"\nversion = "2.8.0+cu126"\n'
        'source = { registry = "https://example.org/whl/cu126" }\n'
    )
    found = read_lock(Source("uv.lock", uv))
    assert [(r.name, r.specifier) for r in found] == [
        ("trl", "==1.0.0"),
        ("torch", "==2.8.0+cu126"),
    ]
    assert found[1].index.endswith("cu126")
    poetry = '[[package]]\nname = "peft"\nversion = "0.11.1"\n\n[metadata]\nlock-version = "2.0"\n'
    assert read_lock(Source("poetry.lock", poetry))[0].specifier == "==0.11.1"
    pipfile = '{"default": {"trl": {"version": "==0.8.0", "markers": "python_version > \'3\'"}}, "develop": {"x": {}}}'
    assert [(r.name, r.specifier) for r in read_lock(Source("Pipfile.lock", pipfile))] == [
        ("trl", "==0.8.0")
    ]
    compiled = "trl==0.9.6 \\\n    --hash=sha256:0\n    # via -r in.txt\ntorch==2.3.0\n"
    found = read_lock(Source("requirements-lock.txt", compiled))
    assert [r.source for r in found] == ["lock", "lock"]
    assert read_lock(Source("Pipfile.lock", "{")) == []


def test_names_of_lock_files() -> None:
    for name in (
        "uv.lock",
        "a/poetry.lock",
        "Pipfile.lock",
        "pylock.toml",
        "requirements-lock.txt",
        "requirements.lock",
    ):
        assert is_lock(name), name
    for name in ("requirements.txt", "package-lock.json", "clock.txt", "pyproject.toml"):
        assert not is_lock(name), name


def test_dockerfile() -> None:
    text = (
        "# syntax=docker/dockerfile:1\nARG TAG=2-4\nFROM python:3.12 AS build\nRUN pip wheel .\n"
        'FROM gcr.io/x/pytorch-gpu.${TAG}.py310 AS base\nENV HF_HOME=/root/hf MODE="a b"\n'
        "RUN --mount=type=cache,target=/root/.cache pip install \\\n    trl==0.9.6 \\\n    # why\n    'peft>=0.1' && \\\n    apt-get update\n"
        "FROM base\nARG REV\nWORKDIR /app\nCOPY requirements.txt train.py ./\nCOPY --from=build /w /w\nUSER app:app\n"
        'RUN <<EOF\npip install wandb\nEOF\nENTRYPOINT ["python", "train.py"]\nCMD ["--lr", "1"]\n'
    )
    found = read_dockerfile(Source("Dockerfile", text))
    assert found.base is not None
    assert found.base.value == "gcr.io/x/pytorch-gpu.2-4.py310"
    assert found.env["MODE"].value == "a b"
    assert found.user is not None
    assert found.user.value == "app"
    assert [v.value for v in found.entrypoint + found.command] == [
        "python",
        "train.py",
        "--lr",
        "1",
    ]
    assert found.copies == [(["requirements.txt", "train.py"], "./")]
    assert found.copied_stages == ["build"]
    assert [step.argv[0].value for step in found.steps] == ["pip", "apt-get", "pip"]
    words = [value.value for value in found.steps[0].argv]
    assert words == ["pip", "install", "trl==0.9.6", "peft>=0.1"]
    place = found.steps[0].argv[2].place
    assert place is not None
    assert (place.line, place.column) == (8, 5)


def test_dockerfile_with_a_base_that_is_set_when_it_is_built() -> None:
    found = read_dockerfile(Source("Dockerfile", "ARG BASE\nFROM ${BASE}\nCMD train.sh\n"))
    assert found.base is not None
    assert not found.base.known
    assert [v.value for v in found.command] == ["/bin/sh", "-c", "train.sh"]
    assert read_dockerfile(Source("Dockerfile", "")).base is None
