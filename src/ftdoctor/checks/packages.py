"""Checks of what the code needs against what is installed.

Each claims that something is missing, so each asks `present`, which says "not there" only when the
environment is known whole or its image is known to lack the package.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftdoctor.checks.imports import unconditional
from ftdoctor.checks.installed import imported, present, setting, text, true, version
from ftdoctor.job.pep440 import at_least
from ftdoctor.job.releases import canonical
from ftdoctor.job.value import get
from ftdoctor.lazy import lazy
from ftdoctor.rulebook.model import Hit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftdoctor.checks.context import Context
    from ftdoctor.job.model import Job
    from ftdoctor.job.source import Place


def accelerate(context: Context) -> Iterator[Hit]:
    """The Trainer needs accelerate, and nothing installs it."""
    job = context.job
    if present(job, "accelerate") is not False or present(job, "transformers") is not True:
        return
    training = job.training
    if training is not None and training.trainer is not None:
        yield Hit(training.trainer.place, {"trainer": text(training.trainer)})


def deepspeed(context: Context) -> Iterator[Hit]:
    """A DeepSpeed configuration is given, and DeepSpeed is not installed."""
    job = context.job
    if present(job, "deepspeed") is not False:
        return
    for training in job.trainings:
        value = setting(training, "deepspeed")
        if value is not None and value.known and value.value:
            yield Hit(value.place, {"what": "deepspeed="})
            return
    place = imported(job, "deepspeed")
    if place is not None and _imports_plainly(job, "deepspeed"):
        yield Hit(place, {"what": "import deepspeed"})


def _imports_plainly(job: Job, module: str) -> bool:
    return any(
        name.split(".")[0] == module
        for script in job.scripts
        if script.role in ("training", "notebook")
        for name, _ in unconditional(script)
    )


def vllm(context: Context) -> Iterator[Hit]:
    """use_vllm=True, and vLLM is not installed."""
    job = context.job
    if present(job, "vllm") is not False:
        return
    for training in job.trainings:
        value = training.arguments.get("use_vllm")
        if value is not None and true(value):
            yield Hit(value.place, {})
            return


def feature(context: Context, setting_name: str, package: str) -> Iterator[Hit]:
    """A setting is switched on whose package is not installed: the library raises."""
    job = context.job
    if present(job, package) is not False:
        return
    for training in job.trainings:
        value = training.arguments.get(setting_name)
        if value is not None and true(value):
            yield Hit(value.place, {"setting": setting_name, "package": package})
            return


def peft(context: Context) -> Iterator[Hit]:
    """The trl command is told to train an adapter, and peft is not installed."""
    job = context.job
    if present(job, "peft") is not False:
        return
    for training in job.trainings:
        if training.written_as == "trl-cli" and training.lora is not None:
            words = [v for step in job.steps for v in step.argv if v.value == "--use_peft"]
            places = [v.place for v in (*words, *training.lora.values()) if v.place]
            yield Hit(places[0] if places else job.place, {"package": "peft"})
            return


#: Trackers that transformers looks for when `report_to` names them.
_TRACKERS = {
    "wandb": "wandb",
    "trackio": "trackio",
    "tensorboard": "tensorboard",
    "mlflow": "mlflow",
    "comet_ml": "comet-ml",
    "swanlab": "swanlab",
    "clearml": "clearml",
    "codecarbon": "codecarbon",
    "neptune": "neptune",
}


def tracker(context: Context) -> Iterator[Hit]:
    """report_to names a tracker whose package is not installed: the callback raises."""
    job = context.job
    for training in job.trainings:
        value = training.arguments.get("report_to")
        found = get(value)
        names = [found] if isinstance(found, str) else found if isinstance(found, list) else []
        for name in names:
            package = _TRACKERS.get(str(name))
            if package is None or present(job, package) is not False:
                continue
            if name == "tensorboard" and present(job, "tensorboardx") is not False:
                continue
            place: Place | None = value.place if value is not None else None
            yield Hit(
                place,
                {"tracker": str(name), "package": package},
                summary=f"report_to names {name}, and {package} is not installed",
            )


def pillow(context: Context) -> Iterator[Hit]:
    """A vision-language checkpoint given to the trainer as a string, without Pillow."""
    job = context.job
    if present(job, "pillow") is not False:
        return
    trl = version(job, "trl")
    for training in job.trainings:
        model = text(training.model)
        if (
            not training.model_as_string
            or not model
            or "processing_class" in training.trainer_kwargs
        ):
            continue
        # From 0.22 the trainer loads AutoProcessor for the string that it gets.
        if not _is_vlm(model) or (trl and not at_least(trl, "0.22")):
            continue
        place = training.model.place if training.model else None
        yield Hit(
            place,
            {"model": model},
            summary=f"{model} is a vision-language model; trl loads its image processor, which "
            "needs Pillow, and that is not installed",
        )


def _is_vlm(model: str) -> bool:
    from ftdoctor.memory.shapes import find

    shape = find(model)
    return shape is not None and "ImageText" in shape.auto_class


#: Classes of transformers 4 that read a sentencepiece file themselves.
_SLOW = frozenset(
    "LlamaTokenizer T5Tokenizer GemmaTokenizer XLMRobertaTokenizer MBartTokenizer AlbertTokenizer "
    "DebertaV2Tokenizer".split()
)


def sentencepiece(context: Context) -> Iterator[Hit]:
    """A slow tokenizer class of transformers 4 without sentencepiece."""
    job = context.job
    transformers = version(job, "transformers")
    if present(job, "sentencepiece") is not False or not transformers:
        return
    if at_least(transformers, "5.0"):
        return
    for script in job.scripts:
        for callee, places in script.calls.items():
            name = next((part for part in callee.split(".") if part in _SLOW), "")
            if name and callee.startswith("transformers.") and places:
                yield Hit(places[0], {"tokenizer": name, "transformers": transformers})
                return
    yield from _converted(job, transformers)


def protobuf(context: Context) -> Iterator[Hit]:
    """A tokenizer that transformers 4 has to convert, which reads it with protobuf.

    transformers 4.57.6 convert_slow_tokenizer.py, SpmConverter.__init__.
    """
    job = context.job
    transformers = version(job, "transformers")
    if present(job, "protobuf") is not False or present(job, "sentencepiece") is not True:
        return
    if transformers and not at_least(transformers, "5.0"):
        yield from _converted(job, transformers)


#: Repositories with a sentencepiece file and no tokenizer.json.
_ONLY_SPM = lazy(
    r"microsoft/(?:deberta-v3-(?:xsmall|small|base|large)|mdeberta-v3-base)"
    r"|google/mt5-(?:small|base|large|xl|xxl)"
)


def _converted(job: Job, transformers: str) -> Iterator[Hit]:
    for training in job.trainings:
        for value in (training.tokenizer, training.model):
            name = text(value)
            if value is not None and _ONLY_SPM.fullmatch(name):
                yield Hit(
                    value.place or job.place, {"tokenizer": name, "transformers": transformers}
                )
                return


def hf_transfer(context: Context) -> Iterator[Hit]:
    """HF_HUB_ENABLE_HF_TRANSFER=1, and the hf_transfer that it needs is not installed."""
    job = context.job
    hub = version(job, "huggingface-hub")
    if not hub or at_least(hub, "1.0") or present(job, "hf-transfer") is not False:
        return
    for place in _transfer_settings(job):
        yield Hit(place, {"hub": hub})
        return


def hf_transfer_ignored(context: Context) -> Iterator[Hit]:
    """HF_HUB_ENABLE_HF_TRANSFER with a huggingface_hub that no longer reads it."""
    job = context.job
    hub = version(job, "huggingface-hub")
    resolved = job.packages.get(canonical("huggingface-hub"))
    if not hub or not at_least(hub, "1.0") or (resolved and resolved.reason):
        return
    for place in _transfer_settings(job):
        yield Hit(place, {"hub": hub})
        return


def _transfer_settings(job: Job) -> Iterator[Place | None]:
    name = "HF_HUB_ENABLE_HF_TRANSFER"
    for pool in job.pools:
        if name in pool.env and true(pool.env[name]):
            yield pool.env[name].place or pool.env_places.get(name)
    for step in job.steps:
        if name in step.assignments and true(step.assignments[name]):
            yield step.assignments[name].place or step.place
    for script in job.scripts:
        if script.role != "submit" and name in script.env_set and true(script.env_set[name]):
            yield script.env_set[name].place
