"""`ftdoctor estimate`: peak GPU memory of a training step, without a job."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click


@click.command("estimate", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("given", nargs=-1, metavar="[JOB]")
@click.option("--model", help="Hub id of the base model.")
@click.option(
    "--model-config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="config.json of a model that is not in the table.",
)
@click.option("--method", type=click.Choice(["qlora", "lora", "full"]))
@click.option("--seq-len", type=click.IntRange(1), help="Tokens of one sequence.")
@click.option("--batch-size", type=click.IntRange(1), help="Per device.")
@click.option("--lora-rank", type=click.IntRange(1), default=None, help="Default 16.")
@click.option("--lora-targets", help="Module names with commas, or all-linear.")
@click.option("--lora-dropout/--no-lora-dropout", default=None, help="Dropout above 0.")
@click.option("--modules-to-save", help="lm_head, embed_tokens, with commas.")
@click.option("--optimizer", help="A name of TrainingArguments.optim.")
@click.option("--gradient-checkpointing/--no-gradient-checkpointing", default=None)
@click.option("--dtype", help="dtype in which the model is loaded: bfloat16, float16, float32.")
@click.option("--autocast/--no-autocast", default=None, help="bf16=True or fp16=True.")
@click.option("--attention", type=click.Choice(["sdpa", "eager", "flash"]), default=None)
@click.option("--loss", type=click.Choice(["nll", "chunked", "fused"]), default=None)
@click.option(
    "--kbit-prepare/--no-kbit-prepare", default=None, help="prepare_model_for_kbit_training."
)
@click.option("--trainer", type=click.Choice(["sft", "dpo", "grpo", "trainer", "loop"]))
@click.option("--packing/--no-packing", default=None, help="No padding mask.")
@click.option("--accumulation", type=click.IntRange(1), default=None)
@click.option("--with", "pins", multiple=True, metavar="PKG==VERSION", help="Versions that run.")
@click.option("--gpus", type=click.IntRange(1), default=1, show_default=True)
@click.option(
    "--sharding",
    type=click.Choice(["none", "ddp", "zero2", "zero3", "fsdp"]),
    default=None,
    help="Default none for one GPU, ddp for several.",
)
@click.option("--gpu", help="l4, a10g, a100-40gb, a100, h100, h200, an HF Jobs flavor, or 24GiB.")
@click.option("--simulate", is_flag=True, help="Run the real model class without data.")
@click.option(
    "--peft-config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="adapter_config.json of any PEFT method (needs --simulate).",
)
@click.option("--sweep", metavar="seq-len=512..16384", help="Predict over a range of lengths.")
@click.option("--offline", is_flag=True, help="Fetch no config.json of an unknown model.")
@click.option("--plot", type=click.Path(dir_okay=False, path_type=Path), help="Draw the sweep.")
@click.option("--format", "form", type=click.Choice(["terminal", "json"]), default="terminal")
def command(**options: Any) -> int:
    """Predict the peak GPU memory of one training step.

    \b
    ftdoctor estimate --model google/gemma-3-12b-it --method qlora --seq-len 4096 \\
        --batch-size 1 --gpu a10g --with trl==1.6.0

    With a JOB (any file that `ftdoctor check` reads) everything is taken from it, and --gpu asks
    about another card.
    """
    from ftdoctor.memory import report

    return report.run(options)
