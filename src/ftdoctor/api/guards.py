"""Code that a script runs only under a condition: which branches are dead, which are protected."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ftdoctor.api.table import PACKAGES, import_name, release_key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftdoctor.api.scopes import Scope, Tree

_PROBES = {
    "signature",
    "hasattr",
    "getfullargspec",
    "fields",
    "__dataclass_fields__",
    "__code__",
    "__version__",
    "__annotations__",
    "find_spec",
    "getmembers",
}
_LEAVES = {"exit", "_exit", "abort", "skip", "fail"}
_CATCHES_IMPORT = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}
_CATCHES_CALL = {"TypeError", "Exception", "BaseException", "ValueError"}


class Guards:
    """Answers on the conditions around a node of one script."""

    def __init__(self, tree: Tree, versions: Mapping[str, str | None]) -> None:
        self._tree = tree
        self._versions = versions
        self._probing: dict[str, bool] = {}

    # --- if ----------------------------------------------------------------------------------

    def dead(self, node: ast.AST) -> bool:
        """Whether the node stands in a branch that the job's versions never take."""
        for ancestor, child in self._tree.ancestors(node):
            if isinstance(ancestor, (ast.If, ast.IfExp)):
                answer = self.truth(ancestor.test, self._tree.scopes[ancestor])
                if answer is None or child is ancestor.test:
                    continue
                body = ancestor.body if isinstance(ancestor.body, list) else [ancestor.body]
                if (child in body) != answer:
                    return True
        return self._after_exit(node)

    def _after_exit(self, node: ast.AST) -> bool:
        """`if old: return ...` before the node, with a test that the versions make true."""
        for ancestor, child in self._tree.ancestors(node):
            for block in ("body", "orelse", "finalbody"):
                statements = getattr(ancestor, block, None)
                if not isinstance(statements, list) or child not in statements:
                    continue
                for statement in statements[: statements.index(child)]:
                    if (
                        isinstance(statement, ast.If)
                        and isinstance(statement.body[-1], (ast.Return, ast.Raise, ast.Continue))
                        and self.truth(statement.test, self._tree.scopes[statement])
                    ):
                        return True
        return False

    def probed(self, node: ast.AST) -> str:
        """Say why a condition around the node may protect it, or ""."""
        for ancestor, child in self._tree.ancestors(node):
            if isinstance(ancestor, (ast.If, ast.IfExp, ast.While)):
                test = ancestor.test
            elif isinstance(ancestor, ast.BoolOp) and child is not ancestor.values[0]:
                test = ancestor.values[0]
            else:
                continue
            scope = self._tree.scopes[ancestor]
            if child is test or self.truth(test, scope) is not None:
                continue
            if self.probes(test, scope):
                return f"the condition on line {test.lineno} looks at the version or the signature"
        return ""

    def probes(self, test: ast.AST, scope: Scope, depth: int = 0) -> bool:
        """Whether an expression depends on a version, a signature, or what can be imported."""
        for part in ast.walk(test):
            if isinstance(part, ast.Attribute) and part.attr in _PROBES:
                return True
            if isinstance(part, ast.Name):
                if part.id in _PROBES or _speaks_of_version(part.id.lower()):
                    return True
                if depth < 5 and self._name_probes(part.id, scope, depth):
                    return True
        return False

    def _name_probes(self, name: str, scope: Scope, depth: int) -> bool:
        if name in self._probing:
            return self._probing[name]
        self._probing[name] = False  # against cycles
        bindings, _ = self._tree.lookup(name, scope)
        found = False
        for binding in bindings:
            if binding.value is not None:
                found = self.probes(binding.value, self._tree.scopes[binding.node], depth + 1)
                # HAS_X = True in a try that imports, False in its handler.
                found = found or any(
                    isinstance(ancestor, ast.Try) and _imports(ancestor)
                    for ancestor, _ in self._tree.ancestors(binding.node)
                )
            elif binding.kind == "function" and isinstance(binding.node, ast.FunctionDef):
                found = any(
                    isinstance(part, (ast.Attribute, ast.Name))
                    and (part.attr if isinstance(part, ast.Attribute) else part.id) in _PROBES
                    for part in ast.walk(binding.node)
                )
            if found:
                break
        self._probing[name] = found
        return found

    # --- version tests -----------------------------------------------------------------------

    def truth(self, test: ast.expr, scope: Scope, depth: int = 0) -> bool | None:
        """Evaluate a test on versions with the job's versions; None when it is not one."""
        if depth > 5:
            return None
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            answer = self.truth(test.operand, scope, depth + 1)
            return None if answer is None else not answer
        if isinstance(test, ast.BoolOp):
            answers = [self.truth(value, scope, depth + 1) for value in test.values]
            stop = isinstance(test.op, ast.Or)
            if stop in answers:
                return stop
            return None if None in answers else not stop
        if isinstance(test, ast.Name):
            bindings, _ = self._tree.lookup(test.id, scope)
            if len(bindings) == 1 and bindings[0].value is not None:
                inner = self._tree.scopes[bindings[0].node]
                if isinstance(bindings[0].value, (ast.Compare, ast.BoolOp, ast.UnaryOp)):
                    return self.truth(bindings[0].value, inner, depth + 1)
            return None
        if isinstance(test, ast.Compare) and len(test.ops) == 1:
            return self._compare(test, scope)
        return None

    def _compare(self, test: ast.Compare, scope: Scope) -> bool | None:
        left = self._version(test.left, scope)
        right = self._version(test.comparators[0], scope)
        if left is None or right is None or (left[1] == right[1] == "literal"):
            return None
        a, b = left[0], right[0]
        size = max(len(a), len(b))
        # `tuple(map(int, v.split(".")[:2])) >= (0, 12)` compares as many parts as are written.
        if "parts" in (left[1], right[1]):
            size = min(len(b), len(a)) if right[1] == "literal" else size
            a, b = a[:size], b[:size]
        a, b = a + (0,) * (size - len(a)), b + (0,) * (size - len(b))
        operator = test.ops[0]
        if isinstance(operator, ast.GtE):
            return a >= b
        if isinstance(operator, ast.Gt):
            return a > b
        if isinstance(operator, ast.LtE):
            return a <= b
        if isinstance(operator, ast.Lt):
            return a < b
        if isinstance(operator, ast.Eq):
            return a == b
        if isinstance(operator, ast.NotEq):
            return a != b
        return None

    def _version(
        self, node: ast.expr, scope: Scope, depth: int = 0
    ) -> tuple[tuple[int, ...], str] | None:
        """Return (release numbers, "package" | "parts" | "literal") of an expression."""
        if depth > 6:
            return None
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            key = release_key(node.value)
            return (key, "literal") if key and -1 not in key else None
        if isinstance(node, ast.Tuple):
            numbers = [item.value for item in node.elts if isinstance(item, ast.Constant)]
            if len(numbers) == len(node.elts) and all(isinstance(n, int) for n in numbers):
                return tuple(int(str(n)) for n in numbers), "literal"
            return None
        if isinstance(node, ast.Attribute) and node.attr == "__version__":
            return self._package(ast.unparse(node.value), scope)
        if isinstance(node, ast.Name):
            bindings, _ = self._tree.lookup(node.id, scope)
            if len(bindings) != 1:
                return None
            binding = bindings[0]
            if binding.kind == "name" and binding.attribute == "__version__":
                return self._installed(binding.module)
            if binding.value is not None:
                return self._version(binding.value, self._tree.scopes[binding.node], depth + 1)
            return None
        if isinstance(node, ast.Call):
            return self._version_call(node, scope, depth)
        return None

    def _version_call(
        self, node: ast.Call, scope: Scope, depth: int
    ) -> tuple[tuple[int, ...], str] | None:
        name = ast.unparse(node.func).rsplit(".", 1)[-1]
        if name in ("parse", "Version", "LooseVersion", "StrictVersion", "parse_version", "V"):
            return self._version(node.args[0], scope, depth + 1) if node.args else None
        if name == "version" and node.args:  # importlib.metadata.version("trl")
            first = node.args[0]
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                return self._installed(first.value)
            return None
        if name == "tuple":
            # tuple(int(x) for x in trl.__version__.split(".")[:2]): the number of parts is kept.
            for part in ast.walk(node):
                if isinstance(part, ast.Attribute) and part.attr == "__version__":
                    found = self._package(ast.unparse(part.value), scope)
                    return (found[0], "parts") if found else None
        return None

    def _package(self, text: str, scope: Scope) -> tuple[tuple[int, ...], str] | None:
        bindings, _ = self._tree.lookup(text.split(".")[0], scope)
        modules = {binding.module for binding in bindings if binding.kind == "module"}
        if len(modules) != 1:
            return None
        return self._installed(modules.pop())

    def _installed(self, package: str) -> tuple[tuple[int, ...], str] | None:
        name = import_name(package)
        version = self._versions.get(name)
        key = release_key(version) if version else None
        return (key, "package") if key and (name in PACKAGES or version) else None

    # --- try ---------------------------------------------------------------------------------

    def caught(self, node: ast.AST, importing: bool) -> str:
        """Say why a failure of the node may be caught and survived, or ""."""
        catching = _CATCHES_IMPORT if importing else _CATCHES_CALL
        for ancestor, child in self._tree.ancestors(node):
            if isinstance(ancestor, (ast.FunctionDef, ast.AsyncFunctionDef)) and importing:
                pass  # an import inside a function fails like any other
            if not isinstance(ancestor, ast.Try) or child not in ancestor.body:
                continue
            for handler in ancestor.handlers:
                if handler_names(handler) & catching and not _gives_up(handler):
                    return f"the try on line {ancestor.lineno} catches the failure and goes on"
        if importing:
            for ancestor, _ in self._tree.ancestors(node):
                if isinstance(ancestor, ast.With) and "suppress" in ast.unparse(ancestor.items[0]):
                    return "a suppress() block catches the failure"
        return ""


def _speaks_of_version(name: str) -> bool:
    """A flag such as TRL_VERSION, is_transformers_ge_v5 or HAS_NEW_TRL, set elsewhere."""
    if "version" in name:
        return True
    flag = name.startswith(("is_", "_is_", "has_", "have_", "supports_", "new_", "old_"))
    return flag and any(p in name for p in PACKAGES) and not name.endswith("_available")


def handler_names(handler: ast.ExceptHandler) -> set[str]:
    """Return the last parts of the exception names that a handler catches."""
    if handler.type is None:
        return {"BaseException", "Exception", "ImportError", "TypeError"}
    nodes = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return {ast.unparse(node).rsplit(".", 1)[-1] for node in nodes}


def _gives_up(handler: ast.ExceptHandler) -> bool:
    """Whether a handler ends the job: raises, exits, or does nothing but report.

    The last statement decides; a raise deep in an `if` may not be reached.
    """
    last = handler.body[-1]
    if isinstance(last, ast.Raise):
        return True
    if isinstance(last, ast.Expr) and isinstance(last.value, ast.Call):
        return ast.unparse(last.value.func).rsplit(".", 1)[-1] in _LEAVES
    return False


def _imports(node: ast.Try) -> bool:
    return any(isinstance(part, (ast.Import, ast.ImportFrom)) for part in node.body)
