from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from ftdoctor.commands.estimate import command
from ftdoctor.errors import FtdoctorError, MissingExtra, UsageError

FIXTURES = Path(__file__).parents[2] / "fixtures" / "before"
BASE = ["--model", "google/gemma-3-12b-it", "--method", "qlora", "--seq-len", "4096"]
WHOLE = [*BASE, "--batch-size", "1"]


def run(*arguments: str) -> str:
    result = CliRunner().invoke(command, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def as_json(*arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run(*arguments, "--format", "json"))
    return found


def test_json_has_the_keys_of_the_contract() -> None:
    found = as_json(*WHOLE, "--gpu", "a10g", "--with", "trl==1.6.0")
    assert set(found["peak"]) == {"allocated_bytes", "reserved_bytes", "parts"}
    assert sum(found["peak"]["parts"].values()) == found["peak"]["allocated_bytes"]
    assert found["verdict"] in {"fits", "tight", "oom"}
    assert isinstance(found["largest_seq_len_that_fits"], int)
    assert isinstance(found["largest_batch_size_that_fits"], int)
    assert found["confidence"] in {"high", "medium", "low"}
    assert isinstance(found["assumptions"], list)
    assert found["changes"][0]["kind"] == "trl"


def test_without_a_gpu_there_is_no_verdict() -> None:
    found = as_json(*WHOLE)
    assert found["verdict"] is None
    assert found["largest_seq_len_that_fits"] is None


def test_every_flag_of_the_contract() -> None:
    found = as_json(
        *WHOLE,
        *("--lora-rank", "64", "--lora-targets", "q_proj,k_proj,v_proj,o_proj"),
        *("--optimizer", "paged_adamw_8bit", "--no-gradient-checkpointing"),
        *("--dtype", "bfloat16", "--attention", "flash", "--loss", "chunked", "--kbit-prepare"),
        *("--with", "trl==1.16.0", "--with", "transformers==5.23.0"),
        *("--gpus", "2", "--sharding", "zero3", "--gpu", "a100-40gb"),
    )
    assert found["peak"]["allocated_bytes"] > 0


def test_a_plain_loop_and_a_trainer_differ() -> None:
    base = [*WHOLE, "--loss", "nll", "--no-gradient-checkpointing"]
    loop, trainer = as_json(*base), as_json(*base, "--with", "trl==1.6.0")
    assert loop["peak"]["allocated_bytes"] != trainer["peak"]["allocated_bytes"]
    assert any("loop" in x for x in loop["assumptions"])


def test_versions_may_follow_one_with() -> None:
    apart = as_json(*WHOLE, "--with", "trl==1.6.0", "--with", "transformers==5.10.0")
    assert as_json(*WHOLE, "--with", "trl==1.6.0", "transformers==5.10.0") == apart
    assert as_json(*WHOLE, "--with", "trl==1.6.0,transformers==5.10.0") == apart


def test_short_target_names() -> None:
    long = as_json(*WHOLE, "--lora-targets", "q_proj,k_proj,v_proj,o_proj")
    assert as_json(*WHOLE, "--lora-targets", "q,k,v,o") == long


def test_text_names_parts_verdict_and_change() -> None:
    text = run(*WHOLE, "--gpu", "a10g", "--with", "trl==1.6.0")
    assert "logits and loss" in text
    assert "A10G" in text
    assert "trl >= 1.15" in text


def test_a_job_file_is_read() -> None:
    path = FIXTURES / "FT-MEM-007" / "fires.sh"
    found = as_json(str(path))
    assert found["verdict"] == "oom"
    assert found["gpu"]["name"] == "a10g"
    assert as_json(str(path), "--gpu", "a100")["verdict"] == "fits"
    newer = as_json(str(path), "--with", "trl==1.16.0")
    assert newer["verdict"] == "fits"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--method", "qlora", "--seq-len", "1", "--batch-size", "1"],
        ["--model", "nobody/nothing", "--method", "lora", "--seq-len", "8", "--batch-size", "1"],
        BASE,
        [*WHOLE, "--gpu", "a1000"],
        [*WHOLE, "--dtype", "int3"],
        [*WHOLE, "--with", "trl>=1"],
        [*WHOLE, "--lora-targets", "wqkv"],
        [*WHOLE, "--sweep", "seq-len=9..1"],
        [*WHOLE, "--plot", "x.svg"],
        [*WHOLE, "--peft-config", __file__],
        [*WHOLE, "no-such-file.yaml"],
        [str(Path(__file__)), str(Path(__file__))],
        [str(Path(__file__))],
    ],
    ids=lambda a: " ".join(a)[-40:] or "nothing",
)
def test_wrong_use_is_told(arguments: list[str]) -> None:
    result = CliRunner().invoke(command, arguments)
    assert isinstance(result.exception, UsageError), result.output
    assert result.exception.exit_code == 2
    assert str(result.exception)


def test_config_file(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(
        json.dumps(
            {
                "model_type": "qwen3",
                "hidden_size": 1024,
                "intermediate_size": 3072,
                "num_hidden_layers": 28,
                "num_attention_heads": 16,
                "num_key_value_heads": 8,
                "head_dim": 128,
                "vocab_size": 151936,
                "tie_word_embeddings": True,
            }
        )
    )
    rest = ["--method", "lora", "--seq-len", "1024", "--batch-size", "1"]
    mine = as_json("--model-config", str(path), *rest)
    known = as_json("--model", "Qwen/Qwen3-0.6B", *rest)
    assert mine["peak"] == known["peak"]
    assert mine["confidence"] == "high"


def test_sweep() -> None:
    found = as_json(*WHOLE, "--gpu", "a10g", "--with", "trl==1.6.0", "--sweep", "seq-len=512..8192")
    lengths = [row["seq-len"] for row in found["sweep"]]
    peaks = [row["allocated_bytes"] for row in found["sweep"]]
    assert lengths[0] == 512
    assert lengths[-1] == 8192
    assert peaks == sorted(peaks)
    words = [row["verdict"] for row in found["sweep"]]
    assert words[0] == "fits"
    assert words[-1] == "oom"


def test_plot(tmp_path: Path) -> None:
    path = tmp_path / "memory.svg"
    arguments = [*WHOLE, "--gpu", "a10g", "--sweep", "seq-len=512..4096", "--plot", str(path)]
    result = CliRunner().invoke(command, arguments)
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        assert isinstance(result.exception, MissingExtra)
        return
    assert result.exit_code == 0, result.output
    assert "<svg" in path.read_text()
    bad = [*arguments[:-1], str(tmp_path / "no" / "memory.svg")]
    assert isinstance(CliRunner().invoke(command, bad).exception, FtdoctorError)


def test_nothing_heavy_is_imported() -> None:
    code = (
        "import sys; from ftdoctor.cli import run;"
        f"run(['estimate', *{WHOLE!r}, '--gpu', 'l4', '--format', 'json']);"
        "heavy = {'torch', 'transformers', 'peft', 'numpy', 'matplotlib', 'huggingface_hub', 'rich'};"
        "sys.exit(1 if heavy & set(sys.modules) else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
