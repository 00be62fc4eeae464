"""Fits, tight or out of memory; how far one can go; and what to change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from ftdoctor.memory.closed_form import Prediction, predict
from ftdoctor.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable

    from ftdoctor.memory.gpus import Gpu
    from ftdoctor.memory.settings import TrainingSettings

Word = Literal["fits", "tight", "oom"]

#: How much more than predicted a run may take before it no longer fits, by confidence. On the
#: published rows of the documentation the allocated peak is within 2 % at high confidence.
MARGIN = {"high": 0.05, "medium": 0.10, "low": 0.20}
#: Share of the cached but unused memory that counts against the card: the allocator gives cached
#: segments back and tries again before it fails, but gaps inside segments stay.
CACHED = 0.4


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a prediction means on one card. `spare` is bytes, negative when it does not fit."""

    word: Word
    spare: int
    needed: int
    line: int


def judge(prediction: Prediction, gpu: Gpu) -> Verdict:
    """Compare a prediction with a card.

    "oom": the allocated peak alone is above what torch can have. "fits": it stays below with a
    margin for the error of the prediction and for fragmentation. "tight": in between.
    """
    margin = MARGIN.get(prediction.confidence, 0.2)
    cached = prediction.allocated + CACHED * (prediction.reserved - prediction.allocated)
    needed = int(max(prediction.allocated * (1 + margin), cached, prediction.load * 1.02))
    if prediction.allocated > gpu.line or prediction.load > gpu.line:
        word: Word = "oom"
    elif needed > gpu.line:
        word = "tight"
    else:
        word = "fits"
    return Verdict(word, gpu.line - prediction.allocated, needed, gpu.line)


def _largest(low: int, high: int, step: int, fits: Callable[[int], bool]) -> int:
    """Return the largest multiple of `step` in [low, high] that fits, 0 for none."""
    a, b = low // step, high // step
    if not fits(a * step):
        return 0
    while a < b:
        middle = (a + b + 1) // 2
        if fits(middle * step):
            a = middle
        else:
            b = middle - 1
    return a * step


def largest_seq_len(settings: TrainingSettings, gpu: Gpu, limit: int = 1 << 20) -> int:
    """Return the largest sequence length (a multiple of 64) with the verdict "fits", 0 for none."""
    return _largest(64, limit, 64, lambda n: _fits(settings.but(seq_len=n), gpu))


def largest_batch_size(settings: TrainingSettings, gpu: Gpu, limit: int = 4096) -> int:
    """Return the largest per-device batch with the verdict "fits", 0 for none."""
    return _largest(
        1,
        limit,
        1,
        lambda n: _fits(settings.but(batch_size=n, padding_mask=n > 1 and _masked(settings)), gpu),
    )


def _masked(settings: TrainingSettings) -> bool:
    """Whether more than one row means a padding mask."""
    return settings.padding_mask or settings.batch_size == 1


def _fits(settings: TrainingSettings, gpu: Gpu) -> bool:
    return judge(predict(settings, hopper=gpu.hopper), gpu).word == "fits"
