"""Write the table of the module names that LoRA can and cannot target, by model type.

Usage:
    python tools/lora_modules.py names DATE          (with the transformers that is installed)
    python tools/lora_modules.py defaults WHEELS_FOLDER

The first form builds every model of the list without weights and lists the names of its modules;
run it once per transformers release: what the file holds from other releases is kept, because a job
may run any of them. The second form reads which model types peft has default targets for, from the
wheels of all its final releases; they are read as syntax trees, nothing is imported.
The output is rules/tables/lora_modules.json.
"""

from __future__ import annotations

import ast
import json
import re
import sys
import zipfile
from pathlib import Path
from typing import Any

#: Ids of repositories by model type that the table of model shapes does not name one by one. Only
#: official repositories whose config.json has had this model type from the start.
IDS = (
    (r"(?:openai-community/)?gpt2(?:-medium|-large|-xl)?|(?:distilbert/)?distilgpt2", "gpt2"),
    (r"EleutherAI/(?:pythia-[\w.-]+|gpt-neox-20b)|databricks/dolly-v2-\w+", "gpt_neox"),
    (r"EleutherAI/gpt-neo-[\w.-]+", "gpt_neo"),
    (r"EleutherAI/gpt-j-6[bB]", "gptj"),
    (r"bigcode/(?:starcoder|starcoderbase(?:-\w+)?)", "gpt_bigcode"),
    (r"bigcode/starcoder2-\w+", "starcoder2"),
    (r"Salesforce/codegen-[\w-]+", "codegen"),
    (r"facebook/opt-[\w.]+", "opt"),
    (r"bigscience/bloomz?(?:-[\w]+)?", "bloom"),
    (r"tiiuae/falcon-(?:7b|40b|180B)(?:-instruct|-chat)?", "falcon"),
    (r"mosaicml/mpt-[\w-]+", "mpt"),
    (r"(?:google-t5/)?t5-(?:small|base|large|3b|11b)|google/flan-t5-\w+", "t5"),
    (r"google/mt5-\w+", "mt5"),
    (r"facebook/bart-(?:base|large)[\w-]*", "bart"),
    (r"(?:google-bert/)?bert-(?:base|large)-[\w-]+", "bert"),
    (r"(?:FacebookAI/)?roberta-(?:base|large)", "roberta"),
    (r"(?:FacebookAI/)?xlm-roberta-(?:base|large)", "xlm-roberta"),
    (r"(?:distilbert/)?distilbert-base-[\w-]+", "distilbert"),
    (r"microsoft/deberta-v3-\w+", "deberta-v2"),
    (r"openai/whisper-[\w.-]+", "whisper"),
    (r"microsoft/(?:phi-2|phi-1(?:_5)?)", "phi"),
    (r"microsoft/(?:Phi-3(?:\.5)?-mini-\w+-instruct|Phi-3-medium-\w+-instruct|phi-4)", "phi3"),
    (r"Qwen/(?:Qwen1\.5-MoE-A2\.7B|Qwen2-57B-A14B)[\w-]*", "qwen2_moe"),
    (r"TinyLlama/TinyLlama-1\.1B-[\w.-]+|HuggingFaceTB/SmolLM2?-\d+(?:\.\d+)?[MB][\w-]*", "llama"),
    (r"deepseek-ai/DeepSeek-R1-Distill-Qwen-[\w.]+", "qwen2"),
    (r"deepseek-ai/DeepSeek-R1-Distill-Llama-[\w.]+", "llama"),
    (r"meta-llama/(?:Llama-2-\w+(?:-chat)?-hf|(?:Meta-)?Llama-3-\w+(?:-Instruct)?)", "llama"),
    (r"mistralai/Mistral-7B-(?:Instruct-)?v0\.[123]", "mistral"),
)
TABLES = Path(__file__).parent.parent / "rules" / "tables"
OUT = TABLES / "lora_modules.json"
#: Model types that the table of model shapes has no row for, with their default sizes.
MORE = (
    "gptj gpt_neo gpt_bigcode codegen mpt roberta xlm-roberta distilbert deberta-v2 electra bart "
    "mt5 whisper qwen2_moe olmo olmoe deepseek_v2 deepseek_v3 persimmon xglm vit gpt_neox_japanese"
)
#: Built with parts of timm or of the repository's own code, so their names cannot be listed here.
LEFT_OUT = ("gemma3n", "gemma4", "gemma4_unified")
CLASSES = (
    "AutoModelForCausalLM AutoModelForSequenceClassification AutoModelForTokenClassification "
    "AutoModelForQuestionAnswering AutoModelForMaskedLM AutoModelForSeq2SeqLM "
    "AutoModelForImageTextToText AutoModelForSpeechSeq2Seq AutoModelForImageClassification"
)
#: What peft's LoRA wraps (peft 0.21.2, tuners/lora/model.py, _create_new_module).
WRAPPED = ("Linear", "Conv1D", "Conv2d", "Conv3d", "Embedding", "MultiheadAttention", "Conv1d")
MAPPING = "TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING"


def _configs() -> dict[str, dict[str, Any]]:
    rows = json.loads((TABLES / "models.json").read_text(encoding="utf-8"))["models"]
    found: dict[str, dict[str, Any]] = {name: {} for name in MORE.split()}
    for row in rows:
        if "(" not in row["model_type"] and row["model_type"] not in LEFT_OUT:
            found.setdefault(row["model_type"], row.get("config") or {})
    return found


def _names(model_type: str, kwargs: dict[str, Any]) -> dict[str, set[str]]:
    """Return the last parts of the module names.

    "wrapped": LoRA can wrap them in one of the model classes at least; "other": they are in every
    class and LoRA can wrap them in none; "also": in some class only.
    """
    import torch
    import transformers

    wrapped: set[str] = set()
    others: list[set[str]] = []
    config = transformers.AutoConfig.for_model(model_type, **kwargs)
    for name in CLASSES.split():
        auto = getattr(transformers, name, None)
        if auto is None or type(config) not in auto._model_mapping:
            continue
        with torch.device("meta"):
            model = auto.from_config(config)
        others.append(set())
        for path, module in model.named_modules():
            last = path.rpartition(".")[2]
            if not last or last.isdigit():
                continue
            kinds = {c.__name__ for c in type(module).__mro__ if "torch" in c.__module__}
            kinds.add("Conv1D" if type(module).__name__ == "Conv1D" else "")
            (wrapped if kinds.intersection(WRAPPED) else others[-1]).add(last)
    if not others:
        return {"wrapped": set(), "other": set(), "also": set()}
    other = set.intersection(*others) - wrapped
    return {"wrapped": wrapped, "other": other, "also": set().union(*others) - other - wrapped}


def names(date: str) -> None:
    """Add the names of the installed transformers to the table."""
    import transformers

    table = _read()
    for model_type, kwargs in sorted(_configs().items()):
        try:
            found = _names(model_type, kwargs)
        except Exception as error:
            print(f"{model_type}: {type(error).__name__}: {str(error)[:100]}", file=sys.stderr)
            continue
        if not found["wrapped"]:
            continue
        row = table["types"].setdefault(model_type, {"wrapped": "", "other": ""})
        wrapped = found["wrapped"] | set(row["wrapped"].split())
        before = set(row["other"].split())
        other = (found["other"] & before if before else found["other"]) - wrapped
        # What only one release has is neither: it may be there or not.
        also = set(row.get("also", "").split()) | found["also"]
        also |= found["other"] ^ before if before else set()
        table["types"][model_type] = {
            "wrapped": " ".join(sorted(wrapped)),
            "other": " ".join(sorted(other)),
            "also": " ".join(sorted(also - wrapped - other)),
        }
    releases = sorted({*table["transformers"], transformers.__version__}, key=_key)
    table["date"], table["transformers"] = date, releases
    _write(table)


def defaults(folder: str) -> None:
    """Write for which model types each peft has default targets."""
    wheels = {
        match[1]: path
        for path in Path(folder).glob("peft-*.whl")
        if (match := re.match(r"peft-(\d[\d.]*)-", path.name))
    }
    versions = [v for v in sorted(wheels, key=_key) if _key(v) >= (0, 4)]
    seen: dict[str, list[str]] = {}
    for version in versions:
        with zipfile.ZipFile(wheels[version]) as wheel:
            inside = [n for n in wheel.namelist() if re.match(r"peft/utils/\w+\.py\Z", n)]
            texts = [wheel.read(n) for n in inside]
        for name in _mapped(texts, version):
            seen.setdefault(name, []).append(version)
    table = _read()
    table["peft"] = [versions[0], versions[-1]]
    rows: dict[str, list[str]] = {}
    for name, there in sorted(seen.items()):
        first, last = versions.index(there[0]), versions.index(there[-1])
        if there != versions[first : last + 1]:
            raise SystemExit(f"{name} went and came back: the table cannot say that")
        rows[name] = [there[0], "" if there[-1] == versions[-1] else there[-1]]
    table["defaults"] = rows
    _write(table)


def _mapped(texts: list[bytes], version: str) -> list[str]:
    for text in texts:
        if MAPPING.encode() not in text:
            continue
        for node in ast.parse(text).body:
            if (
                isinstance(node, ast.Assign)
                and isinstance(node.targets[0], ast.Name)
                and node.targets[0].id == MAPPING
                and isinstance(node.value, ast.Dict)
            ):
                return [k.value for k in node.value.keys if isinstance(k, ast.Constant)]  # type: ignore[misc]
    raise SystemExit(f"peft {version} has no {MAPPING}")


def _key(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))


def _read() -> dict[str, Any]:
    if OUT.exists():
        table: dict[str, Any] = json.loads(OUT.read_text(encoding="utf-8"))
        return table
    return {"date": "", "source": "", "transformers": [], "peft": [], "types": {}, "defaults": {}}


def _write(table: dict[str, Any]) -> None:
    table["source"] = (
        "types: last parts of model.named_modules() of the models built without weights, in the "
        "listed releases of transformers (wrapped: a layer that LoRA can wrap; other: not; also: "
        "in some release only). defaults: keys of "
        f"{MAPPING} in the peft wheels, first and last release that has them"
    )
    table["ids"] = [list(row) for row in IDS]
    text = json.dumps(table, indent=1)
    text = re.sub(r"\[\s+(\"[^\"]*\"),\s+(\"[^\"]*\")\s+\]", r"[\1, \2]", text)
    OUT.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in ("names", "defaults"):
        raise SystemExit(__doc__)
    (names if sys.argv[1] == "names" else defaults)(sys.argv[2])
