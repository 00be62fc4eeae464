"""Kubeflow pipelines that train on Vertex AI: compiled IR (YAML, JSON) and components in Python.

Machine, image, installs and environment are read where they are literals. What one step hands to
the next is decided when the pipeline runs, and is unknown here.
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Any

from ftdoctor.job.model import Job, Script, Unread, WorkerPool
from ftdoctor.job.value import known, unknown
from ftdoctor.job.yaml_values import Mapping, Reader, Scalar, Sequence
from ftdoctor.lazy import lazy

if TYPE_CHECKING:
    from ftdoctor.job.readenv import ReadEnv
    from ftdoctor.job.source import Place, Source
    from ftdoctor.job.value import Value
    from ftdoctor.job.yaml_values import Node

_TRAINS = lazy(r"\btrl\b|transformers|\bpeft\b|unsloth|SFTTrainer|accelerate launch|torchrun")
_PIPELINE_NOTE = "what other steps of the pipeline hand over is not known here"
_MACHINE_CALLS = (
    "create_custom_training_job_from_component",
    "create_custom_training_job_op_from_component",
)


def read_ir(source: Source, env: ReadEnv) -> list[Job]:
    """Return the training steps of a compiled pipeline. Raises BrokenYaml."""
    reader = Reader(source, env)
    jobs: list[Job] = []
    for root in reader.documents():
        top = _fields(reader, root)
        spec = _fields(reader, top["pipelineSpec"]) if "pipelineSpec" in top else top
        executors = _fields(reader, _under(reader, spec, "deploymentSpec", "executors"))
        for label, executor in executors.items():
            container = _fields(reader, executor).get("container")
            if isinstance(container, Mapping):
                jobs.extend(_executor(reader, label, container, env))
        tasks = _fields(reader, _under(reader, spec, "root", "dag", "tasks"))
        for name, task in tasks.items():
            jobs.extend(_custom_job(reader, name, task, env))
    return jobs


def _fields(reader: Reader, node: Node | None) -> dict[str, Node]:
    return {key: value for key, _, value in reader.pairs(node)}


def _under(reader: Reader, fields: dict[str, Node], *path: str) -> Node | None:
    node: Node | None = None
    for key in path:
        node = fields.get(key)
        fields = _fields(reader, node)
    return node


def _executor(reader: Reader, label: str, container: Node, env: ReadEnv) -> list[Job]:
    from ftdoctor.job.container import attach_command

    fields = _fields(reader, container)
    text = reader.source.text[container.start_mark.index : container.end_mark.index]
    resources = _fields(reader, fields.get("resources"))
    accelerator = _fields(reader, resources.get("accelerator"))
    if not accelerator and not _TRAINS.search(text):
        return []
    job = _job(reader.source, reader.place(container), label)
    pool = WorkerPool(place=reader.place(container))
    job.pools.append(pool)
    kind = accelerator.get("type") or accelerator.get("resourceType")
    count = accelerator.get("count") or accelerator.get("resourceCount")
    pool.accelerator_type = reader.text(kind) if kind is not None else None
    pool.accelerator_count = reader.whole_number(count) if count is not None else None
    pool.image = reader.text(fields["image"]) if "image" in fields else None
    pool.command = [reader.text(item) for item in reader.items(fields.get("command"))]
    pool.args = [reader.text(item) for item in reader.items(fields.get("args"))]
    for item in reader.items(fields.get("env")):
        pair = _fields(reader, item)
        if isinstance(pair.get("name"), Scalar) and "value" in pair:
            pool.env[pair["name"].value] = reader.text(pair["value"])
            pool.env_places[pair["name"].value] = reader.place(pair["name"])
    attach_command(job, pool, env)
    _component_code(job, pool, env)
    return [job]


def _component_code(job: Job, pool: WorkerPool, env: ReadEnv) -> None:
    """The Python of a lightweight component is the last word of its command."""
    from ftdoctor.job.container import source_of
    from ftdoctor.job.steps import add_script

    last = pool.command[-1] if pool.command else None
    if last is None or not last.known or "import kfp" not in (last.value or ""):
        return
    source = source_of(last, env)
    if source is not None:
        script = add_script(job, source, [], env)
        if script is not None:
            script.launched = False


def _job(source: Source, place: Place, name: str) -> Job:
    job = Job("vertex", "kfp", place, source)
    job.name = name
    job.sources.append(source)
    job.unread.append(Unread("pipeline", _PIPELINE_NOTE, place))
    return job


def _custom_job(reader: Reader, name: str, task: Node, env: ReadEnv) -> list[Job]:
    """Read a task of the custom-job component: worker pools, or machine type as parameters."""
    inputs = _fields(reader, _fields(reader, task).get("inputs"))
    parameters = _fields(reader, inputs.get("parameters"))
    found: dict[str, Node] = {}
    for key, value in parameters.items():
        inner = _fields(reader, _fields(reader, value).get("runtimeValue"))
        if "constant" in inner:
            found[key] = inner["constant"]
    if not {"worker_pool_specs", "machine_type"} & set(found):
        return []
    job = _job(reader.source, reader.place(task), name)
    pools = found.get("worker_pool_specs")
    if isinstance(pools, Sequence):
        job.pools.extend(_pool_of(reader, item) for item in pools.value)
    else:
        pool = WorkerPool(place=reader.place(task))
        pool.machine_type = reader.text(found["machine_type"]) if "machine_type" in found else None
        if "accelerator_type" in found:
            pool.accelerator_type = reader.text(found["accelerator_type"])
        if "accelerator_count" in found:
            pool.accelerator_count = reader.whole_number(found["accelerator_count"])
        job.pools.append(pool)
    from ftdoctor.job.container import attach_command

    for pool in job.pools:
        if pool.command or pool.args:
            attach_command(job, pool, env)
    return [job]


def _pool_of(reader: Reader, node: Node) -> WorkerPool:
    fields = _fields(reader, node)
    machine = _fields(reader, fields.get("machine_spec") or fields.get("machineSpec"))
    container = _fields(reader, fields.get("container_spec") or fields.get("containerSpec"))
    pool = WorkerPool(place=reader.place(node))

    def text(values: dict[str, Node], *names: str) -> Value[str] | None:
        return next((reader.text(values[n]) for n in names if n in values), None)

    pool.machine_type = text(machine, "machine_type", "machineType")
    pool.accelerator_type = text(machine, "accelerator_type", "acceleratorType")
    count = machine.get("accelerator_count") or machine.get("acceleratorCount")
    pool.accelerator_count = reader.whole_number(count) if count is not None else None
    pool.image = text(container, "image_uri", "imageUri")
    pool.command = [reader.text(item) for item in reader.items(container.get("command"))]
    pool.args = [reader.text(item) for item in reader.items(container.get("args"))]
    for item in reader.items(container.get("env")):
        pair = _fields(reader, item)
        if isinstance(pair.get("name"), Scalar) and "value" in pair:
            pool.env[pair["name"].value] = reader.text(pair["value"])
    return pool


def looks_like_pipeline(text: str) -> bool:
    """Whether a Python text defines pipeline components that train."""
    return bool(
        re.search(r"(?m)^\s*(?:from|import)\s+kfp\b", text)
        and re.search(r"@(?:\w+\.)*component\b|@(?:\w+\.)*container_component\b", text)
        and (_TRAINS.search(text) or any(name in text for name in _MACHINE_CALLS))
    )


def read_python(source: Source, env: ReadEnv) -> list[Job]:
    """Return the training components of a pipeline written in Python."""
    tree = Script(source).tree
    if tree is None:
        return []
    constants = _constants(tree, source)
    machine = _machine(tree, source, constants)
    jobs = []
    for node in ast.walk(tree):
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        decorator = next((d for d in node.decorator_list if _called(d) == "component"), None)
        body = ast.get_source_segment(source.text, node) or ""
        if decorator is None or not _TRAINS.search(body):
            continue
        job = _job(source, _place(source, node), node.name)
        pool = WorkerPool(place=_place(source, decorator))
        job.pools.append(pool)
        keywords = _keywords(decorator)
        if "base_image" in keywords:
            pool.image = _value(keywords["base_image"], source, constants)
        _packages(job, keywords.get("packages_to_install"), source)
        for field, value in machine.get(node.name, {}).items():
            setattr(pool, field, value)
        _function(job, node, source, env)
        jobs.append(job)
    return jobs


def _function(job: Job, node: ast.AST, source: Source, env: ReadEnv) -> None:
    """The body of a component is the script that runs."""
    from ftdoctor.job.py_training import read_training

    first, last = node.body[0], node.body[-1]  # type: ignore[attr-defined]
    indent = first.col_offset
    block = source.block(first.lineno, last.end_lineno or first.lineno, "", indent)
    script = Script(block, "training")
    job.scripts.append(script)
    job.trainings.extend(read_training(script, env))


def _called(node: ast.expr) -> str:
    target = node.func if isinstance(node, ast.Call) else node
    return target.attr if isinstance(target, ast.Attribute) else getattr(target, "id", "")


def _keywords(node: ast.expr) -> dict[str, ast.expr]:
    if not isinstance(node, ast.Call):
        return {}
    return {item.arg: item.value for item in node.keywords if item.arg}


def _place(source: Source, node: Any) -> Place:
    return source.place(node.lineno, node.col_offset + 1, node.end_lineno, node.end_col_offset + 1)


def _constants(tree: ast.Module, source: Source) -> dict[str, Value[Any]]:
    found: dict[str, Value[Any]] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    found[target.id] = known(node.value.value, _place(source, node.value))
    return found


def _value(node: ast.expr, source: Source, constants: dict[str, Value[Any]]) -> Value[Any]:
    if isinstance(node, ast.Constant):
        return known(node.value, _place(source, node))
    raw = ast.get_source_segment(source.text, node) or ""
    if isinstance(node, ast.Name) and node.id in constants:
        return constants[node.id]
    return unknown(f"{raw[:60]} is decided when the pipeline is built", _place(source, node), raw)


def _packages(job: Job, node: ast.expr | None, source: Source) -> None:
    from ftdoctor.job.requirements import parse_requirement

    if not isinstance(node, (ast.List, ast.Tuple)):
        return
    for item in node.elts:
        if isinstance(item, ast.Constant) and isinstance(item.value, str):
            found = parse_requirement(item.value, "step", _place(source, item))
            if found is not None:
                job.requirements.append(found)


def _machine(
    tree: ast.Module, source: Source, constants: dict[str, Value[Any]]
) -> dict[str, dict[str, Value[Any]]]:
    """Return the machine that each component is given, by the component's function name."""
    found: dict[str, dict[str, Value[Any]]] = {}
    names = ("machine_type", "accelerator_type", "accelerator_count", "replica_count")
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        if _called(node) in _MACHINE_CALLS:
            keywords = _keywords(node)
            target = node.args[0] if node.args else keywords.get("component_spec")
            if isinstance(target, ast.Name):
                found[target.id] = {
                    name: _value(keywords[name], source, constants)
                    for name in names
                    if name in keywords
                }
    return found
