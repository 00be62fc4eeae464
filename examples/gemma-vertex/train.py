from datasets import load_dataset
from peft import LoraConfig
from transformers import AutoTokenizer
from trl import SFTConfig, SFTTrainer

MODEL = "google/gemma-3-1b-it"

trainer = SFTTrainer(
    model=MODEL,
    tokenizer=AutoTokenizer.from_pretrained(MODEL),
    train_dataset=load_dataset("trl-lib/Capybara", split="train"),
    args=SFTConfig(
        output_dir="outputs",
        max_seq_length=4096,
        evaluation_strategy="no",
        model_init_kwargs={"load_in_4bit": True},
        report_to="wandb",
    ),
    peft_config=LoraConfig(r=16, target_modules="all-linear", task_type="CAUSAL_LM"),
)
trainer.train()
