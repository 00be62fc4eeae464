"""Calls: of functions and classes of the files, of methods, and of what a library offers."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from ftdoctor.job import py_cli, py_kfp, py_library, py_methods, py_objects, py_text
from ftdoctor.job.py_abstract import (
    Abstract,
    At,
    Cls,
    Const,
    Func,
    Map,
    Obj,
    Ref,
    Scope,
    Seq,
    Space,
    Unk,
)
from ftdoctor.job.py_builtins import Arguments
from ftdoctor.job.py_ops import iterable, reason_of

if TYPE_CHECKING:
    from ftdoctor.job.py_run import Run


def call(run: Run, node: Any) -> Abstract:
    """Follow a call expression."""
    func = node.func
    at = run.at(node)
    if isinstance(func, ast.Attribute):
        owner = run.eval(func.value)
        if isinstance(owner, Obj) and owner.callee == "super":
            return _super(run, owner, func.attr, arguments(run, node), at)
        return method(run, owner, func.attr, arguments(run, node), at)
    callee = run.eval(func)
    return invoke(run, callee, arguments(run, node), at)


def arguments(run: Run, node: Any) -> Arguments:
    """Evaluate the arguments of a call."""
    args: list[Abstract] = []
    kwargs: dict[str, Abstract] = {}
    places: dict[str, At] = {}
    reason = ""
    for arg in node.args:
        if isinstance(arg, ast.Starred):
            value = run.eval(arg.value)
            items = iterable(run, value)
            if items is None:
                reason = reason or reason_of(value)
            else:
                args += items
        elif isinstance(arg, ast.Constant) and arg.value is Ellipsis:
            reason = reason or "arguments are left out ('...')"
        else:
            args.append(run.eval(arg))
    for keyword in node.keywords:
        value = run.eval(keyword.value)
        if keyword.arg is not None:
            kwargs[keyword.arg] = value
            places[keyword.arg] = run.at(keyword)
        elif isinstance(value, Map):
            for key, (item, key_at) in value.data.items():
                kwargs[str(key)] = item
                if key_at is not None:
                    places[str(key)] = key_at
            reason = reason or value.now.open
        else:
            reason = reason or reason_of(value)
    return Arguments(args, kwargs, places, reason)


def invoke(run: Run, callee: Abstract, given: Arguments, at: At) -> Abstract:
    """Call a value."""
    if isinstance(callee, Func) and callee.decorators and py_kfp.component(callee) is not None:
        # A step of a pipeline: it runs elsewhere, and the call gives a task that can be configured.
        name = f"{py_kfp.TASK}{getattr(callee.node, 'name', '')}"
        run.inline(callee, given.args, given.kwargs, given.open, at.node)
        return external(run, name, given, at, callee)
    if isinstance(callee, Func):
        return run.inline(callee, given.args, given.kwargs, given.open, at.node)
    if isinstance(callee, Cls):
        return instantiate(run, callee, given, at)
    if isinstance(callee, Ref):
        return reference(run, callee, given, at)
    if isinstance(callee, Obj):
        if callee.callee == "functools.partial" and callee.args:
            merged = Arguments(
                [*callee.args[1:], *given.args],
                {**callee.kwargs, **given.kwargs},
                {**callee.kw_at, **given.places},
                callee.open or given.open,
            )
            return invoke(run, callee.args[0], merged, at)
        if callee.name.startswith("create_custom_training_job") and callee.args:
            step = callee.args[0]
            if isinstance(step, Func):
                run.inline(step, given.args, given.kwargs, given.open, at.node)
        return external(run, f"{callee.callee}()", given, at, callee, callee.imported)
    return Unk(reason_of(callee), at)


def reference(run: Run, callee: Ref, given: Arguments, at: At) -> Abstract:
    """Call something of a library: the few that are understood, else note the call."""
    known = py_library.FUNCTIONS.get(callee.name)
    if known is not None:
        result = known(run, given, at)
        if result is not None:
            return result
    return external(run, callee.name, given, at, None, callee.imported)


def external(
    run: Run,
    name: str,
    given: Arguments,
    at: At,
    receiver: Abstract | None = None,
    imported: bool = True,
) -> Obj:
    """Note a call of something outside the files and return its result."""
    made = Obj(
        name, at, tuple(given.args), given.kwargs, given.places, given.open, receiver, imported
    )
    return run.record(made)


def method(run: Run, owner: Abstract, name: str, given: Arguments, at: At) -> Abstract:
    """Call a method."""
    if isinstance(owner, Ref):
        found = py_objects.attribute(run, owner, name, at)
        return invoke(run, found, given, at)
    if isinstance(owner, Const) and isinstance(owner.value, (str, bytes)):
        return py_methods.of_text(run, owner, name, given, at)
    if isinstance(owner, Map):
        return py_methods.of_map(run, owner, name, given, at)
    if isinstance(owner, Seq):
        return py_methods.of_list(run, owner, name, given, at)
    if isinstance(owner, (Cls, Space)):
        return _of_class(run, owner, name, given, at)
    if isinstance(owner, Func):
        if name in ("remote", "local", "spawn", "delay", "callback", "__call__"):
            return run.inline(owner, given.args, given.kwargs, given.open, at.node)
        return external(run, f"?.{name}", given, at, owner)
    if isinstance(owner, Obj):
        return _of_object(run, owner, name, given, at)
    if isinstance(owner, Unk):
        if owner.template and name in ("strip", "lower", "rstrip", "lstrip"):
            return owner
        external(run, f"?.{name}", given, at, owner)
        default = owner.default
        if isinstance(default, Const) and isinstance(default.value, str):
            default = py_text.text_method(default, name, given.args, at)
            return Unk(owner.reason, at, default if isinstance(default, Const) else None)
        return Unk(owner.reason, at)
    return Unk("it is computed when the code runs", at)


def _of_class(run: Run, owner: Cls | Space, name: str, given: Arguments, at: At) -> Abstract:
    found = py_objects.attribute(run, owner, name, at)
    if isinstance(found, Func) and isinstance(owner, Cls):
        names = [getattr(d, "id", "") for d in getattr(found.node, "decorator_list", [])]
        if "classmethod" in names:
            found = Func(found.node, found.scope, found.source, owner, found.owner)
    if isinstance(found, Unk) and isinstance(owner, Cls):
        return external(run, f"{owner.name}.{name}", given, at, owner)
    return invoke(run, found, given, at)


def _of_object(run: Run, owner: Obj, name: str, given: Arguments, at: At) -> Abstract:
    if owner.cls is not None:
        found = py_objects.attribute(run, owner, name, at)
        if isinstance(found, (Func, Cls, Ref)):
            return invoke(run, found, given, at)
        if owner.cls.external() is None:
            return Unk(reason_of(found), at)
    if py_cli.is_parser(owner):
        answer = py_cli.parser_method(run, owner, name, given, at)
        if answer is not None:
            return answer
    if py_text.is_path(owner):
        return py_methods.of_path(run, owner, name, given, at)
    stored = owner.cells.get(name)
    if isinstance(stored, (Func, Cls)):
        return invoke(run, stored, given, at)
    answer = py_methods.of_object(run, owner, name, given, at)
    if answer is not None:
        return answer
    return external(run, f"{owner.callee}().{name}", given, at, owner, owner.imported)


def _super(run: Run, owner: Obj, name: str, given: Arguments, at: At) -> Abstract:
    """Follow `super().name(...)`: a class of the file, or a note on the object itself."""
    current = run.inlined[-1] if run.inlined else None
    own = current.owner if current is not None else None
    bound = current.bound if current is not None else None
    if own is None or not isinstance(bound, Obj):
        return Unk("it is what a base class does", at)
    for base in own.bases:
        if isinstance(base, Cls):
            found = base.find(name)
            if isinstance(found, Func):
                parent = Func(found.node, found.scope, found.source, bound, found.owner)
                return run.inline(parent, given.args, given.kwargs, given.open, at.node)
    if name == "__init__" and own.external() is not None:
        # What reaches the library is what super().__init__ is given.
        bound.args = tuple(given.args)
        bound.kwargs = given.kwargs
        bound.kw_at = given.places
        bound.open = given.open
    return Unk("it is what a base class does", at)


def instantiate(run: Run, cls: Cls, given: Arguments, at: At) -> Abstract:
    """Make an object of a class of the file."""
    base = cls.external()
    made = Obj(base.name if base is not None else cls.name, at, imported=True)
    made.cls = cls
    if base is not None and base.name.rsplit(".", 1)[-1] in ("Enum", "StrEnum", "IntEnum"):
        return given.args[0] if given.args else made
    made.args, made.kwargs = tuple(given.args), given.kwargs
    made.kw_at, made.open = given.places, given.open
    init = cls.find("__init__")
    if isinstance(init, Func):
        bound = Func(init.node, init.scope, init.source, made, init.owner)
        if base is None:
            made.kwargs = {}
        run.inline(bound, given.args, given.kwargs, given.open, at.node)
    else:
        if base is None:
            for name, value in zip(cls.fields(), given.args, strict=False):
                made.cells[name] = value
            made.cells.update(given.kwargs)
            for name in cls.fields():
                default = cls.find(name)
                if default is not None and name not in made.cells:
                    # Each object has its own: `field(default_factory=dict)` can be changed in one.
                    made.cells[name] = py_objects.field_default(run, default)
        post = cls.find("__post_init__")
        if isinstance(post, Func):
            bound = Func(post.node, post.scope, post.source, made, post.owner)
            run.inline(bound, [], {}, "", at.node)
    if base is not None:
        if cls.dataclass or cls.annotations:
            for name in cls.fields():
                default = cls.find(name)
                if default is not None and name not in made.kwargs and name not in made.cells:
                    made.kwargs = {**made.kwargs, name: py_objects.field_default(run, default)}
        run.record(made)
    return made


def bind_parameters(
    run: Run,
    func: Func,
    scope: Scope,
    args: list[Abstract],
    kwargs: dict[str, Abstract],
    open_reason: str,
    called: bool,
) -> None:
    """Set the parameters of a function in its scope; `called` is False when nobody calls it."""
    definition = func.node
    spec = definition.args
    names = [a.arg for a in (*spec.posonlyargs, *spec.args)]
    decorators = [getattr(d, "id", "") for d in getattr(definition, "decorator_list", [])]
    if func.bound is not None and "staticmethod" not in decorators:
        args = [func.bound, *args]
    defaults: dict[str, ast.expr] = dict(
        zip(names[len(names) - len(spec.defaults) :], spec.defaults, strict=True)
    )
    for parameter, expression in zip(spec.kwonlyargs, spec.kw_defaults, strict=True):
        names.append(parameter.arg)
        if expression is not None:
            defaults[parameter.arg] = expression
    positional = len(spec.posonlyargs) + len(spec.args)
    left = dict(kwargs)
    label = getattr(definition, "name", "lambda")
    for index, name in enumerate(names):
        if index < min(len(args), positional):
            scope.cells[name] = args[index]
            left.pop(name, None)
        elif name in left:
            scope.cells[name] = left.pop(name)
        else:
            default = run.eval(defaults[name]) if name in defaults else None
            option = py_cli.decorated_option(run, func, name)
            if option is not None:
                scope.cells[name] = option
            elif called and default is not None and not open_reason:
                scope.cells[name] = py_cli.unwrapped_option(default)
            else:
                scope.cells[name] = Unk(
                    open_reason or f"it is the parameter {name} of {label}()", default=default
                )
    if spec.vararg is not None:
        scope.cells[spec.vararg.arg] = Seq(
            args[positional:], open="" if called else "nobody calls the function", kind="tuple"
        )
    if spec.kwarg is not None:
        extra = Map(open=open_reason or ("" if called else "nobody calls the function"))
        extra.now.data.update({key: (value, value.at) for key, value in left.items()})
        scope.cells[spec.kwarg.arg] = extra
