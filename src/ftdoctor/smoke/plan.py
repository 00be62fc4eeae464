"""From the user's job to the smallest run that would still fail where the real one would.

The plan is plain JSON that the payload reads. QLoRA (4-bit NF4, double quantisation) unless the job
itself trains in another precision.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

from ftdoctor.errors import UsageError
from ftdoctor.job.value import get
from ftdoctor.smoke.plan_adapter import LORA, QLORA, add_adapter, fit_adapter, quantization_of
from ftdoctor.smoke.plan_arguments import (
    CPU_BATCH,
    CPU_LENGTH,
    LENGTHS,
    METHODS,
    arguments_of,
    batch_of,
    length_of,
    loose_names,
    plain,
    shrink_for_cpu,
    shrink_for_gpu,
    trainer_keywords,
)
from ftdoctor.smoke.plan_data import add_data
from ftdoctor.smoke.plan_launch import add_launch
from ftdoctor.smoke.plan_model import add_model, small_shape
from ftdoctor.smoke.wish import Wish

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftdoctor.job.model import Job, Training

STAGES = ("imports", "gpu", "tokenizer", "data", "template", "model", "train", "checkpoint")
#: Keywords of from_pretrained that are given elsewhere, or say where files lie.
_FILES = frozenset(
    "quantization_config trust_remote_code revision token use_auth_token config subfolder variant "
    "cache_dir local_files_only gguf_file use_safetensors force_download proxies offload_folder "
    "state_dict max_memory".split()
)
_ANY_MODEL = ("dtype", "torch_dtype", "attn_implementation", "device_map")
#: Optimizer state, weights and gradients of a full fine-tune beyond this are not written to disk.
MOST_CHECKPOINT_PARAMETERS = 2 * 10**9


def default_plan(device: str, wish: Wish | None = None) -> dict[str, Any]:
    """Return the plan of a run with no job: QLoRA on a small Llama."""
    wish = wish or Wish()
    shape, note = small_shape("")
    plan: dict[str, Any] = {
        "stages": [*STAGES, "resume"],
        "soft": ["resume"],
        "device": device,
        "method": "sft",
        "weights": "tiny",
        "shape": shape,
        "max_length": CPU_LENGTH if device == "cpu" else 1024,
        "batch": CPU_BATCH,
        "steps": 3,
        "imports": ["torch", "transformers", "trl", "peft", "bitsandbytes"],
        "quantization": dict(QLORA),
        "lora": dict(LORA),
        "arguments": {"learning_rate": 1e-3},
        "unused": {},
        "trainer_kwargs": {},
        "model_kwargs": {},
        "notes": [note],
    }
    if os.environ.get("HF_TOKEN"):
        plan["stages"].insert(plan["stages"].index("gpu") + 1, "token")
    if wish.push:
        raise UsageError("--push needs a JOB that says where it pushes to.", "Give the job's file.")
    if wish.processes * wish.nodes > 1:
        add_launch(plan, None, None, wish)
    return plan


def plan_for(
    job: Job,
    device: str,
    *,
    environment: Mapping[str, str] | None = None,
    wish: Wish | None = None,
) -> dict[str, Any]:
    """Return the plan for a job: its method, quantisation, LoRA, arguments, data and token.

    Raises:
        UsageError: a push is asked for, and the job does not say where to.
    """
    wish = wish or Wish()
    plan = default_plan(device, Wish(processes=wish.processes, nodes=wish.nodes))
    training = job.training
    if training is None:
        plan["notes"].append(
            "the job shows no training that can be read: the default run stands for it"
        )
        return plan
    plan["stages"] = [*STAGES, "resume"]
    notes: list[str] = []
    plan["notes"] = notes
    plan["method"] = _method(training, notes)
    plan["stands"] = stands = plan["method"] != training.method
    kept, plan["unused"] = arguments_of(training, notes, general=stands)
    plan["loose"] = loose_names(training)
    plan["arguments"] = kept
    plan["trainer_kwargs"] = {} if stands else trainer_keywords(training, notes)
    if any("unsloth" in script.imports for script in job.scripts):
        plan["lenient"] = True
        notes.append("Unsloth is not run small: transformers, trl and peft stand for it")
    general = stands or "lenient" in plan
    plan["model_kwargs"] = _model_keywords(training, general=general)
    plan["model_as_string"] = training.model_as_string
    plan["max_length"] = length_of(kept, plan["trainer_kwargs"], plan["method"])
    plan["job_max_length"] = plan["max_length"]
    given = {**kept, **plan["trainer_kwargs"]}
    plan["truncates"] = all(given[n] is not None for n in LENGTHS if n in given)
    plan["batch"] = batch_of(training)
    _config_class(plan, training, stands=stands)
    plan["quantization"] = quantization_of(training, notes)
    add_adapter(plan, training, notes)
    plan["kbit_prepare"] = training.kbit_prepared is not None
    if plan["quantization"] is None:
        plan["imports"].remove("bitsandbytes")
    if plan["lora"] is None:
        plan["imports"].remove("peft")
    if plan["method"] == "trainer":
        plan["imports"].remove("trl")
    add_model(plan, training, notes, wish)
    if plan["weights"] == "tiny":
        fit_adapter(plan, notes)
    (shrink_for_cpu if device == "cpu" else shrink_for_gpu)(plan, notes)
    add_data(plan, job, training, notes, hub=bool(plan.get("hub")))
    _tokenizer(plan, training, notes)
    _checkpoints(plan, job, training, notes)
    add_launch(plan, job, training, wish)
    if {**os.environ, **(environment or {})}.get("HF_TOKEN"):
        plan["stages"].insert(plan["stages"].index("gpu") + 1, "token")
    if wish.push:
        plan["push"] = _push(training)
        plan["stages"].append("push")
    return plan


def _method(training: Training, notes: list[str]) -> str:
    """Return the method that is run: the job's, or SFT where that cannot be."""
    trainer = get(training.trainer) if training.trainer is not None else None
    last = str(trainer or "").rpartition(".")[2]
    usual = {"trainer": "Trainer"}.get(training.method)
    other = usual is not None and last not in ("", usual)
    if training.method in METHODS and not other and ".experimental." not in str(trainer or ""):
        return training.method
    notes.append(f"{last or training.method} is not run small: SFT stands for it")
    return "sft"


def _model_keywords(training: Training, *, general: bool) -> dict[str, Any]:
    """Return the keywords of from_pretrained that are known.

    Left out are those on where files lie; with `general` all but those that every model takes.
    """
    return {
        name: value.value
        for name, value in training.model_kwargs.items()
        if name not in _FILES
        and (name in _ANY_MODEL or not general)
        and value.known
        and plain(value.value)
    }


def _config_class(plan: dict[str, Any], training: Training, *, stands: bool) -> None:
    name = get(training.config_class) if training.config_class is not None else None
    last = str(name or "").rpartition(".")[2]
    usual = last.endswith(("Config", "TrainingArguments"))
    if usual and not stands and ".experimental." not in str(name):
        plan["config_class"] = last


def _tokenizer(plan: dict[str, Any], training: Training, notes: list[str]) -> None:
    """Say under which keyword the trainer gets the tokenizer, and whether it has a template."""
    from ftdoctor.checks.data import no_chat_template

    names = [n for n in ("tokenizer", "processing_class") if n in training.trainer_kwargs]
    if names:
        plan["tokenizer_keywords"] = names
    elif training.model_as_string and plan.get("weights") == "real":
        plan["tokenizer_keywords"] = []  # the job leaves it to the trainer, with all that needs
    model = str(plan.get("model") or "")
    if plan.get("hub"):
        name = get(training.tokenizer) if training.tokenizer is not None else None
        if isinstance(name, str) and name != model:
            plan["tokenizer"] = name
        return
    path = plan["arguments"].get("chat_template_path")
    if isinstance(path, str) and not os.path.exists(path):
        del plan["arguments"]["chat_template_path"]
        notes.append(f"the chat template of {path} is not fetched: ChatML stands for it")
    plan["chat_template"] = not no_chat_template(model) or bool(plan.get("sets_template"))
    form = plan.get("row_form") == "messages" or any("messages" in r for r in plan.get("rows", ()))
    if form and model and plan["chat_template"]:
        notes.append(f"a small tokenizer with ChatML stands for that of {model}")


def _checkpoints(plan: dict[str, Any], job: Job, training: Training, notes: list[str]) -> None:
    """Resuming is a reason to fail only where the job does it."""
    from ftdoctor.memory import shapes

    if "resume_from_checkpoint" in training.arguments or _resumes(job):
        plan["soft"] = []
    if plan.get("arguments", {}).pop("save_only_model", None):
        notes.append("save_only_model: nothing to resume from is written")
        plan["checkpoints"] = False
    found = shapes.find(str(plan.get("model") or "")) if plan.get("weights") != "tiny" else None
    large = found is not None and found.params > MOST_CHECKPOINT_PARAMETERS
    if plan["lora"] is None and large:
        plan["checkpoints"] = False
        notes.append("the optimizer's state is not saved: it is larger than a smoke run should be")
    if plan.get("checkpoints") is False:
        plan["stages"].remove("resume")


def _resumes(job: Job) -> bool:
    """Whether the job's code goes on from a checkpoint: `train(resume_from_checkpoint=...)`."""
    given = re.compile(r"^[^#\n]*resume_from_checkpoint\s*=(?!\s*(?:None|False)\b)", re.MULTILINE)
    return any(given.search(s.source.text) for s in job.scripts if s.role != "submit")


def _push(training: Training) -> str:
    """Return the repository that the job pushes to.

    Raises:
        UsageError: the job does not say.
    """
    named = training.arguments.get("hub_model_id")
    for value in (named, *training.pushes):
        found = get(value) if value is not None else None
        if isinstance(found, str) and re.fullmatch(r"[\w-][\w.-]*(/[\w.-]+)?", found):
            return found
    raise UsageError(
        "--push: the job does not say which repository it pushes to.",
        "Set hub_model_id in its training arguments, or leave --push out.",
    )
