"""What is said of LoRA targets is what peft does with a model of that kind, built without weights."""

from __future__ import annotations

import pytest

from ftdoctor.checks import lora_targets
from ftdoctor.tables import table

pytestmark = pytest.mark.slow

#: Model type, targets.
CASES = [
    ("llama", ["query_key_value"]),
    ("llama", ["q_proj", "nothing"]),
    ("llama", ["self_attn.q_proj"]),
    ("llama", ["all-linear"]),
    ("llama", "q_proj"),
    ("llama", "q_proj|v_proj"),
    ("llama", "q_proj,v_proj"),
    ("llama", "all_linear"),
    ("llama", "all-linear"),
    ("llama", "All-Linear"),
    ("llama", r".*\.(q|v)_proj"),
    ("llama", r".*\.(c_attn|c_proj)$"),
    ("llama", r".*proj"),
    ("llama", r".*\.self_attn\.(Wqkv)"),
    ("phi3", ["q_proj", "k_proj", "v_proj"]),
    ("phi3", ["qkv_proj"]),
    ("gpt2", ["q_proj", "v_proj"]),
    ("gpt2", ["c_attn"]),
    ("gpt_neox", ["q_proj", "v_proj"]),
    ("gpt_neox", ["query_key_value"]),
    ("qwen2", ["c_attn"]),
    ("qwen3", ["W_pack"]),
    ("phi", ["Wqkv", "out_proj"]),
    ("phi", ["fc1"]),
    ("bloom", ["q_proj"]),
    ("opt", ["o_proj"]),
    ("opt", ["out_proj"]),
    ("starcoder2", ["c_fc"]),
    ("gpt_bigcode", ["q_proj"]),
    ("t5", ["q_proj"]),
    ("t5", ["q", "v"]),
    ("bert", ["q_proj"]),
    ("bert", ["query"]),
    ("distilbert", ["query"]),
    ("distilbert", ["q_lin"]),
]


def _model(kind: str):  # type: ignore[no-untyped-def]
    import torch
    import transformers

    sizes = {"num_hidden_layers": 2, "n_layer": 2, "n_layers": 2, "num_layers": 2}
    config = transformers.AutoConfig.for_model(kind)
    for name, number in sizes.items():
        if hasattr(config, name):
            setattr(config, name, number)
    config.is_decoder = kind not in ("bert", "distilbert", "t5")
    auto = {
        "t5": transformers.AutoModelForSeq2SeqLM,
        "bert": transformers.AutoModelForSequenceClassification,
        "distilbert": transformers.AutoModelForSequenceClassification,
    }.get(kind, transformers.AutoModelForCausalLM)
    with torch.device("meta"):
        return auto.from_config(config)


@pytest.mark.parametrize(("kind", "targets"), CASES)
def test_as_peft(kind: str, targets: list[str] | str) -> None:
    peft = pytest.importorskip("peft")
    pytest.importorskip("transformers")
    row = table("lora_modules")["types"][kind]
    if isinstance(targets, str):
        told = lora_targets._text_misses(targets, kind, row)
    else:
        told = lora_targets._list_misses(targets, kind, row)
    problem = ""
    try:
        peft.get_peft_model(_model(kind), peft.LoraConfig(r=2, target_modules=targets))
    except ValueError as error:
        problem = str(error)
    assert bool(told) == bool(problem), (told, problem)
    assert not told or "not found in the base model" in problem, problem


@pytest.mark.parametrize("kind", ["llama", "qwen2", "gpt2", "phi3", "gpt_neox", "bert"])
def test_what_cannot_be_wrapped(kind: str) -> None:
    peft = pytest.importorskip("peft")
    row = table("lora_modules")["types"][kind]
    good = next(n for n in row["wrapped"].split() if n in lora_targets._projections(row))
    for name in row["other"].split():
        with pytest.raises(ValueError, match="not supported"):
            peft.get_peft_model(_model(kind), peft.LoraConfig(r=2, target_modules=[good, name]))


@pytest.mark.parametrize("kind", ["phi3", "starcoder2", "llama", "gpt2", "granite", "olmo2"])
def test_default_targets(kind: str) -> None:
    peft = pytest.importorskip("peft")
    rows = table("lora_modules")["defaults"]
    if kind in rows:
        peft.get_peft_model(_model(kind), peft.LoraConfig(r=2))
        return
    with pytest.raises(ValueError, match="Please specify"):
        peft.get_peft_model(_model(kind), peft.LoraConfig(r=2))
