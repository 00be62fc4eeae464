"""`ftdoctor api` and `ftdoctor migrate` as a user calls them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from ftdoctor.cli import run

if TYPE_CHECKING:
    from pathlib import Path

OLD_SCRIPT = """\
from trl import SFTConfig, SFTTrainer

settings = SFTConfig("out", max_seq_length=512)
trainer = SFTTrainer("acme/model", args=settings, tokenizer=None)
trainer.train()
"""


def test_signature_at_a_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["api", "trl.SFTConfig", "--with", "trl==0.19.1"]) == 0
    out = capsys.readouterr().out
    assert "trl.SFTConfig  class of trl 0.19.1" in out
    assert "max_seq_length" in out.split("Not in trl 0.19.1")[0]
    assert "deprecated since 0.16.0" in out


def test_one_parameter(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["api", "trl.SFTTrainer.tokenizer", "--format", "json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["asked"] == "tokenizer"
    assert data["parameters"] == []
    assert data["others"][0]["until"] == "0.15.2"
    assert data["others"][0]["replacement"] == "processing_class"


def test_inherited_field_is_the_base_packages(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["api", "trl.SFTConfig.evaluation_strategy", "--format", "json"]) == 0
    row = json.loads(capsys.readouterr().out)["others"][0]
    assert (row["package"], row["until"]) == ("transformers", "4.50.3")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["api", "trl.NoSuchThing"], 3, "No release read"),
        (["api", "numpy.array"], 2, "package that has a table"),
        (["api", "trl.SFTConfig", "--with", "trl==99"], 2, "not in the table"),
        (["api", "trl.SFTConfig", "--with", "trl"], 2, "PKG==VERSION"),
        (["api", "trl.SFTConfig", "--with", "numpy==2.0"], 2, "no API table"),
    ],
)
def test_wrong_use_is_told(
    arguments: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == code
    assert said in capsys.readouterr().err


def test_migrate_shows_and_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = tmp_path / "train.py"
    script.write_text(OLD_SCRIPT)
    arguments = ["migrate", str(script), "--from", "trl==0.15", "--to", "trl==1.16"]
    assert run([*arguments, "--diff"]) == 0
    out = capsys.readouterr().out
    assert "+settings = SFTConfig" in out
    assert script.read_text() == OLD_SCRIPT
    assert run([*arguments, "--write"]) == 0
    edited = script.read_text()
    assert 'SFTConfig("out", max_length=512)' in edited
    assert "processing_class=None" in edited
    assert run([*arguments, "--format", "json"]) == 0


def test_migrate_tells_what_is_left(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = tmp_path / "train.py"
    script.write_text("from trl import DataCollatorForCompletionOnlyLM\n")
    assert run(["migrate", str(script), "--from", "trl==0.15.2", "--to", "trl==1.16"]) == 1
    assert "completion_only_loss" in capsys.readouterr().out


def test_migrate_of_what_is_no_python(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = tmp_path / "train.py"
    script.write_text("def (:\n")
    assert run(["migrate", str(script), "--from", "trl==0.15.2"]) == 4
    assert "not Python" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("source", "version", "symbol", "parameter"),
    [
        (
            "from trl import SFTConfig\nSFTConfig('o', max_seq_length=1)\n",
            "1.16.0",
            "trl.SFTConfig",
            "max_seq_length",
        ),
        ("from trl import SFTConfig\nSFTConfig('o', max_seq_length=1)\n", "0.19.1", "", ""),
        (
            "from trl import setup_chat_format\n",
            "1.16.0",
            "trl.setup_chat_format",
            "setup_chat_format",
        ),
        (
            "settings = DPOConfig(max_prompt_length=1)\n",
            "1.16.0",
            "trl.DPOConfig",
            "max_prompt_length",
        ),
    ],
)
def test_check_of_a_snippet(
    source: str,
    version: str,
    symbol: str,
    parameter: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A file that the user names is checked for its calls, even when it trains nothing."""
    script = tmp_path / "snippet.py"
    script.write_text(source)
    code = run(["check", "--offline", "--format", "json", "--with", f"trl=={version}", str(script)])
    data = json.loads(capsys.readouterr().out)
    errors = [f["evidence"] for f in data["findings"] if f["severity"] == "error"]
    assert [(e["symbol"], e["parameter"]) for e in errors] == (
        [(symbol, parameter)] if symbol else []
    )
    assert code == (1 if symbol else 0)


def test_edits_in_a_script_inside_yaml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python in a heredoc in a block of YAML: new lines get the block's indentation."""
    spec = """\
workerPoolSpecs:
  - machineSpec: {machineType: g2-standard-12, acceleratorType: NVIDIA_L4, acceleratorCount: 1}
    replicaCount: 1
    containerSpec:
      imageUri: python:3.11
      command: ["bash", "-c"]
      args:
        - |
          pip install trl==1.16.0 transformers==5.23.0
          cat > train.py <<'EOF'
          from trl import SFTConfig, SFTTrainer
          args = SFTConfig(
              output_dir="out",
          )
          SFTTrainer(
              "acme/model",
              args=args,
              max_seq_length=3,
          ).train()
          EOF
          python train.py
"""
    path = tmp_path / "job.yaml"
    path.write_text(spec)
    monkeypatch.chdir(tmp_path)
    run(["check", "--offline", "--fix", "--select", "FT-API-015", "job.yaml"])
    moved = spec.replace("              max_seq_length=3,\n", "")
    place = '              output_dir="out",\n'
    assert path.read_text() == moved.replace(place, place + "              max_length=3,\n")
