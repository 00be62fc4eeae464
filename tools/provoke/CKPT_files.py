"""Checkpoints and model folders that cannot be loaded, saved or resumed."""

from __future__ import annotations

import json
from pathlib import Path

from tiny import arguments, case, config, lora, model, saved, tokenized, tokenizer, trainer


def _adapter(path: str = "adapter", **changes: object) -> str:
    from peft import get_peft_model

    get_peft_model(model(), lora(**changes)).save_pretrained(path)
    return path


def _edit(path: str, **changes: object) -> None:
    file = Path(path)
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


@case("FT-CKPT-001")
def adapter_field_of_the_future() -> None:
    from peft import PeftConfig

    path = _adapter()
    _edit(f"{path}/adapter_config.json", corda_config=None, a_field_of_later=None)
    PeftConfig.from_pretrained(path)


@case("FT-CKPT-002")
def full_model_as_adapter() -> None:
    from peft import PeftModel

    PeftModel.from_pretrained(model(), saved())


@case("FT-CKPT-003")
def adapter_of_larger_vocabulary() -> None:
    from peft import PeftModel, get_peft_model

    grown = get_peft_model(model(vocab_size=66), lora(modules_to_save=["embed_tokens", "lm_head"]))
    grown.save_pretrained("adapter")
    PeftModel.from_pretrained(model(), "adapter")


@case("FT-CKPT-004")
def temperature_without_sampling() -> None:
    made = model()
    made.generation_config.do_sample = False
    made.generation_config.temperature = 0.6
    made.generation_config.top_p = 0.9
    trainer(model=made, args=arguments(save_steps=1)).train()


@case("FT-CKPT-005")
def folder_without_weights() -> None:
    from transformers import AutoModelForCausalLM

    config().save_pretrained("models/empty")
    AutoModelForCausalLM.from_pretrained("models/empty")


@case("FT-CKPT-005")
def shard_missing() -> None:
    from transformers import AutoModelForCausalLM

    model().save_pretrained("models/shards", max_shard_size="20KB")
    sorted(Path("models/shards").glob("*.safetensors"))[-1].unlink()
    AutoModelForCausalLM.from_pretrained("models/shards")


@case("FT-CKPT-006")
def adapter_of_another_rank() -> None:
    from peft import get_peft_model

    trainer(model=get_peft_model(model(), lora(r=4)), args=arguments(save_steps=1)).train()
    trainer(model=get_peft_model(model(), lora(r=8)), args=arguments(max_steps=4)).train(
        resume_from_checkpoint=True
    )


@case("FT-CKPT-007")
def nothing_to_resume() -> None:
    trainer().train(resume_from_checkpoint=True)


@case("FT-CKPT-007")
def no_such_checkpoint() -> None:
    trainer().train(resume_from_checkpoint="out/checkpoint-500")


@case("FT-CKPT-008")
def other_parameters_trained() -> None:
    from peft import get_peft_model

    trainer(model=model(), args=arguments(save_steps=1)).train()
    made = model()
    for name, weight in made.named_parameters():
        weight.requires_grad = "layers.0" in name
    del get_peft_model
    trainer(model=made, args=arguments(max_steps=4)).train(resume_from_checkpoint=True)


@case("FT-CKPT-009")
def random_state_of_old_transformers() -> None:
    trainer(args=arguments(save_steps=1)).train()
    trainer(args=arguments(max_steps=4)).train(resume_from_checkpoint=True)


@case("FT-CKPT-010")
def rope_of_llama_31() -> None:
    from transformers import AutoConfig

    path = saved()
    rope = {
        "factor": 8.0,
        "high_freq_factor": 4.0,
        "low_freq_factor": 1.0,
        "original_max_position_embeddings": 64,
        "rope_type": "llama3",
    }
    _edit(f"{path}/config.json", rope_scaling=rope)
    AutoConfig.from_pretrained(path)


@case("FT-CKPT-011")
def pointer_instead_of_weights() -> None:
    from transformers import AutoModelForCausalLM

    path = saved()
    Path(path, "model.safetensors").write_text(
        "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 123456789\n"
    )
    AutoModelForCausalLM.from_pretrained(path)


@case("FT-CKPT-011")
def pointer_instead_of_pickle() -> None:
    from transformers import AutoModelForCausalLM

    path = saved()
    Path(path, "model.safetensors").unlink()
    Path(path, "pytorch_model.bin").write_text(
        "version https://git-lfs.github.com/spec/v1\nsize 1\n"
    )
    AutoModelForCausalLM.from_pretrained(path)


@case("FT-CKPT-012")
def weights_cut_off() -> None:
    from transformers import AutoModelForCausalLM

    file = Path(saved(), "model.safetensors")
    file.write_bytes(file.read_bytes()[:-2000])
    AutoModelForCausalLM.from_pretrained("models/tiny")


@case("FT-CKPT-012")
def weights_empty() -> None:
    from transformers import AutoModelForCausalLM

    Path(saved(), "model.safetensors").write_bytes(b"")
    AutoModelForCausalLM.from_pretrained("models/tiny")


@case("FT-CKPT-013")
def tied_weights_in_a_wrapper() -> None:
    import torch

    class Wrapped(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = model(tie_word_embeddings=True)
            self.config = self.inner.config

        def forward(self, **inputs: object) -> object:
            return self.inner(**inputs)

    trainer(model=Wrapped(), args=arguments(save_steps=1, remove_unused_columns=False)).train()


@case("FT-CKPT-014")
def tokenizer_of_transformers_5() -> None:
    from transformers import AutoTokenizer

    path = saved()
    _edit(
        f"{path}/tokenizer_config.json", tokenizer_class="TokenizersBackend", backend="tokenizers"
    )
    AutoTokenizer.from_pretrained(path)


@case("FT-CKPT-014")
def extra_tokens_as_list() -> None:
    from transformers import AutoTokenizer

    path = saved()
    _edit(f"{path}/tokenizer_config.json", extra_special_tokens=["<|a|>", "<|b|>"])
    AutoTokenizer.from_pretrained(path)


@case("FT-CKPT-202")
def tokenizer_class_of_the_future() -> None:
    from transformers import AutoTokenizer

    path = saved()
    _edit(f"{path}/tokenizer_config.json", tokenizer_class="Orca9Tokenizer")
    AutoTokenizer.from_pretrained(path)


@case("FT-CKPT-015")
def tokenizer_json_of_the_future() -> None:
    from transformers import AutoTokenizer

    path = saved()
    data = json.loads(Path(path, "tokenizer.json").read_text())
    data["model"] = {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": [[["a"], "b"]]}
    Path(path, "tokenizer.json").write_text(json.dumps(data))
    AutoTokenizer.from_pretrained(path)


@case("FT-CKPT-016")
def code_of_its_own() -> None:
    from transformers import AutoConfig

    path = saved()
    _edit(
        f"{path}/config.json",
        model_type="orca_moe",
        auto_map={"AutoConfig": "configuration_orca.OrcaConfig"},
    )
    Path(path, "configuration_orca.py").write_text("class OrcaConfig: ...\n")
    AutoConfig.from_pretrained(path)


@case("FT-TRAIN-006")
def best_model_and_steps() -> None:
    trainer(
        args=arguments(save_strategy="epoch", load_best_model_at_end=True),
        eval_dataset=tokenized(labels=False),
    )


@case("FT-CKPT-201")
def pickle_with_old_torch() -> None:
    import torch
    from transformers import AutoModelForCausalLM

    path = saved()
    torch.save(model().state_dict(), f"{path}/pytorch_model.bin")
    Path(path, "model.safetensors").unlink()
    AutoModelForCausalLM.from_pretrained(path)


@case("FT-CKPT-003")
def tokenizer_grew() -> None:
    from peft import PeftModel, get_peft_model

    coder = tokenizer()
    coder.add_tokens(["<|new|>"])
    base = model(vocab_size=70)
    get_peft_model(base, lora(target_modules=["q_proj", "embed_tokens"])).save_pretrained("adapter")
    PeftModel.from_pretrained(model(vocab_size=68), "adapter")


@case("FT-CKPT-204")
def adapter_without_weights() -> None:
    from peft import PeftModel

    path = _adapter()
    for file in Path(path).glob("adapter_model*"):
        file.unlink()
    PeftModel.from_pretrained(model(), path)


@case("FT-CKPT-011")
def web_page_instead_of_weights() -> None:
    from transformers import AutoModelForCausalLM

    page = "<!DOCTYPE html><html><title>429</title></html>"
    Path(saved(), "model.safetensors").write_text(page * 100)
    AutoModelForCausalLM.from_pretrained("models/tiny")


@case("FT-CKPT-012")
def weights_all_zero() -> None:
    from transformers import AutoModelForCausalLM

    file = Path(saved(), "model.safetensors")
    file.write_bytes(bytes(len(file.read_bytes())))
    AutoModelForCausalLM.from_pretrained("models/tiny")


@case("FT-CKPT-203")
def config_without_model_type() -> None:
    from transformers import AutoConfig

    Path("models/none").mkdir(parents=True)
    Path("models/none/config.json").write_text("{}")
    AutoConfig.from_pretrained("models/none")
