"""What `check` says of the predicted memory: which rule a prediction belongs to, and its hit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftdoctor.memory import from_job, static
from ftdoctor.memory.advise import advise
from ftdoctor.memory.closed_form import Prediction, predict
from ftdoctor.memory.parts import LEVERS, PART_WORDS, gib
from ftdoctor.memory.verdict import MARGIN, Verdict, judge
from ftdoctor.rulebook.model import Hit, Unsure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftdoctor.checks.context import Context
    from ftdoctor.memory.from_job import JobMemory
    from ftdoctor.memory.measured import Measurement
    from ftdoctor.memory.settings import TrainingSettings

#: Tokens of a sample where a job does not say how long its samples are.
USUAL = 512
#: Trainers whose step is only outlined: never said to be out of memory for its activations.
OUTLINED = ("dpo", "grpo")


def fits(context: Context, want: str = "", **_: object) -> Iterator[Hit | Unsure]:
    """The predicted peak does not fit the GPU of the job.

    `want` is the answer that the rule is about: "weights" (the model alone does not fit), "logits",
    "optimizer" or "activations" (what the peak is made of where it does not fit), "tight" (it may
    fail). Yields nothing where it fits.
    """
    try:
        job = from_job.read(context.job)
    except from_job.Untold as why:
        if want == "activations":
            yield Unsure(why.reason, why.needs)
        return
    if job is None:
        return
    prediction = predict(job.settings, hopper=job.card.hopper)
    verdict = judge(prediction, job.card)
    seen = _measurement(context, job)
    kind = kind_of(job, prediction, verdict) if seen is None else _measured_kind(seen, job)
    if kind == "oom":
        kind = _largest(prediction)
    if kind != want:
        return
    yield _hit(job, prediction, verdict, kind, seen)


def _measurement(context: Context, job: JobMemory) -> Measurement | None:
    """Return the measured peak of this very step, if a smoke run took one; it overrules."""
    if context.smoke_results is None:
        return None
    results = context.smoke_results()
    if not results:
        return None
    from ftdoctor.memory import measured

    found = measured.match(measured.measurements(results), job)
    if found is not None:
        context.told["memory"] = measured.sentence(found, job)
    return found


def _measured_kind(seen: Measurement, job: JobMemory) -> str:
    """Return "oom", "tight", or "" where the measured step fits."""
    from ftdoctor.memory.measured import judge as judged

    word = judged(seen, job)
    return "" if word == "fits" else word


def kind_of(job: JobMemory, prediction: Prediction, verdict: Verdict) -> str:
    """Return which rule a prediction belongs to, "" when it fits.

    Out of memory is said only where it is sure to come: the weights, or they with gradients and
    optimizer states, are above the line whatever the data; or the prediction is above it by more
    than half its margin and batches of that length are sure (packed, or set beyond the ordinary)
    and of that size (written). A dtype that was left to a default is taken as bfloat16 for this,
    since a default is easily mistaken. All else that does not fit is a warning.
    """
    if verdict.word == "fits":
        return ""
    settings = job.settings
    if "length" in job.defaulted:
        # The default is only a limit: ordinary samples are shorter.
        usual = predict(settings.but(seq_len=min(USUAL, settings.seq_len)), hopper=job.card.hopper)
        if judge(usual, job.card).word == "fits":
            return ""
    if "dtype" in job.defaulted:
        settings = settings.but(dtype="bfloat16", kbit_prepare=False)
        prediction = predict(settings, hopper=job.card.hopper)
    weights = static.weight_bytes(settings) // _share(settings)
    if weights > verdict.line:
        return "weights"
    if _floor(settings) > verdict.line * 1.02:
        return "optimizer"
    margin = MARGIN.get(prediction.confidence, 0.2)
    sure = job.length_is_reached and "batch" not in job.defaulted
    above = prediction.allocated > verdict.line * (1 + margin / 2)
    outlined = settings.trainer in OUTLINED or prediction.confidence == "low"
    if not sure or not above or outlined:
        return "tight"
    return _largest(prediction)


def _largest(prediction: Prediction) -> str:
    """Return the rule of what the peak is made of: "optimizer", "logits" or "activations"."""
    if prediction.phase == "optimizer step":
        return "optimizer"
    rest = {k: v for k, v in prediction.parts.items() if k != "weights"}
    largest = max(rest, key=lambda k: rest[k])
    if largest in {"optimizer_states", "optimizer_temporaries"}:
        return "optimizer"
    return "logits" if largest == "logits_and_loss" else "activations"


def _share(settings: TrainingSettings) -> int:
    return max(1, settings.gpus) if settings.sharding in {"zero3", "fsdp"} else 1


def _floor(settings: TrainingSettings) -> int:
    """Bytes that are there whatever the data: weights, adapters, their gradients and states."""
    if settings.sharding not in {"none", "ddp"}:
        return 0
    states, _ = static.optimizer_bytes(settings)
    trained = static.trained(settings)
    adapters = sum(g.params * g.item for g in trained if g.name != "weights")
    gradients = sum(g.params * g.item for g in trained)
    return static.weight_bytes(settings) + adapters + gradients + states


def _hit(
    job: JobMemory,
    prediction: Prediction,
    verdict: Verdict,
    kind: str,
    seen: Measurement | None = None,
) -> Hit:
    settings, card = job.settings, job.card
    changes = advise(settings, card)
    helping = [c for c in changes if c.verdict.word == "fits"] or changes
    best = helping[0].sentence if helping else "no single change makes it fit"
    largest = list(prediction.parts.items())[:3]
    captures: dict[str, Any] = {
        "model": job.model,
        "gpu": card.label,
        "line": gib(verdict.line),
        "peak": gib(prediction.allocated),
        "over": gib(max(0, -verdict.spare)),
        "spare": gib(max(0, verdict.spare)),
        "tokens": f"{settings.batch_size} x {settings.seq_len}",
        "parts": ", ".join(f"{PART_WORDS.get(k, k)} {gib(v)}" for k, v in largest),
        "change": best,
        "other_changes": "; ".join(c.sentence for c in helping[1:4]) or "none found",
        "confidence": prediction.confidence,
        "logits": gib(prediction.parts.get("logits_and_loss", 0)),
        "states": gib(prediction.parts.get("optimizer_states", 0)),
        "weights": gib(prediction.parts.get("weights", 0)),
        "vocabulary": settings.shape.vocab,
        "trl": settings.versions.get("trl", ""),
    }
    evidence: dict[str, Any] = {
        "allocated_bytes": prediction.allocated,
        "reserved_bytes": prediction.reserved,
        "line_bytes": verdict.line,
        "verdict": verdict.word,
        "phase": prediction.phase,
        "confidence": prediction.confidence,
        "parts": prediction.parts,
        "largest_parts": [
            {"part": k, "bytes": v, "changed_by": LEVERS.get(k, "")} for k, v in largest
        ],
        "changes": [
            {
                "text": c.sentence,
                "setting": c.setting,
                "value": c.value,
                "allocated_bytes": c.prediction.allocated,
                "verdict": c.verdict.word,
            }
            for c in changes[:6]
        ],
        "assumptions": [*job.notes, *prediction.reasons],
    }
    if seen is None:
        return Hit(job.place, captures, evidence, summary=_summary(captures, verdict, kind))
    evidence["measured"] = {
        "date": seen.date,
        "card": seen.card,
        "fits": seen.fits,
        "allocated_bytes": seen.allocated or None,
        "reserved_bytes": seen.reserved or None,
    }
    from ftdoctor.memory.measured import sentence

    return Hit(job.place, captures, evidence, summary=f"{_capital(sentence(seen, job))}. {best}.")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _summary(captures: dict[str, Any], verdict: Verdict, kind: str) -> str:
    if kind == "weights":
        return ""
    distance = (
        f"{captures['over']} more than the {captures['gpu']} has"
        if verdict.spare < 0
        else f"{captures['spare']} below what the {captures['gpu']} has"
    )
    return (
        f"Predicted peak {captures['peak']} at {captures['tokens']} tokens ({captures['parts']}): "
        f"{distance}. {captures['change']}."
    )
