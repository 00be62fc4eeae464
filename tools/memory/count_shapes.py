"""Count every model shape again on the meta device and write the tables of shapes.

    python -m tools.memory.count_shapes --facts models.json --out rules/tables

reads a list of shapes (each with `model_type`, `auto_class` and the `config` keywords), builds each
one with the installed transformers on the meta device (no weights, no network), and writes

* `models.json`: what the memory model reads. Linear layers by name with their sizes, the
  embeddings, what bitsandbytes leaves alone, experts, everything else, and the fields of attention.
* `models_hub.json`: what is known about the repositories (licence, gating, published totals).

Without `--facts` it counts the shapes of `models.json` itself again and reports differences, which
is how a new transformers release is checked.
"""

from __future__ import annotations

import argparse
import json
import logging
import re
import sys
from collections import Counter
from pathlib import Path
from typing import Any

MEMORY_FIELDS = (
    "key family model_type architecture auto_class hidden_size intermediate_size num_hidden_layers "
    "num_attention_heads num_key_value_heads head_dim vocab_size tie_word_embeddings "
    "max_position_embeddings sliding_window layer_types moe torch_dtype min_transformers "
    "params_resident confidence config ids"
).split()
HUB_FIELDS = (
    "key ids license license_page gated gated_by_id gated_basis gated_evidence_date "
    "min_transformers params_resident params_published diff_pct diff_explained torch_dtype "
    "confidence architecture auto_class model_type"
).split()
OTHER_TOWER = re.compile(
    r"(^|\.)(visual|vision_tower|vision_model|vision_embedder|audio_tower|audio_model|"
    r"multi_modal_projector|connector|embed_vision|embed_audio|modality_projection|encoder)(\.|$)"
)


def build(model_type: str, auto_class: str, config: dict[str, Any]) -> Any:
    """Return the model of one shape on the meta device."""
    import torch
    import transformers

    wanted = {"internlm2 (remote code)": "llama", "internlm3": "llama"}.get(model_type, model_type)
    conf = transformers.AutoConfig.for_model(wanted, **config)
    with torch.device("meta"):
        model = getattr(transformers, auto_class).from_config(conf)
    model.tie_weights()
    return model


def part_of(name: str, model_type: str) -> str:
    """Return "other" for modules of a vision or audio tower, else "text"."""
    if model_type in {"t5", "bert", "modernbert"}:
        return "text"
    return "other" if OTHER_TOWER.search(name) else "text"


def count(model: Any, model_type: str) -> dict[str, Any]:
    """Count one model: unique parameters, grouped by what happens to them in training."""
    import torch
    from transformers.pytorch_utils import Conv1D
    from transformers.quantizers.base import get_keys_to_not_convert

    kept = get_keys_to_not_convert(model)
    head = model.get_output_embeddings()
    seen: set[int] = set()
    linears: Counter[tuple[str, int, int, str, bool]] = Counter()
    sums: Counter[str] = Counter()
    for name, module in model.named_modules():
        is_linear = isinstance(module, (torch.nn.Linear, Conv1D))
        for pname, param in module.named_parameters(recurse=False):
            if id(param) in seen:
                continue
            seen.add(id(param))
            sums["total"] += param.numel()
            if is_linear and pname == "weight" and module is not head:
                n_in, n_out = (
                    param.shape if isinstance(module, Conv1D) else (param.shape[1], param.shape[0])
                )
                skip = any(name == k or f"{name}.".startswith(f"{k}.") for k in kept)
                last = name.rsplit(".", 1)[-1]
                linears[(last, n_in, n_out, part_of(name, model_type), skip)] += 1
            elif module is head:
                sums["head"] += param.numel()
            elif isinstance(module, torch.nn.Embedding):
                sums[f"embedding_{part_of(name, model_type)}"] += param.numel()
            elif param.ndim == 3 and "expert" in name:
                sums["experts"] += param.numel()
            elif is_linear:
                sums["linear_bias"] += param.numel()
            elif param.ndim == 1:
                sums[f"norm_{part_of(name, model_type)}"] += param.numel()
            else:
                sums[f"rest_{part_of(name, model_type)}"] += param.numel()
    embedding = model.get_input_embeddings()
    tied = head is not None and embedding is not None and head.weight is embedding.weight
    rows = [[*key[:3], number, key[3], key[4]] for key, number in sorted(linears.items())]
    return {"linears": rows, "counts": dict(sorted(sums.items())), "tied": bool(tied)}


def counted(shape: dict[str, Any]) -> dict[str, Any] | str:
    """Return the counts of one shape, or why it could not be built."""
    try:
        model = build(shape["model_type"], shape["auto_class"], shape["config"])
    except Exception as exc:  # a model class may fail in any way; the reason is recorded
        return f"{type(exc).__name__}: {exc}"[:300]
    return count(model, shape["model_type"])


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
    hub, shapes, wrong = [], [], 0
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
        hub.append({name: shape.get(name) for name in HUB_FIELDS})
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
    if args.facts:
        write(args.out / "models_hub.json", {"meta": data["meta"], "models": hub})
    return 0


def write(path: Path, data: dict[str, Any]) -> None:
    """Write a table with one record a line, so that a diff shows what changed."""
    rows = ",\n".join(json.dumps(row, separators=(",", ":")) for row in data["models"])
    meta = json.dumps(data["meta"], separators=(",", ":"))
    path.write_text(f'{{"meta":{meta},\n"models":[\n{rows}\n]}}\n')


if __name__ == "__main__":
    raise SystemExit(main())
