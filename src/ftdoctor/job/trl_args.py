"""`trl sft ...` and its kin: the command line (and YAML) as a Training."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ftdoctor.job import trl_names
from ftdoctor.job.model import Dataset, Training
from ftdoctor.job.py_abstract import Abstract, Const, Map, Seq, text_of
from ftdoctor.job.py_cli import guessed, options
from ftdoctor.job.py_objects import from_value
from ftdoctor.job.py_values import place_of, text, value
from ftdoctor.job.value import Value, get, known

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftdoctor.job.readenv import ReadEnv
    from ftdoctor.job.source import Place

_CONFIGS = {
    "sft": "SFTConfig",
    "dpo": "DPOConfig",
    "grpo": "GRPOConfig",
    "reward": "RewardConfig",
    "kto": "KTOConfig",
    "rloo": "RLOOConfig",
    "orpo": "ORPOConfig",
    "cpo": "CPOConfig",
    "ppo": "PPOConfig",
}
#: ModelConfig field to LoraConfig keyword (trl/trainer/utils.py: get_peft_config).
_LORA = {
    "lora_r": "r",
    "lora_alpha": "lora_alpha",
    "lora_dropout": "lora_dropout",
    "lora_target_modules": "target_modules",
    "lora_target_parameters": "target_parameters",
    "lora_modules_to_save": "modules_to_save",
    "lora_task_type": "task_type",
    "use_rslora": "use_rslora",
    "use_dora": "use_dora",
}
_QUANTIZATION = {
    "load_in_4bit": "load_in_4bit",
    "load_in_8bit": "load_in_8bit",
    "bnb_4bit_quant_type": "bnb_4bit_quant_type",
    "use_bnb_nested_quant": "bnb_4bit_use_double_quant",
    "bnb_4bit_quant_storage": "bnb_4bit_quant_storage",
}
_LOADING = ("dtype", "torch_dtype", "attn_implementation", "trust_remote_code")


def read_trl(argv: list[Value[str]], place: Place | None, env: ReadEnv | None) -> Training:
    """Return the training that a `trl METHOD ...` command line asks for.

    `argv` may begin with `trl` itself. A `--config` file is read through `env`; when it is not
    there, `Training.open` says so. Raises nothing.
    """
    words = list(argv)
    if words and (get(words[0]) or "").rsplit("/", 1)[-1] == "trl":
        words = words[1:]
    method = get(words[0]) if words else None
    training = Training(written_as="trl-cli")
    if method in trl_names.METHODS:
        words = words[1:]
        training.method = str(method)
        config = _CONFIGS.get(str(method))
        training.config_class = known(f"trl.{config}", place) if config else None
    elif method is not None and not method.startswith("-"):
        training.notes.append(f"trl {method} is no training command")
        words = words[1:]
    named, rest = options([from_value(word) for word in words], trl_names.LAUNCH_FLAGS)
    before = ""
    for word in words:
        # An unknown word behind an option is its value; elsewhere it may be any number of options.
        is_value = before.startswith("--") and "=" not in before and '"$@"' not in word.raw
        if word.unknown and not word.raw.startswith("--") and not is_value:
            training.open = training.open or word.unknown
        before = get(word) or ""
    if rest and not training.open:
        training.notes.append(
            "words that belong to no option: "
            + ", ".join(str(part.value)[:40] for part in rest[:3] if isinstance(part, Const))
        )
    fields: dict[str, Abstract] = {}
    if "config" in named:
        if any((get(word) or "").startswith("--config=") for word in words):
            training.notes.append("--config=FILE is not read by TRL: it wants --config FILE")
        document = _config(named.pop("config"), env)
        if isinstance(document, Map):
            fields.update({str(key): item for key, (item, _) in document.data.items()})
        else:
            training.open = "the file behind --config is not here"
    fields.update(named)
    apply_fields(training, fields)
    return training


def _config(path: Abstract, env: ReadEnv | None) -> Abstract | None:
    from ftdoctor.job.py_embedded import parse_document

    name = text_of(path)
    if name is None or env is None:
        return None
    source = env.find(name)
    return parse_document(source, None) if source is not None else None


def coerced(found: Abstract) -> Value[Any]:
    """Return a word of a command line with the type that the parser would give it."""
    result = value(found)
    if result.unknown or not isinstance(result.value, str):
        return result
    word = result.value.strip()
    if word[:1] in "{[" and word[-1:] in "}]" and len(word) < 5000:
        try:
            return Value(json.loads(word), result.place, "", result.raw)
        except ValueError:
            return result
    typed = guessed(found)
    return Value(typed.value, result.place, "", result.raw) if isinstance(typed, Const) else result


def apply_fields(training: Training, fields: Mapping[str, Abstract]) -> None:
    """Distribute the options of a command line or YAML over a Training."""
    model: dict[str, Abstract] = {}
    script: dict[str, Abstract] = {}
    for name, item in fields.items():
        if name in trl_names.MODEL or name in trl_names.EITHER:
            model[name] = item
        elif name in trl_names.SCRIPT:
            script[name] = item
        elif name in trl_names.MIXTURE:
            if name == "datasets":
                _mixture(training, item)
        elif name in trl_names.LAUNCH:
            training.launch[name] = coerced(item)
        elif name not in ("config", "env"):
            training.arguments[name] = coerced(item)
    apply_model_fields(training, model)
    _apply_script_fields(training, script)
    if "packing" in training.arguments:
        training.packing = training.arguments["packing"]
    if "model_init_kwargs" in training.arguments:
        inner = training.arguments["model_init_kwargs"]
        if isinstance(inner.value, dict):
            for key, item in inner.value.items():
                training.model_kwargs[str(key)] = Value(item, inner.place, "", str(item))


def apply_model_fields(training: Training, fields: Mapping[str, Abstract]) -> None:
    """Apply the fields of TRL's ModelConfig: model, how it is loaded, adapter, quantisation."""
    if "model_name_or_path" in fields:
        training.model = text(fields["model_name_or_path"])
        training.model_as_string = True
    if "model_revision" in fields:
        training.model_revision = text(fields["model_revision"])
    for name in _LOADING:
        if name in fields:
            training.model_kwargs[name] = coerced(fields[name])
    use_peft = coerced(fields["use_peft"]) if "use_peft" in fields else None
    if use_peft is None:
        training.lora_ignored = {
            keyword: coerced(fields[name]) for name, keyword in _LORA.items() if name in fields
        }
    elif use_peft.unknown or use_peft.value:
        training.lora = {
            keyword: coerced(fields[name]) for name, keyword in _LORA.items() if name in fields
        }
        if use_peft.unknown:
            training.notes.append(f"whether an adapter is trained: {use_peft.unknown}")
    quantization = {
        keyword: coerced(fields[name]) for name, keyword in _QUANTIZATION.items() if name in fields
    }
    if any(
        not isinstance(v.value, bool) or v.value for k, v in quantization.items() if "load" in k
    ):
        training.quantization = quantization


def _apply_script_fields(training: Training, fields: Mapping[str, Abstract]) -> None:
    name = fields.get("dataset_name")
    if name is not None:
        training.datasets.append(
            Dataset(
                text(name),
                text(fields["dataset_train_split"]) if "dataset_train_split" in fields else None,
                text(fields["dataset_config"]) if "dataset_config" in fields else None,
                place=place_of(name),
            )
        )
    for extra in ("reward_model_name_or_path", "reward_model"):
        if extra in fields:
            training.loads.append(text(fields[extra]))
    if "reward_funcs" in fields:
        training.trainer_kwargs["reward_funcs"] = value(fields["reward_funcs"])


def _mixture(training: Training, item: Abstract) -> None:
    for entry in item.items if isinstance(item, Seq) else ():
        if isinstance(entry, Map) and (path := entry.get("path")) is not None:
            split, config, files = entry.get("split"), entry.get("name"), entry.get("data_files")
            training.datasets.append(
                Dataset(
                    text(path),
                    text(split) if split is not None else None,
                    text(config) if config is not None else None,
                    value(files) if files is not None else None,
                    place_of(path),
                )
            )
