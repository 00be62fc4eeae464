"""What a script imports and reads from the environment, and the container lacks."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftdoctor.checks.about import code, launched, remote
from ftdoctor.checks.token_uses import node_place
from ftdoctor.job.value import get
from ftdoctor.lazy import lazy, lazy_module
from ftdoctor.rulebook.model import Hit, Severity

if TYPE_CHECKING:
    import ast
    from collections.abc import Iterator

    from ftdoctor.checks.context import Context
    from ftdoctor.job.model import Job, Script
else:
    ast = lazy_module("ast")

_NOTEBOOK_MODULES = {
    "google.colab": "Google Colab",
    "kaggle_secrets": "Kaggle",
    "kaggle_datasets": "Kaggle",
}


def notebook_module(context: Context, **_: object) -> Iterator[Hit]:
    """google.colab or kaggle_secrets imported in a job: they exist only in those notebooks."""
    job = context.job
    if not remote(job):
        return
    for script in job.scripts:
        if script.role == "submit" or script.tree is None:
            continue
        for node, name in _top_imports(script):
            for module, where in _NOTEBOOK_MODULES.items():
                if name == module or name.startswith(module + "."):
                    yield Hit(
                        node_place(script.source, node),
                        {"module": module, "where": where},
                        {"module": name},
                        summary="{module} is imported, and exists only in {where}.",
                    )
                    return


def _top_imports(script: Script) -> Iterator[tuple[ast.stmt, str]]:
    """Yield the imports of a script that run whenever it does (none in try or if)."""
    if script.tree is None:
        return
    for node in script.tree.body:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node, alias.name
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            yield node, node.module
            for alias in node.names:
                yield node, f"{node.module}.{alias.name}"


def required_env(context: Context, **_: object) -> Iterator[Hit]:
    """The code needs an environment variable, by subscript, that the launch does not give."""
    from ftdoctor.checks.about import env_open, environments

    job = context.job
    if not launched(job) or not remote(job) or env_open(job) or not job.pools:
        return
    given = (
        set.intersection(*(set(env) for env in environments(job))) if environments(job) else set()
    )
    for step in job.steps:
        given |= set(step.assignments)
    text = code(job)
    for script in job.scripts:
        if script.role != "training" or script.tree is None or "environ[" not in script.source.text:
            continue
        given |= set(script.env_set)
        for node, name in _env_subscripts(script):
            if (
                name in given
                or _PLATFORM_ENV.match(name)
                or re.search(
                    rf"\b{re.escape(name)}=|load_dotenv|environ\.(?:setdefault|update)",
                    text,
                )
            ):
                continue
            if re.search(
                rf"""["']{re.escape(name)}["']\s+(?:not\s+)?in\s+os\.environ|getenv\(\s*["']{re.escape(name)}""",
                script.source.text,
            ):
                continue
            severity: Severity | None = None if _public_image(job) else "warning"
            yield Hit(
                node_place(script.source, node), {"name": name}, {"name": name}, severity=severity
            )
            given.add(name)


#: Set by the platforms, the launchers, or every shell.
_PLATFORM_ENV = lazy(
    r"AIP_|CLOUD_ML|CLUSTER_SPEC|TF_CONFIG|GOOGLE_|GCP_|JOB_ID|ACCELERATOR|CPU_CORES|MEMORY|LOCAL_RANK|RANK|WORLD_SIZE|MASTER_|GROUP_RANK|LOCAL_WORLD_SIZE|PATH|HOME|USER|PWD|SHELL|LANG|HOSTNAME|TMPDIR|CUDA_|NVIDIA_|LD_LIBRARY|PYTHON|VIRTUAL_ENV|HF_HOME|VERTEX_|TRIAL_ID"
)


def _public_image(job: Job) -> bool:
    from ftdoctor.job.images import read_image

    image = get(job.pools[0].image) if job.pools else None
    if image is None:
        return job.platform == "hf-jobs"
    return read_image(image).known


def _env_subscripts(script: Script) -> Iterator[tuple[ast.Subscript, str]]:
    """Yield `os.environ["X"]` reads in statements that run whenever the script does."""
    from ftdoctor.checks.trackers import certain_statements

    for statement in certain_statements(script):
        for node in ast.walk(statement):
            if (
                isinstance(node, ast.Subscript)
                and isinstance(node.ctx, ast.Load)
                and ast.unparse(node.value) in ("os.environ", "environ")
                and isinstance(node.slice, ast.Constant)
                and isinstance(node.slice.value, str)
            ):
                yield node, node.slice.value


def colab_secret(context: Context, **_: object) -> Iterator[Hit]:
    """userdata.get in a job: Colab's secrets cannot be read outside of its page."""
    job = context.job
    if not remote(job):
        return
    for script in job.scripts:
        if script.role == "submit" or any(True for _ in notebook_module(context)):
            return
        match = re.search(r"^[^#\n]*?(userdata\.get\()", script.source.text, re.M)
        if match and "google.colab" in script.source.text and "try:" not in script.source.text:
            yield Hit(
                script.source.span(match.start(1), match.end(1)),
                {},
                {"call": "userdata.get"},
                summary="userdata.get in a job: Colab's secrets cannot be read here.",
            )
            return
