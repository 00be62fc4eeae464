"""Follows a Python file statement by statement without running it.

What is kept: the value of every name at that moment, and every call of something that is not
defined in the files, in order, with its arguments (`Run.calls`). An `if` whose test is not known is
followed both ways and the outcomes are joined; a loop over known items is unrolled; functions of
the file are followed where they are called. Nothing is imported or executed.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from ftdoctor.job import py_expr, py_ops, py_statements
from ftdoctor.job.py_abstract import Abstract, At, Cells, Const, Func, Obj, Ref, Scope, Space, Unk
from ftdoctor.job.py_join import MISSING, join, join_values
from ftdoctor.job.py_statements import CONDITION, LEAVES_LOOP, NORMAL, RETURNS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from ftdoctor.job.model import ArgumentParser
    from ftdoctor.job.readenv import ReadEnv
    from ftdoctor.job.source import Place, Source
    from ftdoctor.job.value import Value

_MAX_STEPS = 100_000
_MAX_DEPTH = 90
_MAX_CALLS = 5_000
_MAX_INLINE = 12
_MAX_UNROLL = 128
#: Rounds of loops that are followed one by one, in all; later loops are followed once.
_MAX_ROUNDS = 1_500
#: For a function that nobody calls: rounds, and statements and expressions.
_REST_ROUNDS, _REST_STEPS = 60, 8_000
#: Steps that one statement may take: at module level, in a function that it calls, and so on. What
#: takes longer (a script that makes its own data) is passed over, and the rest is followed.
_BUDGETS = (40_000, 8_000, 4_000)


class TooMuch(Exception):
    """The file is larger or deeper than what is followed."""


#: Decorators that make no entry point of a function.
_PLAIN = frozenset(
    "abstractmethod cache cached_property classmethod contextmanager inference_mode jit lru_cache "
    "no_grad overload override property script setter staticmethod wraps".split()
)


def _is_entry(func: Func, wanted: str = "") -> bool:
    """Whether a decorator (`wanted`, or any) may make a function an entry point."""
    for decorator in getattr(func.node, "decorator_list", []):
        node = decorator.func if isinstance(decorator, ast.Call) else decorator
        name = getattr(node, "attr", getattr(node, "id", ""))
        if name == wanted or (not wanted and name not in _PLAIN):
            return True
    return False


class Run:
    """The state while a file is followed.

    `argv` is the command line of the script, None when it is not known. `environment` holds the
    variables that the job sets; `where` names whose environment it is, for reasons.
    """

    def __init__(
        self,
        env: ReadEnv | None = None,
        argv: list[Value[str]] | None = None,
        environment: Mapping[str, Value[str]] | None = None,
        where: str = "the machine that submits",
    ):
        self.env = env
        self.argv = argv
        self.environment = dict(environment or {})
        self.where = where
        self.module = Scope()
        self.scope = self.module
        self.source: Source
        self.calls: list[Obj] = []
        self.env_read: dict[str, Place] = {}
        self.env_set: dict[Any, Any] = {}
        self.imports: dict[str, Place] = {}
        self.flags: dict[str, Abstract] = {}
        self.notes: list[str] = []
        self.files: list[Source] = []
        self.spaces: dict[str, Space | None] = {}
        self.called: set[int] = set()
        #: True in a notebook of Colab, where code that asks finds itself there.
        self.colab = False
        #: Blocks whose condition is known to be false.
        self.dead: list[Place] = []
        self.functions: list[Func] = []
        self.journal: dict[tuple[int, Any], tuple[dict[Any, Any], Any, Any]] | None = None
        self.conditions: list[str] = []
        self.loops: list[str] = []
        self.fallbacks = 0
        self.inlined: list[Func] = []
        self.returned: list[list[Abstract]] = []
        self.steps = 0
        self.most_steps = _MAX_STEPS
        self.rounds = _MAX_ROUNDS
        self.level = 0
        self.own_calls = 0
        #: True while functions are followed that nothing was seen to call.
        self.resting = False
        self.parsed: list[ArgumentParser] = []
        self.depth = 0
        self.stopped = ""

    # Entry points

    def file(self, source: Source, tree: ast.Module) -> None:
        """Follow a file (or a notebook cell) at module level."""
        self.source = source
        self.scope = self.module
        self.module.cells.setdefault("__name__", Const("__main__"))
        self.module.cells["__file__"] = Const(source.path)
        self._guarded(lambda: self.block(tree.body))

    def rest(self) -> None:
        """Follow the functions that nothing has called, with unknown parameters.

        Decorated ones come first: a decorator often makes an entry point (click, Modal, pipelines).
        What the others call does not run by itself; `own_calls` counts the calls before.
        """
        self.resting = True
        functions = list(self.functions)
        functions.sort(key=lambda func: (not _is_entry(func), not _is_entry(func, "pipeline")))
        self.own_calls = -1
        for func in functions:
            if self.own_calls < 0 and not _is_entry(func):
                self.own_calls = len(self.calls)
            if id(func.node) not in self.called:
                self.called.add(id(func.node))
                self.rounds = _REST_ROUNDS
                self.most_steps = min(_MAX_STEPS, self.steps + _REST_STEPS)
                self._guarded(lambda func=func: self.inline(func, [], {}, "", None))  # type: ignore[misc]
        if self.own_calls < 0:
            self.own_calls = len(self.calls)

    def _guarded(self, work: Callable[[], object]) -> None:
        if self.stopped:
            return
        try:
            work()
        except (TooMuch, RecursionError):
            if self.most_steps < _MAX_STEPS:
                # Only a function that nobody calls was too long.
                self._reset()
                return
            self.stopped = "the file is too large or too deeply nested to be followed whole"
            self.notes.append(self.stopped)
        self._reset()

    def may_unroll(self, count: int) -> bool:
        """Whether a loop over `count` items is followed item by item."""
        if count > _MAX_UNROLL or count > self.rounds:
            return False
        self.rounds -= count
        return True

    def _reset(self) -> None:
        self.journal = None
        self.depth = self.level = 0
        self.scope = self.module
        self.conditions, self.loops, self.inlined, self.returned = [], [], [], []
        self.fallbacks = 0

    # State

    def put(self, cells: dict[Any, Any], key: Any, value: Any) -> None:
        """Set a name, entry or attribute, so that a branch can be undone."""
        if self.journal is not None:
            self.journal.setdefault((id(cells), key), (cells, key, cells.get(key, MISSING)))
        if value is MISSING:
            cells.pop(key, None)
        else:
            cells[key] = value

    def bind(self, name: str, value: Abstract) -> None:
        """Assign a name in the scope where the assignment stands."""
        self.put(self.scope.outer.get(name, self.scope).cells, name, value)

    def branches(self, ways: list[Callable[[], int]], reason: str) -> int:
        """Follow several ways from the same state and join what they leave behind."""
        outer = self.journal
        start = Cells().born
        outcomes: list[tuple[int, dict[tuple[int, Any], tuple[dict[Any, Any], Any, Any]]]] = []
        for way in ways:
            self.journal = {}
            flow = way()
            changes = {}
            for spot, (cells, key, old) in self.journal.items():
                changes[spot] = (cells, key, cells.get(key, MISSING))
                if old is MISSING:
                    cells.pop(key, None)
                else:
                    cells[key] = old
            outcomes.append((flow, changes))
        self.journal = outer
        going = [o for o in outcomes if o[0] <= LEAVES_LOOP]
        kept = going or outcomes
        spots: dict[tuple[int, Any], tuple[dict[Any, Any], Any]] = {}
        for _, changes in kept:
            for spot, (cells, key, _new) in changes.items():
                spots.setdefault(spot, (cells, key))
        shared = []
        for spot, (cells, key) in spots.items():
            if getattr(cells, "born", 0) > start:
                # Made in one of the ways, and reached only from there: nothing to join.
                last = next(changes[spot][2] for _, changes in kept if spot in changes)
                self.put(cells, key, last)
            else:
                shared.append((spot, cells, key))
        for spot, cells, key in shared:
            old = cells.get(key, MISSING)
            values = [changes[spot][2] if spot in changes else old for _, changes in kept]
            self.put(cells, key, join(values, reason))
        if going:
            return NORMAL
        return min((flow for flow, _ in outcomes), default=NORMAL)

    def record(self, call: Obj) -> Obj:
        """Note a call of something outside the files."""
        call.condition = self.conditions[-1] if self.conditions else ""
        call.fallback = self.fallbacks > 0
        call.loop = self.loops[-1] if self.loops else ""
        call.func = getattr(self.inlined[-1].node, "name", "") if self.inlined else ""
        if len(self.calls) < _MAX_CALLS:
            self.calls.append(call)
        return call

    # Expressions

    def at(self, node: ast.AST) -> At:
        """Where a node stands."""
        return At(self.source, node)

    def eval(self, node: ast.expr) -> Abstract:
        """Evaluate an expression."""
        self.steps += 1
        self.depth += 1
        if self.steps > self.most_steps or self.depth > _MAX_DEPTH:
            raise TooMuch
        try:
            return py_expr.evaluate(self, node)
        finally:
            self.depth -= 1

    def lookup(self, name: str, node: ast.AST | None = None) -> Abstract:
        """Return what a name stands for here; a name that nothing explains is a `Ref`."""
        scope: Scope | None = self.scope
        while scope is not None:
            if name in scope.cells:
                found: Abstract = scope.cells[name]
                return found
            scope = scope.parent
        return Ref(name, self.at(node) if node is not None else None, imported=False)

    # Functions

    def inline(
        self,
        func: Func,
        args: list[Abstract],
        kwargs: dict[str, Abstract],
        open_reason: str,
        node: ast.AST | None,
    ) -> Abstract:
        """Follow a function of the file with these arguments and return its result."""
        definition = func.node
        self.called.add(id(definition))
        if len(self.inlined) >= _MAX_INLINE or any(f.node is definition for f in self.inlined):
            return Unk("it comes out of nested or recursive calls", self.at(node) if node else None)
        scope = Scope(func.scope)
        before = (self.scope, self.source)
        self.scope, self.source = scope, func.source
        from ftdoctor.job import py_calls

        called = node is not None
        py_calls.bind_parameters(self, func, scope, args, kwargs, open_reason, called)
        self.inlined.append(func)
        self.returned.append([])
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise TooMuch
        flow = NORMAL
        result: Abstract
        try:
            if isinstance(definition, ast.Lambda):
                result = self.eval(definition.body)
            else:
                flow = self.block(definition.body)
                result = Const(None)
        finally:
            self.depth -= 1
            self.inlined.pop()
            returned = self.returned.pop()
            self.scope, self.source = before
        if isinstance(definition, ast.Lambda):
            return result
        if flow == NORMAL and returned:
            # The end may be reached as well as the `return`s that stand under conditions.
            returned.append(result)
        if not returned:
            return result
        return join_values(returned, CONDITION)

    # Statements

    def block(self, body: list[ast.stmt]) -> int:
        """Follow statements until one leaves the block."""
        for statement in body:
            self.steps += 1
            self.depth += 1
            if self.steps > self.most_steps or self.depth > _MAX_DEPTH:
                raise TooMuch
            if self.level < len(_BUDGETS) and isinstance(statement, py_statements.LONG):
                flow = self._budgeted(statement)
            else:
                flow = py_statements.follow(self, statement)
            self.depth -= 1
            if flow != NORMAL:
                return flow
        return NORMAL

    def _budgeted(self, statement: ast.stmt) -> int:
        """Follow a statement within its budget; pass over one that takes too long."""
        before = self.most_steps
        state = (self.depth, self.scope, self.source, self.fallbacks, self.journal)
        lists: tuple[list[Any], ...] = (self.inlined, self.returned, self.conditions, self.loops)
        lengths = [len(items) for items in lists]
        self.most_steps = min(before, self.steps + _BUDGETS[self.level])
        self.level += 1
        level = self.level
        try:
            return py_statements.follow(self, statement)
        except TooMuch:
            if self.steps >= before:
                raise
            self.depth, self.scope, self.source, self.fallbacks, self.journal = state
            for items, length in zip(lists, lengths, strict=True):
                del items[length:]
            self.most_steps = before
            py_statements.forget(self, statement)
            return NORMAL
        finally:
            self.level = level - 1
            self.most_steps = before

    def way(self, body: list[ast.stmt], condition: str) -> Callable[[], int]:
        """Return a way for `branches`: these statements under this condition."""

        def go() -> int:
            self.conditions.append(condition)
            flow = self.block(body)
            self.conditions.pop()
            return flow

        return go

    def assign(self, target: ast.expr, value: Abstract) -> None:
        """Assign a value to a name, attribute, item or pattern of these."""
        if isinstance(target, ast.Name):
            self.bind(target.id, value)
        elif isinstance(target, (ast.Tuple, ast.List)):
            parts = py_ops.unpack(self, value, target)
            for part, item in zip(target.elts, parts, strict=True):
                self.assign(part.value if isinstance(part, ast.Starred) else part, item)
        elif isinstance(target, ast.Attribute):
            py_ops.set_attribute(self, self.eval(target.value), target.attr, value)
        elif isinstance(target, ast.Subscript):
            owner = self.eval(target.value)
            py_ops.set_item(self, owner, self.eval(target.slice), value, self.at(target.slice))

    def iterate(self, target: ast.expr, items: Iterable[Abstract], body: Callable[[], int]) -> int:
        """Follow a body once for each item."""
        for item in items:
            self.assign(target, item)
            flow = body()
            if flow >= RETURNS:
                return flow
        return NORMAL
