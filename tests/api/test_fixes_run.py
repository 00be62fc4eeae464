"""Every kind of edit, run: the script fails with the library's own error, and trains afterwards.

The model and its tokenizer are made on the spot (random weights, a few kilobytes); nothing is
downloaded. One process runs all scripts, since importing the stack costs more than training.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

import pytest

from ftdoctor.api.migrate import migrate
from ftdoctor.api.table import PACKAGES

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

MAKE = """
import sys
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

words = {w: i for i, w in enumerate("<unk> <s> </s> a b c d e f g".split())}
core = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
core.pre_tokenizer = pre_tokenizers.Whitespace()
tokenizer = PreTrainedTokenizerFast(
    tokenizer_object=core, unk_token="<unk>", bos_token="<s>", eos_token="</s>", pad_token="</s>"
)
config = LlamaConfig(
    vocab_size=16, hidden_size=64, intermediate_size=64, num_hidden_layers=2,
    num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=64,
    bos_token_id=1, eos_token_id=2, pad_token_id=2,
)
LlamaForCausalLM(config).save_pretrained(sys.argv[1])
tokenizer.save_pretrained(sys.argv[1])
"""

RUN = """
import json, runpy, sys, traceback
outcomes = {}
for path in sys.argv[1:]:
    try:
        names = runpy.run_path(path, run_name="__main__")
        outcomes[path] = f"trained {names['trainer'].state.global_step}"
    except BaseException as error:
        outcomes[path] = f"{type(error).__name__}: {error}"
print("OUTCOMES " + json.dumps(outcomes))
"""

HEAD = """
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainingArguments
tokenizer = AutoTokenizer.from_pretrained(MODEL)
rows = Dataset.from_dict({"text": ["a b c d e f g"] * 8})
pairs = Dataset.from_dict({"prompt": ["a b"] * 8, "chosen": ["c d"] * 8, "rejected": ["e f"] * 8})
"""

#: name -> (script, the error it dies of before the edit)
SCRIPTS = {
    "keywords moved into plain arguments": (
        """
        from trl import SFTTrainer
        args = TrainingArguments(
            output_dir=OUT, max_steps=2, use_cpu=True, report_to="none", save_strategy="no",
        )
        trainer = SFTTrainer(
            model=AutoModelForCausalLM.from_pretrained(MODEL),
            tokenizer=tokenizer,
            args=args,
            train_dataset=rows,
            dataset_text_field="text",
            max_seq_length=16,
        )
        trainer.train()
        """,
        "unexpected keyword argument 'tokenizer'",
    ),
    "keywords moved into the config": (
        """
        from trl import SFTConfig, SFTTrainer
        args = SFTConfig(
            output_dir=OUT, max_steps=2, use_cpu=True, report_to="none", save_strategy="no",
        )
        trainer = SFTTrainer(MODEL, args=args, train_dataset=rows, packing=False, max_seq_length=16)
        trainer.train()
        """,
        "unexpected keyword argument",
    ),
    "renamed and dropped settings": (
        """
        from trl import SFTConfig, SFTTrainer
        args = SFTConfig(
            output_dir=OUT,
            overwrite_output_dir=True,
            evaluation_strategy="no",
            max_seq_length=16,
            max_steps=2,
            warmup_ratio=0.5,
            group_by_length=True,
            no_cuda=True,
            report_to="none",
            save_strategy="no",
        )
        trainer = SFTTrainer(MODEL, args=args, train_dataset=rows)
        trainer.train()
        """,
        "unexpected keyword argument",
    ),
    "four bits in model_init_kwargs": (
        """
        from peft import LoraConfig
        from trl import SFTConfig, SFTTrainer
        args = SFTConfig(
            output_dir=OUT, max_steps=2, use_cpu=True, report_to="none", save_strategy="no",
            model_init_kwargs={"load_in_4bit": True, "bnb_4bit_quant_type": "nf4", "device_map": "cpu"},
        )
        trainer = SFTTrainer(
            MODEL, args=args, train_dataset=rows,
            peft_config=LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM"),
        )
        trainer.train()
        """,
        "unexpected keyword argument 'load_in_4bit'",
    ),
    "arguments of from_pretrained": (
        """
        from trl import SFTConfig, SFTTrainer
        model = AutoModelForCausalLM.from_pretrained(MODEL, resume_download=True, use_auth_token=False)
        args = SFTConfig(output_dir=OUT, max_steps=2, use_cpu=True, report_to="none", save_strategy="no")
        trainer = SFTTrainer(model, args=args, train_dataset=rows, processing_class=tokenizer)
        trainer.train()
        """,
        "unexpected keyword argument",
    ),
    "options of DPO": (
        """
        from trl import DPOConfig, DPOTrainer
        args = DPOConfig(output_dir=OUT, max_steps=2, use_cpu=True, report_to="none", save_strategy="no")
        trainer = DPOTrainer(MODEL, args=args, train_dataset=pairs, tokenizer=tokenizer, beta=0.2)
        trainer.train()
        """,
        "unexpected keyword argument",
    ),
    "an import that moved": (
        """
        from trl import ORPOConfig, ORPOTrainer
        args = ORPOConfig(output_dir=OUT, max_steps=2, use_cpu=True, report_to="none", save_strategy="no")
        trainer = ORPOTrainer(
            AutoModelForCausalLM.from_pretrained(MODEL),
            args=args, train_dataset=pairs, processing_class=tokenizer,
        )
        trainer.train()
        """,
        "cannot import name 'ORPOConfig'",
    ),
}


def test_fails_before_and_trains_after(tmp_path: Path) -> None:
    versions = {package: importlib.metadata.version(package) for package in PACKAGES}
    # What an install brought in the days of trl 0.12.
    old = {"trl": "0.12.2", "transformers": "4.46.3", "peft": "0.13.2"}
    model = tmp_path / "model"
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    make = [sys.executable, "-c", MAKE, str(model)]
    subprocess.run(make, check=True, capture_output=True, env=environment)
    paths: list[str] = []
    for number, (body, _) in enumerate(SCRIPTS.values()):
        source = f"MODEL = {str(model)!r}\nOUT = {str(tmp_path / 'out')!r}\n{HEAD}"
        source += textwrap.dedent(body)
        result = migrate(source, "train.py", old, versions)
        for kind, text in (("before", source), ("after", result.edited)):
            path = tmp_path / f"{number}-{kind}.py"
            path.write_text(text)
            paths.append(str(path))
    ran = subprocess.run(
        [sys.executable, "-c", RUN, *paths],
        capture_output=True,
        text=True,
        env=environment,
        cwd=tmp_path,
        check=False,
    )
    line = next((x for x in ran.stdout.splitlines() if x.startswith("OUTCOMES ")), "")
    assert line, ran.stderr[-2000:]
    outcomes = json.loads(line.removeprefix("OUTCOMES "))
    for number, (name, (_, error)) in enumerate(SCRIPTS.items()):
        before = outcomes[str(tmp_path / f"{number}-before.py")]
        after = outcomes[str(tmp_path / f"{number}-after.py")]
        assert error in before, f"{name}: {before}"
        assert after == "trained 2", f"{name}: {after}"
