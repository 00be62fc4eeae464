from __future__ import annotations

import pytest

from ftdoctor.memory import loss_path, resolve, shapes


@pytest.mark.parametrize(
    ("version", "loss"),
    [
        ("0.12.2", "nll"),
        ("0.26.2", "nll"),
        ("1.3.0", "nll"),
        ("1.6.0", "nll"),
        ("1.7.0", "chunked"),
        ("1.14.0", "chunked"),
        ("1.15.0", "fused"),
        ("1.16.0", "fused"),
        (None, "fused"),
    ],
)
def test_loss_by_version(version: str | None, loss: str) -> None:
    assert loss_path.trl_defaults(version).loss == loss


def test_boundaries() -> None:
    assert loss_path.trl_defaults("1.12.0").head_float32
    assert not loss_path.trl_defaults("1.13.0").head_float32
    assert loss_path.trl_defaults("0.25.1").kbit_prepare
    assert not loss_path.trl_defaults("0.26.0").kbit_prepare
    assert not loss_path.trl_defaults("0.21.0").gradient_checkpointing
    assert loss_path.trl_defaults("0.22.2").gradient_checkpointing
    assert not loss_path.trl_defaults("0.18.2").bf16
    assert loss_path.trl_defaults("0.19.1").bf16


def test_dtype_of_a_string_model() -> None:
    assert loss_path.string_dtype("0.24.0", "4.57.0", "bfloat16") == "float32"
    assert loss_path.string_dtype("0.24.0", "5.0.0", "bfloat16") == "bfloat16"
    assert loss_path.string_dtype("0.26.2", "4.57.0", "bfloat16") == "bfloat16"
    assert loss_path.string_dtype("0.27.0", "5.0.0", "bfloat16") == "float32"


def test_optimizer_default() -> None:
    assert loss_path.default_optimizer("4.53.3", "2.8.0") == "adamw_torch"
    assert loss_path.default_optimizer("4.54.1", "2.8.0") == "adamw_torch_fused"
    assert loss_path.default_optimizer("5.23.0", "2.7.1") == "adamw_torch"


def test_against_the_installed_trl() -> None:
    """The newest row of the defaults is what the installed SFTConfig says."""
    trl = pytest.importorskip("trl")
    defaults = loss_path.trl_defaults(trl.__version__)
    config = trl.SFTConfig(output_dir="unused", use_cpu=True, bf16=None)
    assert config.gradient_checkpointing == defaults.gradient_checkpointing
    assert config.max_length == defaults.max_length
    assert config.per_device_train_batch_size == loss_path.DEFAULT_BATCH
    fields = trl.SFTConfig.__dataclass_fields__
    assert (fields["bf16"].default is None) == defaults.bf16
    import inspect

    from trl.trainer import sft_trainer, utils

    source = inspect.getsource(sft_trainer)
    assert ("add_fused_lm_head(" in source) == (defaults.loss == "fused")
    assert ("prepare_model_for_kbit_training(" in source) == defaults.kbit_prepare
    assert 'kwargs.get("dtype", "float32")' in inspect.getsource(utils.create_model_from_path)


def test_installed_optimizer_default() -> None:
    transformers = pytest.importorskip("transformers")
    torch = pytest.importorskip("torch")
    field = transformers.TrainingArguments.__dataclass_fields__["optim"]
    version = torch.__version__.split("+")[0]
    assert field.default == loss_path.default_optimizer(transformers.__version__, version)


def test_default_targets_are_pefts() -> None:
    peft = pytest.importorskip("peft")
    mapping = peft.utils.TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING
    for name in (
        "meta-llama/Llama-3.2-3B",
        "Qwen/Qwen3-8B",
        "openai-community/gpt2",
        "microsoft/phi-2",
    ):
        shape = shapes.find(name)
        assert shape is not None
        assert set(resolve.default_targets(shape)) == set(mapping[shape.model_type])


def test_old_trl_makes_norms_float32() -> None:
    shape = shapes.find("Qwen/Qwen3-8B")
    assert shape is not None
    values = {"method": "qlora", "seq_len": 512, "batch_size": 1}
    old, notes = resolve.settings_from(shape, {**values, "versions": {"trl": "0.25.1"}})
    assert old.norms_float32
    assert not old.kbit_prepare
    assert old.adapter_dtype == "float32"
    assert any("norms" in note for note in notes)
    new, _ = resolve.settings_from(shape, {**values, "versions": {"trl": "0.26.2"}})
    assert not new.norms_float32
    assert new.adapter_dtype == "bfloat16"
    full, _ = resolve.settings_from(
        shape, {**values, "autocast": False, "versions": {"trl": "0.25.1"}}
    )
    assert full.kbit_prepare
