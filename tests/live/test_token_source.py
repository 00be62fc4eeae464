"""The token is followed from where the job names it to the text that will really be sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftdoctor.facts.token_job import job_token, submitter_token
from ftdoctor.job.read import read

if TYPE_CHECKING:
    from pathlib import Path

HERE = "hf_" + "zyxwvutsrqponmlkjihgfedcbaABCDEFGH"
IN_FILE = "hf_" + "QwertzuiopasdfghjklyxcvbnmQWERTZUI"
STORED = "hf_" + "MnbvcxyLkjhgfdsaPoiuztrewqMnbvcxyL"
RUN = "hf jobs uv run --flavor l4x1 --timeout 2h"
PY = """\
import os
from huggingface_hub import get_token, run_uv_job
run_uv_job("train.py", flavor="l4x1", secrets={{"HF_TOKEN": {value}}})
"""
TRAIN = 'from transformers import AutoModel\nAutoModel.from_pretrained("a/b")\n'
#: Name of the job's file, its text, (text of the token, word of its source or reason).
CASES = {
    "by name": ("j.sh", f"{RUN} --secrets HF_TOKEN train.py\n", HERE, "$HF_TOKEN of this machine"),
    "literal": ("j.sh", f"{RUN} --secrets HF_TOKEN={IN_FILE} train.py\n", IN_FILE, "as written"),
    "file of secrets": ("j.sh", f"{RUN} --secrets-file .env train.py\n", IN_FILE, "as written"),
    "sourced": ("j.sh", f"source .env\n{RUN} --secrets HF_TOKEN train.py\n", IN_FILE, "as written"),
    "exported": ("j.sh", f"export HF_TOKEN={IN_FILE}\n{RUN} -s HF_TOKEN train.py\n", IN_FILE, "as written"),
    "exported later": ("j.sh", f"{RUN} -s HF_TOKEN train.py\nexport HF_TOKEN={IN_FILE}\n", HERE, "this machine"),
    "printed": ("j.sh", f"export HF_TOKEN=$(pass hf)\n{RUN} -s HF_TOKEN train.py\n", "", "pass hf"),
    "hf auth token": ("j.sh", f"{RUN} -s HF_TOKEN=$(hf auth token) train.py\n", HERE, "this machine"),
    "for one command": ("j.sh", f"HF_TOKEN=$MINE {RUN} -s HF_TOKEN train.py\n", STORED, "$MINE"),
    "in a circle": ("j.sh", f"A=$B\nB=$A\nHF_TOKEN=$A\n{RUN} -s HF_TOKEN train.py\n", "", "not set here"),
    "get_token": ("j.py", PY.format(value="get_token()"), HERE, "get_token()"),
    "environ": ("j.py", PY.format(value='os.environ["MINE"]'), STORED, "$MINE of this machine"),
    "getenv": ("j.py", PY.format(value='os.getenv("NOT_THERE")'), "", "not set here"),
    "a script": ("train.py", TRAIN, HERE, "HF_TOKEN of this machine"),
    "in the code": ("own.py", TRAIN.replace('"a/b"', f'"a/b", token="{IN_FILE}"'), IN_FILE, "as written"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_followed(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name, text, expected, word = CASES[case]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_TOKEN", HERE)
    monkeypatch.setenv("MINE", STORED)
    (tmp_path / "train.py").write_text(TRAIN)
    (tmp_path / ".env").write_text(f'HF_TOKEN="{IN_FILE}"\n')
    (tmp_path / name).write_text(text)
    found = job_token(read([name]).jobs[0])
    assert found is not None
    assert found.text == expected
    assert word in f"{found.source} {found.reason}"
    assert expected not in repr(found) or not expected


def test_what_starts_the_job_may_be_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_TOKEN", HERE)
    (tmp_path / "train.py").write_text(TRAIN)
    (tmp_path / "j.sh").write_text(
        f"{RUN} -s HF_TOKEN={STORED} train.py\nexport HF_TOKEN={IN_FILE}\n{RUN} -s HF_TOKEN train.py\n"
    )
    first, second = read(["j.sh"]).jobs
    assert [t and t.text for t in (job_token(first), submitter_token(first))] == [STORED, HERE]
    assert [t and t.text for t in (job_token(second), submitter_token(second))] == [IN_FILE] * 2


def test_the_order_of_huggingface_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """HF_OIDC_RESOURCE, HF_TOKEN, the old name, the stored login: as the installed library has it."""
    from huggingface_hub import constants, get_token

    from ftdoctor.facts.token import local_token

    path = tmp_path / "token"
    monkeypatch.setenv("HF_TOKEN_PATH", str(path))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(path))
    assert (local_token(), get_token()) == (None, None)
    path.write_text(f" {STORED}\n")

    def same() -> str:
        found = local_token()
        assert (found.text if found else None) == get_token()
        return found.text if found else ""

    assert same() == STORED
    monkeypatch.setenv("HUGGING_FACE_HUB_TOKEN", IN_FILE)
    assert same() == IN_FILE
    for text, expected in ((HERE, HERE), (f"\t{HERE}\r\n", HERE), ("  ", STORED), ("", IN_FILE)):
        monkeypatch.setenv("HF_TOKEN", text)
        assert same() == expected
    monkeypatch.setenv("HF_OIDC_RESOURCE", "ada/repo")
    found = local_token()
    assert found is not None
    assert found.problem == "unknown"
