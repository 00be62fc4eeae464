"""Keywords, positions and values of calls."""

from __future__ import annotations

import ast
from difflib import get_close_matches
from typing import TYPE_CHECKING

from ftdoctor.api.changes import keyword_change
from ftdoctor.api.known_rules import rule_of
from ftdoctor.api.missing import missing
from ftdoctor.api.model import ApiFinding
from ftdoctor.api.nested import check_nested

if TYPE_CHECKING:
    from ftdoctor.api.changes import KeywordChange
    from ftdoctor.api.exports import History
    from ftdoctor.api.lint import Script
    from ftdoctor.api.names import Ref

Item = tuple[str, ast.expr, ast.AST]


class CallCheck:
    """Checks the calls of one script."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.world = script.world

    def call(self, call: ast.Call) -> None:
        """Check one call."""
        target = self._target(call)
        if target is None:
            return
        path, own = target
        if self.world.exists(path) is not True:
            return
        items, complete = self._items(call)
        bad: list[Item] = []
        for item in items:
            if item[0] not in own and self.world.accepts(path, item[0]) is False:
                bad.append(item)
        values_matter = bool(items) and not self.script.guards.dead(call)
        if bad and not self._protected(call, path, bad):
            moved = keyword_change(self.script, call, path, [item[0] for item in bad])
            for name, _, place in bad:
                self._unexpected(call, path, name, place, moved)
        if values_matter:
            for name, value, place in items:
                self._value(call, path, name, value, place)
            check_nested(self.script, call, path)
        if complete:
            self._positions(call, path)
            lacking = missing(self.script, call, path, {item[0] for item in items})
            told = lacking is not None and not self._is_partial(call)
            if lacking is not None and told and not self._protected(call, path, []):
                self.script.add(lacking)

    # --- what is called ----------------------------------------------------------------------

    def _target(self, call: ast.Call) -> tuple[str, frozenset[str]] | None:
        """Return (public path, keywords that a subclass adds) of what a call runs."""
        function = call.func
        if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Call):
            inner = function.value.func
            if isinstance(inner, ast.Name) and inner.id == "super" and function.attr == "__init__":
                node = self._class_around(call)
                return self._base_of(node) if node else None
        ref = self.script.names.resolve(function)
        if ref is None and self._is_partial(call):
            ref = self.script.names.resolve(call.args[0])
        if ref is None or ref.kind == "module":
            return None
        if ref.kind == "local" and ref.node is not None:
            return self._local(ref.node)
        return (ref.path, frozenset()) if ref.kind == "symbol" else None

    def _is_partial(self, call: ast.Call) -> bool:
        return bool(call.args) and ast.unparse(call.func) in ("partial", "functools.partial")

    def _class_around(self, node: ast.AST) -> ast.ClassDef | None:
        for ancestor, _ in self.script.tree.ancestors(node):
            if isinstance(ancestor, ast.ClassDef):
                return ancestor
        return None

    def _base_of(self, node: ast.ClassDef) -> tuple[str, frozenset[str]] | None:
        """The one base whose constructor `super().__init__` reaches, when it is certain."""
        if len(node.bases) != 1:
            return None
        ref = self.script.names.resolve(node.bases[0])
        if ref is None:
            return None
        if ref.kind == "local" and ref.node is not None and ref.node is not node:
            return self._local(ref.node)
        return (ref.path, frozenset()) if ref.kind == "symbol" else None

    def _local(self, node: ast.ClassDef, depth: int = 0) -> tuple[str, frozenset[str]] | None:
        """A subclass in the script: its base's keywords and its own fields or parameters."""
        base = self._base_of(node) if depth < 5 else None
        if base is None:
            return None
        path, own = base
        decorated = any("dataclass" in ast.unparse(d) for d in node.decorator_list)
        names: set[str] = set(own)
        for line in node.body:
            if isinstance(line, (ast.FunctionDef, ast.AsyncFunctionDef)) and line.name in (
                "__init__",
                "__new__",
            ):
                arguments = line.args
                if arguments.kwarg is None or not _passed_on(line, arguments.kwarg.arg):
                    return None
                names |= {a.arg for a in (*arguments.args, *arguments.kwonlyargs)}
            elif (
                decorated and isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name)
            ):
                names.add(line.target.id)
        if not decorated and node.decorator_list:
            return None
        return path, frozenset(names)

    # --- what it is called with ----------------------------------------------------------------

    def _items(self, call: ast.Call) -> tuple[list[Item], bool]:
        """Return the keywords that can be seen, and whether these are all arguments."""
        items: list[Item] = []
        complete = not any(isinstance(argument, ast.Starred) for argument in call.args)
        for keyword in call.keywords:
            if keyword.arg is not None:
                items.append((keyword.arg, keyword.value, keyword))
                continue
            followed = self.script.names.literal_dict(keyword.value)
            if followed is None:
                complete = False
                self.script.leave(
                    keyword.value,
                    f"**{ast.unparse(keyword.value)[:40]}",
                    "what it holds is not written out in a form that can be followed",
                )
            else:
                items += followed
        return items, complete

    def _protected(self, call: ast.Call, path: str, bad: list[Item]) -> bool:
        guards = self.script.guards
        if guards.dead(call):
            return True
        reason = guards.probed(call) or guards.caught(call, importing=False)
        if not reason:
            for _, _, place in bad:
                reason = reason or (guards.probed(place) if place is not call else "")
        if reason:
            names = ", ".join(name for name, _, _ in bad)
            self.script.leave(call, f"{path}({names}=...)", reason)
        return bool(reason)

    # --- findings ------------------------------------------------------------------------------

    def _unexpected(
        self, call: ast.Call, path: str, name: str, place: ast.AST, moved: dict[str, KeywordChange]
    ) -> None:
        history = self.world.keyword_history(path, name)
        change = moved.get(name)
        replacement = change.replacement if change else ""
        text = change.text if change else ""
        message = f"`{path}` does not take `{name}`{_when(history)}."
        if text:
            message += f" {text}"
        elif not (history.last_ok or history.first_ok):
            near = get_close_matches(name, self.world.parameters(path), n=1, cutoff=0.8)
            message += f" Did you mean `{near[0]}`?" if near else ""
        line, column, end_line, end_column = self.span(place, name)
        self.script.add(
            ApiFinding(
                kind="unexpected-keyword",
                severity="error",
                symbol=path,
                parameter=name,
                package=history.package,
                version=history.version,
                message=message,
                line=line,
                column=column,
                end_line=end_line,
                end_column=end_column,
                last_ok=history.last_ok,
                first_bad=history.first_bad,
                first_ok=history.first_ok,
                replacement=replacement,
                rule=rule_of(path, name, history, self.world),
                edit=change.edit if change else None,
            )
        )

    def span(self, place: ast.AST, name: str) -> tuple[int, int, int, int]:
        """Return the span of a keyword's name (or of a dict key)."""
        line, column = self.script.text.start(place)
        if isinstance(place, ast.keyword):
            return line, column, line, column + len(name)
        return (line, column, *self.script.text.end(place))

    def _value(self, call: ast.Call, path: str, name: str, value: ast.expr, place: ast.AST) -> None:
        """A string outside the enum that the field is converted with."""
        if not isinstance(value, ast.Constant) or not isinstance(value.value, str):
            return
        found = self.world.enum_values(path, name)
        if found is None or value.value in found[1]:
            return
        package, values = found
        if self._protected(call, path, [(name, value, place)]):
            return
        table = self.world.table(package)
        version = self.world.version(package) or (table.newest if table else "")
        near = get_close_matches(value.value, values, n=1)
        history = self.world.value_history(path, name, value.value)
        text = f"`{name}={value.value!r}` is not a value that {package} {version} knows"
        text += (
            f" (last: {history.last_ok})."
            if history.last_ok
            else (f" (from {history.first_ok} on)." if history.first_ok else ".")
        )
        text += f" Did you mean {near[0]!r}?" if near else ""
        line, column = self.script.text.start(value)
        end_line, end_column = self.script.text.end(value)
        self.script.add(
            ApiFinding(
                kind="bad-enum",
                severity="error",
                symbol=path,
                parameter=name,
                package=package,
                version=version,
                message=text,
                line=line,
                column=column,
                end_line=end_line,
                end_column=end_column,
                last_ok=history.last_ok,
                first_bad=history.first_bad,
                first_ok=history.first_ok,
                replacement=near[0] if near else "",
                rule="invalid-argument-value",
            )
        )

    def _positions(self, call: ast.Call, path: str) -> None:
        most = self.world.most_positional(path)
        if most is None or len(call.args) <= most or self.script.names.resolve(call.func) is None:
            return
        if self._protected(call, path, []):
            return
        ref: Ref | None = self.script.names.resolve(call.func)
        if ref is None or ref.kind != "symbol":
            return
        extra = call.args[most]
        line, column = self.script.text.start(extra)
        end_line, end_column = self.script.text.end(extra)
        package = path.split(".")[0]
        self.script.add(
            ApiFinding(
                kind="positional",
                severity="error",
                symbol=path,
                parameter=f"argument {most + 1}",
                package=package,
                version=self.world.version(package),
                message=f"`{path}` takes {most} positional arguments in {package} "
                f"{self.world.version(package)}, {len(call.args)} are given.",
                line=line,
                column=column,
                end_line=end_line,
                end_column=end_column,
                rule="api-too-many-positional",
            )
        )

    # --- overrides -----------------------------------------------------------------------------

    def overrides(self) -> None:
        """`compute_loss` of a Trainer subclass without `num_items_in_batch`.

        transformers >= 4.46 passes it (github.com/huggingface/transformers/issues/36331).
        """
        for node in self.script.tree.classes:
            if not any(self._is_trainer(base) for base in node.bases):
                continue
            for line in node.body:
                if not isinstance(line, ast.FunctionDef) or line.name != "compute_loss":
                    continue
                arguments = line.args
                names = {a.arg for a in (*arguments.args, *arguments.kwonlyargs)}
                if arguments.kwarg or "num_items_in_batch" in names or len(arguments.args) > 4:
                    continue
                wanted = self.world.accepts(
                    "transformers.Trainer.compute_loss", "num_items_in_batch"
                )
                if wanted is not True or self.script.guards.dead(node):
                    continue
                self._override(line)

    def _is_trainer(self, base: ast.expr) -> bool:
        ref = self.script.names.resolve(base)
        return ref is not None and ref.kind == "symbol" and ref.path.endswith("Trainer")

    def _override(self, line: ast.FunctionDef) -> None:
        text = self.script.text
        start = text.start(line)
        start = (start[0], start[1] + len("def "))
        end = (start[0], start[1] + len(line.name))
        version = self.world.version("transformers")
        self.script.add(
            ApiFinding(
                kind="override",
                severity="error",
                symbol="transformers.Trainer.compute_loss",
                parameter="num_items_in_batch",
                package="transformers",
                version=version,
                message="This `compute_loss` takes no `num_items_in_batch`, which the Trainer of "
                f"transformers {version} passes to it: TypeError at the first step. Add "
                "`num_items_in_batch=None` to its parameters.",
                line=start[0],
                column=start[1],
                end_line=end[0],
                end_column=end[1],
                last_ok="4.45.2",
                first_bad="4.46.0",
                replacement="num_items_in_batch=None",
                rule="compute-loss-num-items-in-batch",
            )
        )


def _when(history: History) -> str:
    if history.last_ok and history.first_ok:
        return f" in {history.spoken} ({history.last_ok} did, and {history.first_ok} does again)"
    if history.last_ok:
        return (
            f" since {history.package} {history.first_bad} (the job has {history.spoken}; "
            f"{history.last_ok} was the last to take it)"
        )
    if history.first_ok:
        return f" yet in {history.spoken}: it comes with {history.first_ok}"
    return f" in {history.spoken}, nor in any other release read"


def _passed_on(function: ast.FunctionDef | ast.AsyncFunctionDef, name: str) -> bool:
    """Whether `**name` goes to `super().__init__` as it is, and nowhere else."""
    uses = [
        node
        for node in ast.walk(function)
        if isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Load)
    ]
    passed = 0
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("super("):
            passed += sum(
                keyword.arg is None
                and isinstance(keyword.value, ast.Name)
                and keyword.value.id == name
                for keyword in node.keywords
            )
    return passed == 1 and len(uses) == 1
