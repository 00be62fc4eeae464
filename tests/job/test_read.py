"""Finding jobs in files and folders, and linking what belongs together."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from tests.job.shell_helpers import job, shown

from ftdoctor.job.read import read, read_text
from ftdoctor.job.readenv import MAX_BYTES, ReadEnv, decode

if TYPE_CHECKING:
    from pathlib import Path

TRAIN = 'from trl import SFTConfig, SFTTrainer\n\nSFTTrainer(model="a/b", args=SFTConfig(output_dir="o")).train()\n'
SPEC = "workerPoolSpecs:\n- machineSpec: {machineType: m}\n  replicaCount: 1\n  containerSpec:\n    imageUri: team.example/i:1\n    command: [python, /app/src/train.py]\n"


def lay(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_a_script_is_told_once_with_its_launcher(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lay(tmp_path, {"src/train.py": TRAIN, "job.yaml": SPEC, "run.sh": "gcloud ai custom-jobs create --region=r --config=job.yaml\n", "notes.md": "# nothing\n"})  # fmt: skip
    monkeypatch.chdir(tmp_path)
    reading = read()
    assert [(j.form, j.source.path) for j in reading.jobs] == [("vertex-yaml", "job.yaml")]
    assert [s.source.path for s in reading.jobs[0].scripts] == ["src/train.py"]
    assert shown(reading.jobs[0].trainings[0].model) == "a/b"
    # Alone, the script is a job of its own.
    assert [j.form for j in read(["src/train.py"]).jobs] == ["script"]


def test_only_tracked_files_and_no_foreign_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lay(tmp_path, {"train.py": TRAIN, "venv/lib/x.py": TRAIN, "scratch/other.py": TRAIN})
    monkeypatch.chdir(tmp_path)
    assert {j.source.path for j in read().jobs} == {"train.py", "scratch/other.py"}
    subprocess.run(["git", "init", "-q"], check=True)
    subprocess.run(["git", "add", "train.py"], check=True)
    assert {j.source.path for j in read().jobs} == {"train.py"}
    assert {j.source.path for j in read(["scratch"]).jobs} == {"scratch/other.py"}


def test_what_is_passed_over_is_told(tmp_path: Path) -> None:
    lay(tmp_path, {"empty.sh": "echo hi\n", "bad.yaml": "workerPoolSpecs: [\n"})
    (tmp_path / "data.sh").write_bytes(b"\0\1\2")
    (tmp_path / "big.sh").write_bytes(b"a" * (MAX_BYTES + 1))
    (tmp_path / "photo.png").write_bytes(b"\x89PNG")
    names = ["empty.sh", "bad.yaml", "data.sh", "big.sh", "photo.png"]
    reading = read([tmp_path / name for name in names])
    assert reading.jobs == []
    told = {u.place.path.rsplit("/", 1)[-1]: u.reason for u in reading.passed_over if u.place}
    assert told["empty.sh"] == "no job was found in it"
    assert "YAML" in told["bad.yaml"]
    assert told["data.sh"] == "it is not text"
    assert "5 MB" in told["big.sh"]
    assert "photo.png" in told


@pytest.mark.parametrize(
    ("text", "form"),
    [
        (SPEC, "vertex-yaml"),
        ("#!/bin/bash\nhf jobs run img cmd\n", "hf-jobs-cli"),
        ("hf jobs run img cmd\n", "hf-jobs-cli"),
        (TRAIN, "script"),
        ("# T\n\n```bash\nhf jobs run img cmd\n```\n", "hf-jobs-cli"),
        (
            '{"operation": "uv", "args": {"script": "https://x.y/z.py", "flavor": "l4x1"}}',
            "hf-jobs-call",
        ),
    ],
)
def test_text_without_a_name_is_told_by_its_content(text: str, form: str) -> None:
    assert [j.form for j in read_text(text, "-").jobs] == [form]


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"a\r\nb", "a\nb"),
        (b"\xef\xbb\xbfa", "a"),
        ("a".encode("utf-16"), "a"),
        (b"caf\xe9", "caf\u00e9"),
        (b"a\0b", None),
    ],
)
def test_decoding(data: bytes, text: str | None) -> None:
    assert decode(data) == text


def test_nothing_outside_the_checkout_is_read(tmp_path: Path) -> None:
    lay(tmp_path, {"secret.txt": "x", "repo/job.yaml": SPEC, "repo/sub/a.txt": "a"})
    env = ReadEnv.beside(str(tmp_path / "repo" / "job.yaml"))
    assert env.read_file("sub/a.txt") is not None
    for path in ("../secret.txt", str(tmp_path / "secret.txt"), "~/x", "https://x/y", "$X/a", ""):
        assert env.read_file(path) is None


def test_the_dockerfile_of_the_image() -> None:
    files = {
        "Dockerfile": 'FROM pytorch/pytorch:2.6.0-cuda12.4-cudnn9-devel\nRUN pip install trl==1.0.0\nCOPY train.py .\nENTRYPOINT ["python", "train.py"]\n',
        "train.py": TRAIN,
    }
    text = "workerPoolSpecs:\n- machineSpec: {machineType: m}\n  replicaCount: 1\n  containerSpec:\n    imageUri: IMAGE\n    args: [--lr, '1']\n"
    own = job("job.yaml", text.replace("IMAGE", "us-central1-docker.pkg.dev/p/r/i"), files)
    assert shown(own.extra["base_image"]) == "pytorch/pytorch:2.6.0-cuda12.4-cudnn9-devel"
    assert [(r.name, r.specifier) for r in own.requirements] == [("trl", "==1.0.0")]
    assert [shown(v) for v in own.scripts[0].args] == ["--lr", "1"]
    # An image that somebody else built is not made by this file.
    public = job(
        "job.yaml", text.replace("IMAGE", "pytorch/pytorch:2.1.0-cuda12.1-cudnn8-runtime"), files
    )
    assert public.requirements == []
    assert [u.what for u in public.unread] == ["entry point"]


def test_project_and_lock_of_uv_sync() -> None:
    text = "workerPoolSpecs:\n- replicaCount: 1\n  machineSpec: {machineType: m}\n  containerSpec:\n    imageUri: python:3.12\n    command: [bash, -c, 'uv sync && uv run python train.py']\n"
    files = {
        "pyproject.toml": '[project]\nname = "x"\nversion = "1"\nrequires-python = ">=3.11"\ndependencies = ["trl>=1"]\n',
        "uv.lock": '[[package]]\nname = "trl"\nversion = "1.2.0"\nsource = { registry = "https://index.example/simple" }\n',
        "train.py": TRAIN,
    }
    found = job("job.yaml", text, files)
    assert ("trl", "==1.2.0", "lock") in {
        (r.name, r.specifier, r.source) for r in found.requirements
    }
    cloned = job(
        "job.yaml", text.replace("uv sync", "git clone https://x.y/z && cd z && uv sync"), files
    )
    assert cloned.requirements == []


def test_local_scripts_call_each_other() -> None:
    files = {
        "setup.sh": "pip install trl==1.1.0\n",
        "train.py": TRAIN,
        "sft.yaml": "model_name_or_path: c/d\n",
    }
    found = job(
        "run.sh",
        "set -e\nbash setup.sh\naccelerate launch --num_processes 2 train.py --lr 1\n",
        files,
    )
    assert found.form == "launcher"
    assert [(r.name, r.specifier) for r in found.requirements] == [("trl", "==1.1.0")]
    assert shown(found.trainings[0].launch["num_processes"]) == "2"
    found = job("run.sh", "trl sft --config sft.yaml --output_dir o\n", files)
    assert found.form == "trl-cli"
    assert shown(found.trainings[0].model) == "c/d"
