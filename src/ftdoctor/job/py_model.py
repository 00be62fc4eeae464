"""Where a model, its quantisation and its adapter come from, in a training script."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftdoctor.job.py_abstract import Abstract, Const, Func, Map, Obj, Unk
from ftdoctor.job.py_ops import reason_of
from ftdoctor.job.py_values import place_of, text, value
from ftdoctor.job.value import Value, known, unknown

if TYPE_CHECKING:
    from ftdoctor.job.model import Training
    from ftdoctor.job.py_run import Run

#: Methods and functions that hand a model on.
_SAME = frozenset(
    "to cuda cpu half float bfloat16 eval train merge_and_unload unload compile requires_grad_ "
    "enable_input_require_grads gradient_checkpointing_enable base_model model module".split()
)
_WRAPPERS = frozenset(
    "compile DataParallel DistributedDataParallel FSDP FullyShardedDataParallel prepare "
    "prepare_model dispatch_model setup_chat_format clone_chat_template for_training "
    "for_inference patch_model replace_lora_alpha".split()
)
_QUANT_CONFIGS = ("BitsAndBytesConfig", "QuantoConfig", "TorchAoConfig", "HqqConfig")
_ID_NAMES = ("pretrained_model_name_or_path", "model_name", "model_name_or_path", "model_id")


def keywords(call: Obj) -> dict[str, Value[Any]]:
    """Return the keywords of a call, attributes set on its result included."""
    found = {name: value(item) for name, item in call.kwargs.items()}
    for name, item in call.cells.items():
        if isinstance(item, Abstract) and not str(name).startswith("_"):
            found[str(name)] = value(item)
    return found


def id_of(call: Obj) -> Abstract | None:
    """Return the model id that a `from_pretrained` call is given."""
    for name in _ID_NAMES:
        if name in call.kwargs:
            return call.kwargs[name]
    return call.args[0] if call.args else None


def model_of(run: Run, training: Training, found: Abstract | None, depth: int = 0) -> None:
    """Fill a Training from the value that its trainer gets as model."""
    if found is None or depth > 12:
        return
    if isinstance(found, Const):
        if isinstance(found.value, str):
            training.model = text(found)
            training.model_as_string = True
        return
    if isinstance(found, Func):
        model_of(run, training, run.inline(found, [], {}, "", None), depth + 1)
        return
    if isinstance(found, Unk):
        _unknown_model(run, training, found, depth)
        return
    if isinstance(found, Obj):
        _from_call(run, training, found, depth)
        return
    training.model = unknown(reason_of(found), place_of(found))


def _unknown_model(run: Run, training: Training, found: Unk, depth: int) -> None:
    calls = [choice for choice in found.choices if isinstance(choice, Obj)]
    if calls:
        # One of several ways to load it: what they agree on is known.
        first = calls[0]
        model_of(run, training, first, depth + 1)
        training.notes.append(f"the model is loaded in one of several ways: {found.reason}")
        for other in calls[1:]:
            _join_ways(run, training, other, found.reason)
        return
    training.model = text(found)
    given = found.reason.startswith(("it is the argument", "it is the option", "it is the flag"))
    training.model_as_string = bool(found.template or given) or (
        isinstance(found.default, Const) and isinstance(found.default.value, str)
    )


def _join_ways(run: Run, training: Training, other: Obj, reason: str) -> None:
    from ftdoctor.job.model import Training as Second

    second = Second()
    model_of(run, second, other, 6)
    one_id, two_id = training.model, second.model
    if one_id is not None and two_id is not None and one_id.value != two_id.value:
        training.model = unknown(reason, one_id.place, one_id.raw)
    for name in {*training.model_kwargs, *second.model_kwargs}:
        one, two = training.model_kwargs.get(name), second.model_kwargs.get(name)
        if one is None or two is None or one.value != two.value:
            place = (one or two).place if (one or two) else None  # type: ignore[union-attr]
            training.model_kwargs[name] = unknown(reason, place)
    if (training.quantization is None) != (second.quantization is None):
        both = training.quantization or second.quantization or {}
        training.quantization = {
            key: unknown(reason, item.place, item.raw, item.value) for key, item in both.items()
        }
    if (training.lora is None) != (second.lora is None):
        both = training.lora or second.lora or {}
        training.lora = {
            key: unknown(reason, item.place, item.raw, item.value) for key, item in both.items()
        }


def _from_call(run: Run, training: Training, call: Obj, depth: int) -> None:
    name = call.name
    if call.derived:
        receiver = call.receiver
        if isinstance(receiver, Obj) and receiver.name in _WRAPPERS and receiver.args:
            index = name.rpartition("[")[2].rstrip("]")
            position = int(index) if index.isdigit() and int(index) < len(receiver.args) else 0
            model_of(run, training, receiver.args[position], depth + 1)
        else:
            model_of(run, training, receiver, depth + 1)
        return
    if name == "from_pretrained" or name == "from_config":
        _from_pretrained(run, training, call, depth)
        return
    if name == "get_peft_model":
        _adapted(run, training, call, depth)
        return
    if name in ("prepare_model_for_kbit_training", "prepare_model_for_int8_training"):
        training.kbit_prepared = place_of(call)
        model_of(run, training, call.arg("model", 0), depth + 1)
        return
    if name in _SAME and isinstance(call.receiver, Obj):
        model_of(run, training, call.receiver, depth + 1)
        return
    if name in _WRAPPERS and call.args:
        model_of(run, training, call.args[0], depth + 1)
        return
    if name == "add_adapter" and isinstance(call.receiver, Obj):
        model_of(run, training, call.receiver, depth + 1)
        return
    training.model = unknown(
        "the model is defined in the code" if call.cls is not None else reason_of(call),
        place_of(call),
    )


def _from_pretrained(run: Run, training: Training, call: Obj, depth: int) -> None:
    owner = call.callee.rsplit(".", 2)[-2] if call.callee.count(".") else ""
    if owner == "PeftModel" or owner.startswith("PeftModelFor"):
        adapter = call.arg("model_id", 1)
        model_of(run, training, call.arg("model", 0), depth + 1)
        if adapter is not None:
            training.loads.append(text(adapter))
        training.lora = training.lora or {}
        trainable = call.kwargs.get("is_trainable")
        if trainable is None:
            training.notes.append("an adapter is loaded with PeftModel.from_pretrained")
        return
    identifier = id_of(call)
    training.model = text(identifier) if identifier is not None else None
    for key, item in call.kwargs.items():
        if key not in _ID_NAMES:
            training.model_kwargs[key] = value(item)
    if "revision" in training.model_kwargs:
        training.model_revision = text(call.kwargs["revision"])
    if call.open:
        training.notes.append(f"from_pretrained gets more keywords: {call.open}")
    quantized(training, call.kwargs, owner)


def quantized(training: Training, kwargs: dict[str, Abstract], owner: str = "") -> None:
    """Fill `quantization` from the keywords of from_pretrained or from model_init_kwargs."""
    config = kwargs.get("quantization_config")
    direct = {
        key: value(item)
        for key, item in kwargs.items()
        if key in ("load_in_4bit", "load_in_8bit") or key.startswith("bnb_")
    }
    if config is not None:
        read = quantization_config(config)
        if read is not None:
            training.quantization = read
        return
    loads = [v for k, v in direct.items() if k.startswith("load_in")]
    if any(v.unknown or v.value for v in loads):
        training.quantization = direct
    elif owner in ("FastLanguageModel", "FastModel", "FastVisionModel") and not loads:
        full = kwargs.get("full_finetuning")
        if not (isinstance(full, Const) and full.value):
            # unsloth's own default: load_in_4bit = True (unsloth/models/loader.py).
            training.quantization = {"load_in_4bit": known(True, None, "unsloth's default")}


def quantization_config(config: Abstract) -> dict[str, Value[Any]] | None:
    """Return the keywords of a quantisation config; None when there is none."""
    if isinstance(config, Const):
        return None
    if isinstance(config, Map):
        return {str(key): value(item) for key, (item, _) in config.data.items()}
    if isinstance(config, Obj):
        if config.name == "get_quantization_config":
            fields = config.args[0] if config.args else None
            return _from_model_config(fields)
        found = keywords(config)
        if config.name not in _QUANT_CONFIGS[:1]:
            return {"config_class": known(config.name, place_of(config)), **found}
        loads = [v for k, v in found.items() if k.startswith("load_in")]
        if loads and all(not v.unknown and not v.value for v in loads) and not config.open:
            return None
        if not loads and not config.open:
            return None
        return found
    if isinstance(config, Unk):
        for choice in config.choices:
            if isinstance(choice, Obj):
                inner = quantization_config(choice) or {}
                return {
                    key: unknown(config.reason, item.place, item.raw, item.value)
                    for key, item in inner.items()
                }
        return {"quantization_config": unknown(config.reason, place_of(config))}
    return {"quantization_config": unknown(reason_of(config), place_of(config))}


def _from_model_config(fields: Abstract | None) -> dict[str, Value[Any]] | None:
    from ftdoctor.job.model import Training as Holder
    from ftdoctor.job.trl_args import apply_model_fields

    if isinstance(fields, Obj):
        holder = Holder()
        apply_model_fields(holder, fields.kwargs)
        if holder.quantization is None and fields.open:
            return {"load_in_4bit": unknown(fields.open, place_of(fields))}
        return holder.quantization
    return {"load_in_4bit": unknown("it comes from the command line", place_of(fields))}


def _adapted(run: Run, training: Training, call: Obj, depth: int) -> None:
    model_of(run, training, call.arg("model", 0), depth + 1)
    config = call.arg("peft_config", 1)
    if config is not None:
        adapter_of(training, config)
    elif call.kwargs:
        # unsloth: FastLanguageModel.get_peft_model(model, r=16, ...)
        training.lora = {k: value(v) for k, v in call.kwargs.items() if k != "model"}
    else:
        training.lora = {}


def adapter_of(training: Training, config: Abstract | None) -> None:
    """Fill `lora` from a peft_config."""
    if config is None or isinstance(config, Const):
        return
    if isinstance(config, Obj):
        if config.name == "get_peft_config":
            _adapter_from_model_config(training, config.args[0] if config.args else None)
            return
        found = keywords(config)
        if config.name not in ("LoraConfig", "PeftConfig"):
            found = {"config_class": known(config.name, place_of(config)), **found}
        training.lora = found
        if config.open:
            training.notes.append(f"{config.name} gets more keywords: {config.open}")
        return
    if isinstance(config, Unk):
        for choice in config.choices:
            if isinstance(choice, Obj):
                training.lora = {
                    key: unknown(config.reason, item.place, item.raw, item.value)
                    for key, item in keywords(choice).items()
                }
                break
        else:
            training.lora = {"r": unknown(config.reason, place_of(config))}
        training.notes.append(f"whether an adapter is trained: {config.reason}")
        return
    if isinstance(config, Map):
        training.lora = {str(key): value(item) for key, (item, _) in config.data.items()}


def _adapter_from_model_config(training: Training, fields: Abstract | None) -> None:
    from ftdoctor.job.trl_args import apply_model_fields

    if isinstance(fields, Obj):
        from ftdoctor.job.model import Training as Holder

        holder = Holder()
        apply_model_fields(holder, fields.kwargs)
        training.lora = holder.lora
        if not fields.open:
            training.lora_ignored = holder.lora_ignored
        if holder.lora is None and fields.open:
            training.lora = {"r": unknown(fields.open, place_of(fields))}
            training.notes.append(f"whether an adapter is trained: {fields.open}")
