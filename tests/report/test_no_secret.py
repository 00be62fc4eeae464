"""Each kind of secret, planted in each kind of input, is in no format of the report."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from tests.test_redact import SECRETS

from ftdoctor.report import FORMATS

if TYPE_CHECKING:
    from pathlib import Path

#: Names that a variable may have; the kinds above go round them.
NAMES = (
    "HF_TOKEN",
    "WANDB_API_KEY",
    "MY_SECRET",
    "DB_PASSWORD",
    "HUGGINGFACE_TOKEN",
    "OPENAI_API_KEY",
)
PLAIN = {"WANDB": "0123456789abcdef0123456789abcdef01234567", "PHRASE": "hunter2-is-long-enough"}
ALL = {**SECRETS, **PLAIN}
PAIRS = [
    (f"{NAMES[i % len(NAMES)]}_{i}" if i >= len(NAMES) else NAMES[i], s)
    for i, s in enumerate(ALL.values())
]


def yaml() -> str:
    env = "".join(f"        - name: {n}\n          value: {s}\n" for n, s in PAIRS)
    return (
        "workerPoolSpecs:\n  - machineSpec: {machineType: g2-standard-8, acceleratorType: NVIDIA_L40,"
        " acceleratorCount: 1}\n    replicaCount: 1\n    containerSpec:\n      imageUri: "
        "us-docker.pkg.dev/my-project-1/images/train:1\n      args: ['--hub_token="
        + SECRETS["user"]
        + f"']\n      env:\n{env}"
    )


def shell() -> str:
    exports = "".join(f"export {n}={s}\n" for n, s in PAIRS)
    flags = " ".join(f"--env {n}={s}" for n, s in PAIRS)
    return f"{exports}hf jobs uv run --flavor l4 {flags} --secrets HF_TOKEN={SECRETS['user']} train.py\n"


def python() -> str:
    env = ", ".join(f'"{n}": "{s}"' for n, s in PAIRS)
    return (
        "from huggingface_hub import run_uv_job, login\n"
        f'login("{SECRETS["user"]}")\n'
        f'run_uv_job("train.py", flavor="l4", env={{{env}}}, token="{SECRETS["oauth"]}")\n'
    )


def notebook() -> str:
    cells = [
        {
            "cell_type": "code",
            "metadata": {},
            "outputs": [],
            "execution_count": None,
            "source": text,
        }
        for text in ([f"%env {n}={s}\n" for n, s in PAIRS], python().splitlines(keepends=True))
    ]
    return json.dumps(
        {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}, indent=1
    )


FILES = {
    "job.yaml": yaml,
    "submit.sh": shell,
    "submit.py": python,
    "work.ipynb": notebook,
    "README.md": lambda: f"# Run\n\n```bash\n{shell()}```\n",
}


@pytest.mark.parametrize("name", FILES)
def test_planted_secrets_stay_out(name: str, tmp_path: Path, monkeypatch, cli) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_text(FILES[name]())
    for fmt in FORMATS:
        ran = cli("check", "--offline", "--verbose", "--format", fmt, name)
        assert "Traceback" not in ran.err
        if fmt == "json":
            assert json.loads(ran.out)["jobs"], "the file must be read as a job"
        for kind, secret in ALL.items():
            assert secret not in ran.out + ran.err, f"{kind} in {fmt}"
            assert secret[10:] not in ran.out + ran.err, f"the rest of {kind} in {fmt}"
    shown = cli("check", "--offline", "--diff", "--unsafe-fixes", name)
    for kind, secret in ALL.items():
        assert secret not in shown.out + shown.err, f"{kind} in the diff"
