"""Training scripts: what the code asks of the trainer, the model and the data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftdoctor.job import py_model
from ftdoctor.job.data_files import sample_files
from ftdoctor.job.model import Training
from ftdoctor.job.py_abstract import Abstract, Const, Map, Obj, Unk
from ftdoctor.job.py_datasets import fed_by, streamed, uses
from ftdoctor.job.py_handed import formatting_returns, reward_functions
from ftdoctor.job.py_ops import reason_of
from ftdoctor.job.py_traces import collect
from ftdoctor.job.py_values import flag, follow, parse_most, place_of, text, value
from ftdoctor.job.value import Value, known, unknown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftdoctor.job.model import Script
    from ftdoctor.job.py_run import Run
    from ftdoctor.job.readenv import ReadEnv

#: Trainer class to method.
TRAINERS = {
    "SFTTrainer": "sft",
    "UnslothTrainer": "sft",
    "DPOTrainer": "dpo",
    "GRPOTrainer": "grpo",
    "RewardTrainer": "reward",
    "KTOTrainer": "kto",
    "RLOOTrainer": "rloo",
    "ORPOTrainer": "orpo",
    "CPOTrainer": "cpo",
    "PPOTrainer": "ppo",
    "OnlineDPOTrainer": "online-dpo",
    "GKDTrainer": "gkd",
    "PRMTrainer": "prm",
    "BCOTrainer": "bco",
    "Trainer": "trainer",
    "Seq2SeqTrainer": "trainer",
}
#: Where those classes come from; a class of the same name from elsewhere is another thing.
_HOMES = ("trl", "transformers", "unsloth", "optimum", "setfit", "alignment", "adapters")
#: Position of `args` in the trainer's signature.
_ARGS_AT = {
    "sft": 1,
    "trainer": 1,
    "reward": 1,
    "dpo": 2,
    "kto": 2,
    "grpo": 2,
    "rloo": 2,
    "orpo": 1,
}
#: Keywords of older SFTTrainers that are fields of SFTConfig today (trl <= 0.12).
_MOVED = frozenset(
    "max_seq_length packing dataset_text_field dataset_num_proc neftune_noise_alpha eval_packing "
    "dataset_batch_size num_of_sequences chars_per_token dataset_kwargs".split()
)
#: Note on a Training that is none.
ONLY_USES = "no training was found in this code; it uses a model"
_CONFIG_KEYS = ("model", "args", "peft_config", "train_dataset", "eval_dataset")


def read_training(
    script: Script,
    env: ReadEnv | None = None,
    environment: Mapping[str, Value[str]] | None = None,
) -> list[Training]:
    """Return the trainings of a script, first the one that runs first.

    `environment` holds the variables that the job sets. Also fills `script.env_read`, `env_set`,
    `imports` and `calls`. Raises nothing: an unreadable script gives no training.
    """
    tree = script.tree
    if tree is None:
        tree, problem = parse_most(script.source.text)
        script.broken = script.broken or problem
        if tree is None:
            return []
    argv = script.args if script.launched or script.args else None
    run = follow(script.source, tree, env, argv, environment, "the job")
    found = trainings_of(run, script)
    if env is not None:
        sample_files(found, env, script.source.path)
    return found


def trainings_of(run: Run, script: Script, written_as: str = "script") -> list[Training]:
    """Return the trainings among the calls that were met, and note what the script does."""
    note_facts(run, script)
    trainers = [call for call in run.calls if trainer_method(call)]
    certain = [call for call in trainers if not call.fallback] or trainers
    found = _different([_training(run, call) for call in certain[:24]])[:8]
    if not found:
        from ftdoctor.job.py_commands import started_trainings

        started = started_trainings(run)
        if started:
            return started
        other = _other(run)
        found = [other] if other is not None else []
    for training in found:
        training.written_as = written_as
        collect(run, training)
    return found


def _different(found: list[Training]) -> list[Training]:
    """Drop trainings that say the same at the same place: one trainer met several times."""
    seen: set[str] = set()
    kept: list[Training] = []
    for training in found:
        values = {name: item.value for name, item in training.arguments.items()}
        model = training.model.value if training.model is not None else None
        place = training.trainer.place if training.trainer is not None else None
        key = f"{place} {model} {values}"
        if key not in seen:
            seen.add(key)
            kept.append(training)
    return kept


def trainer_method(call: Obj) -> str:
    """Return the method of a call that makes a trainer, "" for any other call."""
    if not call.name.endswith("Trainer") or call.derived or "()" in call.callee:
        return ""
    root = call.callee.split(".")[0]
    method = TRAINERS.get(call.name, "")
    if not method:
        # A trainer of TRL that has no command of its own (trl.experimental).
        return call.name.removesuffix("Trainer").lower() if root == "trl" else ""
    return method if root in _HOMES or root == call.name or not call.imported else ""


def note_facts(run: Run, script: Script) -> None:
    """Note on a script what it reads, sets, imports and calls."""
    script.env_read.update(run.env_read)
    for name, item in run.env_set.items():
        if isinstance(item, Abstract):
            script.env_set[str(name)] = text(item)
    script.imports.update(run.imports)
    script.dead = list(run.dead)
    script.parsers = list(run.parsed)
    for call in run.calls:
        place = place_of(call)
        if place is not None:
            places = script.calls.setdefault(call.callee, [])
            if place not in places:
                places.append(place)


def _training(run: Run, call: Obj) -> Training:
    method = trainer_method(call)
    training = Training(method=method, trainer=known(call.callee, place_of(call), call.name))
    if call.condition:
        training.notes.append(f"only under a condition: {call.condition}")
    if call.open:
        training.open = call.open
    config = call.arg("args", _ARGS_AT.get(method, 1))
    _config(training, config)
    py_model.model_of(run, training, call.arg("model", 0) or call.arg("model_init"))
    for key, item in call.kwargs.items():
        if key in _MOVED:
            training.arguments.setdefault(key, value(item))
        if key not in _CONFIG_KEYS:
            training.trainer_kwargs[key] = value(item)
        elif key in ("train_dataset", "eval_dataset"):
            training.trainer_kwargs[key] = _dataset_word(item)
    training.formatting_returns = formatting_returns(call.kwargs.get("formatting_func"))
    training.reward_functions = list(reward_functions(call.kwargs.get("reward_funcs")))
    training.fed_by = fed_by(call.kwargs.get("train_dataset"))
    training.streamed = streamed(call.kwargs.get("train_dataset"))
    training.split_uses = list(uses(run, call))
    py_model.adapter_of(training, call.arg("peft_config"))
    quantization = call.arg("quantization_config")
    if quantization is not None:
        training.quantization = py_model.quantization_config(quantization) or training.quantization
    loading = call.kwargs.get("model_init_kwargs")
    if loading is None and isinstance(config, Obj):
        loading = config.kwargs.get("model_init_kwargs") or config.cells.get("model_init_kwargs")
    _loading(training, loading)
    tokenizer = call.arg("processing_class") or call.arg("tokenizer")
    if isinstance(tokenizer, Obj):
        training.tokenizer = _tokenizer_of(tokenizer)
    if "packing" in training.arguments:
        training.packing = flag(_field(config, "packing") or call.kwargs.get("packing"))
    return training


def _field(config: Abstract | None, name: str) -> Abstract | None:
    if isinstance(config, Obj):
        found = config.cells.get(name) or config.kwargs.get(name)
        return found if isinstance(found, Abstract) else None
    return None


def _dataset_word(item: Abstract) -> Value[Any]:
    """Return None-or-something for a data set argument: what it is cannot be said in a word."""
    if isinstance(item, Const):
        return value(item)
    return unknown(reason_of(item), place_of(item), item.at.raw if item.at else "")


def _config(training: Training, config: Abstract | None) -> None:
    if isinstance(config, Unk):
        calls = [choice for choice in config.choices if isinstance(choice, Obj)]
        if calls:
            _config(training, calls[0])
        training.open = training.open or config.reason
        return
    if not isinstance(config, Obj):
        return
    if config.derived or (config.cls is None and not config.name[:1].isupper()):
        training.open = training.open or reason_of(config)
        return
    training.config_class = known(config.callee, place_of(config), config.name)
    if config.args:
        training.arguments["output_dir"] = value(config.args[0])
    training.arguments.update(py_model.keywords(config))
    if config.open:
        training.open = training.open or config.open


def _loading(training: Training, loading: Abstract | None) -> None:
    """Apply model_init_kwargs: the trainer loads the model with them when it gets a string."""
    if isinstance(loading, Obj):
        loading = Map({k: (v, loading.kw_at.get(k)) for k, v in loading.kwargs.items()})
    if isinstance(loading, Unk):
        training.notes.append(f"model_init_kwargs: {loading.reason}")
    if not isinstance(loading, Map) or not training.model_as_string:
        return
    kwargs = {str(key): item for key, (item, _) in loading.data.items()}
    for key, item in kwargs.items():
        training.model_kwargs.setdefault(key, value(item))
    if "revision" in kwargs:
        training.model_revision = text(kwargs["revision"])
    if training.quantization is None:
        py_model.quantized(training, kwargs)


def _tokenizer_of(found: Obj) -> Value[str] | None:
    call: Abstract | None = found
    for _ in range(6):
        if not isinstance(call, Obj):
            return None
        if call.name == "from_pretrained":
            identifier = py_model.id_of(call)
            return text(identifier) if identifier is not None else None
        call = call.receiver if call.derived else (call.args[0] if call.args else call.receiver)
    return None


# Code without a trainer that we know


_FITS = ("fit", "backward", "train_on_batch", "train")
_TRAINER_LIKE = ("lightning", "pytorch_lightning", "keras", "tensorflow", "sentence_transformers")


def _other(run: Run) -> Training | None:
    """Return a training of another kind (own loop, keras, lightning), or a use of a model."""
    models = [c for c in run.calls if _loads_model(c)]
    fits = [c for c in run.calls if c.name in _FITS and ("()" in c.callee or c.callee[0] == "?")]
    hands_over = [c for c in run.calls if c.name == "get_peft_model"]
    if not models and not (fits and any(name in run.imports for name in (*_TRAINER_LIKE, "torch"))):
        return None
    training = Training(method="other")
    start = hands_over[0] if hands_over else (models[0] if models else None)
    if start is not None:
        py_model.model_of(run, training, start)
    own = run.calls[: run.own_calls]
    if not any(call is fit for fit in fits for call in own):
        # No training, or one in a function that this file itself does not call.
        training.notes.append(ONLY_USES)
    return training


def trains(training: Training) -> bool:
    """Whether a Training trains; code that only uses a model is told as one too."""
    return ONLY_USES not in training.notes


def _loads_model(call: Obj) -> bool:
    if call.name != "from_pretrained" or call.fallback:
        return False
    parts = call.callee.split(".")
    owner = parts[-2] if len(parts) > 1 else ""
    return "Model" in owner or owner.endswith(("ForCausalLM", "ForConditionalGeneration"))
