"""Data that a training cannot read, and batches that a model cannot take."""

from __future__ import annotations

from tiny import (
    TEXTS,
    arguments,
    case,
    config,
    model,
    sft,
    texts,
    tokenized,
    tokenizer,
    trainer,
)

TALK = [
    {"role": "user", "content": "how many legs"},
    {"role": "assistant", "content": "paris"},
]
ALTERNATE = (
    "{% for m in messages %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}"
    "{% endif %}{{ m['content'] }}{% endfor %}"
)
NO_SYSTEM = (
    "{% if messages[0]['role'] == 'system' %}"
    "{{ raise_exception('System role not supported') }}{% endif %}"
    "{% for m in messages %}{{ m['content'] }}{% endfor %}"
)


def _talks(*turns: dict[str, str], count: int = 4) -> object:
    from datasets import Dataset

    return Dataset.from_list([{"messages": list(turns or TALK)}] * count)


@case("FT-DATA-001")
def untokenized_columns() -> None:
    trainer(train_dataset=texts(column="question")).train()


@case("FT-DATA-029")
def filtered_to_nothing() -> None:
    trainer(train_dataset=tokenized(labels=False).filter(lambda row: False)).train()


@case("FT-DATA-204")
def filtered_to_nothing_sft() -> None:
    sft(data=texts().filter(lambda row: False)).train()


@case("FT-DATA-002", quiet=True)
def labels_all_masked() -> None:
    from transformers import default_data_collator

    rows = tokenized().map(lambda row: {"labels": [-100] * len(row["labels"])})
    trainer(
        train_dataset=rows.select([0, 3, 6]),
        data_collator=default_data_collator,
        args=arguments(max_steps=4),
    ).train()


@case("FT-DATA-003")
def assistant_loss_without_markers() -> None:
    sft(data=_talks(), config=arguments("SFTConfig", assistant_only_loss=True)).train()


@case("FT-DATA-004")
def mask_of_another_length() -> None:
    import torch

    ids = torch.ones((2, 12), dtype=torch.long)
    model()(input_ids=ids, attention_mask=torch.ones((2, 1, 12, 9)), labels=ids)


@case("FT-DATA-005")
def batches_without_labels() -> None:
    from transformers import DataCollatorWithPadding

    trainer(data_collator=DataCollatorWithPadding(tokenizer())).train()


@case("FT-DATA-006")
def labels_not_padded() -> None:
    from transformers import DataCollatorWithPadding

    trainer(
        train_dataset=tokenized(longer=2), data_collator=DataCollatorWithPadding(tokenizer())
    ).train()


@case("FT-DATA-006")
def default_collator_on_lengths() -> None:
    from transformers import default_data_collator

    trainer(train_dataset=tokenized(longer=3), data_collator=default_data_collator).train()


@case("FT-DATA-006")
def text_column_kept() -> None:
    rows = tokenized(labels=False).map(lambda row: {"text": "paris"})
    trainer(train_dataset=rows, args=arguments(remove_unused_columns=False)).train()


@case("FT-DATA-007")
def no_chat_template() -> None:
    tokenizer(template="").apply_chat_template(TALK)


@case("FT-DATA-007")
def no_chat_template_sft() -> None:
    sft(data=_talks(), coder=tokenizer(template="")).train()


@case("FT-DATA-008")
def two_user_turns() -> None:
    sft(data=_talks(TALK[0], TALK[0]), coder=tokenizer(template=ALTERNATE)).train()


@case("FT-DATA-009")
def system_turn() -> None:
    turns = [{"role": "system", "content": "paris"}, *TALK]
    sft(data=_talks(*turns), coder=tokenizer(template=NO_SYSTEM)).train()


@case("FT-DATA-012")
def another_column_name() -> None:
    sft(data=texts(column="content")).train()


@case("FT-DATA-013")
def text_is_none() -> None:
    from datasets import Dataset

    sft(data=Dataset.from_list([{"text": "paris is"}, {"text": None}] * 2)).train()


@case("FT-DATA-013")
def tokenizer_gets_none() -> None:
    tokenizer()(["paris", None], padding=True)


@case("FT-DATA-019")
def eos_of_another_model() -> None:
    sft(config=arguments("SFTConfig", eos_token="<|im_end|>"))


@case("FT-DATA-201")
def pad_of_another_model() -> None:
    sft(config=arguments("SFTConfig", pad_token="<|im_pad|>"))


@case("FT-DATA-020")
def evaluation_without_data() -> None:
    import dataclasses

    from transformers import TrainingArguments

    names = {field.name for field in dataclasses.fields(TrainingArguments)}
    name = "eval_strategy" if "eval_strategy" in names else "evaluation_strategy"
    trainer(args=arguments(**{name: "steps", "eval_steps": 1})).train()


@case("FT-DATA-021")
def formatting_returns_list() -> None:
    sft(formatting_func=lambda row: [row["text"]]).train()


@case("FT-DATA-021")
def formatting_returns_text() -> None:
    sft(formatting_func=lambda row: str(row["text"])).train()


@case("FT-DATA-022")
def labels_of_another_length() -> None:
    import torch
    from torch.nn import CrossEntropyLoss

    logits = model()(input_ids=torch.ones((2, 12), dtype=torch.long)).logits
    labels = torch.ones((2, 9), dtype=torch.long)
    CrossEntropyLoss()(logits.view(-1, logits.size(-1)), labels.view(-1))


@case("FT-DATA-023")
def packing_without_text() -> None:
    from trl import SFTTrainer

    try:
        SFTTrainer(
            model=model(),
            args=arguments(),
            tokenizer=tokenizer(),
            train_dataset=texts(),
            packing=True,
        )
    except TypeError as error:
        if "packing" in str(error) or "tokenizer" in str(error):
            return
        raise


@case("FT-DATA-024")
def no_pad_token() -> None:
    tokenizer(pad=False)(TEXTS, padding=True)


@case("FT-DATA-024")
def no_pad_token_in_collator() -> None:
    from transformers import DataCollatorForLanguageModeling

    trainer(
        train_dataset=tokenized(labels=False, longer=2),
        data_collator=DataCollatorForLanguageModeling(tokenizer(pad=False), mlm=False),
    ).train()


@case("FT-DATA-024")
def no_pad_token_for_classes() -> None:
    import torch
    from transformers import LlamaForSequenceClassification

    LlamaForSequenceClassification(config())(input_ids=torch.ones((2, 5), dtype=torch.long))


@case("FT-DATA-025")
def dpo_on_sft_data() -> None:
    import inspect

    from datasets import Dataset
    from trl import DPOTrainer

    names = inspect.signature(DPOTrainer.__init__).parameters
    coder = "processing_class" if "processing_class" in names else "tokenizer"
    rows = Dataset.from_list([{"prompt": "how many", "completion": "legs"}] * 4)
    try:
        made = arguments("DPOConfig")
    except AttributeError:
        made = arguments(remove_unused_columns=False)
    DPOTrainer(
        model=model(), ref_model=None, args=made, train_dataset=rows, **{coder: tokenizer()}
    ).train()


@case("FT-DATA-025")
def reward_on_sft_data() -> None:
    import inspect

    from datasets import Dataset
    from transformers import LlamaForSequenceClassification
    from trl import RewardTrainer

    names = inspect.signature(RewardTrainer.__init__).parameters
    coder = "processing_class" if "processing_class" in names else "tokenizer"
    rows = Dataset.from_list([{"prompt": "how many", "completion": "legs"}] * 4)
    scorer = LlamaForSequenceClassification(config(num_labels=1, pad_token_id=2))
    RewardTrainer(
        model=scorer,
        args=arguments("RewardConfig", max_length=64),
        train_dataset=rows,
        **{coder: tokenizer()},
    ).train()


@case("FT-DATA-026", quiet=True)
def template_never_found() -> None:
    import warnings

    from trl import DataCollatorForCompletionOnlyLM  # type: ignore[attr-defined]

    warnings.simplefilter("always")
    coder = tokenizer()
    ids = coder.encode("cat legs", add_special_tokens=False)
    collator = DataCollatorForCompletionOnlyLM(ids, tokenizer=coder)
    trainer(data_collator=collator, args=arguments(max_steps=3)).train()


@case("FT-DATA-027")
def longer_than_positions() -> None:
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    small = GPT2LMHeadModel(
        GPT2Config(vocab_size=64, n_positions=16, n_embd=32, n_layer=1, n_head=2)
    )
    small(input_ids=torch.ones((1, 24), dtype=torch.long))


@case("FT-DATA-028")
def token_not_in_table() -> None:
    import torch

    model(vocab_size=20)(input_ids=torch.full((1, 4), 40))


@case("FT-DATA-203")
def grpo_without_prompt() -> None:
    from trl import GRPOTrainer

    def reward(completions: list[str], **_: object) -> list[float]:
        return [0.0 for _ in completions]

    made = arguments(
        "GRPOConfig", per_device_train_batch_size=2, num_generations=2, max_completion_length=4
    )
    GRPOTrainer(
        model=model(),
        reward_funcs=reward,
        args=made,
        train_dataset=texts(column="question"),
        processing_class=tokenizer(),
    ).train()


@case("FT-DATA-206")
def text_field_not_there() -> None:
    sft(
        data=texts(column="content"), config=arguments("SFTConfig", dataset_text_field="body")
    ).train()


@case("FT-DATA-208")
def kto_on_other_columns() -> None:
    import inspect

    from datasets import Dataset
    from trl import KTOTrainer

    names = inspect.signature(KTOTrainer.__init__).parameters
    coder = "processing_class" if "processing_class" in names else "tokenizer"
    rows = Dataset.from_list([{"prompt": "how many", "answer": "legs"}] * 4)
    KTOTrainer(
        model=model(), args=arguments("KTOConfig"), train_dataset=rows, **{coder: tokenizer()}
    ).train()


@case("FT-DATA-013")
def map_over_none() -> None:
    from datasets import Dataset

    coder = tokenizer()
    Dataset.from_list([{"body": "paris"}, {"body": None}]).map(lambda row: coder(row["body"]))
