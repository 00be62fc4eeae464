"""What `ftdoctor estimate` does with its options, and how it says it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ftdoctor.errors import MissingExtra, UsageError
from ftdoctor.memory import gpus, resolve, shapes
from ftdoctor.memory.advise import Change, advise
from ftdoctor.memory.closed_form import Prediction, predict
from ftdoctor.memory.parts import LEVERS, PART_WORDS, gib
from ftdoctor.memory.verdict import judge, largest_batch_size, largest_seq_len

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftdoctor.memory.gpus import Gpu
    from ftdoctor.memory.settings import TrainingSettings
    from ftdoctor.memory.shapes import Shape


def shape_of(options: Mapping[str, Any]) -> Shape:
    """Return the shape named by `--model` or `--model-config`.

    Raises:
        UsageError: neither is given, or the model is not known.
    """
    path = options.get("model_config")
    if path is not None:
        from ftdoctor.memory.from_config import shape_from_file

        try:
            return shape_from_file(path)
        except UsageError:
            if not options.get("simulate"):
                raise
            return _built(path)
    model = options.get("model")
    if not model:
        raise UsageError("No model is given.", "Add --model HUB_ID or --model-config config.json.")
    shape = shapes.find(model)
    if shape is None:
        from ftdoctor.memory.from_config import shape_from_cache, shape_from_hub

        shape = shape_from_cache(model)
        if shape is None and not options.get("offline"):
            shape = shape_from_hub(model)
    if shape is None:
        from difflib import get_close_matches

        near = get_close_matches(model, shapes.known_ids(), n=3)
        hint = f"Near: {', '.join(near)}. " if near else ""
        raise UsageError(
            f"The shape of {model!r} is not known, and its config.json is neither in the Hub cache "
            "nor could it be fetched.",
            f"{hint}Give its config.json with --model-config.",
        )
    return shape


def _built(path: Path) -> Shape:
    """Return the shape of any configuration that transformers can build."""
    try:
        from ftdoctor.memory.simulate.counting import shape_from_hub_config

        return shape_from_hub_config(json.loads(path.read_text(encoding="utf-8")))
    except ImportError as exc:
        raise MissingExtra("simulate", "--simulate") from exc
    except ValueError as exc:
        raise UsageError(f"{path}: {exc}") from exc


def settings_of(options: Mapping[str, Any]) -> tuple[TrainingSettings, tuple[str, ...]]:
    """Return the settings of command-line options, with the assumptions made.

    Raises:
        UsageError: an option has a value that means nothing.
    """
    from ftdoctor.commands.options import pins

    for name in ("method", "seq_len", "batch_size"):
        if options.get(name) is None:
            raise UsageError(
                f"--{name.replace('_', '-')} is missing.", "Give it, or a job file to read it from."
            )
    values = {k: v for k, v in options.items() if v is not None}
    values["versions"] = pins(options.get("pins") or ())
    if options.get("modules_to_save"):
        values["modules_to_save"] = [
            x.strip() for x in options["modules_to_save"].split(",") if x.strip()
        ]
    if (
        options.get("dtype")
        and options["dtype"] != "auto"
        and not resolve.dtype_name(options["dtype"])
    ):
        raise UsageError(
            f"--dtype {options['dtype']!r} is not a dtype.", "One of bfloat16, float16, float32."
        )
    count = options.get("gpus") or 1
    values.setdefault("sharding", "ddp" if count > 1 else "none")
    values.setdefault("lora_rank", 16)
    shape = shape_of(options)
    settings, notes = resolve.settings_from(shape, values)
    if settings.method != "full":
        missing = [
            t
            for t in settings.lora_targets
            if t != "all-linear" and t not in {x.name for x in shape.linears}
        ]
        if missing:
            known = sorted({x.name for x in shape.linears if x.part == "text"})
            raise UsageError(
                f"{shape.key} has no linear module named {', '.join(missing)}.",
                f"Its modules: {', '.join(known)}.",
            )
    if options.get("lora_targets") is None and settings.method != "full":
        notes = (*notes, f"LoRA on {', '.join(settings.lora_targets)} (PEFT's default)")
    return settings, notes


def of_job(options: Mapping[str, Any]) -> tuple[TrainingSettings, tuple[str, ...], Gpu]:
    """Return settings, assumptions and card of the first training in a job file.

    Raises:
        UsageError: the file holds no training that can be predicted.
    """
    from ftdoctor.commands.options import pins
    from ftdoctor.job.read import read
    from ftdoctor.job.versions import resolve_job
    from ftdoctor.memory import from_job

    path = options["job"]
    reasons = []
    for job in read([path]).jobs:
        resolve_job(job, with_=pins(options.get("pins") or ()))
        try:
            found = from_job.read(job)
        except from_job.Untold as why:
            reasons.append(f"{why.reason}{f' (needs {why.needs})' if why.needs else ''}")
            continue
        if found is not None:
            return found.settings, found.notes, found.card
    reason = "; ".join(reasons) or "no training with trl on a known GPU was found in it"
    raise UsageError(
        f"{path}: {reason}.", "Give --model, --method, --seq-len and --batch-size instead."
    )


def gpu_of(name: str | None) -> Gpu | None:
    """Return the card of `--gpu`.

    Raises:
        UsageError: no such card.
    """
    if not name:
        return None
    card = gpus.find(name)
    if card is None:
        raise UsageError(
            f"--gpu {name!r} is not known.",
            f"One of {', '.join(gpus.known_names())}, an HF Jobs flavor, or a size such as 24GiB.",
        )
    return card


def _arguments(options: Mapping[str, Any]) -> dict[str, Any]:
    """Sort the bare arguments: one job file, and versions that follow the first of `--with`.

    Raises:
        UsageError: an argument is neither.
    """
    versions = [v for text in options.get("pins") or () for v in text.split(",") if v.strip()]
    jobs = []
    for text in options.get("given") or ():
        if "==" in text and not Path(text).exists():
            versions.append(text)
        elif Path(text).is_file():
            jobs.append(Path(text))
        else:
            raise UsageError(f"{text!r} is neither a file nor PKG==VERSION.")
    if len(jobs) > 1:
        raise UsageError("One job at a time, please.", f"Given: {', '.join(map(str, jobs))}.")
    return {**options, "pins": versions, "job": jobs[0] if jobs else None}


def run(options: Mapping[str, Any]) -> int:
    """Do what `ftdoctor estimate` was asked to, print it, and return the exit code."""
    options = _arguments(options)
    card = gpu_of(options.get("gpu"))
    if options.get("job") is not None:
        settings, notes, own = of_job(options)
        card = card or own
    else:
        settings, notes = settings_of(options)
    if options.get("plot") and not options.get("sweep"):
        raise UsageError("--plot draws a sweep.", "Add for instance --sweep seq-len=512..16384.")
    if options.get("peft_config") and not options.get("simulate"):
        raise UsageError("--peft-config is run, not calculated.", "Add --simulate.")
    if options.get("sweep"):
        from ftdoctor.memory import sweep

        return sweep.run(options, settings, card)
    if options.get("simulate"):
        from ftdoctor.memory.simulate.predict import simulate

        prediction = simulate(
            settings, hopper=bool(card and card.hopper), peft_config=options.get("peft_config")
        )
    else:
        prediction = predict(settings, hopper=bool(card and card.hopper))
    document = as_json(settings, prediction, card, (*notes, *prediction.assumptions))
    if options.get("form") == "json":
        click.echo(json.dumps(document, indent=1))
    else:
        click.echo(as_text(settings, prediction, card, notes))
    return 0


def as_json(
    settings: TrainingSettings,
    prediction: Prediction,
    card: Gpu | None,
    notes: tuple[str, ...],
) -> dict[str, Any]:
    """Return the result in the contract's form."""
    verdict = judge(prediction, card) if card else None
    changes = advise(settings, card) if card and verdict and verdict.word != "fits" else []
    return {
        "schema_version": 1,
        "model": settings.shape.key,
        "peak": {
            "allocated_bytes": prediction.allocated,
            "reserved_bytes": prediction.reserved,
            "parts": prediction.parts,
        },
        "phase": prediction.phase,
        "method": prediction.method,
        "verdict": verdict.word if verdict else None,
        "gpu": {
            "name": card.name,
            "visible_bytes": card.visible,
            "context_bytes": card.context,
            "spare_bytes": verdict.spare,
        }
        if card and verdict
        else None,
        "largest_seq_len_that_fits": largest_seq_len(settings, card) if card else None,
        "largest_batch_size_that_fits": largest_batch_size(settings, card) if card else None,
        "changes": [change_json(c) for c in changes],
        "confidence": prediction.confidence,
        "assumptions": [*notes, *prediction.reasons],
    }


def change_json(change: Change) -> dict[str, Any]:
    """Return one change as JSON."""
    return {
        "kind": change.kind,
        "text": change.sentence,
        "setting": change.setting,
        "value": change.value,
        "verdict": change.verdict.word,
        "allocated_bytes": change.prediction.allocated,
        "saves_bytes": change.saves,
        "usd_per_hour": change.usd_per_hour or None,
    }


def as_text(
    settings: TrainingSettings, prediction: Prediction, card: Gpu | None, notes: tuple[str, ...]
) -> str:
    """Return the result for people."""
    s = settings
    lines = [
        f"{s.shape.key}, {s.method}, {s.batch_size} x {s.seq_len} tokens: "
        f"peak {gib(prediction.allocated)} allocated, about {gib(prediction.reserved)} reserved "
        f"({prediction.phase}; confidence {prediction.confidence})"
    ]
    if card is not None:
        verdict = judge(prediction, card)
        words = {"fits": "fits", "tight": "tight", "oom": "out of memory"}
        distance = (
            f"{gib(verdict.spare)} to spare"
            if verdict.spare >= 0
            else f"{gib(-verdict.spare)} too much"
        )
        lines.append(
            f"{card.label}: {words[verdict.word]}, {distance} "
            f"(torch sees {gib(card.visible)}, CUDA context {gib(card.context)})"
        )
    lines.append("")
    for name, size in prediction.parts.items():
        if size >= 0.005 * prediction.allocated:
            lever = LEVERS.get(name, "")
            lines.append(
                f"  {gib(size):>10}  {PART_WORDS.get(name, name):26}"
                f"{'change: ' + lever if lever else ''}".rstrip()
            )
    if card is not None:
        if judge(prediction, card).word != "fits":
            changes = advise(settings, card)[:5]
            if changes:
                lines += ["", "What would help:"]
                lines += [f"  {change.sentence}" for change in changes]
        lines += [
            "",
            f"Largest that fits the {card.label}: sequence length "
            f"{largest_seq_len(settings, card) or 'none'} at batch {s.batch_size}, batch "
            f"{largest_batch_size(settings, card) or 'none'} at length {s.seq_len}",
        ]
    told = [*notes, *prediction.reasons]
    if told:
        lines += ["", "Assumed:", *(f"  {note}" for note in told)]
    return "\n".join(lines)
