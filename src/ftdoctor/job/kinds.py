"""What kind of text a file is, and whether it may hold a job: cheap tests before any parsing."""

from __future__ import annotations

import re

from ftdoctor.lazy import lazy, lazy_bytes

#: Folders that hold other people's code or built things.
SKIPPED_FOLDERS = frozenset(
    ".git .hg .venv venv env node_modules __pycache__ .tox .mypy_cache .ruff_cache .pytest_cache"
    " site-packages dist build .ipynb_checkpoints .terraform wandb mlruns _build".split()
)

_BY_SUFFIX = {
    **dict.fromkeys((".sh", ".bash", ".zsh", ".ksh", ".env.sh", ".slurm", ".sbatch"), "shell"),
    **dict.fromkeys((".yaml", ".yml", ".json", ".tpl", ".tmpl", ".template", ".j2"), "yaml"),
    **dict.fromkeys((".md", ".mdx", ".markdown", ".rst", ".qmd", ".txt", ".myst"), "document"),
    ".py": "python",
    ".ipynb": "notebook",
    ".tf": "terraform",
    ".ps1": "powershell",
    ".mk": "make",
}
_BY_NAME = {"Makefile": "make", "makefile": "make", "GNUmakefile": "make", "justfile": "make"}
#: Text files of these names are no documents about jobs.
_NOT_DOCUMENTS = lazy(r"(?i)(?:^|/)(?:requirements|constraints|license|licence|authors)[^/]*\.txt$")
_LAUNCHES = lazy_bytes(
    rb"gcloud\s[^\n]{0,80}\bai\b|\bhf\s+jobs\b|huggingface-cli\s+(?:jobs|job)\b|\bhfjobs\b|\btrl\s+(?:sft|dpo|grpo|kto|reward"
    rb"|rloo|orpo|online-dpo)\b|accelerate\s+launch|\btorchrun\b|torch\.distributed|\bdeepspeed\b|uv\s+run\b"
    rb"|custom-jobs|custom_job|hf_jobs\b|run_uv_job|run_job\b|python3?\s+(?:-\S+\s+)*\S+(?:\.py\b|train)"
    rb"|trl-jobs\b"
)
_SPEC = lazy_bytes(
    rb"workerPoolSpec|worker_pool_spec|machineSpec|containerSpec|trialJobSpec|pipelineSpec"
    rb"|deploymentSpec|machine_spec|deploymentConfig"
)
_CALL = lazy_bytes(rb'hf_jobs|"(?:operation|flavor|hardware_flavor)"\s*:')
_PYTHON = lazy_bytes(
    rb"aiplatform|agentplatform|vertexai|run_job\b|run_uv_job|hf_jobs|create_custom_job"
    rb"|# /// script|\btrl\b|transformers|\bpeft\b|unsloth|gcloud|SFTTrainer"
    rb"|Trainer\(|kfp\b|create_scheduled"
)
_NOTEBOOK = lazy_bytes(
    rb"aiplatform|vertexai|run_job|run_uv_job|hf_jobs|\btrl\b|transformers|peft|unsloth|gcloud"
)
_SUBMITS = lazy(
    r"\baiplatform|agentplatform|vertexai|\brun_job\b|\brun_uv_job\b|\bhf_jobs\b|create_custom_job"
    r"|create_scheduled_(?:uv_)?job|gcloud|\bkfp\b|hf\W+jobs\W+(?:uv\W+)?run"
)
_TERRAFORM = lazy_bytes(rb"google_vertex_ai")


def kind_of(path: str, text: str) -> str:
    """Return which reader reads a file: "shell", "yaml", "python", ...; "" for none.

    With an empty `text` only the name is looked at. The content decides where the name cannot:
    standard input, scripts without a suffix, workflow files of GitHub Actions.
    """
    name = path.rsplit("/", 1)[-1].rsplit("\\", 1)[-1]
    if name in _BY_NAME:
        return _BY_NAME[name]
    suffix = "." + name.rsplit(".", 1)[-1].lower() if "." in name.lstrip(".") else ""
    kind = _BY_SUFFIX.get(suffix, "")
    if kind == "document" and _NOT_DOCUMENTS.search(path):
        return ""
    if kind == "yaml":
        if "/.github/workflows/" in f"/{path}" or _is_workflow(text):
            return "actions"
        if suffix in (".tpl", ".tmpl", ".template", ".j2"):
            inner = kind_of(path[: -len(suffix)], text) if "." in name[: -len(suffix)] else ""
            return inner or by_content(text)
        return kind
    if kind:
        return "submit" if kind == "python" and text and _SUBMITS.search(text) else kind
    if suffix and not text.startswith("#!") and path != "-":
        return ""
    return by_content(text) if text else ("shell" if not suffix else "")


def _is_workflow(text: str) -> bool:
    return bool(
        re.search(r"(?m)^jobs:", text)
        and re.search(r"(?m)^(?:on|'on'|\"on\"|true):", text)
        and re.search(r"(?m)^\s+-?\s*(?:run|uses):", text)
    )


def by_content(text: str) -> str:
    """Guess the kind of a text without a telling name."""
    head = text.lstrip("\ufeff \t\n")[:2000]
    first = head.split("\n", 1)[0]
    if first.startswith("#!"):
        return kind_of("x.py", text) if "python" in first or "uv run" in first else "shell"
    if head.startswith("{") and '"cells"' in text and '"nbformat"' in text:
        return "notebook"
    if head.startswith(("{", "[")):
        return "yaml"
    if "# /// script" in text or re.search(
        r"(?m)^(?:import|from)\s+\w[\w.]*(?:\s+import\b|\s*$)", text
    ):
        return kind_of("x.py", text)
    if re.search(r"(?m)^(?:```|~~~|#{1,6} \S.*\n\n)", text):
        return "document"
    if _is_workflow(text):
        return "actions"
    if re.search(
        r"(?m)^-?\s*['\"]?(?:workerPoolSpecs|worker_pool_specs|jobSpec|trialJobSpec|machineSpec)['\"]?:",
        text,
    ):
        return "yaml"
    return "shell" if text.strip() else ""


def worth_reading(path: str, data: bytes) -> bool:
    """Whether a file found by search may hold a job: a search for bytes that every job has."""
    kind = kind_of(path, "")
    if kind == "python":
        return bool(_PYTHON.search(data))
    if kind == "notebook":
        return bool(_NOTEBOOK.search(data))
    if kind == "terraform":
        return bool(_TERRAFORM.search(data))
    if kind == "yaml":
        return bool(_SPEC.search(data) or _CALL.search(data) or b"gcloud" in data)
    if kind == "document":
        return bool(_LAUNCHES.search(data) or _SPEC.search(data) or _CALL.search(data))
    return bool(_LAUNCHES.search(data))
