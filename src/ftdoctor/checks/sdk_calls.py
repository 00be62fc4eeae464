"""Python that submits jobs: what the Google SDK and huggingface_hub refuse at once.

Run on google-cloud-aiplatform 2.7.0: the constructor turns the worker pools into messages, so a
camelCase or unknown key is a ValueError, a number in `env` or `args` a TypeError, and a `command`
that is one text becomes one item for each letter.
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from ftdoctor.checks.about import near_names
from ftdoctor.checks.token_uses import node_place
from ftdoctor.job.value import get
from ftdoctor.lazy import lazy
from ftdoctor.rulebook.model import Edit, Hit, TextEdit
from ftdoctor.tables import table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftdoctor.checks.context import Context
    from ftdoctor.job.model import Script


def camel_case(context: Context, **_: object) -> Iterator[Hit]:
    """camelCase keys in worker_pool_specs, where the SDK's messages have snake_case fields."""
    hits = context.job.extra.get("camel_keys", [])
    if context.job.form != "vertex-python" or not hits:
        return
    keys = [path.rpartition(".")[2] for path, _ in hits]
    changes = tuple(
        TextEdit(place, f"\0{_snake(path.rpartition('.')[2])}\0")
        for path, place in hits
        if place.end_line
    )
    edits = (
        {"snake": Edit("Write the keys in snake_case", changes)}
        if len(changes) == len(hits)
        else {}
    )
    shown = ", ".join(dict.fromkeys(keys))
    yield Hit(hits[0][1], {"keys": shown}, {"keys": keys}, edits)


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", name).lower()


_CLASSES = (
    "CustomJob",
    "CustomContainerTrainingJob",
    "CustomTrainingJob",
    "CustomPythonPackageTrainingJob",
)


def unknown_argument(context: Context, **_: object) -> Iterator[Hit]:
    """A keyword that CustomJob, a training job, run or submit does not take."""
    job = context.job
    if job.form != "vertex-python":
        return
    for script in job.scripts:
        if script.role == "submit" and script.tree is not None:
            yield from _calls(script)
            return
    from ftdoctor.job.model import Script as Read

    if job.source.path.endswith(".py"):
        yield from _calls(Read(job.source, "submit"))


def _calls(script: Script) -> Iterator[Hit]:
    tree = script.tree
    if tree is None or not any(name in script.source.text for name in _CLASSES):
        return
    if not re.search(r"google\.cloud|vertexai|agentplatform", script.source.text):
        return
    objects: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            name = _class(node.value.func)
            for target in node.targets:
                if isinstance(target, ast.Name):
                    objects[target.id] = (
                        name if name and objects.get(target.id, name) == name else ""
                    )
    signatures = table("aiplatform_sdk")["signatures"]
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        where = _callee(node.func, objects)
        if where not in signatures:
            continue
        takes = signatures[where]
        for keyword in node.keywords:
            if keyword.arg is None or keyword.arg in takes:
                continue
            near = near_names(keyword.arg, takes, n=1, cutoff=0.7)
            other = next(
                (
                    w
                    for w in signatures
                    if w.split(".")[0] == where.split(".")[0] and keyword.arg in signatures[w]
                ),
                "",
            )
            hint = _HINTS.get(keyword.arg) if _HINTS.get(keyword.arg) in takes else ""
            right = hint or (near[0] if near else "")
            why = f"use {right}" if right else ""
            if other:
                why = f"it belongs to {other.replace('.__init__', '(...)')}"
            values = {
                "call": where.replace(".__init__", ""),
                "keyword": keyword.arg,
                "why": why or "no such parameter",
            }
            yield Hit(
                node_place(script.source, keyword.value),
                values,
                {"call": where, "keyword": keyword.arg},
            )


_HINTS = {
    "env": "environment_variables",
    "env_vars": "environment_variables",
    "environment": "environment_variables",
    "image_uri": "container_uri",
    "container_image_uri": "container_uri",
    "base_output_directory": "base_output_dir",
    "output_dir": "base_output_dir",
    "name": "display_name",
    "job_name": "display_name",
    "region": "location",
    "disk_size": "boot_disk_size_gb",
    "boot_disk_size": "boot_disk_size_gb",
    "strategy": "scheduling_strategy",
    "timeout_seconds": "timeout",
}


def _class(func: ast.expr) -> str:
    name = (
        func.attr
        if isinstance(func, ast.Attribute)
        else func.id
        if isinstance(func, ast.Name)
        else ""
    )
    owner = func.value if isinstance(func, ast.Attribute) else None
    if isinstance(owner, ast.Name) and owner.id not in (
        "aiplatform",
        "aip",
        "vertex_ai",
        "vertexai",
        "aiplatform_v1",
    ):
        return ""
    return name if name in _CLASSES else ""


def _callee(func: ast.expr, objects: dict[str, str]) -> str:
    """Return "CustomJob.__init__", "CustomJob.run", ... for a call, or ""."""
    name = _class(func)
    if name:
        return f"{name}.__init__"
    if isinstance(func, ast.Attribute) and func.attr in ("run", "submit"):
        owner = func.value
        if isinstance(owner, ast.Name) and objects.get(owner.id):
            return f"{objects[owner.id]}.{func.attr}"
        if isinstance(owner, ast.Call) and _class(owner.func):
            return f"{_class(owner.func)}.{func.attr}"
    return ""


def inline_script(context: Context, **_: object) -> Iterator[Hit]:
    """run_uv_job gets the text of a script; it takes a path or an address."""
    job = context.job
    if (
        job.form != "hf-jobs-python"
        or not job.extra.get("inline_script")
        or not job.extra.get("uv")
    ):
        return
    value = job.extra.get("script")
    yield Hit(value.place if value is not None and value.place else job.place, {}, {"inline": True})


_MOUNT = lazy(r":/data(?::r[ow])?/?\Z")


def reserved_mount(context: Context, **_: object) -> Iterator[Hit]:
    """A volume at /data with a local uv script, which is shipped there itself (hub 2.4.0)."""
    job = context.job
    if job.form not in ("hf-jobs-cli", "hf-jobs-python") or not job.extra.get("uv"):
        return
    given = get(job.extra["script"]) if job.extra.get("script") is not None else None
    if (
        not isinstance(given, str)
        or not given.endswith(".py")
        or given.startswith(("http://", "https://"))
    ):
        return
    for volume in job.volumes:
        text = get(volume)
        if isinstance(text, str) and _MOUNT.search(text):
            yield Hit(volume.place or job.place, {"volume": text}, {"volume": text})


def eaten_option(context: Context, **_: object) -> Iterator[Hit]:
    """`hf jobs run IMAGE bash -lc "..."`: hf takes -lc as its own label option."""
    job = context.job
    if job.form != "hf-jobs-cli":
        return
    for word, place in job.extra.get("options_after_command", []):
        if re.fullmatch(r"-[lesv][a-z]+", word):
            yield Hit(place or job.place, {"option": word, "taken": word[:2]}, {"option": word})
            return
