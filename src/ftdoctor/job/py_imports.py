"""What `import` statements bring into a file; modules beside the job are read and followed."""

from __future__ import annotations

import ast
import warnings
from typing import TYPE_CHECKING, Any

from ftdoctor.job.py_abstract import Abstract, At, Ref, Scope, Space

if TYPE_CHECKING:
    from ftdoctor.job.py_run import Run

_MAX_FILES = 12
#: Where the packages of a checkout stand, seen from the folder of the script.
_FOLDERS = ("", "src/", "../src/", "../")
#: Top-level names that are never a file beside the job.
_LIBRARIES = frozenset(
    "absl accelerate argparse base64 bitsandbytes click collections copy dataclasses datasets "
    "datetime deepspeed dotenv evaluate fire functools getpass glob google huggingface_hub inspect "
    "io itertools json logging math numpy os pandas pathlib peft random re requests shlex shutil "
    "subprocess sys textwrap time torch tqdm transformers trl typer types typing unsloth vertexai "
    "wandb yaml".split()
)


def bind_import(run: Run, node: Any) -> None:
    """Bind the names of an `import` or `from ... import` statement."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            top = alias.name.split(".")[0]
            _seen(run, top, node)
            target = _module(run, alias.name)
            if alias.asname:
                run.bind(alias.asname, target or Ref(alias.name, run.at(node)))
            else:
                run.bind(top, _module(run, top) or Ref(top, run.at(node)))
        return
    module = node.module or ""
    if module:
        _seen(run, module.split(".")[0] if not node.level else "." + module, node)
    source = _module(run, module, node.level)
    for alias in node.names:
        name = alias.asname or alias.name
        if alias.name == "*":
            if source is not None:
                for key, value in source.scope.cells.items():
                    if not str(key).startswith("_"):
                        run.bind(key, value)
            continue
        found: Abstract | None = source.scope.cells.get(alias.name) if source is not None else None
        if found is None and module:
            found = _module(run, f"{module}.{alias.name}", node.level)
        elif found is None and node.level:
            found = _module(run, alias.name, node.level)
        full = f"{module}.{alias.name}" if module else alias.name
        at = At(run.source, alias)
        run.bind(name, found if found is not None else Ref(full, at))


def _seen(run: Run, name: str, node: ast.AST) -> None:
    place = run.at(node).place
    if place is not None:
        run.imports.setdefault(name, place)


def _module(run: Run, name: str, level: int = 0) -> Space | None:
    """Return a module of the job's own files, followed; None for a library or an unknown file."""
    if run.env is None or (not level and name.split(".")[0] in _LIBRARIES) or not name:
        return None
    key = "." * level + name
    if key in run.spaces:
        return run.spaces[key]
    run.spaces[key] = None
    if len(run.files) >= _MAX_FILES or run.fallbacks:
        return None
    stem = name.replace(".", "/")
    source = None
    for prefix in ("", "../") if level > 1 else _FOLDERS:
        for tail in (f"{stem}.py", f"{stem}/__init__.py"):
            source = source or run.env.read_file(prefix + tail)
    if source is None or source.path == run.source.path:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source.text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    run.files.append(source)
    space = Space(name, Scope())
    run.spaces[key] = space
    before = (run.scope, run.source, run.module)
    run.scope = run.module = space.scope
    run.source = source
    space.scope.cells["__name__"] = _constant(name)
    functions = len(run.functions)
    try:
        run.block(tree.body)
    finally:
        run.scope, run.source, run.module = before
        # What a helper file defines and nobody calls does not run in this job.
        del run.functions[functions:]
    return space


def _constant(text: str) -> Abstract:
    from ftdoctor.job.py_abstract import Const

    return Const(text)
