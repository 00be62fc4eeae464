"""Adapters at the end of a job: merged where there is none, converted where a model is needed."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

from ftdoctor.checks.about import code, softer, words
from ftdoctor.job.value import get
from ftdoctor.lazy import lazy, lazy_module
from ftdoctor.rulebook.model import Hit

if TYPE_CHECKING:
    import ast
    from collections.abc import Iterator

    from ftdoctor.checks.context import Context
    from ftdoctor.job.model import Job, Script, Step
    from ftdoctor.job.value import Value
else:
    ast = lazy_module("ast")


def merge_without_adapter(context: Context, **_: object) -> Iterator[Hit]:
    """`merge_and_unload()` on what `AutoModel...from_pretrained` returned: it has no such method.

    Only where a name is bound once, by that load, in code that is not in a function of its own.
    """
    for script in context.job.scripts:
        text = script.source.text
        if script.role == "submit" or ".merge_and_unload(" not in text or script.tree is None:
            continue
        if re.search(r"hasattr\(|isinstance\(|is_peft|\btry:", text):
            continue  # it looks for itself, or expects the failure
        yield from _plain_merges(script, script.tree)


def _plain_merges(script: Script, tree: ast.Module) -> Iterator[Hit]:
    from ftdoctor.checks.token_uses import live_nodes, node_place

    bound: dict[str, list[ast.expr | None]] = {}
    nodes = list(live_nodes(tree))
    for node in nodes:
        for target, value in _bindings(node):
            bound.setdefault(target, []).append(value)
    for node in nodes:
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        owner = node.func.value
        if node.func.attr != "merge_and_unload":
            continue
        values = bound.get(owner.id, []) if isinstance(owner, ast.Name) else [owner]
        # `model = model.merge_and_unload()` binds the name again with the call itself.
        loads = [v for v in values if not (isinstance(v, ast.Call) and v is node)]
        if len(loads) != 1 or not isinstance(loads[0], ast.Call):
            continue
        called = ast.unparse(loads[0].func)
        match = re.fullmatch(r"(?:transformers\.)?(AutoModel\w*)\.from_pretrained", called)
        if match is None or "ValueHead" in match[1]:
            continue
        yield Hit(
            node_place(script.source, node),
            {"cls": match[1], "load": called},
            {"load": called},
            summary="merge_and_unload() is called on what {load} returned: no adapter is on it.",
        )


def _bindings(node: ast.AST) -> Iterator[tuple[str, ast.expr | None]]:
    """Yield the names that a statement binds, with the value where it is a plain assignment."""
    if isinstance(node, ast.Assign):
        for target in node.targets:
            if isinstance(target, ast.Name):
                yield target.id, node.value
            else:
                yield from ((n.id, None) for n in ast.walk(target) if isinstance(n, ast.Name))
    elif isinstance(node, (ast.AnnAssign, ast.NamedExpr)):
        if isinstance(node.target, ast.Name):
            yield node.target.id, node.value
    elif isinstance(node, (ast.For, ast.AsyncFor, ast.comprehension, ast.AugAssign)):
        yield from ((n.id, None) for n in ast.walk(node.target) if isinstance(n, ast.Name))
    elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
        every = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        yield from ((a.arg, None) for a in every)
    elif isinstance(node, (ast.With, ast.AsyncWith)):
        for item in node.items:
            if isinstance(item.optional_vars, ast.Name):
                yield item.optional_vars.id, None
    elif isinstance(node, (ast.Global, ast.Nonlocal)):
        yield from ((name, None) for name in node.names)


def adapter_to_gguf(context: Context, **_: object) -> Iterator[Hit]:
    """convert_hf_to_gguf.py on the folder that a LoRA training wrote: it holds only an adapter."""
    job = context.job
    converted = list(_converted(job))
    if not converted or re.search(r"merge|convert_lora", code(job)):
        return
    folders = _adapter_folders(job)
    for value, step in converted:
        word = get(value) or ""
        if _folder(re.sub(r"/checkpoint-\d+/?\Z", "", word)) in folders:
            yield Hit(
                value.place or step.place,
                {"folder": word},
                {"folder": word},
                severity=softer(step.place),
                summary="{folder} holds the adapter that this job trains, not a model.",
            )


def quantized_to_gguf(context: Context, **_: object) -> Iterator[Hit]:
    """convert_hf_to_gguf.py on 4-bit weights: a -bnb-4bit repository, or a merge into 4 bits.

    llama.cpp conversion/base.py, dequant_model: no case for bitsandbytes (gguf-py 0.17 to today).
    """
    job = context.job
    converted = list(_converted(job))
    if not converted or "dequantize" in code(job):
        return
    folders = _four_bit_folders(job)
    for value, step in converted:
        word = get(value) or ""
        if _folder(word) in folders:
            yield Hit(
                value.place or step.place,
                {"folder": word},
                {"folder": word},
                severity=softer(step.place),
                summary="{folder} holds weights of bitsandbytes, which the converter cannot read.",
            )


def _converted(job: Job) -> Iterator[tuple[Value[str], Step]]:
    """Yield the folder of every call of the converter, with its step."""
    for step in job.steps:
        if "gguf" not in step.text:
            continue
        after = False
        for value in step.argv:
            word = get(value) or ""
            if after and not word.startswith("-"):
                yield value, step
                break
            after = after or bool(_CONVERTER.search(word))


def _four_bit_folders(job: Job) -> set[str]:
    found: set[str] = set()
    for step in job.steps:
        argv = words(step)
        if "download" in argv and any(re.search(r"-bnb-[48]bit\Z", w) for w in argv):
            named = [argv[i + 1] for i, w in enumerate(argv[:-1]) if w == "--local-dir"]
            found.update(_folder(name) for name in named)
    for training in job.trainings:
        flag = (training.quantization or {}).get("load_in_4bit")
        if get(flag) is not True or "merge_and_unload" not in code(job):
            continue
        loads = [
            place
            for script in job.scripts
            for callee, places in script.calls.items()
            if re.search(r"ForCausalLM\.from_pretrained\Z", callee)
            for place in places
        ]
        if len(loads) != 1:
            continue  # the base may be loaded again, in 16 bits
        saved = {get(v) or "" for v in training.saves}
        found.update(_folder(name) for name in saved if "merge" in name.lower())
    return found - {""}


_CONVERTER = lazy(r"convert[-_]hf[-_]to[-_]gguf(?:\.py)?\Z")


def _folder(text: str) -> str:
    return posixpath.normpath(text.strip()) if text.strip() else ""


def _adapter_folders(job: Job) -> set[str]:
    """Return the folders that trainings with an adapter write to."""
    found: set[str] = set()
    for training in job.trainings:
        if training.lora is None or training.open:
            continue
        given = [get(training.arguments.get("output_dir")), *(get(v) for v in training.saves)]
        found.update(_folder(g) for g in given if isinstance(g, str) and g)
    return found - {""}
