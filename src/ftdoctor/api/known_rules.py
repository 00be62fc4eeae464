"""Which rule of the rulebook a keyword finding is a case of."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ftdoctor.api.exports import History
    from ftdoctor.api.world import World


def rule_of(path: str, name: str, history: History, world: World) -> str:
    """Return the name of the rule that a keyword is a known case of, or "" for the generic one."""
    klass = path.rsplit(".", 1)[-1]
    gone, later = bool(history.last_ok), bool(history.first_ok)
    if klass.endswith("Trainer"):
        if name == "tokenizer" and gone:
            return "sfttrainer-tokenizer-arg-removed"
        if name == "processing_class" and later and not gone:
            return "trainer-processing-class-too-new"
        if path == "trl.SFTTrainer" and name == "model_init_kwargs":
            return "sfttrainer-model-init-kwargs"
        if path == "trl.SFTTrainer" and (gone or world.accepts("trl.SFTConfig", name)):
            return "sfttrainer-args-moved-to-sftconfig"
        if path == "trl.DPOTrainer" and (gone or world.accepts("trl.DPOConfig", name)):
            return "dpo-args-moved-to-config"
        if path == "trl.GRPOTrainer" and (gone or world.accepts("trl.GRPOConfig", name)):
            return "grpo-args-removed"
    if name == "max_seq_length" and klass == "SFTConfig":
        return "sftconfig-max-seq-length-renamed"
    if klass.endswith(("Config", "Arguments")):
        if history.package == "transformers":
            if name == "evaluation_strategy" and gone:
                return "trainingarguments-evaluation-strategy"
            if name == "eval_strategy" and later:
                return "trainingarguments-eval-strategy-too-new"
            if gone and world.locate("transformers.TrainingArguments"):
                return "trainingarguments-removed-in-v5"
        if path == "transformers.TrainingArguments" and world.accepts("trl.SFTConfig", name):
            return "sft-options-on-trainingarguments"
        if gone and klass in _GRPO_LIKE:
            return "grpo-args-removed"
    if path == "peft.prepare_model_for_kbit_training":
        return "peft-unexpected-prepare-kwarg"
    return "api-not-there-yet" if later and not gone else ""


#: Config classes whose removed options share one rule.
_GRPO_LIKE = {
    "GRPOConfig",
    "RLOOConfig",
    "KTOConfig",
    "RewardConfig",
    "ORPOConfig",
    "CPOConfig",
}
