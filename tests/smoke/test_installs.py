"""What a run on a platform installs first: the job's own commands, indexes and builds."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from ftdoctor.smoke.job_file import job_at
from ftdoctor.smoke.request import pip_command, uv_command

if TYPE_CHECKING:
    from pathlib import Path

WHL = "https://download.pytorch.org/whl/cu126"


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Return (the shell text, the words of uv) for a container command of a Vertex AI job."""
    monkeypatch.chdir(tmp_path)

    def of(*lines: str) -> tuple[str, list[str]]:
        body = "\n".join(f"      {line}" for line in lines)
        (tmp_path / "job.yaml").write_text(
            "workerPoolSpecs:\n"
            "- machineSpec: {machineType: g2-standard-8, acceleratorType: NVIDIA_L4, "
            "acceleratorCount: 1}\n"
            "  replicaCount: 1\n"
            "  containerSpec:\n"
            "    imageUri: us-docker.pkg.dev/some-project/images/train:3\n"
            "    command: [bash, -c]\n"
            f"    args:\n    - |\n{body}\n      python train.py\n"
        )
        job = job_at("job.yaml")
        assert job is not None
        words = pip_command(job)
        return words[2] if words[0] == "sh" else "", uv_command(job)[:-2]

    return of


def test_commands_keep_their_order_and_index(script) -> None:
    text, uv = script(
        f"pip install torch torchvision --index-url {WHL}",
        "pip install -U 'trl==1.16.0' transformers",
        "pip install --no-deps unsloth",
    )
    pip = "get --quiet"
    assert text.split("\n")[-1].split(" && ") == [
        f"{pip} --index-url {WHL} torch torchvision",
        f"{pip} --upgrade trl==1.16.0 transformers",
        f"{pip} --no-deps unsloth",
        'exec python3 -c "$0"',
    ]
    assert uv[2:6] == ["--index", WHL, "--index-strategy", "unsafe-best-match"]
    torch = next(word for word in uv if word.startswith("torch=="))
    assert torch.endswith("+cu126")


def test_a_build_is_pinned_beside_the_default_index(script) -> None:
    text, _ = script(f"pip install torch==2.8.0 trl --extra-index-url {WHL}")
    assert f"--extra-index-url {WHL} torch==2.8.0+cu126 trl" in text


def test_a_torch_backend_of_uv_is_an_index(script) -> None:
    text, _ = script("uv pip install --system torch==2.8.0 trl --torch-backend=cu126")
    assert f"--extra-index-url {WHL}" in text
    assert "torch==2.8.0+cu126" in text


def test_words_of_the_shell_are_quoted(script) -> None:
    text, _ = script("pip install 'trl>=1.0,<2' \"peft[extra]; python_version > '3.8'\"")
    assert "'trl>=1.0,<2'" in text
    assert "'peft[extra]" in text


def test_a_file_that_may_be_in_the_image_is_installed_there(script) -> None:
    text, _ = script("pip install -r requirements.txt")
    assert "{ test ! -f requirements.txt || get --quiet -r requirements.txt; }" in text


def test_an_index_with_a_password_is_not_passed_on(script) -> None:
    text, _ = script("pip install trl --extra-index-url https://me:se-cret-word9@pypi.example/x")
    assert "se-cret-word9" not in text
    assert "trl" in text


@pytest.mark.parametrize("pip", [True, False])
def test_uv_stands_for_pip_where_there_is_none(script, tmp_path: Path, pip: bool) -> None:
    text, _ = script("pip install trl==1.16.0")
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "python3").write_text(
        "#!/bin/sh\n"
        f'[ "$1" = -m ] && {"echo with-pip $*" if pip else "exit 1"}\n'
        '[ "$1" = -c ] && echo "ran $2"\nexit 0\n'
    )
    (folder / "uv").write_text("#!/bin/sh\necho with-uv $*\n")
    for name in ("python3", "uv"):
        (folder / name).chmod(0o755)
    done = subprocess.run(
        ["/bin/sh", "-c", text, "the program"],
        env={"PATH": str(folder)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ("with-pip -m pip install --quiet trl==1.16.0" in done.stdout) is pip
    assert ("with-uv pip install --python python3" in done.stdout) is not pip
    assert done.stdout.endswith("ran the program\n")
