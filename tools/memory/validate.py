"""Predict the published measurements and write the table of errors.

    python -m tools.memory.validate [--simulate] [--peers] [--write docs/memory.md]

reads `rules/tables/memory_measured.csv` (every row with its source) and prints one line a
measurement with the signed error of the closed form, of the simulation (`--simulate`, some minutes)
and of other estimators (`--peers`, see `tools/memory/peers.py`). `--write` replaces the part of the
document between the two marks.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import sys
from pathlib import Path
from typing import Any

from ftdoctor.memory import from_config, gpus, resolve, shapes
from ftdoctor.memory.closed_form import Prediction, predict
from ftdoctor.memory.settings import GIB, TrainingSettings
from ftdoctor.memory.verdict import judge

TABLE = Path("rules/tables/memory_measured.csv")
#: Models of the measurements that are not in the table of shapes, by their published config.json.
CONFIGS: dict[str, dict[str, Any]] = {
    "AFM-4.5B": {
        "model_type": "arcee",
        "hidden_size": 2560,
        "intermediate_size": 18432,
        "num_hidden_layers": 36,
        "num_attention_heads": 20,
        "num_key_value_heads": 4,
        "head_dim": 128,
        "vocab_size": 128005,
        "tie_word_embeddings": False,
    }
}
IDS = {"Olmo-3-7B": "allenai/Olmo-3-1025-7B", "Plano-4B (Qwen3)": "Qwen/Qwen3-4B"}
BEGIN, END = "<!-- validation:begin -->", "<!-- validation:end -->"


def shape_of(model: str) -> shapes.Shape | None:
    """Return the shape of a row's model, or None."""
    if model in CONFIGS:
        return from_config.shape_from_config(CONFIGS[model], name=model)
    return shapes.find(IDS.get(model, model)) or shapes.find(f"Qwen/{model}")


def settings_of(row: dict[str, str]) -> TrainingSettings | None:
    """Return the settings that a row describes, or None when it lacks something."""
    if row["complete"] != "yes" or not row["seq_len"].isdigit() or not row["batch"].isdigit():
        return None
    shape = shape_of(row["model"])
    if shape is None or row["method"] not in {"lora", "qlora", "full"}:
        return None
    values: dict[str, Any] = {
        "method": row["method"],
        "seq_len": int(row["seq_len"]),
        "batch_size": int(row["batch"]),
        "lora_rank": int(row["lora_r"]) if row["lora_r"] else None,
        "lora_targets": row["lora_targets"] or None,
        "optimizer": row["optimizer"] or None,
        "gradient_checkpointing": row["grad_ckpt"] == "yes",
        "attention": "flash" if row["attn"].startswith("flash") else "sdpa",
        "padding_mask": False,
    }
    if row["framework"] == "axolotl":
        # bf16: auto, sample packing or padding to the length, cut cross-entropy.
        values |= {"trainer": "sft", "loss": "fused", "autocast": True, "dtype": "bfloat16"}
    else:
        values |= {
            "trainer": "loop",
            "loss": "nll",
            "dtype": "bfloat16",
            "kbit_prepare": "prepare_model_for_kbit_training" in row["stack_versions"]
            and row["method"] == "qlora",
        }
    return resolve.settings_from(shape, values)[0]


def card_of(row: dict[str, str]) -> gpus.Gpu | None:
    """Return the card of a row."""
    if row["gpu"] == "RTX 4080 16GB":
        return gpus.Gpu("rtx4080", int(15.6 * GIB), int(0.45 * GIB), "ada")
    return gpus.find(row["gpu"])


def rows() -> list[dict[str, str]]:
    """Return the rows of the table."""
    with TABLE.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def measured(row: dict[str, str]) -> float | None:
    """Return the measured GiB, or None for a row that only says fits or not."""
    try:
        return float(row["measured_gb"])
    except ValueError:
        return None


def of_metric(prediction: Prediction, row: dict[str, str]) -> float:
    """Return the predicted GiB of the row's metric."""
    if "allocated" in row["metric"]:
        return prediction.allocated / GIB
    return prediction.reserved / GIB


def lines(*, simulate: bool, peers: bool) -> list[str]:
    """Return the table and its summary as Markdown."""
    columns = ["closed form"] + (["simulation"] if simulate else [])
    others: dict[str, Any] = {}
    if peers:
        from tools.memory import peers as peer_tools

        others = peer_tools.estimators()
        columns += list(others)
    head = ["model", "method", "tokens", "metric", "measured GiB", *columns, "verdict"]
    out = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    errors: dict[tuple[str, str], list[float]] = {}
    cache: dict[TrainingSettings, Prediction] = {}
    for row in rows():
        settings, value = settings_of(row), measured(row)
        if settings is None or value is None:
            continue
        predictions = {"closed form": of_metric(predict(settings), row)}
        if simulate:
            if settings not in cache:
                from ftdoctor.memory.simulate.predict import simulate as run

                cache[settings] = run(settings)
            predictions["simulation"] = of_metric(cache[settings], row)
        for name, estimate in others.items():
            found = estimate(settings)
            if found is not None:
                predictions[name] = found
        kind = "allocated" if "allocated" in row["metric"] else "reserved"
        if row["framework"] == "axolotl":
            kind = "about"
        cells = []
        for column in columns:
            if column not in predictions:
                cells.append("-")
                continue
            error = 100 * (predictions[column] / value - 1)
            errors.setdefault((column, kind), []).append(error)
            cells.append(f"{predictions[column]:.2f} ({error:+.1f} %)")
        card = card_of(row)
        word = judge(predict(settings), card).word if card else "-"
        checkpoints = "" if settings.gradient_checkpointing else ", no checkpointing"
        out.append(
            f"| {row['model']} | {row['method']}{checkpoints} | {settings.batch_size} x "
            f"{settings.seq_len} | {kind} | {value:.2f} | {' | '.join(cells)} | {word} |"
        )
    out += [
        "",
        "| estimator | metric | rows | median abs. error | worst |",
        "|---|---|---|---|---|",
    ]
    for (column, kind), found in sorted(errors.items()):
        size = [abs(e) for e in found]
        worst = max(found, key=abs)
        out.append(
            f"| {column} | {kind} | {len(found)} | {statistics.median(size):.1f} % "
            f"| {worst:+.1f} % |"
        )
    return out


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--simulate", action="store_true")
    parser.add_argument("--peers", action="store_true")
    parser.add_argument("--write", type=Path)
    args = parser.parse_args(argv)
    text = "\n".join(lines(simulate=args.simulate, peers=args.peers))
    if args.write is None:
        print(text)
        return 0
    page = args.write.read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    args.write.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")
    print(f"wrote {args.write}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
