"""The cheapest change with which a run fits, found by trying changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftdoctor.memory import gpus, loss_path
from ftdoctor.memory.closed_form import Prediction, predict
from ftdoctor.memory.settings import GIB
from ftdoctor.memory.verdict import Verdict, judge, largest_seq_len
from ftdoctor.records import dataclass

if TYPE_CHECKING:
    from ftdoctor.memory.gpus import Gpu
    from ftdoctor.memory.settings import TrainingSettings


@dataclass(frozen=True, slots=True)
class Change:
    """One thing to change, with what it leads to.

    `kind` is a stable word for the kind of change ("trl", "dtype", "seq_len", ...), `text` says it
    to the user, `setting` and `value` name the argument for an edit. `saves` is bytes of allocated
    peak.
    """

    kind: str
    text: str
    setting: str
    value: str
    prediction: Prediction
    verdict: Verdict
    saves: int
    settings: TrainingSettings
    usd_per_hour: float = 0.0

    @property
    def sentence(self) -> str:
        """The change and its outcome in one line."""
        return f"{self.text} → {outcome(self.verdict)}"


def outcome(verdict: Verdict) -> str:
    """Say a verdict with its distance to the line."""
    gib = abs(verdict.spare) / GIB
    if verdict.word == "oom":
        return f"still {gib:.1f} GiB too much"
    word = "fits" if verdict.word == "fits" else "just fits"
    return f"{word} with {gib:.1f} GiB to spare"


def advise(settings: TrainingSettings, gpu: Gpu, *, upgrade_trl: bool = True) -> list[Change]:
    """Return changes, best first: those that fit by how little they cost, then those that help.

    Changes that keep the training the same (versions, dtypes of frozen weights, an optimizer in
    fewer bits, checkpointing, smaller batch with accumulation) come before those that alter it
    (shorter sequences, quantisation) and before a larger GPU. Where no single change fits, the
    free ones are taken together.
    """
    now = predict(settings, hopper=gpu.hopper)
    single = [
        c
        for c in _candidates(settings, gpu, now, upgrade_trl=upgrade_trl)
        if c.saves > 0 or c.kind == "gpu"
    ]
    fitting = [c for c in single if c.verdict.word == "fits"]
    if not [c for c in fitting if c.kind != "gpu"]:
        together = _together(settings, gpu, now, upgrade_trl=upgrade_trl)
        if together is not None and together.verdict.word == "fits":
            fitting.insert(0, together)
    rest = sorted(
        (c for c in single if c.verdict.word != "fits" and c.kind != "gpu"),
        key=lambda c: -c.saves,
    )
    return [*fitting, *rest]


def _change(
    kind: str,
    text: str,
    setting: str,
    value: str,
    after: TrainingSettings,
    gpu: Gpu,
    now: Prediction,
    price: float = 0.0,
) -> Change:
    prediction = predict(after, hopper=gpu.hopper)
    return Change(
        kind,
        text,
        setting,
        value,
        prediction,
        judge(prediction, gpu),
        now.allocated - prediction.allocated,
        after,
        price,
    )


def _free(
    s: TrainingSettings, *, upgrade_trl: bool
) -> list[tuple[str, str, str, str, TrainingSettings]]:
    """Changes that do not change what is learnt (beyond rounding)."""
    out = []
    trl = s.versions.get("trl")
    old = trl is not None and loss_path.numbers(trl) < (1, 15)
    if upgrade_trl and s.trainer == "sft" and s.loss != "fused" and (old or trl is None):
        after = s.but(loss="fused", versions={**s.versions, "trl": loss_path.NEWEST["trl"]})
        if s.norms_float32:
            after = after.but(norms_float32=False, adapter_dtype="bfloat16")
        out.append(
            ("trl", "trl >= 1.15 (no logits in memory)", "trl", loss_path.NEWEST["trl"], after)
        )
    if s.dtype == "float32" and s.method != "full" and not s.kbit_prepare:
        after = s.but(dtype="bfloat16")
        out.append(("dtype", 'dtype="bfloat16" for the base model', "dtype", "bfloat16", after))
    if s.kbit_prepare:
        text = "leave out prepare_model_for_kbit_training and set bf16=True"
        after = s.but(kbit_prepare=False, dtype="bfloat16", autocast="bfloat16")
        out.append(("kbit", text, "kbit_prepare", "False", after))
    if not s.gradient_checkpointing:
        after = s.but(gradient_checkpointing=True)
        name = "gradient_checkpointing"
        out.append((name, "gradient_checkpointing=True", name, "True", after))
    if s.attention == "eager":
        after = s.but(attention="sdpa")
        out.append(
            ("attention", 'attn_implementation="sdpa"', "attn_implementation", "sdpa", after)
        )
    if "8bit" not in s.optimizer and "adafactor" not in s.optimizer:
        after = s.but(optimizer="adamw_8bit")
        out.append(("optimizer", 'optim="adamw_8bit"', "optim", "adamw_8bit", after))
    return out


def _smaller_batches(s: TrainingSettings) -> list[tuple[str, str, str, str, TrainingSettings]]:
    out = []
    batch = s.batch_size
    while batch > 1:
        batch = batch // 2
        times = s.accumulation * s.batch_size // batch
        after = s.but(
            batch_size=batch, accumulation=times, padding_mask=s.padding_mask and batch > 1
        )
        text = (
            f"per_device_train_batch_size {s.batch_size} → {batch} "
            f"with gradient_accumulation_steps={times}"
        )
        out.append(("batch", text, "per_device_train_batch_size", str(batch), after))
    return out


def _candidates(
    s: TrainingSettings, gpu: Gpu, now: Prediction, *, upgrade_trl: bool
) -> list[Change]:
    out = [_change(*c, gpu, now) for c in _free(s, upgrade_trl=upgrade_trl)]
    batches = [_change(*c, gpu, now) for c in _smaller_batches(s)]
    best = next((c for c in batches if c.verdict.word == "fits"), None)
    if best is not None:
        out.append(best)
    elif batches:
        out.append(batches[-1])
    length = largest_seq_len(s, gpu, s.seq_len)
    if 256 <= length < s.seq_len:
        shown = length // 256 * 256 or length
        out.append(
            _change(
                "seq_len",
                f"max_length {s.seq_len} → {shown}",
                "max_length",
                str(shown),
                s.but(seq_len=shown),
                gpu,
                now,
            )
        )
    if s.method == "lora" and not s.shape.counts.get("experts"):
        after = s.but(method="qlora")
        out.append(
            _change("quantise", "load the base in 4 bit", "load_in_4bit", "True", after, gpu, now)
        )
    if s.method == "full":
        after = s.but(
            method="lora", lora_targets=("all-linear",), adapter_dtype="float32", lora_rank=16
        )
        out.append(
            _change("lora", "LoRA instead of all weights", "peft_config", "LoRA", after, gpu, now)
        )
    out += _larger_gpus(s, gpu, now)
    return out


def _larger_gpus(s: TrainingSettings, gpu: Gpu, now: Prediction) -> list[Change]:
    """The cheapest card that fits, by price where known, else by memory."""
    fitting = []
    for card in gpus.cards():
        if card.visible <= gpu.visible or card.generation in {"pascal", "volta", "turing"}:
            continue
        change = _change("gpu", "", "gpu", card.name, s, card, now)
        if change.verdict.word == "fits":
            fitting.append((card.usd_per_hour or 1e9, card.visible, card, change))
    if not fitting:
        return []
    price, _, card, change = min(fitting, key=lambda x: x[:2])
    cost = f", {price:.2f} USD an hour on HF Jobs ({card.flavor})" if price < 1e9 else ""
    text = f"the {card.label} ({card.visible / GIB:.0f} GiB{cost})"
    return [
        Change(
            "gpu",
            text,
            "gpu",
            card.flavor or card.name,
            change.prediction,
            change.verdict,
            0,
            s,
            card.usd_per_hour,
        )
    ]


def _together(
    s: TrainingSettings, gpu: Gpu, now: Prediction, *, upgrade_trl: bool
) -> Change | None:
    """Take the free changes one after the other until it fits."""
    taken: list[tuple[str, str, str]] = []
    for _ in range(6):
        options = _free(s, upgrade_trl=upgrade_trl) + _smaller_batches(s)[-1:]
        best = None
        for kind, text, setting, value, after in options:
            change = _change(kind, text, setting, value, after, gpu, now)
            if best is None or change.prediction.allocated < best.prediction.allocated:
                best = change
        if best is None:
            break
        taken.append((best.text, best.setting, best.value))
        s = best.settings
        if best.verdict.word == "fits" or len(taken) > 4:
            break
    if len(taken) < 2:
        return None
    return _change(
        "together",
        " and ".join(t[0] for t in taken),
        ",".join(t[1] for t in taken),
        ",".join(t[2] for t in taken),
        s,
        gpu,
        now,
    )
