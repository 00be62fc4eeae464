from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tools.memory import validate

from ftdoctor.memory import resolve, shapes
from ftdoctor.memory.closed_form import predict
from ftdoctor.memory.settings import GIB, TrainingSettings

MEASURED = [
    (row, found)
    for row in validate.rows()
    if row["source"] == "canifinetune"
    and "allocated" in row["metric"]
    and (found := validate.settings_of(row)) is not None
]


def shape(model: str) -> shapes.Shape:
    found = shapes.find(model)
    assert found is not None
    return found


def step(model: str = "google/gemma-3-12b-it", **values: Any) -> TrainingSettings:
    base = {"method": "qlora", "seq_len": 4096, "batch_size": 1, "lora_rank": 64}
    return resolve.settings_from(shape(model), {**base, **values})[0]


def test_there_are_measured_rows() -> None:
    assert len(MEASURED) == 11


@pytest.mark.parametrize(
    ("row", "found"), MEASURED, ids=[f"{r['model']}-{r['seq_len']}-{r['id']}" for r, _ in MEASURED]
)
def test_published_peaks(row: dict[str, str], found: TrainingSettings) -> None:
    error = predict(found).allocated / GIB / float(row["measured_gb"]) - 1
    assert abs(error) < 0.02


def test_the_trl_version_decides() -> None:
    old = predict(step(versions={"trl": "1.6.0"}))
    chunked32 = predict(step(versions={"trl": "1.8.0"}))
    chunked16 = predict(step(versions={"trl": "1.14.0"}))
    new = predict(step(versions={"trl": "1.16.0"}))
    assert old.allocated > 2 * new.allocated
    assert old.parts["logits_and_loss"] > 11 * GIB
    # Up to 1.12 each chunk multiplies a copy of the whole head.
    assert chunked32.allocated - chunked16.allocated > 1 * GIB
    assert new.allocated <= chunked16.allocated < chunked32.allocated < old.allocated


def test_string_models_load_float32() -> None:
    kept = predict(step(versions={"trl": "1.16.0"}, dtype="bfloat16"))
    string = predict(step(versions={"trl": "1.16.0"}, string_model=True))
    head = shape("google/gemma-3-12b-it").counts["embedding_text"]
    assert string.parts["weights"] - kept.parts["weights"] > 2 * head
    older = predict(step(versions={"trl": "0.26.2"}, string_model=True))
    assert older.parts["weights"] == kept.parts["weights"]


def test_parts_add_up_and_name_the_phase() -> None:
    for method in ("qlora", "lora", "full"):
        for checkpointing in (True, False):
            found = predict(
                step("Qwen/Qwen3-1.7B", method=method, gradient_checkpointing=checkpointing)
            )
            assert sum(found.parts.values()) == found.allocated
            assert found.reserved >= found.allocated
            assert found.phase


def test_full_fine_tuning_holds_states_and_gradients() -> None:
    model = shape("Qwen/Qwen3-0.6B")
    found = predict(
        step(
            "Qwen/Qwen3-0.6B", method="full", seq_len=64, optimizer="adamw_torch", dtype="bfloat16"
        )
    )
    assert found.phase == "optimizer step"
    # bf16: 2 for the weight, 2 for the gradient, 4 for the states, 2 for the step.
    assert found.allocated == pytest.approx(10 * model.params, rel=0.06)


def test_experts_stay_in_16_bit() -> None:
    found = predict(step("Qwen/Qwen3-30B-A3B", seq_len=512, lora_targets="q_proj,v_proj"))
    assert found.parts["weights"] > 53 * GIB
    assert found.confidence != "high"


def test_ddp_adds_buckets_and_fsdp_divides() -> None:
    base: dict[str, Any] = {"method": "full", "seq_len": 512, "optimizer": "adamw_torch_fused"}
    one = predict(step("Qwen/Qwen3-1.7B", **base))
    ddp = predict(step("Qwen/Qwen3-1.7B", **base, gpus=4, sharding="ddp"))
    zero2 = predict(step("Qwen/Qwen3-1.7B", **base, gpus=4, sharding="zero2"))
    zero3 = predict(step("Qwen/Qwen3-1.7B", **base, gpus=4, sharding="zero3"))
    assert ddp.allocated > one.allocated
    assert zero3.allocated < zero2.allocated < one.allocated
    assert zero3.confidence != "high"


@given(
    model=st.sampled_from(
        [
            "Qwen/Qwen3-0.6B",
            "google/gemma-3-1b-it",
            "meta-llama/Llama-3.2-3B",
            "openai-community/gpt2",
        ]
    ),
    method=st.sampled_from(["qlora", "lora", "full"]),
    seq=st.integers(16, 8192),
    batch=st.integers(1, 8),
    checkpointing=st.booleans(),
    autocast=st.booleans(),
    kbit=st.booleans(),
    loss=st.sampled_from(["nll", "chunked", "fused"]),
    attention=st.sampled_from(["sdpa", "eager", "flash"]),
    dtype=st.sampled_from(["bfloat16", "float32"]),
)
@settings(max_examples=120, deadline=None)
def test_more_tokens_never_take_less(
    model: str,
    method: str,
    seq: int,
    batch: int,
    checkpointing: bool,
    autocast: bool,
    kbit: bool,
    loss: str,
    attention: str,
    dtype: str,
) -> None:
    found = step(
        model,
        method=method,
        seq_len=seq,
        batch_size=batch,
        gradient_checkpointing=checkpointing,
        autocast=autocast,
        kbit_prepare=kbit and method == "qlora",
        loss=loss,
        attention=attention,
        dtype=dtype,
        lora_targets="all-linear",
    )
    small = predict(found)
    assert sum(small.parts.values()) == small.allocated
    assert all(v >= 0 for v in small.parts.values())
    window = found.shape.sliding_window or 0
    if not seq < window <= seq + 64:
        longer = predict(found.but(seq_len=seq + 64))
        assert longer.allocated >= small.allocated - 512 * 200
    wider = predict(found.but(batch_size=batch + 1))
    assert wider.allocated >= small.allocated - 512 * 200


def test_it_is_quick() -> None:
    found = step()
    predict(found)
    began = time.process_time()
    for _ in range(50):
        predict(found)
    assert (time.process_time() - began) / 50 < 0.005
