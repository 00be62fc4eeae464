"""The smallest training run that still fails for every reason the real one could.

One file with no import of ftdoctor: it runs in the job's own image. It reads its plan (JSON) from
the file named as first argument, or from FTDOCTOR_SMOKE (base64), runs stage after stage, and
prints one line `FTDOCTOR {...}` as each ends. The first stage that fails prints its traceback and
ends the run with exit code 1.
"""

from __future__ import annotations

import base64
import json
import math
import os
import sys
import tempfile
import time
import traceback
from typing import Any

CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
WORDS = (
    "a model learns to answer from many short examples of questions and replies while the loss "
    "falls and the adapter grows better at following what a person asks of it in plain words"
).split()


def load_plan() -> dict[str, Any]:
    """Return the plan of this run."""
    if len(sys.argv) > 1:
        with open(sys.argv[1], encoding="utf-8") as file:
            plan: dict[str, Any] = json.load(file)
        return plan
    decoded: dict[str, Any] = json.loads(base64.b64decode(os.environ["FTDOCTOR_SMOKE"]))
    return decoded


class Run:
    """The stages, and what one hands to the next."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self.plan = plan
        self.device = plan.get("device", "cpu")
        self.folder = plan.get("folder") or tempfile.mkdtemp(prefix="ftdoctor-smoke-")
        self.tokenizer: Any = None
        self.model_path = ""
        self.trainer: Any = None
        self.rows: list[dict[str, Any]] = []

    # Each stage returns what it learnt, as JSON.

    def imports(self) -> dict[str, Any]:
        """Import what the job trains with and say which versions are really there."""
        from importlib import import_module, metadata

        found = {}
        for name in self.plan.get("imports", ["torch", "transformers", "trl", "peft"]):
            import_module(name)
            found[name] = metadata.version(name)
        for name in ("bitsandbytes", "accelerate", "datasets", "huggingface_hub", "tokenizers"):
            try:
                found[name] = metadata.version(name)
            except metadata.PackageNotFoundError:
                continue
        found["python"] = ".".join(map(str, sys.version_info[:3]))
        return {"versions": found}

    def gpu(self) -> dict[str, Any]:
        """Say what torch sees of the device; a GPU that is asked for must be there."""
        import torch

        if self.device == "cpu":
            return {"device": "cpu", "threads": torch.get_num_threads()}
        if not torch.cuda.is_available():
            raise RuntimeError(
                f"torch {torch.__version__} (CUDA {torch.version.cuda}) sees no GPU: "
                "torch.cuda.is_available() is False"
            )
        properties = torch.cuda.get_device_properties(0)
        driver = ""
        try:
            with open("/proc/driver/nvidia/version", encoding="utf-8") as file:
                driver = file.readline().strip()
        except OSError:
            pass
        return {
            "device": properties.name,
            "count": torch.cuda.device_count(),
            "memory_bytes": properties.total_memory,
            "capability": [properties.major, properties.minor],
            "cuda": torch.version.cuda,
            "driver": driver,
            "bf16": torch.cuda.is_bf16_supported(),
        }

    def token(self) -> dict[str, Any]:
        """Ask the Hub who the job's token is; no token is only noted."""
        from huggingface_hub import HfApi, get_token

        token = get_token()
        if not token:
            return {"token": "none"}
        who = HfApi().whoami(token=token)
        auth = who.get("auth") or {}
        role = (auth.get("accessToken") or {}).get("role") or auth.get("type")
        return {"token": role, "account": who.get("name"), "length": len(token)}

    def download(self) -> dict[str, Any]:
        """Fetch a few files of the real model: the gate and the token are proved by that."""
        from huggingface_hub import hf_hub_download

        start = time.monotonic()
        path = hf_hub_download(self.plan["model"], "config.json")
        return {"file": os.path.basename(path), "seconds": round(time.monotonic() - start, 2)}

    def tokenizer_ready(self) -> dict[str, Any]:
        """Load the model's tokenizer, or train a small one on the spot."""
        if self.plan.get("real_model"):
            from transformers import AutoTokenizer

            self.tokenizer = AutoTokenizer.from_pretrained(self.plan["model"])
        else:
            self.tokenizer = self._small_tokenizer()
        return {
            "vocabulary": len(self.tokenizer),
            "chat_template": bool(self.tokenizer.chat_template),
            "pad_token": self.tokenizer.pad_token,
        }

    def _small_tokenizer(self) -> Any:
        from tokenizers import Tokenizer, models, pre_tokenizers, trainers
        from transformers import PreTrainedTokenizerFast

        raw = Tokenizer(models.BPE(unk_token="<unk>"))
        raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        special = ["<unk>", "<s>", "</s>", "<pad>", "<|im_start|>", "<|im_end|>"]
        trainer = trainers.BpeTrainer(
            vocab_size=384,
            special_tokens=special,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        )
        raw.train_from_iterator([" ".join(WORDS)] * 4, trainer)
        tokenizer = PreTrainedTokenizerFast(
            tokenizer_object=raw,
            unk_token="<unk>",
            bos_token="<s>",
            eos_token="</s>",
            pad_token="<pad>",
        )
        if self.plan.get("chat_template", True):
            tokenizer.chat_template = CHATML
        return tokenizer

    def data(self) -> dict[str, Any]:
        """Take the job's own first rows where they are here, else rows that fill max_length."""
        rows = self.plan.get("rows")
        if rows:
            self.rows = list(rows)
        else:
            length = int(self.plan["max_length"])
            text = " ".join(WORDS[i % len(WORDS)] for i in range(length + 8))
            needed = int(self.plan["batch"]) * int(self.plan.get("steps", 3)) + 1
            self.rows = [{"text": text}] * needed
        return {"rows": len(self.rows), "columns": sorted(self.rows[0])}

    def model(self) -> dict[str, Any]:
        """Make (or load) the model in the job's quantisation."""
        import torch

        if self.plan.get("real_model"):
            self.model_path = self.plan["model"]
            return {"model": self.model_path, "random": False}
        from transformers import AutoConfig, AutoModelForCausalLM

        shape = dict(self.plan["shape"])
        config = AutoConfig.for_model(shape.pop("model_type"), **shape)
        config.vocab_size = max(len(self.tokenizer), int(shape.get("vocab_size", 0)))
        config.pad_token_id = self.tokenizer.pad_token_id
        config.bos_token_id = self.tokenizer.bos_token_id
        config.eos_token_id = self.tokenizer.eos_token_id
        torch.manual_seed(0)
        self.model_path = os.path.join(self.folder, "model")
        model = AutoModelForCausalLM.from_config(config)
        model.save_pretrained(self.model_path)
        self.tokenizer.save_pretrained(self.model_path)
        return {"model": config.model_type, "random": True, "parameters": model.num_parameters()}

    def _loaded(self) -> Any:
        import torch
        from transformers import AutoModelForCausalLM

        keywords = dict(self.plan.get("model_kwargs", {}))
        quantization = self.plan.get("quantization")
        if quantization is not None:
            from transformers import BitsAndBytesConfig

            settings = dict(quantization)
            for name in ("bnb_4bit_compute_dtype", "bnb_4bit_quant_storage"):
                if isinstance(settings.get(name), str):
                    settings[name] = getattr(torch, settings[name].removeprefix("torch."))
            keywords["quantization_config"] = BitsAndBytesConfig(**settings)
        keywords["device_map"] = {"": self.device if self.device == "cpu" else 0}
        return AutoModelForCausalLM.from_pretrained(self.model_path, **keywords)

    def train(self) -> dict[str, Any]:
        """Run the job's trainer for three steps; loss finite, gradients there, adapter changed."""
        import torch
        import trl
        from datasets import Dataset

        model = self._loaded()
        kind = self.plan.get("method", "sft").upper()
        config_class = getattr(trl, f"{kind}Config")
        trainer_class = getattr(trl, f"{kind}Trainer")
        steps = int(self.plan.get("steps", 3))
        arguments = dict(self.plan.get("arguments", {}))
        arguments.update(
            output_dir=os.path.join(self.folder, "out"),
            max_steps=steps,
            logging_steps=1,
            save_strategy="no",
            report_to="none",
            per_device_train_batch_size=int(self.plan["batch"]),
        )
        if self.device == "cpu":
            arguments.update(use_cpu=True, bf16=False, fp16=False)
            arguments.pop("tf32", None)
        keywords: dict[str, Any] = {}
        for name in self.plan.get("tokenizer_keywords", ["processing_class"]):
            keywords[name] = self.tokenizer
        if self.plan.get("lora") is not None:
            from peft import LoraConfig

            keywords["peft_config"] = LoraConfig(**self.plan["lora"])
        trainer = trainer_class(
            model=model,
            args=config_class(**arguments),
            train_dataset=Dataset.from_list(self.rows),
            **keywords,
        )
        self.trainer = trainer
        trainable = {n: p for n, p in trainer.model.named_parameters() if p.requires_grad}
        before = {
            name: p.detach().float().cpu().clone() for name, p in list(trainable.items())[:64]
        }
        if self.device != "cpu":
            torch.cuda.reset_peak_memory_stats()
        start = time.monotonic()
        trainer.train()
        seconds = (time.monotonic() - start) / steps
        history = [entry for entry in trainer.state.log_history if "loss" in entry]
        losses = [float(entry["loss"]) for entry in history]
        norms = [float(entry["grad_norm"]) for entry in history if "grad_norm" in entry]
        if not losses or not all(map(math.isfinite, losses)):
            raise FloatingPointError(f"the loss is not finite: {losses}")
        if norms and not all(map(math.isfinite, norms)):
            raise FloatingPointError(f"the gradient norm is not finite: {norms}")
        if norms and min(norms) == 0.0:
            raise RuntimeError(f"a gradient norm is zero, so nothing is learnt: {norms}")
        changed = sum(
            bool((trainable[name].detach().float().cpu() != old).any())
            for name, old in before.items()
        )
        if not changed:
            raise RuntimeError("no trainable parameter changed in three steps")
        result: dict[str, Any] = {
            "losses": losses,
            "grad_norms": norms,
            "seconds_per_step": round(seconds, 3),
            "trainable": sum(p.numel() for p in trainable.values()),
            "quantized": bool(getattr(model, "is_loaded_in_4bit", False)),
            "changed": changed,
        }
        if self.device != "cpu":
            result["peak_allocated_bytes"] = torch.cuda.max_memory_allocated()
            result["peak_reserved_bytes"] = torch.cuda.max_memory_reserved()
        return result

    def checkpoint(self) -> dict[str, Any]:
        """Save what was trained and read it back."""
        path = os.path.join(self.plan.get("save_folder") or self.folder, "checkpoint")
        self.trainer.save_model(path)
        size = sum(os.path.getsize(os.path.join(path, name)) for name in os.listdir(path))
        if self.plan.get("lora") is not None:
            from peft import PeftModel

            PeftModel.from_pretrained(self._loaded(), path)
        return {"files": sorted(os.listdir(path))[:8], "bytes": size}

    def push(self) -> dict[str, Any]:
        """Push the small adapter to a branch of its own in the output repository, and remove it."""
        from huggingface_hub import HfApi

        api = HfApi()
        repo, branch = self.plan["push"], f"ftdoctor-smoke-{int(time.time())}"
        api.create_branch(repo, branch=branch)
        try:
            api.upload_folder(
                repo_id=repo,
                folder_path=os.path.join(self.folder, "checkpoint"),
                revision=branch,
                commit_message="ftdoctor smoke run",
            )
        finally:
            api.delete_branch(repo, branch=branch)
        return {"repo": repo, "branch": branch}


STAGES = {
    "imports": Run.imports,
    "gpu": Run.gpu,
    "token": Run.token,
    "download": Run.download,
    "tokenizer": Run.tokenizer_ready,
    "data": Run.data,
    "model": Run.model,
    "train": Run.train,
    "checkpoint": Run.checkpoint,
    "push": Run.push,
}


def say(**facts: Any) -> None:
    """Print one line that the reader of this log looks for."""
    print("FTDOCTOR " + json.dumps(facts), flush=True)


def main() -> int:
    """Run the stages of the plan."""
    plan = load_plan()
    run = Run(plan)
    for name in plan["stages"]:
        start = time.monotonic()
        try:
            facts = STAGES[name](run)
        except BaseException as error:
            traceback.print_exc()
            sys.stderr.flush()
            say(stage=name, ok=False, error=f"{type(error).__name__}: {error}"[:500])
            return 1
        say(stage=name, ok=True, seconds=round(time.monotonic() - start, 2), **facts)
    say(stage="end", ok=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
