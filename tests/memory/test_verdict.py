from __future__ import annotations

from typing import Any

import pytest
from tools.memory import validate

from ftdoctor.memory import gpus, resolve, shapes
from ftdoctor.memory.advise import advise
from ftdoctor.memory.closed_form import predict
from ftdoctor.memory.settings import GIB, TrainingSettings
from ftdoctor.memory.verdict import judge, largest_batch_size, largest_seq_len

SIZES = [n / 2 for n in range(4, 60)]


def step(model: str, **values: Any) -> TrainingSettings:
    shape = shapes.find(model)
    assert shape is not None
    base = {"method": "qlora", "batch_size": 1, "lora_targets": "q_proj,v_proj"}
    return resolve.settings_from(shape, {**base, **values})[0]


def card(name: str) -> gpus.Gpu:
    found = gpus.find(name)
    assert found is not None
    return found


def measured_rows() -> list[tuple[TrainingSettings, float]]:
    found = []
    for row in validate.rows():
        settings = validate.settings_of(row)
        if settings is not None and "allocated" in row["metric"]:
            found.append((settings, float(row["measured_gb"]) * GIB))
    return found


def test_never_fits_where_it_was_out_of_memory() -> None:
    rows = measured_rows()
    assert len(rows) == 11
    right = away = 0
    for settings, peak in rows:
        prediction = predict(settings)
        for size in SIZES:
            gpu = gpus.Gpu(f"{size} GiB", int(size * GIB), 0)
            word = judge(prediction, gpu).word
            if peak > gpu.line:
                assert word != "fits", (settings.shape.key, size)
            if abs(peak / gpu.line - 1) > 0.07:
                away += 1
                right += word == ("fits" if peak <= gpu.line else "oom")
    assert right / away >= 0.95


@pytest.mark.parametrize(
    ("seq", "gpu", "words"),
    [(2048, "a10g", {"fits"}), (4096, "a10g", {"tight", "oom"}), (16384, "a100", {"fits"})],
)
def test_the_vocabulary_case(seq: int, gpu: str, words: set[str]) -> None:
    """Gemma 3 12B with full logits, as reported by people who ran it."""
    settings = step(
        "google/gemma-3-12b-it",
        seq_len=seq,
        lora_rank=64,
        lora_targets="q,k,v,o",
        optimizer="adamw_8bit",
        versions={"trl": "0.26.2"},
    )
    assert judge(predict(settings), card(gpu)).word in words


def test_largest_fit_and_one_more_does_not() -> None:
    settings = step("Qwen/Qwen3-8B", seq_len=1024, versions={"trl": "1.6.0"})
    gpu = card("l4")
    length = largest_seq_len(settings, gpu)
    batch = largest_batch_size(settings, gpu)
    assert length % 64 == 0
    assert judge(predict(settings.but(seq_len=length)), gpu).word == "fits"
    assert judge(predict(settings.but(seq_len=length + 64)), gpu).word != "fits"
    assert (
        judge(predict(settings.but(batch_size=batch, padding_mask=batch > 1)), gpu).word == "fits"
    )
    assert judge(predict(settings.but(batch_size=batch + 1, padding_mask=True)), gpu).word != "fits"


def test_nothing_fits_is_zero() -> None:
    settings = step("meta-llama/Llama-3.1-70B", seq_len=1024)
    assert largest_seq_len(settings, card("t4")) == 0
    assert largest_batch_size(settings, card("t4")) == 0


def test_changes_are_predicted_and_the_free_ones_come_first() -> None:
    settings = step("google/gemma-3-12b-it", seq_len=6144, versions={"trl": "1.6.0"})
    changes = advise(settings, card("a10g"))
    assert changes[0].kind == "trl"
    assert changes[0].verdict.word == "fits"
    kinds = [c.kind for c in changes]
    assert "seq_len" in kinds
    for change in changes:
        if change.kind == "gpu":
            assert gpus.find(change.value) is not None
            continue
        again = predict(change.settings)
        assert again.allocated == change.prediction.allocated
        assert change.saves == predict(settings).allocated - again.allocated


def test_changes_are_taken_together_when_one_is_not_enough() -> None:
    settings = step(
        "meta-llama/Llama-3.2-3B",
        method="lora",
        dtype="float32",
        seq_len=2048,
        batch_size=8,
        gradient_checkpointing=False,
        versions={"trl": "1.6.0"},
    )
    changes = advise(settings, card("l4"))
    fitting = [c for c in changes if c.verdict.word == "fits" and c.kind != "gpu"]
    assert fitting
    assert fitting[0].kind == "together"
    assert " and " in fitting[0].text


def test_the_dearer_card_is_not_named_when_a_cheaper_fits() -> None:
    settings = step("Qwen/Qwen2.5-14B", method="lora", seq_len=2048, versions={"trl": "1.16.0"})
    best = next(c for c in advise(settings, card("l4")) if c.kind == "gpu")
    prices = [
        c.usd_per_hour
        for c in gpus.cards()
        if c.usd_per_hour and judge(predict(settings, hopper=c.hopper), c).word == "fits"
    ]
    assert best.usd_per_hour == min(prices)


@pytest.mark.parametrize(
    "name",
    ["l4", "L4", "NVIDIA_L4", "l4x1", "A100-40GB", "NVIDIA_TESLA_A100", "nvidia-h100-80gb", "h200"],
)
def test_names_of_cards(name: str) -> None:
    assert gpus.find(name) is not None


@pytest.mark.parametrize("name", ["", "a1000", "tpu-v5", "24 bananas"])
def test_unknown_cards(name: str) -> None:
    assert gpus.find(name) is None


def test_sizes_are_cards() -> None:
    found = gpus.find("15.6GiB")
    assert found is not None
    assert found.visible == int(15.6 * GIB)
    assert card("a100").visible > 79 * GIB > card("a100-40gb").visible * 1.9
