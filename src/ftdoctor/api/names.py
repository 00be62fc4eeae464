"""From an expression of a script to the thing in the tables that it stands for."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ftdoctor.api.table import PACKAGES
from ftdoctor.records import dataclass

if TYPE_CHECKING:
    from ftdoctor.api.guards import Guards
    from ftdoctor.api.scopes import Binding, Tree
    from ftdoctor.api.world import World

#: Where a capitalised name that a fragment uses without importing it is looked for.
_FALLBACK = ("trl", "transformers", "peft")


@dataclass(frozen=True, slots=True)
class Ref:
    """What an expression stands for.

    `kind` is "module", "symbol" (a public path of the tables), "instance" (of the class `path`),
    or "local" (a class of the script: `node`).
    """

    kind: str
    path: str = ""
    node: ast.ClassDef | None = None


class Names:
    """Resolves names of one script against one world."""

    def __init__(self, tree: Tree, world: World, guards: Guards) -> None:
        self._tree = tree
        self._world = world
        self._guards = guards
        self._stars = [
            star
            for scope in {id(s): s for s in tree.scopes.values()}.values()
            for star in scope.stars
        ]

    def resolve(self, node: ast.expr, depth: int = 0) -> Ref | None:
        """Return what an expression stands for; None when it is not one certain thing."""
        if depth > 8:
            return None
        if isinstance(node, ast.Name):
            return self._name(node, depth)
        if isinstance(node, ast.Attribute):
            base = self.resolve(node.value, depth + 1)
            return self._attribute(base, node.attr) if base else None
        if isinstance(node, ast.Call):
            return self._result(node, depth)
        if isinstance(node, ast.Subscript):
            return None
        return None

    def _name(self, node: ast.Name, depth: int) -> Ref | None:
        scope = self._tree.scopes[node]
        bindings, _ = self._tree.lookup(node.id, scope)
        if not bindings:
            return self._unbound(node.id)
        if len(bindings) > 1:
            live = [binding for binding in bindings if not self._guards.dead(binding.node)]
            # `try: from trl import A / except ImportError: A = None`: A where the import works.
            real = [binding for binding in live if not _is_none(binding.value)] or live
            bindings = real
        found: list[Ref | None] = []
        for binding in bindings:
            ref = self._binding(binding, depth)
            if ref not in found:
                found.append(ref)
        if len(found) == 1:
            return found[0]
        return None

    def _binding(self, binding: Binding, depth: int) -> Ref | None:
        if binding.kind == "module":
            known = binding.module.split(".")[0] in PACKAGES
            return Ref("module", binding.module) if known else None
        if binding.kind == "name":
            return self._member(binding.module, binding.attribute)
        if binding.kind == "class" and isinstance(binding.node, ast.ClassDef):
            return Ref("local", node=binding.node)
        if binding.kind == "value" and binding.value is not None:
            return self.resolve(binding.value, depth + 1)
        return None

    def _member(self, module: str, name: str) -> Ref | None:
        if module.split(".")[0] not in PACKAGES:
            return None
        submodule = self._world.submodule(module, name)
        if submodule:
            return Ref("module", submodule)
        path = self._world.locate(f"{module}.{name}")
        return Ref("symbol", path) if path else None

    def _attribute(self, base: Ref, name: str) -> Ref | None:
        if base.kind == "module":
            return self._member(base.path, name)
        if base.kind in ("symbol", "instance"):
            method = self._world.method(base.path, name)
            return Ref("symbol", method) if method else None
        return None

    def _result(self, node: ast.Call, depth: int) -> Ref | None:
        """What a call gives back: an instance, for a class of the tables."""
        called = self.resolve(node.func, depth + 1)
        if called is None or called.kind != "symbol":
            return None
        line = self._world.callable_line(called.path)
        if line and line["i"][-1][2] == "c":
            return Ref("instance", called.path)
        return None

    def _unbound(self, name: str) -> Ref | None:
        for star in self._stars:
            if star.split(".")[0] in PACKAGES and self._world.name_spans(star, name):
                return self._member(star, name)
        if self._stars or not (name[:1].isupper() and len(name) > 5):
            return None
        # A cell or a documentation snippet that leaves its imports out.
        for package in _FALLBACK:
            if self._world.positions(package):
                path = f"{package}.{name}"
                if self._world.callable_line(path) is not None:
                    return Ref("symbol", path)
        return None

    def literal_dict(self, node: ast.expr) -> list[tuple[str, ast.expr, ast.AST]] | None:
        """Return (key, value, node to point at) of a dict that can be followed, else None.

        Followed: a literal, `dict(a=1)`, and a name bound once to one of these in the same or an
        outer scope, with plain `name["key"] = value` lines of the same block added.
        """
        if isinstance(node, ast.Dict):
            items: list[tuple[str, ast.expr, ast.AST]] = []
            for key, value in zip(node.keys, node.values, strict=True):
                if key is None:
                    inner = self.literal_dict(value)
                    if inner is None:
                        return None
                    items += inner
                elif isinstance(key, ast.Constant) and isinstance(key.value, str):
                    items.append((key.value, value, key))
                else:
                    return None
            return items
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id != "dict" or node.args:
                return None
            if any(keyword.arg is None for keyword in node.keywords):
                return None
            return [(k.arg, k.value, k) for k in node.keywords if k.arg]
        if isinstance(node, ast.Name):
            return self._named_dict(node)
        return None

    def _named_dict(self, node: ast.Name) -> list[tuple[str, ast.expr, ast.AST]] | None:
        bindings, owner = self._tree.lookup(node.id, self._tree.scopes[node])
        if len(bindings) != 1 or bindings[0].value is None or owner is None:
            return None
        if isinstance(bindings[0].value, ast.Name):
            return None
        items = self.literal_dict(bindings[0].value)
        if items is None:
            return None
        home = self._tree.parents.get(bindings[0].node)
        for change in self._tree.changes.get(node.id, ()):
            if isinstance(change, ast.Call):
                attribute = change.func.attr if isinstance(change.func, ast.Attribute) else ""
                if attribute in ("get", "items", "keys", "values", "copy"):
                    continue
                return None
            target = change.targets[0] if isinstance(change, ast.Assign) else None
            if not isinstance(target, ast.Subscript) or not isinstance(change, ast.Assign):
                return None
            key = target.slice
            if (
                self._tree.parents.get(change) is not home
                or not isinstance(key, ast.Constant)
                or not isinstance(key.value, str)
            ):
                return None
            items.append((key.value, change.value, key))
        return items


def _is_none(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Constant) and node.value in (None, False)
