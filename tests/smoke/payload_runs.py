"""Run the stages of a plan in this process: the libraries are imported once for many plans."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftdoctor.smoke.payload.run import STAGES
from ftdoctor.smoke.payload.state import Run

if TYPE_CHECKING:
    from pathlib import Path

TRAINING = ("tokenizer", "data", "template", "model", "train", "checkpoint", "resume")


def run_stages(
    plan: dict[str, Any], folder: Path, names: tuple[str, ...] = TRAINING
) -> dict[str, dict[str, Any]]:
    """Return what each stage found. Errors come through as they are."""
    import torch

    torch.set_num_threads(1)  # tiny matrices cost more to share than to multiply
    run = Run({**plan, "folder": str(folder)})
    return {name: STAGES[name](run) for name in names}


def plan_of(text: str, folder: Path, monkeypatch: Any, **wishes: Any) -> dict[str, Any]:
    """Return the plan of a training script, as `ftdoctor smoke train.py` makes it."""
    from ftdoctor.job.read import read
    from ftdoctor.smoke.plan import plan_for
    from ftdoctor.smoke.wish import Wish

    (folder / "train.py").write_text(text)
    monkeypatch.chdir(folder)
    device = wishes.pop("device", "cpu")
    return plan_for(read(["train.py"]).jobs[0], device, wish=Wish(**wishes))
