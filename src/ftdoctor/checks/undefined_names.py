"""Names that a script uses and that nothing in it, and no builtin, defines: NameError."""

from __future__ import annotations

import builtins
import re
from typing import TYPE_CHECKING

from ftdoctor.checks.about import launched, near_names
from ftdoctor.lazy import lazy, lazy_module
from ftdoctor.rulebook.model import Edit, Hit, Severity, TextEdit

if TYPE_CHECKING:
    import ast
    from collections.abc import Iterator

    from ftdoctor.checks.context import Context
    from ftdoctor.job.model import Script
    from ftdoctor.job.source import Place
else:
    ast = lazy_module("ast")

#: A script that makes names in another way than by binding them, or expects them to be missing.
_DYNAMIC = lazy(
    r"\b(?:exec|eval|globals|locals|vars|__import__|runpy)\b|\bNameError\b|import\s+\*|get_ipython"
    r"|^\s*[%!]|\bbuiltins\b|\bsetattr\(\s*sys\.modules",
    re.M,
)
_OWN = frozenset(
    "__file__ __name__ __doc__ __package__ __spec__ __loader__ __builtins__ __path__ "
    "__annotations__ __dict__ __class__ __qualname__ __module__ WindowsError reveal_type "
    "display".split()
)
#: What is meant by names that people use without importing them.
_IMPORTS = {
    **{name: f"import {name}" for name in ("torch", "os", "sys", "json", "math", "re", "random")},
    **{name: f"import {name}" for name in ("transformers", "trl", "peft", "datasets", "wandb")},
    "np": "import numpy as np",
    "pd": "import pandas as pd",
    "Path": "from pathlib import Path",
    "partial": "from functools import partial",
    "load_dataset": "from datasets import load_dataset",
    **{
        name: f"from {package} import {name}"
        for package, names in (
            ("datasets", ("Dataset", "DatasetDict")),
            ("peft", ("LoraConfig", "PeftModel", "get_peft_model", "TaskType")),
            ("trl", ("SFTConfig", "SFTTrainer", "DPOConfig", "DPOTrainer", "GRPOConfig")),
            ("transformers", ("AutoTokenizer", "AutoModelForCausalLM", "BitsAndBytesConfig")),
            ("transformers", ("TrainingArguments", "Trainer", "AutoConfig", "set_seed")),
        )
        for name in names
    },
}


def used(context: Context, **_: object) -> Iterator[Hit]:
    """A name is used that is bound nowhere in the file and is no builtin.

    Only in a script that a job is seen to start, or with a PEP 723 header: a file that stands alone
    may be an excerpt whose imports were left out on purpose. Every binding anywhere in the file
    counts, in whatever scope: what is told is certain to fail when the line is reached. Annotations
    are not looked at, since they may not be evaluated.
    """
    job = context.job
    for script in job.scripts:
        if not launched(job) and "# /// script" not in script.source.text:
            continue
        if script.role == "submit" or not script.source.is_file or script.tree is None:
            continue
        if not script.source.path.endswith(".py") or _DYNAMIC.search(script.source.text):
            continue
        yield from _of(script, script.tree)


def _of(script: Script, tree: ast.Module) -> Iterator[Hit]:
    collected = _Names()
    collected.visit(tree)
    known = collected.bound | _OWN
    told: set[str] = set()
    for node in collected.loaded:
        name = node.id
        if name in known or name in told or hasattr(builtins, name):
            continue
        place = _place(script, node)
        if any(place.line >= dead.line and place.line <= dead.end_line for dead in script.dead):
            continue
        told.add(name)
        line = _IMPORTS.get(name, "")
        near = near_names(name, sorted(n for n in collected.bound if len(n) > 2), 1, 0.8)
        near = [] if line else near
        hint = f": `{line}` is missing" if line else f"; `{near[0]}` is" if near else ""
        values = {"name": name, "near": hint, "path": place.path}
        edits = {}
        if near:
            edits["right"] = Edit(f"Write {near[0]}", (TextEdit(place, near[0]),))
        # What else is not defined may be left out of an excerpt on purpose.
        severity: Severity | None = None if hint else "warning"
        summary = "`{name}` is not defined{near}."
        yield Hit(place, values, values, edits, severity, summary)


def _place(script: Script, node: ast.Name) -> Place:
    row = script.source.line_text(node.lineno).encode()
    first = len(row[: node.col_offset].decode("utf-8", "replace"))
    return script.source.place(node.lineno, first + 1, node.lineno, first + 1 + len(node.id))


class _Names:
    """What a module binds anywhere, and the names that its code loads."""

    def __init__(self) -> None:
        self.bound: set[str] = set()
        self.loaded: list[ast.Name] = []

    def visit(self, node: ast.AST) -> None:
        if isinstance(node, ast.Name):
            if isinstance(node.ctx, ast.Load):
                self.loaded.append(node)
            else:
                self.bound.add(node.id)
            return
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            self.bound.update((a.asname or a.name).split(".")[0] for a in node.names)
            return
        if isinstance(node, (ast.Global, ast.Nonlocal)):
            self.bound.update(node.names)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            self.bound.add(node.name)
        elif isinstance(node, ast.arg):
            self.bound.add(node.arg)
            return  # its annotation is left
        elif isinstance(node, (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)) and node.name:
            self.bound.add(node.name)
        elif isinstance(node, ast.MatchMapping) and node.rest:
            self.bound.add(node.rest)
        elif type(node).__name__ in ("TypeVar", "ParamSpec", "TypeVarTuple"):
            self.bound.add(str(getattr(node, "name", "")))
        skipped = {"annotation", "returns", "type_comment"}
        for name, value in ast.iter_fields(node):
            if name in skipped:
                continue
            for item in value if isinstance(value, list) else (value,):
                if isinstance(item, ast.AST):
                    self.visit(item)
