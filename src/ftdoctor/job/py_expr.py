"""What each kind of expression evaluates to. See `py_run` for the state it runs in."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from ftdoctor.job import py_text
from ftdoctor.job.py_abstract import (
    Abstract,
    At,
    Const,
    Entries,
    Func,
    Items,
    Map,
    Ref,
    Scope,
    Seq,
    Unk,
)
from ftdoctor.job.py_join import join_values
from ftdoctor.job.py_ops import CONDITION, iterable, reason_of, set_item, truth, update

if TYPE_CHECKING:
    from collections.abc import Callable

    from ftdoctor.job.py_run import Run


def evaluate(run: Run, node: ast.expr) -> Abstract:
    """Return what an expression evaluates to."""
    handler = _EXPRESSIONS.get(type(node))
    if handler is None:
        return Unk("it is computed when the code runs", run.at(node))
    return handler(run, node)


# Atoms and displays


def _constant(run: Run, node: Any) -> Abstract:
    if node.value is Ellipsis:
        return Unk("it is left out ('...')", run.at(node))
    return Const(node.value, run.at(node))


def _name(run: Run, node: Any) -> Abstract:
    found = run.lookup(node.id, node)
    if isinstance(found, Ref) and not found.imported and found.at is None:
        return Ref(found.name, run.at(node), imported=False)
    return found


def _elements(run: Run, nodes: list[ast.expr]) -> Items:
    items: list[Abstract] = []
    reason = ""
    for element in nodes:
        if isinstance(element, ast.Starred):
            inner = run.eval(element.value)
            known = iterable(run, inner)
            if known is None:
                reason = reason or reason_of(inner)
            else:
                items += known
        elif isinstance(element, ast.Constant) and element.value is Ellipsis:
            reason = reason or "parts are left out ('...')"
        else:
            items.append(run.eval(element))
    return Items(items, reason)


def _sequence(run: Run, node: Any) -> Abstract:
    kind = {ast.Tuple: "tuple", ast.Set: "set"}.get(type(node), "list")
    seq = Seq(at=run.at(node), kind=kind)
    seq.cells["items"] = _elements(run, node.elts)
    return seq


def _dict(run: Run, node: Any) -> Abstract:
    made = Map(at=run.at(node))
    for key_node, value_node in zip(node.keys, node.values, strict=True):
        value = run.eval(value_node)
        if key_node is None:
            update(run, made, value)
        else:
            key = run.eval(key_node)
            set_item(run, made, key, value, run.at(key_node))
    return made


def _joined(run: Run, node: Any) -> Abstract:
    parts: list[Abstract] = []
    for piece in node.values:
        if isinstance(piece, ast.FormattedValue):
            value = run.eval(piece.value)
            spec = run.eval(piece.format_spec) if piece.format_spec is not None else Const("")
            shown = py_text.formatted(value, spec, piece.conversion)
            parts.append(py_text.named(shown, run.at(piece.value)))
        else:
            parts.append(run.eval(piece))
    return py_text.concatenated(parts, run.at(node))


# Operators


def _flatten(node: ast.expr) -> list[ast.expr]:
    """Return the terms of `a + b + c`, left to right; long sums do not nest the evaluation."""
    terms: list[ast.expr] = []
    while isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        terms.append(node.right)
        node = node.left
    terms.append(node)
    terms.reverse()
    return terms


def _binop(run: Run, node: Any) -> Abstract:
    if isinstance(node.op, ast.Add):
        terms = _flatten(node)
        value = run.eval(terms[0])
        for index, term in enumerate(terms[1:]):
            right = run.eval(term)
            if py_text.is_text(right):
                value = py_text.named(value, run.at(terms[index]))
            elif py_text.is_text(value):
                right = py_text.named(right, run.at(term))
            value = binary(run, node.op, value, right, node)
        return value
    return binary(run, node.op, run.eval(node.left), run.eval(node.right), node)


def binary(run: Run, op: ast.operator, left: Abstract, right: Abstract, node: ast.AST) -> Abstract:
    """Return the result of an operator on two values."""
    at = run.at(node)
    if isinstance(op, ast.Add) and isinstance(left, Seq) and isinstance(right, Seq):
        return Seq(left.items + right.items, at, left.now.open or right.now.open, left.kind)
    if isinstance(op, ast.Add) and isinstance(left, Seq):
        return Seq(left.items, at, reason_of(right), left.kind)
    if isinstance(op, ast.BitOr) and isinstance(left, Map):
        merged = Map(left.data, at, left.now.open)
        update(run, merged, right)
        return merged
    if isinstance(op, ast.Mult) and isinstance(left, Seq) and isinstance(right, Const):
        times = right.value if isinstance(right.value, int) else 0
        if 0 <= times * max(len(left.items), 1) <= 64:
            return Seq(left.items * times, at, left.now.open, left.kind)
    if py_text.is_path(left) and isinstance(op, ast.Div):
        return py_text.joined_path([left, right], at)
    if isinstance(op, ast.Mod) and isinstance(left, Const) and isinstance(left.value, str):
        return py_text.percent(left, right, at)
    if isinstance(op, ast.Add) and py_text.is_text(left) and py_text.is_text(right):
        return py_text.concatenated([left, right], at)
    if isinstance(left, Const) and isinstance(right, Const):
        return _arithmetic(op, left.value, right.value, at)
    if isinstance(op, ast.Add) and (py_text.is_text(left) or py_text.is_text(right)):
        return py_text.concatenated([left, right], at)
    unknown = next((v for v in (left, right) if not isinstance(v, Const)), left)
    return Unk(reason_of(unknown), at)


def _arithmetic(op: ast.operator, left: Any, right: Any, at: At) -> Abstract:
    try:
        if isinstance(left, str) and isinstance(right, str) and isinstance(op, ast.Add):
            return Const(left + right, at)
        if isinstance(left, (str, bytes)) and isinstance(right, int) and isinstance(op, ast.Mult):
            return Const(left * right, at) if len(left) * right < 10_000 else Unk("it is long", at)
        if not isinstance(left, (int, float)) or not isinstance(right, (int, float)):
            return Unk("it is computed when the code runs", at)
        if isinstance(op, ast.Pow):
            if abs(right) > 64 or abs(left) > 1e6:
                return Unk("it is a large number", at)
            return Const(left**right, at)
        if isinstance(op, (ast.LShift, ast.RShift)):
            if isinstance(left, int) and isinstance(right, int) and 0 <= right <= 64:
                return Const(left << right if isinstance(op, ast.LShift) else left >> right, at)
            return Unk("it is computed when the code runs", at)
        operation = _ARITHMETIC.get(type(op))
        if operation is not None:
            return Const(operation(left, right), at)
    except (ArithmeticError, TypeError, ValueError):
        pass
    return Unk("it is computed when the code runs", at)


_ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
    ast.FloorDiv: lambda a, b: a // b,
    ast.Mod: lambda a, b: a % b,
}


def _unary(run: Run, node: Any) -> Abstract:
    value = run.eval(node.operand)
    if isinstance(node.op, ast.Not):
        known = truth(value)
        return (
            Unk(reason_of(value), run.at(node)) if known is None else Const(not known, run.at(node))
        )
    if isinstance(value, Const) and isinstance(value.value, (int, float)):
        if isinstance(node.op, ast.USub):
            return Const(-value.value, run.at(node))
        if isinstance(node.op, ast.UAdd):
            return Const(+value.value, run.at(node))
    return Unk(reason_of(value), run.at(node))


def _boolean(run: Run, node: Any) -> Abstract:
    is_or = isinstance(node.op, ast.Or)
    value: Abstract = Const(None)
    for index, part in enumerate(node.values):
        value = run.eval(part)
        known = truth(value)
        if index == len(node.values) - 1:
            return value
        if known is None:
            rest = [run.eval(other) for other in node.values[index + 1 :]]
            if is_or:
                fallback = rest[-1]
                reason = reason_of(value)
                if isinstance(value, Unk) and value.default is not None:
                    return value
                found = Unk(reason, value.at or run.at(node), default=fallback)
                found.truth = True if any(truth(other) for other in rest) else None
                return found
            if any(truth(other) is False for other in rest):
                return Const(False, run.at(node))
            return Unk(reason_of(value), run.at(node))
        if known is is_or:
            return value
    return value


def _compare(run: Run, node: Any) -> Abstract:
    left = run.eval(node.left)
    verdict: bool | None = True
    unknown: Abstract = left
    for op, right_node in zip(node.ops, node.comparators, strict=True):
        right = run.eval(right_node)
        one = py_text.compared(op, left, right)
        if one is None and run.colab and isinstance(op, (ast.In, ast.NotIn)):
            # `"google.colab" in sys.modules`, `"COLAB_" in "".join(os.environ)`, ...
            word = left.value if isinstance(left, Const) else None
            if isinstance(word, str) and "colab" in word.lower():
                one = isinstance(op, ast.In)
        if one is False:
            return Const(False, run.at(node))
        if one is None:
            unknown = right if isinstance(left, Const) else left
            verdict = None
        left = right
    return Const(True, run.at(node)) if verdict else Unk(reason_of(unknown), run.at(node))


def _if_expression(run: Run, node: Any) -> Abstract:
    test = run.eval(node.test)
    known = truth(test)
    if known is not None:
        return run.eval(node.body if known else node.orelse)
    return join_values([run.eval(node.body), run.eval(node.orelse)], CONDITION)


# Attributes, items


def _attribute(run: Run, node: Any) -> Abstract:
    return attribute(run, run.eval(node.value), node.attr, run.at(node))


def attribute(run: Run, owner: Abstract, name: str, at: At) -> Abstract:
    """Return an attribute of a value."""
    from ftdoctor.job import py_objects

    return py_objects.attribute(run, owner, name, at)


def _subscript(run: Run, node: Any) -> Abstract:
    from ftdoctor.job import py_objects

    owner = run.eval(node.value)
    if isinstance(node.slice, ast.Slice):
        bounds = [
            run.eval(part) if part is not None else Const(None)
            for part in (node.slice.lower, node.slice.upper, node.slice.step)
        ]
        return py_text.sliced(owner, bounds, run.at(node))
    return py_objects.item(run, owner, run.eval(node.slice), run.at(node))


# Comprehensions, lambdas


def _comprehension(run: Run, node: Any) -> Abstract:
    is_dict = isinstance(node, ast.DictComp)
    items: list[Abstract] = []
    made = Map(at=run.at(node))
    problem = _generate(run, node.generators, 0, lambda: _yielded(run, node, is_dict, items, made))
    if is_dict:
        if problem:
            made.cells["entries"] = Entries(made.data, problem)
        return made
    kind = "set" if isinstance(node, ast.SetComp) else "list"
    return Seq(items, run.at(node), problem, kind)


def _yielded(run: Run, node: Any, is_dict: bool, items: list[Abstract], made: Map) -> None:
    if is_dict:
        set_item(run, made, run.eval(node.key), run.eval(node.value), run.at(node.key))
    else:
        items.append(run.eval(node.elt))


def _generate(run: Run, generators: list[Any], index: int, emit: Callable[[], None]) -> str:
    """Follow the loops of a comprehension; return why its result is open, "" when it is not."""
    if index == len(generators):
        emit()
        return ""
    generator = generators[index]
    source = run.eval(generator.iter)
    items = iterable(run, source)
    if items is None or not run.may_unroll(len(items)):
        return reason_of(source)
    before, run.scope = run.scope, Scope(run.scope)
    problem = source.now.open if isinstance(source, (Seq, Map)) else ""
    try:
        for item in items:
            run.assign(generator.target, item)
            tests = [truth(run.eval(test)) for test in generator.ifs]
            if any(test is False for test in tests):
                continue
            if any(test is None for test in tests):
                # It may or may not be in the result; its value is known all the same.
                problem = problem or CONDITION
            problem = _generate(run, generators, index + 1, emit) or problem
    finally:
        run.scope = before
    return problem


def _lambda(run: Run, node: Any) -> Abstract:
    return Func(node, run.scope, run.source)


def _walrus(run: Run, node: Any) -> Abstract:
    value = run.eval(node.value)
    run.assign(node.target, value)
    return value


def _inner(run: Run, node: Any) -> Abstract:
    return run.eval(node.value) if node.value is not None else Const(None)


def _call(run: Run, node: Any) -> Abstract:
    from ftdoctor.job import py_calls

    return py_calls.call(run, node)


_EXPRESSIONS: dict[type[ast.AST], Callable[[Run, Any], Abstract]] = {
    ast.Constant: _constant,
    ast.Name: _name,
    ast.List: _sequence,
    ast.Tuple: _sequence,
    ast.Set: _sequence,
    ast.Dict: _dict,
    ast.JoinedStr: _joined,
    ast.BinOp: _binop,
    ast.UnaryOp: _unary,
    ast.BoolOp: _boolean,
    ast.Compare: _compare,
    ast.IfExp: _if_expression,
    ast.Attribute: _attribute,
    ast.Subscript: _subscript,
    ast.ListComp: _comprehension,
    ast.SetComp: _comprehension,
    ast.GeneratorExp: _comprehension,
    ast.DictComp: _comprehension,
    ast.Lambda: _lambda,
    ast.NamedExpr: _walrus,
    ast.Starred: _inner,
    ast.Await: _inner,
    ast.YieldFrom: _inner,
    ast.Yield: _inner,
    ast.Call: _call,
}
