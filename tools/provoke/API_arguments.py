"""Arguments and names that trl, transformers and peft took away or moved."""

from __future__ import annotations

from tiny import arguments, case, lora, model, saved, sft, texts, tokenizer, trainer


@case("FT-API-017")
def tokenizer_argument_of_trainer() -> None:
    trainer(tokenizer=tokenizer())


@case("FT-API-017")
def tokenizer_argument_of_sft() -> None:
    from trl import SFTTrainer

    SFTTrainer(
        model=model(), args=arguments("SFTConfig"), train_dataset=texts(), tokenizer=tokenizer()
    )


@case("FT-API-202")
def processing_class_of_sft() -> None:
    from trl import SFTTrainer

    SFTTrainer(model=model(), args=arguments(), train_dataset=texts(), processing_class=tokenizer())


@case("FT-API-015")
def text_field_of_sft() -> None:
    sft(dataset_text_field="text", max_seq_length=64)


@case("FT-API-015")
def packing_of_sft() -> None:
    sft(packing=True)


@case("FT-API-016")
def init_kwargs_of_sft() -> None:
    sft(model_init_kwargs={"torch_dtype": "auto"})


@case("FT-API-016")
def init_kwargs_with_loaded_model() -> None:
    sft(config=arguments("SFTConfig", model_init_kwargs={"torch_dtype": "auto"}))


@case("FT-API-014")
def max_seq_length_of_sft_config() -> None:
    arguments("SFTConfig", max_seq_length=64)


@case("FT-API-201")
def packing_of_training_arguments() -> None:
    arguments(packing=True)


@case("FT-API-001")
def beta_of_dpo() -> None:
    from trl import DPOTrainer

    DPOTrainer(model=model(), args=arguments(), train_dataset=texts(), beta=0.1)


@case("FT-API-001")
def max_prompt_length_of_dpo_config() -> None:
    arguments("DPOConfig", max_prompt_length=64)


@case("FT-API-018")
def evaluation_strategy() -> None:
    arguments(evaluation_strategy="steps")


@case("FT-API-204")
def eval_strategy() -> None:
    arguments(eval_strategy="no")


@case("FT-API-019")
def overwrite_output_dir() -> None:
    arguments(overwrite_output_dir=True)


@case("FT-API-019")
def warmup_ratio() -> None:
    arguments("SFTConfig", warmup_ratio=0.1)


@case("FT-API-206")
def max_prompt_length_of_grpo() -> None:
    arguments("GRPOConfig", max_prompt_length=64)


@case("FT-API-005")
def generations_do_not_divide() -> None:
    from trl import GRPOTrainer

    def reward(completions: list[str], **_: object) -> list[float]:
        return [0.0 for _ in completions]

    config = arguments("GRPOConfig", per_device_train_batch_size=3, num_generations=8)
    GRPOTrainer(
        model=model(), reward_funcs=reward, args=config, train_dataset=texts(column="prompt")
    )


@case("FT-API-006")
def optimizer_name() -> None:
    trainer(args=arguments(optim="adamw_8bits"))


@case("FT-API-006")
def scheduler_name() -> None:
    trainer(args=arguments(lr_scheduler_type="cosin"))


@case("FT-API-002")
def load_in_4bit() -> None:
    from transformers import AutoModelForCausalLM

    AutoModelForCausalLM.from_pretrained(saved(), load_in_4bit=True)


@case("FT-API-003")
def use_auth_token() -> None:
    from transformers import AutoModelForCausalLM

    AutoModelForCausalLM.from_pretrained(saved(), use_auth_token=True)


@case("FT-API-203")
def use_flash_attention_2() -> None:
    from transformers import AutoModelForCausalLM

    AutoModelForCausalLM.from_pretrained(saved(), use_flash_attention_2=False)


@case("FT-API-004")
def token_type_ids() -> None:
    import torch

    ids = torch.tensor([[3, 4, 5]])
    model().generate(input_ids=ids, token_type_ids=ids, max_new_tokens=2)


@case("FT-API-207")
def compute_loss_signature() -> None:
    from transformers import Trainer

    class Weighted(Trainer):
        def compute_loss(self, model: object, inputs: dict, return_outputs: bool = False) -> object:  # type: ignore[override, type-arg]
            return super().compute_loss(model, inputs, return_outputs=return_outputs)

    made = trainer()
    Weighted(
        model=model(),
        args=made.args,
        train_dataset=made.train_dataset,
        data_collator=made.data_collator,
    ).train()


@case("FT-API-013")
def prepare_keyword() -> None:
    from peft import prepare_model_for_kbit_training

    prepare_model_for_kbit_training(model(), layer_norm_names=["norm"])


@case("FT-API-012")
def int8_training_import() -> None:
    from peft import prepare_model_for_int8_training  # type: ignore[attr-defined]  # noqa: F401


@case("FT-API-024")
def completion_only_import() -> None:
    from trl import DataCollatorForCompletionOnlyLM  # type: ignore[attr-defined]  # noqa: F401


@case("FT-API-024")
def value_head_import() -> None:
    from trl import AutoModelForCausalLMWithValueHead  # type: ignore[attr-defined]  # noqa: F401


@case("FT-API-024")
def core_module_import() -> None:
    from trl.core import LengthSampler  # type: ignore[import-not-found]  # noqa: F401


@case("FT-API-025")
def grpo_import() -> None:
    from trl import GRPOConfig, GRPOTrainer  # noqa: F401


@case("FT-API-020")
def adamw_import() -> None:
    from transformers import AdamW  # type: ignore[attr-defined]  # noqa: F401


@case("FT-API-020")
def vision2seq_import() -> None:
    from transformers import AutoModelForVision2Seq  # type: ignore[attr-defined]  # noqa: F401


@case("FT-API-009")
def no_such_modules() -> None:
    from peft import get_peft_model

    get_peft_model(model(), lora(target_modules=["Wqkv", "c_attn"]))


@case("FT-API-009")
def unknown_architecture() -> None:
    from peft import LoraConfig, get_peft_model
    from torch import nn

    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 4)
            self.config = {"model_type": "own"}

    get_peft_model(Own(), LoraConfig(r=4))


@case("FT-API-008")
def lora_on_a_norm() -> None:
    from peft import get_peft_model

    get_peft_model(model(), lora(target_modules=["input_layernorm"]))


@case("FT-API-008")
def lora_on_attention() -> None:
    from peft import get_peft_model

    get_peft_model(model(), lora(target_modules=["self_attn"]))


@case("FT-API-010")
def task_type() -> None:
    from peft import get_peft_model

    get_peft_model(model(), lora(task_type="CAUSALLM"))


@case("FT-API-011")
def peft_model_and_config() -> None:
    from peft import get_peft_model

    sft(model=get_peft_model(model(), lora()), peft_config=lora()).train()


@case("FT-API-007")
def lora_on_lm_head() -> None:
    from datasets import Dataset
    from trl import DPOTrainer

    rows = [{"prompt": "how many", "chosen": "legs", "rejected": "cat"}] * 4
    DPOTrainer(
        model=model(),
        args=arguments("DPOConfig"),
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer(),
        peft_config=lora(target_modules=["lm_head", "q_proj"]),
    )
