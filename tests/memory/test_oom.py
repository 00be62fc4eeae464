from __future__ import annotations

from typing import Any

from ftdoctor.memory import oom, resolve, shapes
from ftdoctor.memory.settings import GIB, MIB, TrainingSettings


def step(**values: Any) -> TrainingSettings:
    shape = shapes.find("google/gemma-3-12b-it")
    assert shape is not None
    base = {
        "method": "qlora",
        "seq_len": 4096,
        "batch_size": 1,
        "lora_rank": 64,
        "lora_targets": "q,k,v,o",
        "versions": {"trl": "0.26.2"},
    }
    return resolve.settings_from(shape, {**base, **values})[0]


def test_the_logits_are_recognised_by_their_size() -> None:
    """4096 tokens x 262208 words x 4 bytes is 4.00 GiB."""
    found = oom.explain(step(), capacity=int(22.06 * GIB), requested=4 * GIB)
    assert found.part == "logits_and_loss"
    assert "float32" in found.tensor
    assert found.expected
    assert found.changes[0].kind == "trl"
    assert found.changes[0].verdict.word == "fits"


def test_what_it_does_not_know_it_does_not_name() -> None:
    assert oom.part_of_request(step(), 3 * GIB) == ("", "")
    assert oom.part_of_request(step(), 2 * MIB) == ("", "")


def test_a_step_that_should_have_fitted_is_said_so() -> None:
    found = oom.explain(step(seq_len=512), capacity=80 * GIB, requested=20 * MIB)
    assert not found.expected


def test_attention_scores() -> None:
    settings = step(seq_len=6144, attention="eager")
    assert oom.part_of_request(settings, 16 * 6144 * 6144 * 4)[0] == "attention_scores"
