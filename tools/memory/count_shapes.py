"""Count every model shape again on the meta device and write the tables of shapes.

    python -m tools.memory.count_shapes --facts models.json --out rules/tables

reads a list of shapes (each with `model_type`, `auto_class` and the `config` keywords), builds each
one with the installed transformers on the meta device (no weights, no network), and writes
`models.json`, which is what the memory model reads: linear layers by name with their sizes, the
embeddings, what bitsandbytes leaves alone, experts, everything else, and the fields of attention.

Without `--facts` it counts the shapes of `models.json` itself again and reports differences, which
is how a new transformers release is checked.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from pathlib import Path
from typing import Any

from ftdoctor.memory.simulate.counting import build, count

MEMORY_FIELDS = (
    "key family model_type architecture auto_class hidden_size intermediate_size num_hidden_layers "
    "num_attention_heads num_key_value_heads head_dim vocab_size tie_word_embeddings "
    "max_position_embeddings sliding_window layer_types moe torch_dtype min_transformers "
    "params_resident confidence config ids"
).split()


def counted(shape: dict[str, Any]) -> dict[str, Any] | str:
    """Return the counts of one shape, or why it could not be built."""
    try:
        model = build(shape["model_type"], shape["auto_class"], shape["config"])
    except Exception as exc:  # a model class may fail in any way; the reason is recorded
        return f"{type(exc).__name__}: {str(exc).strip().splitlines()[0]}"[:300]
    result = count(model, shape["model_type"])
    config = shape["config"]
    if shape["model_type"] == "t5" and config.get("tie_word_embeddings") is False:
        # T5Config forces the tie (configuration_t5.py), but these checkpoints hold another head,
        # and a head that differs is loaded untied.
        result["counts"]["head"] = config["vocab_size"] * config["d_model"]
        result["counts"]["total"] += result["counts"]["head"]
        result["tied"] = False
    return result


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--facts", type=Path, help="list of shapes to start from")
    parser.add_argument("--out", type=Path, default=Path("rules/tables"))
    parser.add_argument("--only", default="", help="count only keys that contain this text")
    parser.add_argument("--check", action="store_true", help="write nothing, only report")
    args = parser.parse_args(argv)
    logging.disable(logging.WARNING)
    import torch
    import transformers

    source = args.facts or args.out / "models.json"
    data = json.loads(source.read_text())
    shapes, wrong = [], 0
    for shape in data["models"]:
        if args.only not in shape["key"]:
            continue
        result = counted(shape) if shape["config"] else "its config is not in the table"
        slim = {name: shape.get(name) for name in MEMORY_FIELDS}
        if isinstance(result, str):
            print(f"{shape['key']}: not counted, {result}", file=sys.stderr)
            slim["uncounted"] = result
        else:
            slim |= result
            total = result["counts"]["total"]
            if total != shape["params_resident"]:
                wrong += 1
                print(f"{shape['key']}: {total} != {shape['params_resident']}", file=sys.stderr)
        shapes.append(slim)
    print(f"{len(shapes)} shapes, {wrong} differ", file=sys.stderr)
    if args.check:
        return 1 if wrong else 0
    stamp = {
        "counted": data.get("meta", data).get("built", ""),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "method": "AutoConfig.for_model and from_config on the meta device, tied weights once",
    }
    write(args.out / "models.json", {"meta": stamp, "models": shapes})
    return 0


def write(path: Path, data: dict[str, Any]) -> None:
    """Write a table with one record a line, so that a diff shows what changed."""
    rows = ",\n".join(json.dumps(row, separators=(",", ":")) for row in data["models"])
    meta = json.dumps(data["meta"], separators=(",", ":"))
    path.write_text(f'{{"meta":{meta},\n"models":[\n{rows}\n]}}\n')


if __name__ == "__main__":
    raise SystemExit(main())
