"""A prediction from a simulated step: peak, parts, and what the allocator would reserve."""

from __future__ import annotations

import logging
import warnings
from typing import TYPE_CHECKING, Any

from ftdoctor.errors import MissingExtra, UsageError
from ftdoctor.memory import closed_form, moments, sharding, static
from ftdoctor.memory.closed_form import Prediction
from ftdoctor.memory.settings import MIB

if TYPE_CHECKING:
    from pathlib import Path

    from ftdoctor.memory.settings import TrainingSettings
    from ftdoctor.memory.simulate.step import Recording


def simulate(
    settings: TrainingSettings, *, hopper: bool = False, peft_config: Path | None = None
) -> Prediction:
    """Run one training step of the real model class without data and return its peak.

    Args:
        settings: the step; `gpus` and `sharding` are applied to the parts that stay.
        hopper: the GPU is of the Hopper generation.
        peft_config: an `adapter_config.json` to use instead of the LoRA of the settings.

    Raises:
        MissingExtra: torch, transformers or peft is not installed.
        UsageError: the model cannot be built or run without data.
    """
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import peft
            import torch
            import transformers

            from ftdoctor.memory.simulate import step

            versions = (
                f"torch {torch.__version__}, transformers {transformers.__version__}, "
                f"peft {peft.__version__}"
            )
            adapter = None
            if peft_config is not None:
                adapter = _adapter(peft, peft_config)
            recording = step.run(settings, adapter)
    except ImportError as exc:
        raise MissingExtra("simulate", "--simulate") from exc
    except ValueError as exc:
        raise UsageError(
            f"This step cannot be simulated: {exc}", "Leave out --simulate for the closed form."
        ) from exc
    finally:
        logging.disable(level)
    return _prediction(settings, recording, hopper, versions)


def _adapter(peft: Any, path: Path) -> Any:
    """Return the PEFT configuration that a file holds.

    Raises:
        ValueError: it is none.
    """
    try:
        config = peft.PeftConfig.from_pretrained(str(path.parent))
    except (KeyError, OSError, TypeError, ValueError) as exc:
        raise ValueError(f"{path} is not an adapter_config.json: {exc}") from exc
    config.inference_mode = False
    return config


def _prediction(
    settings: TrainingSettings, recording: Recording, hopper: bool, versions: str
) -> Prediction:
    from ftdoctor.memory.simulate.allocator import replay

    workspace = moments.WORKSPACE_HOPPER if hopper else moments.WORKSPACE
    parts = parts_at_peak(settings, recording)
    parts["workspace"] = workspace
    if settings.gpus > 1:
        parts = sharding.static(parts, settings, static.trained(settings))
    allocated = sum(parts.values())
    device = replay(recording.tracker.events, steps_from=recording.loaded, repeats=2)
    gap = max(0, device.peak_reserved - recording.peak)
    formed = closed_form.predict(settings, hopper=hopper)
    reasons = [x for x in formed.reasons if "approximated" not in x]
    return Prediction(
        allocated=allocated,
        reserved=max(allocated + gap + 4 * MIB, formed.load),
        parts={k: v for k, v in sorted(parts.items(), key=lambda x: -x[1]) if v},
        phase=phase_at_peak(recording),
        confidence="high" if not reasons else "medium",
        assumptions=(f"simulated with {versions}",),
        load=formed.load,
        method="simulation",
        reasons=tuple(reasons),
    )


def phase_at_peak(recording: Recording) -> str:
    """Return the named moment in which the peak lies."""
    names = {
        "forward": "forward and loss",
        "backward": "backward",
        "step": "optimizer step",
        "end": "optimizer step",
    }
    found = "load"
    for name, at in recording.tracker.marks:
        if recording.tracker.peak_at >= at:
            found = names[name]
    return found


def parts_at_peak(settings: TrainingSettings, recording: Recording) -> dict[str, int]:
    """Group what is alive at the peak as the closed form does."""
    from ftdoctor.memory.simulate.tracker import live_at

    tracker = recording.tracker
    marks = dict(tracker.marks)
    backward = marks.get("backward", len(tracker.events))
    born_forward = {n for n, size, _ in tracker.events[:backward] if size > 0}
    vocab = settings.shape.vocab
    grads = recording.gradients
    out: dict[str, int] = {}
    for number, (size, name) in live_at(tracker.events, tracker.peak_at).items():
        shape, _ = tracker.shapes.get(number, ((), None))
        if number in recording.groups:
            part = recording.groups[number]
        elif number in grads:
            part = "gradients"
        elif vocab in shape[-1:] or vocab in shape[:1]:
            part = "logits_and_loss"
        elif len(shape) >= 2 and shape[-1] == shape[-2] == settings.seq_len:
            part = "attention_scores"
        elif name == "inside":
            part = "temporaries"
        elif number in born_forward:
            part = "saved_activations"
        else:
            part = "temporaries"
        out[part] = out.get(part, 0) + size
    return out
