"""The trend of the logged losses, as a fact of the report."""

from __future__ import annotations

import io
import math

import pytest

from ftdoctor.logs.explain import explain_log
from ftdoctor.logs.reading import RawLog
from tests.logs.test_fixtures import patterns


def facts(losses: list[float]) -> dict:
    text = "".join(
        f"{{'loss': {loss:.4f}, 'grad_norm': 0.5, 'learning_rate': 1e-05, 'epoch': {i / 100:.2f}}}\n"
        for i, loss in enumerate(losses)
    )
    text += "{'train_runtime': 12.0, 'train_loss': 1.0}\n"
    raw = RawLog("x", io.BytesIO(text.encode()))
    document = explain_log(raw, patterns(), engine="plain").document()
    assert document["outcome"] == "healthy"
    found: dict = document["run"]["facts"]["loss"]
    return found


@pytest.mark.parametrize(
    ("losses", "trend"),
    [
        ([3 * math.exp(-i / 30) + 0.5 for i in range(60)], "falling"),
        ([2.0 + 0.05 * (i % 3) for i in range(60)], "not falling"),
        ([2.0 - i / 50 for i in range(45)] + [1.1] * 15, "stalled"),
        ([2.0, 1.9, 1.8], "too few"),
    ],
)
def test_trend(losses: list[float], trend: str) -> None:
    found = facts(losses)
    assert found["trend"] == trend
    assert found["logged"] == len(losses)
    assert found["first"] == pytest.approx(losses[0], abs=1e-4)
