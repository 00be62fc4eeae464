"""Peaks that smoke runs measured: which one is of a job's step, and what it means on its card.

A measurement belongs to a job when all that decides the memory of a step is the same: model,
method, quantisation, adapter, length, batch, dtypes, checkpointing, attention, loss, optimizer,
number of GPUs, the versions that run, and the card. Names of files and texts around it do not
matter. The rows of a smoke run are filled to the full length, so a job whose data are shorter
needs less.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from ftdoctor.memory.closed_form import predict
from ftdoctor.memory.parts import gib
from ftdoctor.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ftdoctor.memory.from_job import JobMemory
    from ftdoctor.memory.settings import TrainingSettings

#: Settings that are compared, beside the model's sizes, the versions and the card.
_SAME = (
    "method",
    "seq_len",
    "batch_size",
    "lora_rank",
    "lora_targets",
    "lora_dropout",
    "dora",
    "modules_to_save",
    "adapter_dtype",
    "dtype",
    "autocast",
    "double_quant",
    "int8",
    "kbit_prepare",
    "norms_float32",
    "optimizer",
    "gradient_checkpointing",
    "attention",
    "loss",
    "loss_head_float32",
    "gpus",
    "sharding",
    "cpu_offload",
    "trainer",
    "sequences_per_sample",
)
#: Settings in which a smoke run departs from the job by intent, and what they are called: it fills
#: its rows, and takes double quantisation where the job does not say. `peak` adds the difference.
_BRIDGED = {"padding_mask": "a padding mask", "double_quant": "plain quantisation"}
_ADAPTER = frozenset({"lora_rank", "lora_targets", "lora_dropout", "dora", "adapter_dtype"})
#: Packages whose version changes the memory of a step; bitsandbytes where weights are quantised.
_VERSIONS = ("torch", "transformers", "trl", "peft")
#: A step that takes more of the card than this is one long row from its end: the allocator's gaps
#: grow over a training, and three steps do not show it.
NEARLY_FULL = 0.97

Word = Literal["fits", "tight", "oom"]


@dataclass(frozen=True, slots=True)
class Measurement:
    """One smoke run on a GPU. Sizes in bytes; `fits` is False where it ran out of GPU memory."""

    date: str
    card: str
    fits: bool
    allocated: int
    reserved: int
    settings: Mapping[str, Any]

    @property
    def day(self) -> str:
        """The date as it is told, "2026-11-21"."""
        return self.date[:10]


def described(settings: TrainingSettings) -> dict[str, Any]:
    """Return what decides the memory of a step, as plain JSON."""
    found: dict[str, Any] = {}
    for name in _SAME:
        if name in _ADAPTER and settings.method == "full":
            continue
        value = getattr(settings, name)
        found[name] = sorted(value) if isinstance(value, tuple) else value
    shape = settings.shape
    found["model"] = {
        "type": shape.model_type,
        "layers": shape.layers,
        "hidden": shape.hidden,
        "vocabulary": shape.vocab,
        "parameters": shape.params,
    }
    found["accumulates"] = settings.accumulation > 1
    found["padding_mask"] = settings.padding_mask
    names = (*_VERSIONS, "bitsandbytes") if settings.method == "qlora" else _VERSIONS
    found["versions"] = {
        name: settings.versions[name].partition("+")[0]
        for name in names
        if settings.versions.get(name)
    }
    return found


def differences(run: Mapping[str, Any], job: Mapping[str, Any]) -> list[str]:
    """Return in what a run and a job differ, settings and versions; empty when in nothing."""
    return [*setting_differences(run, job), *version_differences(run, job)]


def setting_differences(run: Mapping[str, Any], job: Mapping[str, Any]) -> list[str]:
    """Return in which settings a run and a job differ, in words.

    A padding mask and double quantisation are none: `peak` adds what the job takes more.
    """
    return [
        f"{name} {_short(run.get(name))}, the job's {_short(job.get(name))}"
        for name in sorted({*run, *job} - {"versions", *_BRIDGED})
        if run.get(name) != job.get(name)
    ]


def version_differences(run: Mapping[str, Any], job: Mapping[str, Any]) -> list[str]:
    """Return which versions of a run are not the job's; one that is not known is no difference."""
    told = []
    for name, version in sorted((job.get("versions") or {}).items()):
        installed = (run.get("versions") or {}).get(name)
        if installed != version:
            told.append(f"{name} {installed or 'unknown'}, the job's {version}")
    return told


def _short(value: Any) -> str:
    if isinstance(value, dict):
        return " ".join(map(str, value.values()))
    if isinstance(value, list):
        return ",".join(map(str, value)) or "none"
    return "not given" if value is None else str(value)


def measurements(results: Iterable[Mapping[str, Any]]) -> list[Measurement]:
    """Return the measurements that results of smoke runs hold, in their order."""
    found = []
    for result in results:
        memory = (result.get("evidence") or {}).get("memory")
        if not isinstance(memory, dict) or not isinstance(memory.get("settings"), dict):
            continue
        date, card = memory.get("date"), memory.get("card")
        if memory.get("outcome") not in ("fits", "oom") or not date or not card:
            continue
        try:
            allocated, reserved = (
                int(memory.get(f"{name}_bytes") or 0) for name in ("allocated", "reserved")
            )
        except (TypeError, ValueError):
            continue
        fits = memory["outcome"] == "fits"
        if fits and not allocated:
            continue
        found.append(
            Measurement(str(date), str(card), fits, allocated, reserved, memory["settings"])
        )
    return found


def match(known: Iterable[Measurement], job: JobMemory) -> Measurement | None:
    """Return the first measurement that is of this job's step on its card, or None."""
    wanted = described(job.settings)
    for one in known:
        if one.card == job.card.name and not differences(one.settings, wanted):
            return one
    return None


def peak(measurement: Measurement, job: JobMemory) -> int:
    """Return the allocated peak of the job's step, bytes: the measured one, and `_more`."""
    return measurement.allocated + _more(measurement, job)[0]


def _more(measurement: Measurement, job: JobMemory) -> tuple[int, str]:
    """Return what the job takes more than the run did, by prediction, and for what."""
    ran = {
        name: measurement.settings[name]
        for name in _BRIDGED
        if measurement.settings.get(name, getattr(job.settings, name))
        != getattr(job.settings, name)
    }
    if not ran:
        return 0, ""
    own = predict(job.settings, hopper=job.card.hopper).allocated
    as_run = predict(job.settings.but(**ran), hopper=job.card.hopper).allocated
    return max(0, own - as_run), " and ".join(_BRIDGED[name] for name in ran)


def judge(measurement: Measurement, job: JobMemory) -> Word:
    """Return what a measurement means for the job: "fits", "tight" or "oom".

    A run that died may have had longer rows than the job ever sees: unless the job's batches reach
    their length, that is "tight".
    """
    if not measurement.fits:
        return "oom" if job.length_is_reached else "tight"
    return "tight" if peak(measurement, job) > NEARLY_FULL * job.card.line else "fits"


def sentence(measurement: Measurement, job: JobMemory) -> str:
    """Return "measured on 2026-11-21: 18.2 GiB of 22.0 GiB" in full."""
    card = job.card
    if not measurement.fits:
        return f"measured on {measurement.day}: out of memory on the {card.label}"
    text = f"measured on {measurement.day}: {gib(measurement.allocated)} of {gib(card.visible)}"
    added, what = _more(measurement, job)
    if added > 0.005 * card.visible:
        text += f", and about {gib(added)} more for {what}, which the job has and the run had not"
    return text
