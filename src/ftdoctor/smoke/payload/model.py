"""The model: two random layers of its architecture, random at its real size, or the real one."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from .rows import method
from .shaped import build
from .telling import local_rank, rank

if TYPE_CHECKING:
    from .state import Run

#: Keywords of from_pretrained (and BitsAndBytesConfig) whose values are dtypes, told by name.
DTYPES = (
    "dtype torch_dtype bnb_4bit_compute_dtype bnb_4bit_quant_storage llm_int8_threshold_dtype"
).split()


def prepare(run: Run) -> dict[str, Any]:
    """Make the configuration of the model, and the tiny model's files."""
    import torch
    from transformers import AutoConfig

    plan = run.plan
    if run.weights == "real":
        run.model_path = plan["model"]
        run.config = AutoConfig.from_pretrained(run.model_path, **_reading(plan))
        return {"model": run.model_path, "weights": "real", "type": run.config.model_type}
    if run.weights == "shape":
        if plan.get("hub"):
            run.config = AutoConfig.from_pretrained(plan["model"], **_reading(plan))
        else:
            sizes = dict(plan["real_shape"])
            run.config = AutoConfig.for_model(sizes.pop("model_type"), **sizes)
        text = _text(run.config)
        return {
            "model": plan.get("model"),
            "weights": "random, of the real sizes",
            "type": run.config.model_type,
            "layers": text.num_hidden_layers,
            "hidden": text.hidden_size,
            "vocabulary": text.vocab_size,
        }
    shape = dict(plan["shape"])
    config = AutoConfig.for_model(shape.pop("model_type"), **shape)
    config.vocab_size = max(len(run.tokenizer), int(shape.get("vocab_size", 0)))
    config.pad_token_id = run.tokenizer.pad_token_id
    config.bos_token_id = run.tokenizer.bos_token_id
    config.eos_token_id = run.tokenizer.eos_token_id
    if method(run) == "reward":
        config.num_labels = 1
    run.config = config
    torch.manual_seed(0)
    run.model_path = os.path.join(run.folder, "model")
    made = auto_class(run).from_config(config)
    if local_rank() == 0:
        _write(made, run)
    return {
        "model": config.model_type,
        "weights": "random, two layers",
        "parameters": made.num_parameters(),
    }


def _write(made: Any, run: Run) -> None:
    """Write the tiny model for all processes of this machine."""
    run.tokenizer.save_pretrained(run.model_path)
    if rank() == 0:
        made.save_pretrained(run.model_path)
        return
    # The first process of a further machine: transformers writes nothing there.
    from safetensors.torch import save_model

    made.config.architectures = [type(made).__name__]
    made.config.save_pretrained(run.model_path)
    save_model(made, os.path.join(run.model_path, "model.safetensors"), metadata={"format": "pt"})


def _reading(plan: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"trust_remote_code": True} if plan.get("trust_remote_code") else {}
    if plan.get("revision"):
        found["revision"] = plan["revision"]
    return found


def _text(config: Any) -> Any:
    """Return the language half of a configuration."""
    return config.get_text_config() if hasattr(config, "get_text_config") else config


def auto_class(run: Run) -> Any:
    """Return the class that loads the model: by method, and by what the configuration is for."""
    import transformers

    if method(run) == "reward":
        return transformers.AutoModelForSequenceClassification
    causal = transformers.AutoModelForCausalLM
    if type(run.config) in causal._model_mapping:
        return causal
    return getattr(transformers, "AutoModelForImageTextToText", causal)


def settings(run: Run) -> dict[str, Any]:
    """Return the keywords of from_pretrained as the job gives them, with its quantisation."""
    plan = run.plan
    found = {n: _dtype(n, v) for n, v in (plan.get("model_kwargs") or {}).items()}
    quantization = quantization_of(run)
    if quantization is not None:
        found["quantization_config"] = quantization
    if run.cpu:
        found["device_map"] = {"": "cpu"}
        if quantization is not None and not {"dtype", "torch_dtype"} & set(found):
            import torch

            # Before 5.0 transformers takes float16 beside 4-bit layers, which a CPU cannot mix.
            if _numbers("transformers") < (5, 0):
                found["torch_dtype"] = torch.bfloat16
    elif quantization is not None and "device_map" not in found and not run.kind:
        found["device_map"] = {"": local_rank()}
    return found


def _dtype(name: str, value: Any) -> Any:
    import torch

    if name in DTYPES and isinstance(value, str) and value != "auto":
        return getattr(torch, value.replace("torch.", ""), value)
    return value


def quantization_of(run: Run) -> Any:
    """Return the BitsAndBytesConfig of the plan, or None."""
    values = run.plan.get("quantization")
    if values is None:
        return None
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(**{n: _dtype(n, v) for n, v in values.items()})


def load(run: Run) -> Any:
    """Return the model, loaded or built as the plan says."""
    if run.weights == "shape":
        return build(
            run.config,
            auto_class(run),
            device="cpu" if run.cpu else f"cuda:{local_rank()}",
            quantization=quantization_of(run),
            dtype=built_dtype(run),
            attention=(run.plan.get("model_kwargs") or {}).get("attn_implementation"),
        )
    return auto_class(run).from_pretrained(run.model_path, **settings(run), **_reading(run.plan))


def built_dtype(run: Run) -> Any:
    """Return the dtype that the job's own loading would end in.

    trl 0.27 and later load a model named by a string in float32 (trl/trainer/utils.py,
    create_model_from_path); transformers follows the checkpoint since 5.0, before that it is
    float32, and float16 beside bitsandbytes' layers.
    """
    import torch
    import transformers

    given = run.plan.get("model_kwargs") or {}
    asked = given.get("dtype", given.get("torch_dtype"))
    own = getattr(run.config, "dtype", None) or getattr(run.config, "torch_dtype", None)
    own = _dtype("dtype", own) or torch.bfloat16
    if asked not in (None, "auto"):
        return _dtype("dtype", asked)
    if asked == "auto":
        return own
    if run.plan.get("model_as_string") and _numbers("trl") >= (0, 27):
        return torch.float32
    if _numbers(transformers.__version__) >= (5, 0):
        return own
    return torch.float16 if run.plan.get("quantization") else torch.float32


def _numbers(text: str) -> tuple[int, ...]:
    if not text[:1].isdigit():
        from importlib import metadata

        try:
            text = metadata.version(text)
        except metadata.PackageNotFoundError:
            return ()
    return tuple(int(part) for part in text.split(".")[:2] if part.isdigit())
