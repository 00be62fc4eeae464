"""What `check` says of a job's memory, from job files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ftdoctor.checks.context import Context
from ftdoctor.checks.memory import fits
from ftdoctor.job.read import read
from ftdoctor.job.versions import resolve_job
from ftdoctor.memory import from_job
from ftdoctor.rulebook.model import Hit, Unsure

if TYPE_CHECKING:
    from pathlib import Path

WANTS = ("weights", "logits", "optimizer", "activations", "tight")
PINS = "pip install trl=={trl} transformers==5.10.0 peft==0.18.1 bitsandbytes==0.50.2"


def job_of(folder: Path, arguments: str, *, flavor: str = "a10g-small", trl: str = "1.6.0") -> Any:
    path = folder / "job.sh"
    path.write_text(
        f'hf jobs run --flavor {flavor} python:3.12 bash -c "{PINS.format(trl=trl)} && '
        f'trl sft --dataset_name trl-lib/Capybara {arguments}"\n'
    )
    job = read([path]).jobs[0]
    resolve_job(job, {})
    return job


def said(job: Any) -> dict[str, Hit | Unsure]:
    return {want: answer for want in WANTS for answer in fits(Context(job), want=want)}


GEMMA = (
    "--model_name_or_path google/gemma-3-12b-it --dtype bfloat16 --load_in_4bit --use_peft "
    "--lora_target_modules q_proj v_proj --per_device_train_batch_size 1 "
)


def test_one_rule_answers(tmp_path: Path) -> None:
    found = said(job_of(tmp_path, GEMMA + "--max_length 6144"))
    assert list(found) == ["logits"]
    hit = found["logits"]
    assert isinstance(hit, Hit)
    assert hit.evidence["verdict"] == "oom"
    assert hit.evidence["allocated_bytes"] > hit.evidence["line_bytes"]
    assert len(hit.evidence["largest_parts"]) == 3
    assert hit.evidence["changes"][0]["setting"] == "trl"
    assert "GiB" in hit.summary
    assert hit.place is not None
    assert hit.place.line == 1


def test_it_fits_with_the_newer_trl(tmp_path: Path) -> None:
    assert said(job_of(tmp_path, GEMMA + "--max_length 6144", trl="1.16.0")) == {}


def test_a_length_that_is_only_a_limit_gives_a_warning(tmp_path: Path) -> None:
    small = "--model_name_or_path Qwen/Qwen3-1.7B --dtype bfloat16 --use_peft --max_length 2048 "
    found = said(job_of(tmp_path, small + "--per_device_train_batch_size 16"))
    assert list(found) == ["tight"]
    packed = said(job_of(tmp_path, small + "--per_device_train_batch_size 16 --packing true"))
    assert list(packed) == ["logits"]


def test_weights_alone(tmp_path: Path) -> None:
    found = said(job_of(tmp_path, "--model_name_or_path Qwen/Qwen3-32B --use_peft --max_length 64"))
    assert list(found) == ["weights"]


def test_a_string_model_is_float32(tmp_path: Path) -> None:
    """trl loads float32 without --dtype: a 3B model with LoRA does not fit where bf16 would."""
    base = "--model_name_or_path meta-llama/Llama-3.2-3B-Instruct --use_peft --max_length 512 "
    base += "--per_device_train_batch_size 1 "
    float32 = from_job.read(job_of(tmp_path, base, trl="1.16.0"))
    assert float32 is not None
    assert float32.settings.dtype == "float32"
    bf16 = from_job.read(job_of(tmp_path, base + "--dtype bfloat16", trl="1.16.0"))
    assert bf16 is not None
    assert bf16.settings.dtype == "bfloat16"


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ("--model_name_or_path me/private-model --max_length 512", "shape"),
        ("--model_name_or_path Qwen/Qwen2.5-7B-Instruct-AWQ --use_peft", "quantised"),
        ("--model_name_or_path openai/gpt-oss-20b --use_peft", "quantised"),
        ("--model_name_or_path Qwen/Qwen3-8B --max_length $LENGTH", "max_length"),
    ],
)
def test_what_cannot_be_told_says_why(tmp_path: Path, arguments: str, word: str) -> None:
    found = said(job_of(tmp_path, arguments))
    assert list(found) == ["activations"]
    answer = found["activations"]
    assert isinstance(answer, Unsure)
    assert word in answer.reason


def test_no_gpu_no_question(tmp_path: Path) -> None:
    assert said(job_of(tmp_path, GEMMA + "--max_length 6144", flavor="cpu-upgrade")) == {}


def test_unsloth_is_left_alone(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(
        "# /// script\n# dependencies = ['unsloth', 'trl==1.6.0']\n# ///\n"
        "from unsloth import FastLanguageModel\nfrom trl import SFTConfig, SFTTrainer\n"
        "model, _ = FastLanguageModel.from_pretrained('unsloth/gemma-3-12b-it')\n"
        "SFTTrainer(model='google/gemma-3-12b-it', args=SFTConfig(max_length=8192)).train()\n"
    )
    submit = tmp_path / "job.sh"
    submit.write_text(f"hf jobs uv run --flavor a10g-small {script}\n")
    job = read([submit]).jobs[0]
    resolve_job(job, {})
    found = said(job)
    assert not any(isinstance(x, Hit) for x in found.values())


def test_defaults_alone_are_no_alarm(tmp_path: Path) -> None:
    """Batch 8 and length 1024 are limits that small data never reaches."""
    small = "--model_name_or_path Qwen/Qwen2.5-0.5B-Instruct --dtype bfloat16"
    assert said(job_of(tmp_path, small, flavor="l4x1", trl="0.24.0")) == {}
    found = said(job_of(tmp_path, small + " --max_length 1024", flavor="l4x1", trl="0.24.0"))
    assert set(found) <= {"tight"}


def test_full_training_that_cannot_fit_whatever_the_data(tmp_path: Path) -> None:
    large = "--model_name_or_path Qwen/Qwen3-4B"
    assert list(said(job_of(tmp_path, large, flavor="l4x1", trl="1.16.0"))) == ["optimizer"]
    # A default dtype of float32 would not fit; with bfloat16 it might.
    middle = "--model_name_or_path Qwen/Qwen3-1.7B"
    assert list(said(job_of(tmp_path, middle, flavor="l4x1", trl="1.16.0"))) == ["tight"]
