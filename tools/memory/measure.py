"""Measure real training steps on a GPU, beside what the model predicts.

    python -m tools.memory.measure --list
    python -m tools.memory.measure --run llama-1b-lora-loop --out measured.jsonl
    python -m tools.memory.measure --all --out measured.jsonl
    python -m tools.memory.measure --run NAME --expandable      # the allocator's other mode
    python -m tools.memory.measure --run NAME --limit-gib 22 --longest   # where the line really is
    PYTHONPATH=DIR python -m tools.memory.measure --run NAME    # an older trl, installed into DIR

Models are built from their configuration with random weights: nothing is downloaded. Each run
takes a few steps in a process of its own and writes one JSON line: settings, versions, GPU, peak
allocated and reserved bytes, memory outside torch's allocator, and the prediction. `--device cpu
--tiny` runs the same code on a small model without numbers of memory, which is how it is tested.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from tools.memory.measure_runs import RUNS, TINY, Run

STEPS = 3


def settings_of(run: Run, *, tiny: bool) -> Any:
    """Return the settings of a run as the model sees it."""
    from ftdoctor.memory import resolve, shapes

    if tiny:
        from ftdoctor.memory.simulate.counting import shape_from_transformers

        shape = shape_from_transformers("llama", TINY)
    else:
        found = shapes.find(run.model)
        assert found is not None
        shape = found
    values = {"method": "lora", "seq_len": 64, "batch_size": 1, **run.values}
    if tiny:
        values["seq_len"] = 32
    if run.how == "sft":
        import trl

        values |= {"trainer": "sft", "versions": {"trl": trl.__version__}}
    else:
        values |= {"trainer": "loop", "loss": "nll", "autocast": False}
        values.setdefault("gradient_checkpointing", True)
    return resolve.settings_from(shape, values)[0]


def build(settings: Any, device: str) -> Any:
    """Return the model with random weights on the device, quantised and with adapters."""
    import torch
    import transformers

    shape = settings.shape
    config = transformers.AutoConfig.for_model(shape.model_type, **shape.config)
    for part in (config, config.get_text_config()):
        part._attn_implementation = settings.attention
        part.use_cache = False
    kind = getattr(torch, settings.dtype)
    with torch.device(device):
        torch.set_default_dtype(kind)
        try:
            model = getattr(transformers, shape.auto_class).from_config(config, dtype=kind)
        finally:
            torch.set_default_dtype(torch.float32)
    if settings.method == "qlora":
        _quantise(model, device, settings)
    if settings.kbit_prepare:
        from peft import prepare_model_for_kbit_training

        model = prepare_model_for_kbit_training(model)
    return model


def _quantise(model: Any, device: str, settings: Any) -> None:
    """Replace linear layers by bitsandbytes' own, packed on the device."""
    import bitsandbytes
    import torch
    from transformers.quantizers.base import get_keys_to_not_convert

    kept = set(get_keys_to_not_convert(model))
    for name, module in list(model.named_modules()):
        if not isinstance(module, torch.nn.Linear) or name in kept:
            continue
        new = bitsandbytes.nn.Linear4bit(
            module.in_features,
            module.out_features,
            bias=module.bias is not None,
            compute_dtype=torch.bfloat16,
            compress_statistics=settings.double_quant,
            quant_type="nf4",
            device="cpu",
        )
        new.weight = bitsandbytes.nn.Params4bit(
            module.weight.data.cpu(),
            requires_grad=False,
            compress_statistics=settings.double_quant,
            quant_type="nf4",
        )
        if module.bias is not None:
            new.bias = module.bias
        parent = model.get_submodule(name.rpartition(".")[0])
        setattr(parent, name.rpartition(".")[2], new.to(device))
    model.is_loaded_in_4bit = True
    model.is_quantized = True
    # What trl and transformers ask of a model that from_pretrained has quantised.
    from transformers import BitsAndBytesConfig
    from transformers.quantizers import AutoHfQuantizer

    config = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=settings.double_quant,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )
    model.config.quantization_config = config
    model.hf_quantizer = AutoHfQuantizer.from_config(config, pre_quantized=False)
    model.quantization_method = model.hf_quantizer.quantization_config.quant_method
    model.requires_grad_(False)


def lora_config(settings: Any) -> Any:
    """Return the PEFT configuration of the settings, None for full training."""
    if settings.method == "full":
        return None
    from peft import LoraConfig

    return LoraConfig(
        r=settings.lora_rank,
        target_modules=list(settings.lora_targets),
        task_type="CAUSAL_LM",
        lora_dropout=0.0,
    )


def optimizer_of(settings: Any, params: list[Any]) -> Any:
    """Return the optimizer that a `TrainingArguments.optim` name stands for."""
    import torch

    if settings.optimizer.endswith("8bit"):
        import bitsandbytes

        paged = settings.optimizer.startswith("paged")
        kind = bitsandbytes.optim.PagedAdamW8bit if paged else bitsandbytes.optim.AdamW8bit
        return kind(params, lr=1e-5)
    return torch.optim.AdamW(params, lr=1e-5, fused=settings.optimizer.endswith("fused"))


def loop(settings: Any, device: str) -> None:
    """Train a few steps with a hand-written loop."""
    import torch

    model = build(settings, device)
    adapter = lora_config(settings)
    if adapter is not None:
        from peft import get_peft_model

        model = get_peft_model(model, adapter)
    if settings.gradient_checkpointing:
        model.enable_input_require_grads()
        model.gradient_checkpointing_enable({"use_reentrant": False})
    model.train()
    optimizer = optimizer_of(settings, [p for p in model.parameters() if p.requires_grad])
    for _ in range(STEPS):
        ids = torch.randint(
            1, settings.shape.vocab, (settings.rows, settings.seq_len), device=device
        )
        batch = {"input_ids": ids, "labels": ids.clone()}
        if settings.padding_mask:
            mask = torch.ones_like(ids)
            mask[1:, -1] = 0
            batch["attention_mask"] = mask
        outputs = model(**batch)
        outputs.loss.backward()
        optimizer.step()
        optimizer.zero_grad()


def sft(settings: Any, device: str, folder: Path) -> None:
    """Train a few steps with the installed trl."""
    import torch
    import transformers
    from datasets import Dataset
    from tokenizers import Tokenizer, models
    from trl import SFTConfig, SFTTrainer

    vocab = {"<pad>": 0, "<s>": 1, "a": 2}
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(models.WordLevel(vocab, unk_token="a")),
        pad_token="<pad>",
        eos_token="<s>",
    )
    size = (settings.rows * STEPS, settings.seq_len)
    rows = torch.randint(2, settings.shape.vocab, size).tolist()
    config = SFTConfig(
        output_dir=str(folder),
        max_steps=STEPS,
        per_device_train_batch_size=settings.rows,
        max_length=settings.seq_len,
        gradient_checkpointing=settings.gradient_checkpointing,
        optim=settings.optimizer,
        report_to=[],
        save_strategy="no",
        use_cpu=device == "cpu",
        dataset_kwargs={"skip_prepare_dataset": True},
    )
    trainer = SFTTrainer(
        model=build(settings, device),
        args=config,
        train_dataset=Dataset.from_dict({"input_ids": rows}),
        processing_class=tokenizer,
        peft_config=lora_config(settings),
    )
    trainer.train()


def context(settings: Any, device: str) -> None:
    """Multiply two matrices: what a process holds before any model."""
    import torch

    kind = getattr(torch, settings.dtype)
    x = torch.ones(256, 256, dtype=kind, device=device, requires_grad=True)
    (x @ x).sum().backward()


def measure(run: Run, *, device: str, tiny: bool, limit_gib: float = 0.0) -> dict[str, Any]:
    """Do one run in this process and return its record; `limit_gib` is all it may take."""
    import tempfile

    import peft
    import torch
    import transformers
    import trl

    from ftdoctor.memory.closed_form import predict

    settings = settings_of(run, tiny=tiny)
    torch.manual_seed(0)
    record: dict[str, Any] = {"run": run.name, "date": datetime.date.today().isoformat()}
    record["versions"] = {m.__name__: m.__version__ for m in (torch, transformers, peft, trl)}
    cuda = device == "cuda"
    before = torch.cuda.mem_get_info()[0] if cuda else 0
    if cuda and limit_gib:
        share = limit_gib * 2**30 / torch.cuda.mem_get_info()[1]
        torch.cuda.set_per_process_memory_fraction(min(1.0, share))
    if cuda:
        torch.cuda.reset_peak_memory_stats()
    error = ""
    try:
        if run.how == "context":
            context(settings, device)
        elif run.how == "loop":
            loop(settings, device)
        else:
            with tempfile.TemporaryDirectory() as folder:
                sft(settings, device, Path(folder))
    except torch.OutOfMemoryError as exc:
        error = str(exc).splitlines()[0]
    hopper = cuda and torch.cuda.get_device_capability()[0] == 9
    prediction = predict(settings, hopper=hopper)
    record["predicted"] = {"allocated": prediction.allocated, "reserved": prediction.reserved}
    record["error"] = error
    if cuda:
        record["gpu"] = torch.cuda.get_device_name()
        record["total"] = torch.cuda.mem_get_info()[1]
        record["allocated"] = torch.cuda.max_memory_allocated()
        record["reserved"] = torch.cuda.max_memory_reserved()
        used = before - torch.cuda.mem_get_info()[0]
        record["outside"] = used - torch.cuda.memory_reserved()
    return record


def search(args: argparse.Namespace, low: int = 0, high: int = 1 << 17) -> dict[str, Any]:
    """Return the longest sequence (to 64 tokens) that does not run out of memory.

    Every attempt is a process of its own: memory that one left behind would be the next one's
    trouble.
    """
    tried: dict[int, bool] = {}
    command = [sys.executable, "-m", "tools.memory.measure", "--run", args.run]
    command += ["--device", args.device, "--limit-gib", str(args.limit_gib)]
    command += [flag for flag in ("--tiny", "--expandable") if getattr(args, flag[2:])]
    low, high = low // 64, high // 64
    while high - low > 1:
        middle = (low + high) // 2
        done = subprocess.run(
            [*command, "--seq-len", str(middle * 64)], capture_output=True, text=True, check=False
        )
        rows = [line for line in done.stdout.splitlines() if line.startswith("{")]
        tried[middle * 64] = bool(rows) and not json.loads(rows[-1])["error"]
        low, high = (middle, high) if tried[middle * 64] else (low, middle)
    return {"longest": low * 64, "tried": tried}


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--run", default="")
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--tiny", action="store_true", help="a small model instead of the run's")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--expandable", action="store_true", help="expandable segments")
    parser.add_argument("--limit-gib", type=float, default=0.0, help="share of the card to use")
    parser.add_argument("--seq-len", type=int, default=0, help="instead of the run's own")
    parser.add_argument("--longest", action="store_true", help="search the longest that survives")
    args = parser.parse_args(argv)
    if args.expandable:  # read by torch when it is imported, so before that
        os.environ["PYTORCH_CUDA_ALLOC_CONF"] = "expandable_segments:True"
    if args.list:
        print("\n".join(f"{r.name:32} {r.how:8} {r.model} {r.note}".rstrip() for r in RUNS))
        return 0
    if args.all:
        failed = 0
        for run in RUNS:
            command = [sys.executable, "-m", "tools.memory.measure", "--run", run.name]
            command += ["--device", args.device, *(["--tiny"] if args.tiny else [])]
            command += ["--out", str(args.out)] if args.out else []
            failed += subprocess.run(command, check=False).returncode != 0
        return 1 if failed else 0
    found = next((r for r in RUNS if r.name == args.run), None)
    if found is None:
        parser.error(f"no run {args.run!r}; see --list")
    if args.longest:
        line = json.dumps({"run": found.name, "limit_gib": args.limit_gib, **search(args)})
    else:
        if args.seq_len:
            found = replace(found, values={**found.values, "seq_len": args.seq_len})
        record = measure(found, device=args.device, tiny=args.tiny, limit_gib=args.limit_gib)
        line = json.dumps(record | {"expandable": args.expandable, "limit_gib": args.limit_gib})
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(args.out.open("a")) if args.out else sys.stdout
        print(line, file=file)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
