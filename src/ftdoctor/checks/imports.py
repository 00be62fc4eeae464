"""What a script imports whatever happens, against what is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftdoctor.checks.installed import present
from ftdoctor.job.surroundings import header_of
from ftdoctor.lazy import lazy_module
from ftdoctor.rulebook.model import Hit

if TYPE_CHECKING:
    import ast
    from collections.abc import Iterator

    from ftdoctor.checks.context import Context
    from ftdoctor.job.model import Script
else:
    ast = lazy_module("ast")

#: Module -> distribution, for modules that no other distribution provides under this name.
MODULES = {
    "PIL": "pillow",
    "accelerate": "accelerate",
    "bitsandbytes": "bitsandbytes",
    "datasets": "datasets",
    "deepspeed": "deepspeed",
    "einops": "einops",
    "evaluate": "evaluate",
    "fire": "fire",
    "flash_attn": "flash-attn",
    "google.cloud.storage": "google-cloud-storage",
    "gcsfs": "gcsfs",
    "huggingface_hub": "huggingface-hub",
    "hydra": "hydra-core",
    "kernels": "kernels",
    "liger_kernel": "liger-kernel",
    "matplotlib": "matplotlib",
    "mlflow": "mlflow",
    "nltk": "nltk",
    "numpy": "numpy",
    "omegaconf": "omegaconf",
    "openai": "openai",
    "optimum": "optimum",
    "pandas": "pandas",
    "peft": "peft",
    "polars": "polars",
    "psutil": "psutil",
    "requests": "requests",
    "rich": "rich",
    "rouge_score": "rouge-score",
    "sacrebleu": "sacrebleu",
    "scipy": "scipy",
    "seaborn": "seaborn",
    "sentence_transformers": "sentence-transformers",
    "sentencepiece": "sentencepiece",
    "sklearn": "scikit-learn",
    "tensorboard": "tensorboard",
    "tensorboardX": "tensorboardx",
    "tiktoken": "tiktoken",
    "timm": "timm",
    "tokenizers": "tokenizers",
    "torch": "torch",
    "torchvision": "torchvision",
    "tqdm": "tqdm",
    "trackio": "trackio",
    "transformers": "transformers",
    "trl": "trl",
    "unsloth": "unsloth",
    "vllm": "vllm",
    "wandb": "wandb",
    "yaml": "pyyaml",
    "dotenv": "python-dotenv",
}
#: Modules whose absence other rules tell in better words.
_OWN_RULE = frozenset({"bitsandbytes", "deepspeed", "flash_attn"})


def unconditional(script: Script) -> Iterator[tuple[str, ast.stmt]]:
    """Yield modules that the script imports whatever happens: outside try, if and functions."""
    tree = script.tree
    if tree is None:
        return
    for node in tree.body:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module, node


def _distribution(module: str) -> str:
    for name in (module, ".".join(module.split(".")[:3]), module.split(".")[0]):
        if name in MODULES:
            return MODULES[name]
    return ""


def modules(context: Context) -> Iterator[Hit]:
    """The script imports packages that are not in the environment that runs it."""
    job = context.job
    environment = job.environment
    seen: set[str] = set()
    for script in job.scripts:
        if script.role not in ("training", "notebook"):
            continue
        isolated = bool(environment and environment.isolated)
        unread_header = bool(header_of(script.source.text)) and not isolated
        nothing = not (environment and environment.taken)
        missing: list[tuple[str, str, ast.stmt]] = []
        for module, node in unconditional(script):
            package = _distribution(module)
            if not package or module.split(".")[0] in _OWN_RULE or package in seen:
                continue
            if present(job, package) is False:
                seen.add(package)
                missing.append((module, package, node))
        # When nothing is installed at all, one finding says it better than one for each import.
        groups = [missing] if unread_header or nothing else [[one] for one in missing]
        for group in filter(None, groups):
            module, package, node = group[0]
            packages = " ".join(name for _, name, _ in group)
            why = (
                "the header with its dependencies is read by `uv run` only, not by python"
                if unread_header
                else "the job installs nothing"
                if nothing
                else "nothing that is installed brings it along"
            )
            listed = packages.replace(" ", ", ")
            yield Hit(
                script.source.place(node.lineno, node.col_offset + 1),
                {"module": module, "package": packages, "why": why},
                summary=f"`{module}` is imported and {listed} "
                f"{'are' if len(group) > 1 else 'is'} not installed: {why}",
            )
