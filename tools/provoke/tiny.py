"""Models, tokenizers and data small enough to fail with in a second, on a CPU."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., object])
TEXTS = ["what is the capital of france ?", "paris is the capital .", "how many legs has a cat ?"]
TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>"
    "{{ message['content'] }}<|eos|>{% endfor %}"
)


def case(code: str, *, quiet: bool = False) -> Callable[[F], F]:
    """Mark a function as one that provokes a rule's failure; `quiet`: without an exception."""

    def mark(function: F) -> F:
        function.provokes = code  # type: ignore[attr-defined]
        function.quiet = quiet  # type: ignore[attr-defined]
        return function

    return mark


def tokenizer(*, pad: bool = True, template: str = TEMPLATE) -> Any:
    """A word-level tokenizer of about 60 words."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = sorted({word for text in TEXTS for word in text.split()})
    vocabulary = {
        word: number for number, word in enumerate(["<|unk|>", "<|eos|>", "<|pad|>", *words])
    }
    inner = Tokenizer(models.WordLevel(vocabulary, unk_token="<|unk|>"))
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    made = PreTrainedTokenizerFast(tokenizer_object=inner, unk_token="<|unk|>", eos_token="<|eos|>")
    if pad:
        made.pad_token = "<|pad|>"
    if template:
        made.chat_template = template
    return made


def config(**changes: Any) -> Any:
    """A Llama of two layers, 64 wide."""
    from transformers import LlamaConfig

    values = {
        "vocab_size": 64,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 128,
    }
    return LlamaConfig(**{**values, **changes})


def model(**changes: Any) -> Any:
    """The Llama, with random weights."""
    from transformers import LlamaForCausalLM

    return LlamaForCausalLM(config(**changes))


def saved(name: str = "models/tiny", **changes: Any) -> str:
    """Save model and tokenizer below the working folder; return the path."""
    model(**changes).save_pretrained(name)
    tokenizer().save_pretrained(name)
    return name


def texts(count: int = 8, column: str = "text") -> Any:
    """A data set of texts."""
    from datasets import Dataset

    return Dataset.from_list([{column: TEXTS[n % len(TEXTS)]} for n in range(count)])


def tokenized(count: int = 8, *, labels: bool = True, longer: int = 1) -> Any:
    """A data set of token ids of different lengths."""
    from datasets import Dataset

    coder = tokenizer()
    rows = []
    for n in range(count):
        ids = coder(TEXTS[n % len(TEXTS)])["input_ids"] * (1 + n % longer)
        row: dict[str, Any] = {"input_ids": ids, "attention_mask": [1] * len(ids)}
        if labels:
            row["labels"] = list(ids)
        rows.append(row)
    return Dataset.from_list(rows)


def arguments(kind: str = "TrainingArguments", **changes: Any) -> Any:
    """Training arguments (or a config of trl) for two steps on the CPU."""
    import transformers

    values: dict[str, Any] = {
        "output_dir": "out",
        "max_steps": 2,
        "per_device_train_batch_size": 2,
        "report_to": "none",
        "logging_steps": 1,
    }
    if kind == "TrainingArguments":
        made = transformers.TrainingArguments
    else:
        import trl

        made = getattr(trl, kind)
    import dataclasses

    known = {field.name for field in dataclasses.fields(made)}
    values["use_cpu" if "use_cpu" in known else "no_cuda"] = True
    if "bf16" in known:
        values["bf16"] = False
    return made(**{**values, **changes})


def trainer(**changes: Any) -> Any:
    """A Trainer over the tiny model and tokenized texts."""
    from transformers import DataCollatorForLanguageModeling, Trainer

    values: dict[str, Any] = {"model": None, "args": None, "train_dataset": None}
    values.update(changes)
    values["model"] = values["model"] or model()
    values["args"] = values["args"] or arguments()
    if values["train_dataset"] is None:
        values["train_dataset"] = tokenized(labels=False)
    values.setdefault("data_collator", DataCollatorForLanguageModeling(tokenizer(), mlm=False))
    return Trainer(**values)


def lora(**changes: Any) -> Any:
    """A LoraConfig on the projections of attention."""
    from peft import LoraConfig

    values: dict[str, Any] = {
        "r": 4,
        "target_modules": ["q_proj", "v_proj"],
        "task_type": "CAUSAL_LM",
    }
    return LoraConfig(**{**values, **changes})


def sft(*, data: Any = None, config: Any = None, coder: Any = None, **changes: Any) -> Any:
    """An SFTTrainer, with the tokenizer under the name that this trl takes."""
    import inspect

    from trl import SFTTrainer

    data = texts() if data is None else data
    coder = coder or tokenizer()
    names = inspect.signature(SFTTrainer.__init__).parameters
    values: dict[str, Any] = {"model": model(), "train_dataset": data}
    values["processing_class" if "processing_class" in names else "tokenizer"] = coder
    if config is None:
        config = arguments("SFTConfig") if "SFTConfig" in dir(__import__("trl")) else arguments()
    values["args"] = config
    return SFTTrainer(**{**values, **changes})


def write_lines(path: str, rows: list[object]) -> str:
    """Write rows as JSON lines (a text is written as it is)."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    Path(path).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
