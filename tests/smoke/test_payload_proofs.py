"""What must be true of a training is really looked at: each proof fails on what it is about."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from ftdoctor.smoke.payload import proofs, rows, run, train
from ftdoctor.smoke.payload.state import Run

if TYPE_CHECKING:
    from pathlib import Path


def trainer(losses: list[float], norms: list[float], *, fp16: bool = False) -> Any:
    """Return what of a trainer is looked at."""
    log = [{"loss": loss, "grad_norm": norm} for loss, norm in zip(losses, norms, strict=True)]
    state = SimpleNamespace(log_history=[*log, {"train_runtime": 1.0}])
    return SimpleNamespace(state=state, args=SimpleNamespace(fp16=fp16))


def test_losses_and_gradients() -> None:
    nan = float("nan")
    assert proofs.history(trainer([2.0, 1.0], [0.5, 0.0]))["losses"] == [2.0, 1.0]
    with pytest.raises(FloatingPointError, match="loss"):
        proofs.history(trainer([2.0, nan], [0.5, 0.5]))
    with pytest.raises(FloatingPointError, match="gradient"):
        proofs.history(trainer([2.0, 1.0], [0.5, nan]))
    # The loss scale of fp16 is found by overflowing: that is no fault.
    assert proofs.history(trainer([2.0, 1.0], [nan, 0.5], fp16=True))["losses"]
    with pytest.raises(RuntimeError, match="zero in every step"):
        proofs.history(trainer([2.0, 1.0], [0.0, 0.0]))
    with pytest.raises(FloatingPointError):
        proofs.history(trainer([], []))


def test_the_processes_agree() -> None:
    first = {"rank": 0, "changed": 4, "sum": 1.5, "peak_allocated_bytes": 10}
    second = {"rank": 1, "changed": 3, "sum": 1.5, "peak_allocated_bytes": 20}
    found = proofs.agree([first, second])
    assert found["changed"] == 3
    assert found["peak_allocated_bytes"] == 20
    with pytest.raises(RuntimeError, match=r"changed on rank \[1\]"):
        proofs.agree([first, {**second, "changed": 0}])
    with pytest.raises(RuntimeError, match="different weights"):
        proofs.agree([first, {**second, "sum": 1.9}])
    with pytest.raises(RuntimeError, match="no trainable parameter changed$"):
        proofs.agree([{"rank": 0, "changed": 0, "sum": 0.0}])


class Params4bit:
    """Stands for the weight of a packed layer, which is known by the name of its class."""

    def __init__(self, kind: str, *, nested: bool) -> None:
        self.quant_state = SimpleNamespace(quant_type=kind, nested=nested, blocksize=64)


def model(*weights: Any) -> Any:
    """Return what of a model is looked at."""
    layers = [SimpleNamespace(weight=weight) for weight in weights]
    return SimpleNamespace(modules=lambda: layers)


def test_the_layers_are_packed_as_planned(tmp_path: Path) -> None:
    plan = {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4", "bnb_4bit_use_double_quant": True}
    wanted = Run({"quantization": plan, "folder": str(tmp_path)})
    good = Params4bit("nf4", nested=True)
    # A layer that wraps another shows the same weight: it counts once.
    assert proofs.quantized(wanted, model(good, good))["layers_quantized"] == 1
    with pytest.raises(RuntimeError, match="no layer is quantised"):
        proofs.quantized(wanted, model(object()))
    for bad in (Params4bit("fp4", nested=True), Params4bit("nf4", nested=False)):
        with pytest.raises(RuntimeError, match="the plan says nf4"):
            proofs.quantized(wanted, model(good, bad))
    eight = Run({"quantization": {"load_in_8bit": True}, "folder": str(tmp_path)})
    with pytest.raises(RuntimeError, match="8 bits"):
        proofs.quantized(eight, model(good))


def test_the_pace_is_that_of_the_jobs_own_accumulation(tmp_path: Path) -> None:
    found = train._pace(Run({"job_accumulation": 16, "folder": str(tmp_path)}), [9.0, 1.0, 2.0], 2)
    assert found["seconds_per_step"] == 16.0
    assert found["scaled_to_accumulation"] == 16
    assert "scaled_to_accumulation" not in train._pace(Run({"folder": str(tmp_path)}), [1.0], 2)


def test_rewards_differ_between_answers() -> None:
    found = train.spread_rewards(["one answer", "another", "a third"])
    assert len(set(found)) == 3
    assert found == train.spread_rewards(["one answer", "another", "a third"])


@pytest.mark.parametrize(
    ("row", "form", "method", "fits"),
    [
        ({"messages": []}, "messages", "sft", True),
        ({"conversations": []}, "conversations", "sft", True),
        ({"prompt": "", "completion": ""}, "prompt-completion", "sft", True),
        ({"prompt": "", "completion": "", "label": True}, "unpaired", "kto", True),
        ({"prompt": "", "chosen": "", "rejected": ""}, "preference", "dpo", True),
        ({"prompt": ""}, "prompt", "grpo", True),
        ({"instruction": "", "output": ""}, "other", "sft", False),
        ({"messages": [], "images": []}, "multimodal", "sft", False),
        ({"messages": []}, "messages", "dpo", False),
    ],
)
def test_forms_of_rows(row: dict[str, Any], form: str, method: str, fits: bool) -> None:
    assert rows.form_of(row, "text") == form
    assert rows.fits(form, method) is fits


def test_what_the_job_does_not_do_is_told_and_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def breaks(_: Run) -> dict[str, Any]:
        raise ValueError("an old checkpoint")

    monkeypatch.setitem(run.STAGES, "resume", breaks)
    assert run.stage(Run({"soft": ["resume"], "folder": str(tmp_path)}), "resume")
    said = capsys.readouterr().out
    assert '"ok": true' in said
    assert '"works": false' in said
    assert not run.stage(Run({"soft": [], "folder": str(tmp_path)}), "resume")
    assert '"ok": false' in capsys.readouterr().out
