from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftdoctor.checks.installed import present
from ftdoctor.job.installs import read_install
from tests.versions.build import DLC, PREBUILT, job, step

if TYPE_CHECKING:
    from ftdoctor.job.model import Job


def versions(made: Job, *names: str) -> list[str | None]:
    return [made.version(name) for name in names]


def test_the_image_alone() -> None:
    made = job(image=DLC)
    assert versions(made, "torch", "trl", "transformers") == ["2.3.1+cu121", "0.13.0", "4.48.0"]
    assert not made.packages["trl"].floating
    assert made.environment is not None
    assert (made.environment.python, made.environment.kind) == ("3.11", "image")


def test_an_unpinned_install_keeps_what_the_image_has() -> None:
    assert versions(job("pip install trl", image=DLC), "trl") == ["0.13.0"]
    made = job("pip install -U trl", image=DLC)
    assert versions(made, "trl", "transformers", "peft") == ["1.16.0", "5.23.0", "0.14.0"]
    assert made.packages["trl"].floating
    assert made.version("torch") == "2.3.1+cu121"


def test_the_python_of_the_image_caps_what_is_newest() -> None:
    made = job("pip install trl", image=PREBUILT)
    assert versions(made, "trl", "transformers") == ["1.14.2", "5.20.2"]


def test_later_commands_win() -> None:
    made = job("pip install transformers==4.57.6", "pip install transformers==4.46.3", image=DLC)
    assert made.version("transformers") == "4.46.3"
    made = job("pip install transformers==4.46.3", "pip install transformers", image=PREBUILT)
    assert made.version("transformers") == "4.46.3"


def test_no_deps_leaves_the_rest() -> None:
    made = job("pip install --no-deps -U transformers", image=DLC)
    assert versions(made, "transformers", "huggingface-hub") == ["5.23.0", "0.27.0"]


@pytest.mark.parametrize(
    ("command", "torch"),
    [
        ("pip install torch", "2.15.0"),
        ("pip install torch --index-url https://download.pytorch.org/whl/cu126", "2.15.0+cu126"),
        ("pip install torch --index-url=https://download.pytorch.org/whl/cu121", "2.5.1+cu121"),
        ("pip install 'torch<2.9' -i https://download.pytorch.org/whl/cu128", "2.8.0+cu128"),
        # pip takes the highest version of both indexes, uv the first index that has the package
        ("pip install torch --extra-index-url https://download.pytorch.org/whl/cu118", "2.15.0"),
        (
            "uv pip install --system torch --extra-index-url https://download.pytorch.org/whl/cu118",
            "2.7.1+cu118",
        ),
        ("uv pip install --system torch --torch-backend=cu126", "2.15.0+cu126"),
        ("pip install torch --index-url https://download.pytorch.org/whl/cpu", "2.15.0+cpu"),
        ("pip install torch==2.4.1+cu121", "2.4.1+cu121"),
    ],
)
def test_the_index_decides_the_build_of_torch(command: str, torch: str) -> None:
    made = job(command, image="python:3.12-slim")
    assert made.version("torch") == torch


def test_a_transitive_torch_comes_from_the_same_index() -> None:
    command = "pip install trl peft --extra-index-url https://download.pytorch.org/whl/cu126"
    assert job(command, image="python:3.12-slim").version("torch") == "2.15.0+cu126"


def test_a_header_ignores_the_image() -> None:
    made = job(header=["trl", "peft"])
    assert made.environment is not None
    assert (made.environment.kind, made.environment.python) == ("uv-script", "3.12")
    assert made.environment.whole
    assert versions(made, "trl", "torch") == ["1.16.0", "2.15.0"]
    assert present(made, "bitsandbytes") is False
    assert present(made, "pandas") is True


def test_with_overrides_and_the_rest_follows() -> None:
    made = job(header=["trl", "transformers"], with_={"trl": "0.19.1", "transformers": "4.53.2"})
    assert versions(made, "trl", "transformers") == ["0.19.1", "4.53.2"]
    assert made.packages["trl"].source == "with"
    assert made.version("huggingface-hub") == "0.36.2"


def test_requirement_files_are_one_request() -> None:
    made = job(
        "pip install -r requirements.txt",
        image="python:3.12-slim",
        files={"requirements.txt": ["trl", "transformers<5", "peft"]},
    )
    assert versions(made, "trl", "transformers") == ["1.16.0", "4.57.6"]
    assert made.environment is not None
    assert not made.environment.conflicts


def test_an_unknown_image_leaves_what_is_not_asked_for_unknown() -> None:
    made = job("pip install trl==0.19.1", image="gcr.io/me/trainer:1")
    assert versions(made, "trl", "transformers", "torch") == ["0.19.1", None, None]
    assert made.packages["transformers"].reason
    assert present(made, "wandb") is None


@pytest.mark.parametrize(
    "command",
    [
        "pip install -r lost.txt",
        "pip install .",
        "pip install git+https://github.com/me/tool",
        "conda env create -f env.yml",
        "bash setup.sh",
        "poetry install",
    ],
)
def test_an_install_that_is_not_read_leaves_the_environment_open(command: str) -> None:
    made = job(command, image="python:3.12-slim")
    assert made.environment is not None
    assert not made.environment.whole
    assert made.environment.open_reason
    assert present(made, "bitsandbytes") is None


def test_code_that_installs_leaves_the_environment_open() -> None:
    code = "import subprocess, sys\nsubprocess.run([sys.executable, '-m', 'pip', 'install', 'x'])\n"
    assert present(job("pip install trl", image="python:3.12", script=code), "wandb") is None
    assert (
        present(job("pip install trl", image="python:3.12", script="import trl\n"), "wandb")
        is False
    )


def test_git_addresses_name_their_version_when_tagged() -> None:
    base = "git+https://github.com/huggingface/transformers"
    made = job(header=[f"transformers @ {base}@v4.57.1", "trl"])
    assert made.version("transformers") == "4.57.1"
    made = job(header=[f"transformers @ {base}", "trl"])
    assert made.version("transformers") is None
    assert "git+" in made.packages["transformers"].reason


@pytest.mark.parametrize(
    ("command", "tool", "upgrade", "items"),
    [
        ("pip install -qU trl peft", "pip", True, ["trl", "peft"]),
        ("python3 -m pip install --upgrade 'trl>=1'", "pip", True, ["trl>=1"]),
        ("pip3 install -r a.txt -c b.txt trl", "pip", False, ["trl"]),
        ("uv pip install --system --index-strategy unsafe-best-match trl", "uv", False, ["trl"]),
        ("/opt/conda/bin/pip install trl", "pip", False, ["trl"]),
    ],
)
def test_install_commands(command: str, tool: str, upgrade: bool, items: list[str]) -> None:
    install = read_install(step(command, 1))
    assert install is not None
    assert (install.tool, install.upgrade, install.items) == (tool, upgrade, items)


@pytest.mark.parametrize(
    "command", ["pip list", "pip download x", "npm install x", "pip uninstall y"]
)
def test_other_commands_install_nothing(command: str) -> None:
    assert read_install(step(command, 1)) is None


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.text(max_size=40), max_size=4),
    st.sampled_from([DLC, PREBUILT, "python:3.12", "x/y:z", ""]),
)
def test_any_command_is_survived(words: list[str], image: str) -> None:
    import shlex

    command = "pip install " + " ".join(shlex.quote(w) for w in words)
    made = job(command, image=image or "python:3.12")
    assert made.environment is not None


@pytest.mark.parametrize(
    ("header", "package", "there"),
    [
        (["sentence-transformers[train]"], "wandb", None),
        (["huggingface_hub[cli]", "trl"], "wandb", False),
        (["unsloth[colab-new]"], "wandb", None),
        (["trl[dpo]"], "trackio", False),
        (["trl[dev]"], "trackio", None),
        (["some-package-of-ours", "trl"], "wandb", None),
        (["trl[vlm]"], "pillow", True),
        (["transformers[torch]"], "accelerate", True),
        (["matplotlib", "trl"], "pillow", True),
        (["evaluate", "trl"], "requests", True),
        (["trl", "peft"], "requests", False),
    ],
)
def test_what_packages_bring_along(header: list[str], package: str, there: bool | None) -> None:
    assert present(job(header=header), package) is there
