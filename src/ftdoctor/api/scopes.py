"""What a name in a script stands for: bindings by scope, followed to an import."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ftdoctor.records import dataclass, field

if TYPE_CHECKING:
    from collections.abc import Iterator

ScopeNode = ast.Module | ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)


@dataclass(frozen=True, slots=True)
class Binding:
    """One place where a name gets a value.

    `kind` is "module" (import x), "name" (from x import y), "class", "function", "value" (an
    assignment whose value is `value`), or "other" (parameter, loop, with, except, del, ...).
    """

    kind: str
    node: ast.AST
    module: str = ""
    attribute: str = ""
    value: ast.expr | None = None


@dataclass
class Scope:
    """The bindings of one scope. `parent` is the scope that surrounds it."""

    node: ScopeNode
    parent: Scope | None
    names: dict[str, list[Binding]] = field(default_factory=dict)
    #: Modules of `from x import *`.
    stars: list[str] = field(default_factory=list)

    def add(self, name: str, binding: Binding) -> None:
        """Record a binding."""
        self.names.setdefault(name, []).append(binding)


class Tree:
    """A syntax tree with parents and scopes."""

    def __init__(self, root: ast.Module) -> None:
        self.root = root
        self.parents: dict[ast.AST, ast.AST] = {}
        self.scopes: dict[ast.AST, Scope] = {}
        self.calls: list[ast.Call] = []
        self.imports: list[ast.Import | ast.ImportFrom] = []
        self.classes: list[ast.ClassDef] = []
        #: `name[key] = value`, `name.update(...)` and the like, by name.
        self.changes: dict[str, list[ast.AST]] = {}
        self.module_scope = Scope(root, None)
        self._build(root, self.module_scope)

    def _build(self, root: ast.AST, top: Scope) -> None:
        todo: list[tuple[ast.AST, Scope]] = [(root, top)]
        while todo:
            node, scope = todo.pop()
            self.scopes[node] = scope
            inner = scope
            if isinstance(node, _SCOPES):
                inner = Scope(node, scope)
                self._own_names(node, inner)
            self._bind(node, scope)
            for child in ast.iter_child_nodes(node):
                self.parents[child] = node
                # Decorators, defaults, bases and annotations belong to the scope around.
                inside = not isinstance(node, _SCOPES) or child in _body_of(node)
                todo.append((child, inner if inside else scope))

    def _own_names(self, node: ast.AST, inner: Scope) -> None:
        if isinstance(node, ast.ClassDef):
            return
        arguments = node.args  # type: ignore[attr-defined]
        for argument in (
            *arguments.posonlyargs,
            *arguments.args,
            *arguments.kwonlyargs,
            arguments.vararg,
            arguments.kwarg,
        ):
            if argument is not None:
                inner.add(argument.arg, Binding("other", argument))

    def _bind(self, node: ast.AST, scope: Scope) -> None:
        if isinstance(node, ast.Import):
            self.imports.append(node)
            for alias in node.names:
                if alias.asname:
                    scope.add(alias.asname, Binding("module", node, alias.name))
                else:
                    top = alias.name.split(".")[0]
                    scope.add(top, Binding("module", node, top))
        elif isinstance(node, ast.ImportFrom):
            self.imports.append(node)
            module = "." * node.level + (node.module or "")
            for alias in node.names:
                if alias.name == "*":
                    scope.stars.append(module)
                else:
                    scope.add(alias.asname or alias.name, Binding("name", node, module, alias.name))
        elif isinstance(node, ast.ClassDef):
            self.classes.append(node)
            scope.add(node.name, Binding("class", node))
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            scope.add(node.name, Binding("function", node))
        elif isinstance(node, ast.Call):
            self.calls.append(node)
            function = node.func
            if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name):
                self.changes.setdefault(function.value.id, []).append(node)
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                self._target(target, node.value, node, scope)
        elif isinstance(node, ast.AnnAssign):
            if node.value is not None:
                self._target(node.target, node.value, node, scope)
        elif isinstance(node, ast.NamedExpr):
            self._target(node.target, node.value, node, scope)
        elif isinstance(node, (ast.AugAssign, ast.For, ast.AsyncFor)):
            self._target(node.target, None, node, scope)
        elif isinstance(node, (ast.With, ast.AsyncWith)):
            for item in node.items:
                if item.optional_vars is not None:
                    self._target(item.optional_vars, None, node, scope)
        elif isinstance(node, ast.ExceptHandler):
            if node.name:
                scope.add(node.name, Binding("other", node))
        elif isinstance(node, ast.comprehension):
            self._target(node.target, None, node, scope)
        elif isinstance(node, (ast.Global, ast.Nonlocal)):
            for name in node.names:
                scope.add(name, Binding("outer", node))
        elif isinstance(node, ast.Delete):
            for target in node.targets:
                self._target(target, None, node, scope)

    def _target(
        self, target: ast.expr, value: ast.expr | None, node: ast.AST, scope: Scope
    ) -> None:
        if isinstance(target, ast.Name):
            kind = "value" if value is not None else "other"
            scope.add(target.id, Binding(kind, node, value=value))
        elif isinstance(target, (ast.Tuple, ast.List)):
            pairs: list[ast.expr | None] = [None] * len(target.elts)
            if isinstance(value, (ast.Tuple, ast.List)) and len(value.elts) == len(target.elts):
                pairs = list(value.elts)
            for item, part in zip(target.elts, pairs, strict=True):
                self._target(item, part, node, scope)
        elif isinstance(target, ast.Starred):
            self._target(target.value, None, node, scope)
        elif isinstance(target, ast.Subscript) and isinstance(target.value, ast.Name):
            self.changes.setdefault(target.value.id, []).append(node)

    def ancestors(self, node: ast.AST) -> Iterator[tuple[ast.AST, ast.AST]]:
        """Yield (ancestor, the child of it on the way to `node`) from the inside out."""
        child = node
        while child in self.parents:
            parent = self.parents[child]
            yield parent, child
            child = parent

    def lookup(self, name: str, scope: Scope) -> tuple[list[Binding], Scope | None]:
        """Return the bindings of a name seen from a scope, and the scope that has them."""
        current: Scope | None = scope
        while current is not None:
            # A class body's names are seen in the body itself only.
            if current is scope or not isinstance(current.node, ast.ClassDef):
                found = current.names.get(name)
                if found:
                    if all(binding.kind == "outer" for binding in found):
                        return self.module_scope.names.get(name, []), self.module_scope
                    return found, current
            current = current.parent
        return [], None

    def statement_of(self, node: ast.AST) -> ast.stmt | None:
        """Return the statement that a node is part of."""
        current: ast.AST | None = node
        while current is not None and not isinstance(current, ast.stmt):
            current = self.parents.get(current)
        return current


def _body_of(node: ast.AST) -> list[ast.AST]:
    if isinstance(node, ast.Lambda):
        return [node.body]
    return list(getattr(node, "body", ()))
