"""From a job to `TrainingSettings` and a card, or the reason why that cannot be told."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ftdoctor.job.hardware import hardware
from ftdoctor.job.value import Value, get
from ftdoctor.memory import gpus, loss_path, resolve, shapes
from ftdoctor.memory.from_config import shape_from_cache
from ftdoctor.memory.settings import GIB
from ftdoctor.records import dataclass, replace

if TYPE_CHECKING:
    from ftdoctor.job.model import Job, Training
    from ftdoctor.job.source import Place
    from ftdoctor.memory.gpus import Gpu
    from ftdoctor.memory.settings import TrainingSettings

#: Trainers whose step this model describes. A plain Trainer's lengths stand in its data.
METHODS = ("sft", "dpo", "grpo")
#: Libraries that replace kernels, losses and checkpointing by their own.
OTHER_LIBRARIES = ("unsloth", "axolotl", "llamafactory", "megatron", "torchtune", "nemo")
_SHARDING = re.compile(r"deepspeed|fsdp|zero_stage|accelerate/default_config", re.I)
#: A longer max_length is not written by habit: the data will reach it.
ORDINARY = 2048
PACKAGES = ("trl", "transformers", "peft", "bitsandbytes", "torch")


class Untold(Exception):
    """The job does not say what the prediction needs; the text completes "because"."""

    def __init__(self, reason: str, needs: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.needs = needs


@dataclass(frozen=True, slots=True)
class JobMemory:
    """What a job's step is, on what it runs, and how sure its length is."""

    settings: TrainingSettings
    card: Gpu
    notes: tuple[str, ...]
    #: Where the number stands that decides most: the length, else the model.
    place: Place | None
    #: Batches will reach the length: sequences are packed to it, or it was set beyond the ordinary.
    length_is_reached: bool
    model: str
    #: What was left to defaults and decides much: "dtype", "batch", "length".
    defaulted: frozenset[str] = frozenset()


def read(job: Job) -> JobMemory | None:
    """Return the memory question of a job; None when it trains nothing that is described here.

    Raises:
        Untold: the job trains such a thing, and something needed is not known.
    """
    training = job.training
    if training is None or training.method not in METHODS or training.model is None:
        return None
    machine = hardware(job)
    if machine.cpu_only or not (machine.gpu or machine.memory_gib):
        return None
    for name in OTHER_LIBRARIES:
        if _imports(job, name):
            raise Untold(f"{name} replaces kernels and losses that this model describes")
    if job.machine is not None and job.machine.gpu is not None and machine.memory_gib:
        card = _named(job.machine.gpu.name, machine.memory_gib)
    else:
        card = _card(machine.gpu, machine.memory_gib)
    if card is None:
        raise Untold(f"the memory of {machine.name or 'this machine'} is not known")
    try:
        return _Reader(job, training).read(card, machine.count or 1)
    except (TypeError, ValueError) as error:  # a batch size of "1-", a rank that is a text
        raise Untold(f"a setting of the job cannot be used: {error}") from None


def _imports(job: Job, name: str) -> bool:
    pattern = re.compile(rf"^\s*(?:import|from)\s+{name}\b", re.MULTILINE)
    return any(
        pattern.search(script.source.text) for script in job.scripts if script.role != "submit"
    )


def _card(key: str, memory_gib: float | None) -> Gpu | None:
    card = gpus.by_table_key(key) if key else None
    if card is not None:
        return card
    return gpus.find(f"{memory_gib}GiB") if memory_gib else None


def _named(name: str, memory_gib: float) -> Gpu | None:
    """Return the card of this machine: by its name where the table has it in that size."""
    card = gpus.find(name)
    if card is not None and abs(card.visible / GIB - memory_gib) < 0.06 * memory_gib:
        return card
    card = gpus.find(f"{memory_gib}GiB")
    return card and replace(card, name=f"{name}, {memory_gib:.1f} GiB")


def told(value: Value[Any] | None, what: str) -> Any:
    """Return a value that is written and known, None when it is not written.

    Raises:
        Untold: it is written but cannot be known here.
    """
    if value is None:
        return None
    if value.known:
        return value.value
    fallback = getattr(value, "default", None)
    if fallback is not None:
        return fallback.value if isinstance(fallback, Value) else fallback
    raise Untold(f"{what} cannot be read: {value.unknown}")


class _Reader:
    def __init__(self, job: Job, training: Training) -> None:
        self.job = job
        self.t = training
        self.versions = {
            name: version for name in PACKAGES if (version := job.version(name)) is not None
        }
        here = job.machine.installed if job.machine else None
        if here is not None and job.environment is not None and job.environment.kind == "local":
            found = {name: here.packages[name] for name in PACKAGES if name in here.packages}
            self.versions = found | self.versions

    def argument(self, *names: str) -> Any:
        for name in names:
            value = self.t.arguments.get(name)
            if value is not None:
                return told(value, name)
        return None

    def read(self, card: Gpu, count: int) -> JobMemory:
        model = told(self.t.model, "the model")
        shape = shapes.find(str(model)) or _cached(str(model))
        if shape is None:
            raise Untold(f"the shape of {model!r} is not known", "--online, or its config.json")
        if shapes.quantised_copy(str(model)) == "other" or shape.model_type == "gpt_oss":
            raise Untold(f"{model} stores its weights quantised in a way that is not described")
        if self.t.open:
            raise Untold(f"its arguments are not all known: {self.t.open}")
        if "trl" not in self.versions:
            raise Untold("the trl version that will run is not known", "--with trl==VERSION")
        values, reached = self.values(count)
        settings, notes = resolve.settings_from(shape, values)
        place = next(
            (
                v.place
                for name in ("max_length", "max_seq_length", "per_device_train_batch_size")
                if (v := self.t.arguments.get(name)) is not None and v.place
            ),
            self.t.model.place if self.t.model else None,
        )
        defaulted = set()
        if values["dtype"] is None:
            defaulted.add("dtype")
        if "per_device_train_batch_size" not in self.t.arguments:
            defaulted.add("batch")
        if not reached and not {"max_length", "max_seq_length"} & set(self.t.arguments):
            defaulted.add("length")
        return JobMemory(settings, card, notes, place, reached, str(model), frozenset(defaulted))

    def values(self, count: int) -> tuple[dict[str, Any], bool]:
        trl = loss_path.trl_defaults(self.versions["trl"])
        length, reached = self._length(trl)
        loss = self._loss(trl)
        quantised, eight = self._quantised()
        method = "qlora" if quantised else ("lora" if self.t.lora is not None else "full")
        if quantised and self.t.lora is None:
            raise Untold("the model is quantised and no adapter is seen")
        values: dict[str, Any] = {
            "method": method,
            "seq_len": length,
            "batch_size": self.argument("per_device_train_batch_size") or loss_path.DEFAULT_BATCH,
            "accumulation": self.argument("gradient_accumulation_steps"),
            "gradient_checkpointing": self.argument("gradient_checkpointing"),
            "optimizer": self.argument("optim"),
            "packing": self._packing(),
            "padding_free": self.argument("padding_free"),
            "trainer": self.t.method,
            "loss": loss,
            "autocast": self._autocast(),
            "dtype": self._dtype(),
            "string_model": self.t.model_as_string,
            "attention": self._model_keyword("attn_implementation"),
            "kbit_prepare": self.t.kbit_prepared is not None,
            "load_in_8bit": eight,
            "versions": self.versions,
            **self._adapter(),
            **self._parallel(count),
        }
        if quantised:
            double = (self.t.quantization or {}).get("bnb_4bit_use_double_quant")
            stored = self.t.quantization is None
            values["double_quant"] = stored or bool(told(double, "bnb_4bit_use_double_quant"))
        return values, reached

    def _length(self, trl: loss_path.TrlDefaults) -> tuple[int, bool]:
        names = ("max_length", "max_seq_length")
        if self.t.method == "grpo":
            prompt = self.argument("max_prompt_length")
            completion = self.argument("max_completion_length")
            return int(prompt or 512) + int(completion or 256), bool(completion)
        written = any(n in self.t.arguments for n in names)
        length = self.argument(*names)
        if length is None:
            if written or trl.max_length is None:
                raise Untold("max_length is not set: the data decides the length")
            return trl.max_length, False
        return int(length), bool(self._packing()) or int(length) > ORDINARY

    def _packing(self) -> bool | None:
        value = self.t.packing if self.t.packing is not None else self.t.arguments.get("packing")
        return bool(told(value, "packing")) if value is not None else None

    def _loss(self, trl: loss_path.TrlDefaults) -> str | None:
        """The implementation, where an argument departs from the version's default."""
        if self.t.method != "sft":
            return "nll"
        given = self.argument("loss_type")
        smoothing = self.argument("label_smoothing_factor")
        if smoothing or "compute_loss_func" in self.t.trainer_kwargs:
            return "nll"
        if self.argument("use_liger_kernel"):
            return "fused"
        if given == "nll" and trl.nll_is_full:
            return "nll"
        return "chunked" if given == "chunked_nll" and trl.nll_is_full else None

    def _quantised(self) -> tuple[bool, bool]:
        q = self.t.quantization
        if q is None:
            stored = shapes.quantised_copy(str(told(self.t.model, "the model")))
            return stored == "4bit", False
        four = told(q.get("load_in_4bit"), "load_in_4bit")
        eight = told(q.get("load_in_8bit"), "load_in_8bit")
        return bool(four or eight), bool(eight and not four)

    def _autocast(self) -> Any:
        bf16, fp16 = self.argument("bf16"), self.argument("fp16")
        if fp16:
            return "float16"
        return bool(bf16) if bf16 is not None else None

    def _dtype(self) -> Any:
        names = ["dtype", "torch_dtype"]
        if self.t.model_as_string and loss_path.numbers(self.versions["trl"]) >= (0, 27):
            # From 0.27.0 on trl reads `dtype` alone for a model given as a string.
            names = ["dtype"]
        return next((v for n in names if (v := self._model_keyword(n)) is not None), None)

    def _model_keyword(self, name: str) -> Any:
        value = told(self.t.model_kwargs.get(name), name)
        return None if value is None else str(value)

    def _adapter(self) -> dict[str, Any]:
        lora = self.t.lora
        if lora is None:
            return {}
        if "config_class" in lora:
            raise Untold(f"the adapter is made by {get(lora['config_class'])}, not by LoraConfig")
        targets = told(lora.get("target_modules"), "target_modules")
        if isinstance(targets, str) and targets != "all-linear":
            raise Untold("target_modules is a pattern")
        return {
            "lora_rank": told(lora.get("r"), "r"),
            "lora_targets": targets,
            "lora_dropout": bool(told(lora.get("lora_dropout"), "lora_dropout")),
            "dora": told(lora.get("use_dora"), "use_dora"),
            "modules_to_save": told(lora.get("modules_to_save"), "modules_to_save"),
        }

    def _parallel(self, count: int) -> dict[str, Any]:
        if count > 1 and (self.argument("deepspeed") or self.argument("fsdp") or self.t.launch):
            raise Untold("how the model is sharded over several GPUs is not read")
        if count > 1 and self.t.lora is None and self._names_sharding():
            raise Untold("the job speaks of FSDP or DeepSpeed, whose settings are not read")
        device_map = get(self.t.model_kwargs.get("device_map"))
        if count > 1 and device_map == "auto":
            raise Untold('device_map="auto" spreads the model over several GPUs')
        return {"gpus": count, "sharding": "ddp" if count > 1 else "none"}

    def _names_sharding(self) -> bool:
        """Whether anything of the job, or the file around it, names a way to shard.

        An accelerate config may be written by a step, a cell or an `echo` into its default path.
        """
        texts = [source.whole or source.text for source in (self.job.source, *self.job.sources)]
        return any(_SHARDING.search(text) for text in texts)


def _cached(model: str) -> shapes.Shape | None:
    from ftdoctor.errors import UsageError

    try:
        return shape_from_cache(model)
    except UsageError:
        return None
