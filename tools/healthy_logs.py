"""Make the healthy logs of fixtures/healthy by really running small trainings on the CPU.

    python tools/healthy_logs.py [NAME ...]

Each run trains a random Llama of a few thousand parameters for some steps; what the libraries
print (warnings included) is the fixture. Paths of this machine are made neutral.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

TARGET = Path(__file__).resolve().parents[1] / "fixtures" / "healthy"

_COMMON = """
import datasets, torch, transformers
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
torch.manual_seed(0)
words = "the a model learns words from small sets of text and says them again".split()
vocab = {w: i for i, w in enumerate(["<pad>", "<s>", "</s>", "<unk>", *words])}
raw = Tokenizer(models.WordLevel(vocab, unk_token="<unk>"))
raw.pre_tokenizer = pre_tokenizers.Whitespace()
tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw, pad_token="<pad>", bos_token="<s>",
                                    eos_token="</s>", unk_token="<unk>")
model = LlamaForCausalLM(LlamaConfig(vocab_size=len(vocab), hidden_size=16, intermediate_size=32,
    num_hidden_layers=2, num_attention_heads=2, max_position_embeddings=64, pad_token_id=0,
    bos_token_id=1, eos_token_id=2))
rows = [" ".join(words[i % 7:i % 7 + 6]) for i in range(40)]
"""

SCRIPTS = {
    "sft": """
from trl import SFTConfig, SFTTrainer
args = SFTConfig(output_dir="out", max_steps=6, per_device_train_batch_size=2, logging_steps=1,
                 report_to="none", use_cpu=True, bf16=False, save_steps=3, max_length=16)
SFTTrainer(model=model, args=args, train_dataset=datasets.Dataset.from_dict({"text": rows}),
           processing_class=tokenizer).train()
print("Training completed")
""",
    "sft-lora-eval": """
from peft import LoraConfig
from trl import SFTConfig, SFTTrainer
data = datasets.Dataset.from_dict({"text": rows}).train_test_split(0.2)
args = SFTConfig(output_dir="out", max_steps=6, per_device_train_batch_size=2, logging_steps=1,
                 report_to="none", use_cpu=True, bf16=False, eval_strategy="steps", eval_steps=3,
                 max_length=16, gradient_checkpointing=True)
trainer = SFTTrainer(model=model, args=args, train_dataset=data["train"], eval_dataset=data["test"],
    processing_class=tokenizer, peft_config=LoraConfig(task_type="CAUSAL_LM", r=4,
    target_modules=["q_proj", "v_proj"]))
trainer.train()
trainer.save_model("adapter")
""",
    "dpo": """
from trl import DPOConfig, DPOTrainer
pairs = datasets.Dataset.from_dict({"prompt": ["the model"] * 20, "chosen": [" learns words"] * 20,
                                    "rejected": [" says a"] * 20})
args = DPOConfig(output_dir="out", max_steps=4, per_device_train_batch_size=2, logging_steps=1,
                 report_to="none", use_cpu=True, bf16=False)
from peft import LoraConfig
DPOTrainer(model=model, args=args, train_dataset=pairs, processing_class=tokenizer,
           peft_config=LoraConfig(task_type="CAUSAL_LM", r=4, target_modules=["q_proj"])).train()
""",
    "trainer-resume": """
from transformers import DataCollatorForLanguageModeling, Trainer, TrainingArguments
data = datasets.Dataset.from_dict({"text": rows}).map(lambda r: tokenizer(r["text"]), batched=True)
collator = DataCollatorForLanguageModeling(tokenizer, mlm=False)
def args(steps):
    return TrainingArguments(output_dir="out", max_steps=steps, per_device_train_batch_size=2,
                             logging_steps=1, report_to="none", use_cpu=True, save_steps=2)
Trainer(model=model, args=args(4), train_dataset=data, data_collator=collator).train()
Trainer(model=model, args=args(8), train_dataset=data, data_collator=collator).train(
    resume_from_checkpoint=True)
""",
    "caught-exception": """
import logging, traceback
logging.basicConfig(level=logging.INFO)
from trl import SFTConfig, SFTTrainer
try:
    import flash_attn
except ImportError:
    logging.warning("flash-attn is not installed; eager attention is used instead")
try:
    raise ConnectionError("the metrics server does not answer")
except ConnectionError:
    traceback.print_exc()
args = SFTConfig(output_dir="out", max_steps=4, per_device_train_batch_size=2, logging_steps=1,
                 report_to="none", use_cpu=True, bf16=False)
SFTTrainer(model=model, args=args, train_dataset=datasets.Dataset.from_dict({"text": rows}),
           processing_class=tokenizer).train()
""",
    "ddp-gloo": """
import os
from trl import SFTConfig, SFTTrainer
args = SFTConfig(output_dir="out", max_steps=4, per_device_train_batch_size=2, logging_steps=1,
                 report_to="none", use_cpu=True, bf16=False, ddp_backend="gloo")
SFTTrainer(model=model, args=args, train_dataset=datasets.Dataset.from_dict({"text": rows}),
           processing_class=tokenizer).train()
""",
    "truncated-warning": """
tokenizer.model_max_length = 8
print(len(tokenizer(" ".join(words * 3))["input_ids"]))
model.resize_token_embeddings(32)
model.generation_config.temperature = 0.5
model.generate(torch.tensor([[4, 5, 6]]), max_new_tokens=4, do_sample=False)
print("done")
""",
}
_LAUNCH = {"ddp-gloo": ["-m", "torch.distributed.run", "--nproc_per_node=2"]}


def neutral(text: str, folder: str) -> str:
    """Take this machine out of a log."""
    text = text.replace(folder, "/workspace").replace(sys.prefix, "/opt/venv")
    text = re.sub(r"/(?:root|home/[a-z]+)/\.pyenv/versions/[\d.]+", "/usr/local", text)
    return re.sub(r"(?<=\[)[\w.-]*(?=\]:\d+ \(errno)", "node-1", text)


def main() -> None:
    """Run the scripts that were named, or all, and write what they print."""
    TARGET.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "COLUMNS": "100", "OMP_NUM_THREADS": "1"}
    for name in sys.argv[1:] or SCRIPTS:
        with tempfile.TemporaryDirectory() as folder:
            script = Path(folder) / "train.py"
            script.write_text(_COMMON + SCRIPTS[name])
            done = subprocess.run(
                [sys.executable, *_LAUNCH.get(name, []), str(script)],
                cwd=folder,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=600,
            )
            text = neutral(done.stdout.decode("utf-8", "replace"), folder)
            if done.returncode:
                sys.exit(f"{name} failed:\n{text[-3000:]}")
            (TARGET / f"{name}.log").write_text(text, encoding="utf-8")
            print(name, len(text))


if __name__ == "__main__":
    main()
