"""HF Jobs gets the script alone: modules and data beside it stay on the machine."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftdoctor.checks.about import HF_JOBS
from ftdoctor.checks.token_uses import node_place
from ftdoctor.lazy import lazy, lazy_module
from ftdoctor.rulebook.model import Hit

if TYPE_CHECKING:
    import ast
    from collections.abc import Iterator

    from ftdoctor.checks.context import Context
    from ftdoctor.job.model import Job, Script
else:
    ast = lazy_module("ast")

_DATA = lazy(r"\.(?:jsonl?|csv|tsv|parquet|txt|ya?ml|arrow|pkl|toml)\Z")
_READS = (
    "open",
    "read_text",
    "read_bytes",
    "load_dataset",
    "read_csv",
    "read_json",
    "read_parquet",
)


def _shipped_alone(job: Job) -> bool:
    return job.form in HF_JOBS and bool(job.extra.get("uv")) and not job.volumes


def local_module(context: Context, **_: object) -> Iterator[Hit]:
    """A uv script imports a module that lies beside it, which does not travel with it."""
    job = context.job
    if not _shipped_alone(job):
        return
    own = {requirement.name.lower().replace("_", "-") for requirement in job.requirements}
    for module, place in job.extra.get("local_modules", []):
        if module.lower().replace("_", "-") in own:
            continue
        script = next((s for s in job.scripts if s.source.path == place.path), None)
        if script is None or not _imported_always(script, module):
            continue
        if re.search(
            rf"{re.escape(module)}\.py|sys\.path|PYTHONPATH|snapshot_download", script.source.text
        ):
            continue  # the script fetches or finds it itself
        yield Hit(place, {"module": module}, {"module": module})


def _imported_always(script: Script, module: str) -> bool:
    """Whether the import stands at the top of the script, in no try and no if."""
    if script.tree is None:
        return False
    for node in script.tree.body:
        if isinstance(node, ast.Import) and any(a.name.split(".")[0] == module for a in node.names):
            return True
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == module:
            return not node.level
    return False


def relative_import(context: Context, **_: object) -> Iterator[Hit]:
    """A file that is run as a script cannot import relative to a package it is not part of."""
    job = context.job
    for script in job.scripts:
        if script.role != "training" or script.tree is None or not script.launched:
            continue
        if _run_as_module(job, script):
            continue
        for node in script.tree.body:
            if isinstance(node, ast.ImportFrom) and node.level:
                name = "." * node.level + (node.module or "")
                yield Hit(node_place(script.source, node), {"module": name}, {"module": name})
                return


def _run_as_module(job: Job, script: Script) -> bool:
    """Whether the file is not itself what a command names (`python -m`, an entry point)."""
    name = script.source.path.rsplit("/", 1)[-1]
    words = [str(v.value or v.raw) for step in job.steps for v in step.argv]
    return not any(word.rsplit("/", 1)[-1] == name for word in words)


def data_beside(context: Context, **_: object) -> Iterator[Hit]:
    """A uv script reads a file that it finds by its own path (`__file__`)."""
    job = context.job
    if not _shipped_alone(job):
        return
    for script in job.scripts:
        text = script.source.text
        if script.role != "training" or "__file__" not in text or script.tree is None:
            continue
        if re.search(
            r"\.exists\(\)|os\.path\.(?:exists|isfile)|\.is_file\(\)|FileNotFoundError", text
        ):
            continue
        for name, node, path in _paths_from_file(script.tree):
            if _read_somewhere(script.tree, name):
                yield Hit(node_place(script.source, node), {"path": path}, {"path": path})
                return


def _paths_from_file(tree: ast.Module) -> Iterator[tuple[str, ast.expr, str]]:
    for node in tree.body:
        if not isinstance(node, ast.Assign) or not isinstance(node.targets[0], ast.Name):
            continue
        names = {n.id for n in ast.walk(node.value) if isinstance(n, ast.Name)}
        texts = [n for n in ast.walk(node.value) if isinstance(n, ast.Constant)]
        texts.sort(key=lambda n: (n.lineno, n.col_offset))
        parts = [n.value for n in texts if isinstance(n.value, str)]
        if "__file__" in names and parts and _DATA.search(parts[-1]):
            yield node.targets[0].id, node.value, "/".join(parts)


def _read_somewhere(tree: ast.Module, name: str) -> bool:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func).rsplit(".", 1)[-1]
        if called not in _READS:
            continue
        words = [ast.unparse(a) for a in (*node.args, *(k.value for k in node.keywords))]
        if any(w in ("'w'", "'wb'", "'a'") for w in words):
            continue
        owner = ast.unparse(node.func.value) if isinstance(node.func, ast.Attribute) else ""
        if owner == name or name in words:
            return True
    return False
