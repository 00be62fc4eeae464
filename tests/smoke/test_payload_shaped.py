"""A model that is built at its real size has just what `from_pretrained` would have loaded."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest
from tests.smoke.payload_runs import plan_of, run_stages

from ftdoctor.smoke.plan import QLORA

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

SIZES = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "vocab_size": 512,
    "pad_token_id": 0,
    "max_position_embeddings": 2048,
}
FAMILIES: dict[str, dict[str, Any]] = {
    "llama": {},
    "gemma3_text": {},
    "qwen3": {"tie_word_embeddings": True},
    "qwen2": {},  # biases
    "mixtral": {"num_local_experts": 2},
}


def described(model: Any) -> dict[str, Any]:
    """Return type, size, dtype and place of all that a model holds."""
    found = {
        name: (type(p).__name__, tuple(p.shape), p.dtype, p.device.type, p.requires_grad)
        for name, p in model.named_parameters()
    }
    return found | {name: (tuple(b.shape), b.dtype) for name, b in model.named_buffers()}


@pytest.mark.parametrize("quantized", [False, True], ids=["bf16", "nf4"])
@pytest.mark.parametrize("family", FAMILIES)
def test_it_is_as_if_loaded(family: str, quantized: bool, tmp_path: Path) -> None:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, BitsAndBytesConfig

    from ftdoctor.smoke.payload.shaped import build

    config = AutoConfig.for_model(family, **SIZES, **FAMILIES[family])
    settings = None
    if quantized:
        settings = BitsAndBytesConfig(**{**QLORA, "bnb_4bit_compute_dtype": torch.bfloat16})
    made = build(
        copy.deepcopy(config),
        AutoModelForCausalLM,
        device="cpu",
        quantization=settings,
        dtype=torch.bfloat16,
    )
    AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path)
    keywords = {"quantization_config": settings} if quantized else {}
    loaded = AutoModelForCausalLM.from_pretrained(
        tmp_path, dtype=torch.bfloat16, device_map={"": "cpu"}, **keywords
    )
    assert described(made) == described(loaded)
    ids = torch.randint(1, 500, (1, 16))
    assert bool(torch.isfinite(made(input_ids=ids, labels=ids).loss))
    for name, module in made.named_modules():
        if type(getattr(module, "weight", None)).__name__ == "Params4bit":
            twin = loaded.get_submodule(name).weight.quant_state
            state = module.weight.quant_state
            assert (state.quant_type, state.nested, state.blocksize, state.shape) == (
                twin.quant_type,
                twin.nested,
                twin.blocksize,
                twin.shape,
            )


def test_it_trains_with_no_download(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = """\
from peft import LoraConfig
from transformers import AutoModelForCausalLM, BitsAndBytesConfig
from trl import SFTConfig, SFTTrainer
model = AutoModelForCausalLM.from_pretrained("Qwen/Qwen2.5-0.5B", dtype="bfloat16",
    quantization_config=BitsAndBytesConfig(load_in_4bit=True))
SFTTrainer(model=model, train_dataset=None, args=SFTConfig(output_dir="out", max_length=64),
    peft_config=LoraConfig(r=8, target_modules="all-linear", task_type="CAUSAL_LM")).train()
"""
    plan = plan_of(text, tmp_path, monkeypatch, device="cuda", shape_only=True, hub=False)
    assert plan["weights"] == "shape"
    assert plan["real_shape"]["hidden_size"] == 896
    assert "download" not in plan["stages"]
    # The same plan with a real configuration that this machine can hold.
    sizes = {k: v for k, v in SIZES.items() if k != "pad_token_id"}
    plan |= {"device": "cpu", "real_shape": {"model_type": "qwen2", **sizes}, "batch": 2}
    found = run_stages(plan, tmp_path)
    assert found["model"]["layers"] == 2
    assert found["model"]["vocabulary"] == 512
    assert found["train"]["quant_type"] == "nf4"
    assert found["train"]["length"] == 64
    assert found["checkpoint"]["compared"] > 0
