"""Which option of a TRL command line belongs to which of its dataclasses.

Source: trl 1.16.0, trl/scripts/utils.py (ScriptArguments, DatasetMixtureConfig), trl/trainer/
model_config.py (ModelConfig), with the names that earlier releases had (`torch_dtype` until 0.26,
`trust_remote_code` until 1.6, `use_bnb_nested_quant`). Every other option is a field of the config
class (SFTConfig, DPOConfig, ...); options of `accelerate launch` are in LAUNCH.
"""

from __future__ import annotations

MODEL = frozenset(
    "model_name_or_path model_revision dtype torch_dtype attn_implementation use_peft lora_r "
    "lora_alpha lora_dropout lora_target_modules lora_target_parameters lora_modules_to_save "
    "lora_task_type use_rslora use_dora load_in_8bit load_in_4bit bnb_4bit_quant_type "
    "use_bnb_nested_quant bnb_4bit_quant_storage".split()
)
#: In ModelConfig until trl 1.6, since then in the training config.
EITHER = frozenset({"trust_remote_code"})
SCRIPT = frozenset(
    "dataset_name dataset_config dataset_train_split dataset_test_split dataset_streaming "
    "ignore_bias_buffers gradient_checkpointing_use_reentrant reward_model_name_or_path "
    "reward_funcs reward_model".split()
)
MIXTURE = frozenset({"datasets", "streaming", "test_split_size"})
#: Options of `accelerate launch` (accelerate 1.15.0, accelerate/commands/launch.py) that people put
#: on a TRL command line, and TRL's own `--accelerate_config`. Most take one value.
LAUNCH = frozenset(
    "accelerate_config config_file num_processes num_machines machine_rank main_process_ip "
    "main_process_port mixed_precision multi_gpu cpu tpu use_deepspeed use_fsdp zero_stage "
    "deepspeed_config_file gpu_ids dynamo_backend num_cpu_threads_per_process rdzv_backend "
    "same_network offload_optimizer_device offload_param_device zero3_init_flag "
    "zero3_save_16bit_model fsdp_sharding_strategy fsdp_auto_wrap_policy fsdp_offload_params "
    "fsdp_transformer_layer_cls_to_wrap fsdp_version deepspeed_hostfile debug quiet module "
    "enable_cpu_affinity downcast_bf16 tee role monitor_interval max_restarts".split()
)
#: Options that are a switch: a following word is not their value.
LAUNCH_FLAGS = frozenset(
    "multi_gpu cpu tpu use_deepspeed use_fsdp same_network debug quiet module "
    "enable_cpu_affinity downcast_bf16".split()
)
METHODS = ("sft", "dpo", "grpo", "reward", "kto", "rloo", "orpo", "cpo", "ppo", "distillation")


def belongs(name: str, config_class: str) -> bool:
    """Whether an option of a command line is a field of a dataclass of TRL or transformers."""
    if config_class == "ModelConfig":
        return name in MODEL or name in EITHER
    if config_class.endswith("ScriptArguments"):
        return name in SCRIPT
    if config_class == "DatasetMixtureConfig":
        return name in MIXTURE
    return name not in MODEL and name not in SCRIPT and name not in MIXTURE and name not in LAUNCH
