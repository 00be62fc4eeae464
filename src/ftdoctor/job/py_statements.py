"""What each kind of statement does. See `py_run` for the state it runs in."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from ftdoctor.job import py_expr, py_ops
from ftdoctor.job.py_abstract import (
    Cells,
    Cls,
    Const,
    Entries,
    Func,
    Items,
    Map,
    Obj,
    Scope,
    Seq,
    Unk,
)
from ftdoctor.job.py_join import MISSING
from ftdoctor.records import replace

if TYPE_CHECKING:
    from collections.abc import Callable

    from ftdoctor.job.py_run import Run

#: How a statement ends: it goes on, it leaves a loop, it returns, it raises or exits.
NORMAL, LEAVES_LOOP, RETURNS, RAISES = 0, 1, 2, 3
_MAX_JOBS = 8
#: Calls that make one job or one training each.
_STOP_UNROLL = ("Job", "Trainer", "run_job", "run_uv_job", "hf_jobs", "create_custom_job", "submit")
CONDITION = "it depends on a condition"
LOOP = "it changes in a loop"


#: Statements that may take long, because they loop or call.
LONG = (ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Expr, ast.For, ast.While, ast.Return)
_GROWS = ("append", "extend", "update", "add", "insert", "setdefault")
_TOO_LONG = "it takes too long to follow"


def forget(run: Run, statement: ast.stmt) -> None:
    """Make unknown what a statement that was not followed to its end may have changed."""
    for node in ast.walk(statement):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            run.bind(node.id, Unk(_TOO_LONG, run.at(node)))
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value
            if isinstance(owner, ast.Name) and node.func.attr in _GROWS:
                _leave_open(run, run.lookup(owner.id))
        elif (
            isinstance(node, ast.Subscript)
            and isinstance(node.ctx, ast.Store)
            and isinstance(node.value, ast.Name)
        ):
            _leave_open(run, run.lookup(node.value.id))


def _leave_open(run: Run, found: Any) -> None:
    if isinstance(found, Seq):
        run.put(found.cells, "items", Items(found.items, found.now.open or _TOO_LONG))
    elif isinstance(found, Map):
        run.put(found.cells, "entries", Entries(found.data, found.now.open or _TOO_LONG))


def follow(run: Run, statement: ast.stmt) -> int:
    """Follow one statement and say how it ends."""
    return _STATEMENTS.get(type(statement), _skip)(run, statement)


def _skip(run: Run, node: ast.stmt) -> int:
    return NORMAL


def _expression(run: Run, node: Any) -> int:
    value = run.eval(node.value)
    if isinstance(value, Obj) and value.callee in ("sys.exit", "exit", "quit", "os._exit"):
        return RAISES
    return NORMAL


def _assign(run: Run, node: Any) -> int:
    value = run.eval(node.value)
    for target in node.targets:
        run.assign(target, value)
    return NORMAL


def _annotated(run: Run, node: Any) -> int:
    if node.value is not None:
        run.assign(node.target, run.eval(node.value))
    return NORMAL


def _augmented(run: Run, node: Any) -> int:
    load = py_ops.as_load(node.target)
    left, right = run.eval(load), run.eval(node.value)
    if isinstance(node.op, ast.Add) and isinstance(left, Seq):
        py_ops.extend(run, left, right)
    elif isinstance(node.op, ast.BitOr) and isinstance(left, Map):
        py_ops.update(run, left, right)
    else:
        run.assign(node.target, py_expr.binary(run, node.op, left, right, node))
    return NORMAL


def _if(run: Run, node: Any) -> int:
    test = py_ops.truth(run.eval(node.test))
    if test is not None:
        passed = node.orelse if test else node.body
        if passed and len(run.dead) < 200:
            first, last = run.at(passed[0]).place, run.at(passed[-1]).place
            if first is not None and last is not None:
                run.dead.append(replace(first, end_line=last.end_line, end_column=last.end_column))
        return run.block(node.body if test else node.orelse)
    words = " ".join(run.at(node.test).raw.split())[:80]
    return run.branches(
        [run.way(node.body, words), run.way(node.orelse, f"not ({words})")], CONDITION
    )


def _for(run: Run, node: Any) -> int:
    items = py_ops.iterable(run, run.eval(node.iter))
    if items is not None and run.may_unroll(len(items)) and not _makes_jobs(node, len(items)):
        flow = run.iterate(node.target, items, lambda: run.block(node.body))
        return flow if flow != NORMAL else run.block(node.orelse)
    words = " ".join(run.at(node.iter).raw.split())[:60]
    choices = tuple(items or ())
    reason = f"it takes several values in a loop over {words}" if words else LOOP

    def once() -> int:
        run.loops.append(reason)
        if items is not None and len(items) == 1:
            run.assign(node.target, items[0])
        else:
            run.assign(node.target, py_ops.any_of(run, choices, reason, run.at(node.iter)))
        flow = run.block(node.body)
        run.loops.pop()
        return flow

    flow = run.branches([once, lambda: NORMAL], LOOP)
    return flow if flow >= RETURNS else run.block(node.orelse)


def _makes_jobs(node: ast.For, count: int) -> bool:
    """Whether the body makes a job or a training, in a way that a single pass tells more honestly.

    A list of regions or machines that are tried one after the other (`try` or `break`) is no list
    of jobs that all run.
    """
    if count <= 1:
        return False
    makes = falls_back = False
    for part in ast.walk(node):
        if isinstance(part, ast.Call):
            func = part.func
            name = func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "")
            makes = makes or name.endswith(_STOP_UNROLL)
        elif isinstance(part, (ast.Try, ast.Break)):
            falls_back = True
    return makes and (falls_back or count > _MAX_JOBS)


def _while(run: Run, node: Any) -> int:
    if py_ops.truth(run.eval(node.test)) is False:
        return run.block(node.orelse)

    def once() -> int:
        run.loops.append(LOOP)
        flow = run.block(node.body)
        run.loops.pop()
        return flow

    run.branches([once, lambda: NORMAL], LOOP)
    return NORMAL


def _with(run: Run, node: Any) -> int:
    for item in node.items:
        value = run.eval(item.context_expr)
        if item.optional_vars is not None:
            run.assign(item.optional_vars, value)
    return run.block(node.body)


def _try(run: Run, node: Any) -> int:
    flow = run.block(node.body)
    if flow == NORMAL and node.orelse:
        flow = run.block(node.orelse)
    # The handlers are what happens when the first way fails: calls in them are noted as such, and
    # of what they assign only that counts which the body leaves unset.
    for handler in node.handlers:
        run.fallbacks += 1
        start = Cells().born
        outer, run.journal = run.journal, {}
        run.block(handler.body)
        changes = [(c, k, old, c.get(k, MISSING)) for c, k, old in run.journal.values()]
        run.journal = outer
        for cells, key, old, new in changes:
            if old is MISSING:
                cells.pop(key, None)
            else:
                cells[key] = old
            made_here = getattr(cells, "born", 0) > start
            if old is MISSING or flow == RAISES or made_here:
                run.put(cells, key, new)
        run.fallbacks -= 1
    if flow == RAISES and node.handlers:
        flow = NORMAL
    final = run.block(node.finalbody)
    return final if final != NORMAL else flow


def _return(run: Run, node: Any) -> int:
    value = run.eval(node.value) if node.value is not None else Const(None)
    if run.returned:
        run.returned[-1].append(value)
    return RETURNS


def _raise(run: Run, node: Any) -> int:
    if node.exc is not None:
        run.eval(node.exc)
    return RAISES


def _leave(run: Run, node: Any) -> int:
    return LEAVES_LOOP


def _delete(run: Run, node: Any) -> int:
    for target in node.targets:
        if isinstance(target, ast.Name):
            run.put(run.scope.cells, target.id, MISSING)
        elif isinstance(target, ast.Subscript):
            py_ops.drop_item(run, run.eval(target.value), run.eval(target.slice))
    return NORMAL


def _function(run: Run, node: Any) -> int:
    func = Func(node, run.scope, run.source)
    func.decorators = [run.eval(decorator) for decorator in node.decorator_list]
    if "marimo" in run.imports and any(
        py_ops.name_of(decorator).endswith((".cell", "App().cell()"))
        for decorator in func.decorators
    ):
        # A cell of a marimo notebook: its names are shared with the other cells.
        run.called.add(id(node))
        run.block([part for part in node.body if not isinstance(part, ast.Return)])
        return NORMAL
    run.functions.append(func)
    run.bind(node.name, func)
    return NORMAL


def _class(run: Run, node: Any) -> int:
    bases = [run.eval(base) for base in node.bases]
    decorators = [py_ops.name_of(run.eval(decorator)) for decorator in node.decorator_list]
    dataclass = any(
        name.rsplit(".", 1)[-1] in ("dataclass", "define", "frozen") for name in decorators
    )
    cls = Cls(node, bases, run.source, dataclass)
    before, run.scope = run.scope, Scope(run.scope)
    cells = run.scope.cells
    try:
        for statement in node.body:
            if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
                cls.annotations[statement.target.id] = statement.annotation
            run.block([statement])
    finally:
        run.scope = before
    for name, value in cells.items():
        if isinstance(value, Func):
            value.owner = cls
        cls.cells[name] = value
    run.bind(node.name, cls)
    return NORMAL


def _scoped(run: Run, node: Any) -> int:
    outer = run.module
    if isinstance(node, ast.Nonlocal):
        scope = run.scope.parent
        for name in node.names:
            found = scope
            while found is not None and name not in found.cells:
                found = found.parent
            run.scope.outer[name] = found or outer
        return NORMAL
    for name in node.names:
        run.scope.outer[name] = outer
    return NORMAL


def _match(run: Run, node: Any) -> int:
    run.eval(node.subject)
    ways = [run.way(case.body, "a case of match") for case in node.cases]
    return run.branches([*ways, lambda: NORMAL], CONDITION) if ways else NORMAL


def _import(run: Run, node: Any) -> int:
    from ftdoctor.job import py_imports

    py_imports.bind_import(run, node)
    return NORMAL


_STATEMENTS: dict[type[ast.AST], Callable[[Run, Any], int]] = {
    ast.Expr: _expression,
    ast.Assign: _assign,
    ast.AnnAssign: _annotated,
    ast.AugAssign: _augmented,
    ast.If: _if,
    ast.For: _for,
    ast.AsyncFor: _for,
    ast.While: _while,
    ast.With: _with,
    ast.AsyncWith: _with,
    ast.Try: _try,
    ast.Return: _return,
    ast.Raise: _raise,
    ast.Break: _leave,
    ast.Continue: _leave,
    ast.Delete: _delete,
    ast.FunctionDef: _function,
    ast.AsyncFunctionDef: _function,
    ast.ClassDef: _class,
    ast.Global: _scoped,
    ast.Nonlocal: _scoped,
    ast.Match: _match,
    ast.Import: _import,
    ast.ImportFrom: _import,
}
if hasattr(ast, "TryStar"):
    _STATEMENTS[ast.TryStar] = _try
