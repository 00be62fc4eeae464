"""One Python file of a wheel, read into plain data (names, classes, functions). Nothing is run."""

from __future__ import annotations

import ast
import re
import warnings
from typing import Any

from tools.api_tables.signature import (
    constant_text,
    decorators_of,
    dotted,
    read_signature,
    text_of,
    warned_names,
)

#: Raise when the shape of a record changes: cached records of older shapes are then read anew.
SHAPE = 6

Record = dict[str, Any]
_STRUCTURES = {"_import_structure", "_SUBMOD_ATTRS"}
_EXPORTS = re.compile(r"^__all__\s*(?::[^=\n]+)?\+?=\s*(\[[^\]]*\]|\([^)]*\))", re.M)
_REQUIRES = re.compile(r"^@requires\(.*?^(?:class|def)\s+(\w+)", re.M | re.S)
_MAPPING = re.compile(r"_MAPPING_NAMES\b")


def read_exports(source: str) -> list[str]:
    """Return what a file of transformers' `models/` exports: `__all__` and `@requires` objects.

    Follows `create_import_structure_from_path` (transformers 5.23, utils/import_utils.py:3163).
    """
    names: set[str] = set()
    for listed in _EXPORTS.findall(source):
        try:
            value = ast.literal_eval(listed)
        except (ValueError, SyntaxError):
            value = re.findall(r"[\"'](\w+)[\"']", listed)
        names.update(item for item in value if isinstance(item, str))
    if "@requires" in source:
        names.update(_REQUIRES.findall(source))
    return sorted(names)


def read_module(source: str) -> Record:
    """Read one module.

    Returns a dict with
      imports: [[local name, module ("." for relative), attribute or ""]]
      stars: modules of `from x import *`
      assigned: names bound by assignment
      all: names of `__all__`, or None
      structure: {submodule: [names]} of a lazily loading package, or None
      define: True when `define_import_structure` adds the `__all__` of the files below
      getattr: True when a module `__getattr__` may know more names
      classes, functions: by name
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = ast.parse(source)
    reader = _Reader()
    reader.body(tree.body)
    record = reader.record
    record["define"] = "define_import_structure(" in source
    record["getattr"] = "__getattr__" in record["functions"]
    record |= _command_line(tree)
    return record


def _command_line(tree: ast.Module) -> Record:
    """What a module adds to a command line.

    parsers: [[class names]] handed to a *Parser, or bound to `dataclass_types`; commands: names
    of subcommands; flags: option strings of `add_argument`.
    """
    parsers: list[list[str]] = []
    commands: list[str] = []
    flags: list[str] = []
    for node in ast.walk(tree):
        group: ast.expr | None = None
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            target = dotted(node.targets[0])
            if target == "dataclass_types":
                group = node.value
            elif target == "SUPPORTED_COMMANDS":
                commands += _strings(node.value)
        elif isinstance(node, ast.Call):
            name = dotted(node.func).rsplit(".", 1)[-1]
            first = node.args[0] if node.args else None
            if name.endswith("Parser"):
                group = first
            elif name == "add_argument":
                flags += [t for a in node.args if (t := constant_text(a)) and t.startswith("-")]
            elif name in ("add_parser", "TrainingCommand") and (text := constant_text(first)):
                commands.append(text)
            elif name.startswith("make_") and name.endswith("_parser") and first is not None:
                commands.append(name[len("make_") : -len("_parser")].replace("_", "-"))
        if isinstance(group, (ast.Tuple, ast.List)):
            names = [dotted(item) for item in group.elts]
            if names and all(part.rsplit(".", 1)[-1][:1].isupper() for part in names):
                parsers.append(names)
    return {"parsers": parsers, "commands": commands, "flags": flags}


class _Reader:
    def __init__(self) -> None:
        self.record: Record = {
            "imports": [],
            "stars": [],
            "assigned": [],
            "all": None,
            "structure": None,
            "classes": {},
            "functions": {},
            "dicts": {},
        }

    def body(self, statements: list[ast.stmt]) -> None:
        for statement in statements:
            self.statement(statement)

    def statement(self, node: ast.stmt) -> None:
        record = self.record
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            signature = read_signature(node, method=False)
            signature["back"] = _returned_call(node)
            record["functions"][node.name] = signature
        elif isinstance(node, ast.ClassDef):
            record["classes"][node.name] = read_class(node)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.asname:
                    record["imports"].append([alias.asname, alias.name, ""])
                else:
                    top = alias.name.split(".")[0]
                    record["imports"].append([top, top, ""])
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            for alias in node.names:
                if alias.name == "*":
                    record["stars"].append(module)
                else:
                    record["imports"].append([alias.asname or alias.name, module, alias.name])
        elif isinstance(node, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
            self.assignment(node)
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            self.structure_call(node.value)
        elif isinstance(node, ast.If):
            if dotted(node.test) not in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
                self.body(node.body)
            self.body(node.orelse)
        elif isinstance(node, ast.Try):
            self.body(node.body)
            for handler in node.handlers:
                self.body(handler.body)
            self.body(node.orelse)
            self.body(node.finalbody)
        elif isinstance(node, (ast.With, ast.For, ast.While)):
            if isinstance(node, ast.For):
                self.targets([node.target])
            if isinstance(node, ast.With):
                self.targets([item.optional_vars for item in node.items if item.optional_vars])
            self.body(node.body)

    def targets(self, nodes: list[ast.expr]) -> None:
        for node in nodes:
            for part in ast.walk(node):
                if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
                    self.record["assigned"].append(part.id)

    def assignment(self, node: ast.Assign | ast.AnnAssign | ast.AugAssign) -> None:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        self.targets(targets)
        value = node.value
        target = targets[0]
        if isinstance(target, ast.Subscript) and dotted(target.value) in _STRUCTURES:
            key = constant_text(target.slice)
            if key is not None:
                self.add(key, _strings(value))
            return
        name = dotted(target)
        if name in _STRUCTURES and isinstance(value, ast.Dict):
            for key_node, entry in zip(value.keys, value.values, strict=True):
                key = constant_text(key_node)
                if key is not None:
                    self.add(key, _strings(entry))
        elif name == "_LEGACY_MODULE_ALIASES":  # transformers >= 5.21: old module names, served
            for key in _mapping_keys(value) if value is not None else ():
                self.add(key, [])
        elif name == "__all__":
            self.record["all"] = [*(self.record["all"] or []), *_strings(value)]
        elif name.endswith("_MAPPING_NAMES") and value is not None:
            keys = _mapping_keys(value)
            if keys:
                self.record["dicts"][name] = keys
        elif isinstance(value, (ast.Name, ast.Attribute)) and isinstance(target, ast.Name):
            # NAME = OTHER: an alias that resolves like an import from this very module.
            source = dotted(value)
            if source and "." not in source and source != name:
                self.record["imports"].append([name, ".self", source])

    def add(self, key: str, names: list[str]) -> None:
        structure = self.record["structure"]
        if structure is None:
            structure = self.record["structure"] = {}
        structure.setdefault(key, []).extend(names)

    def structure_call(self, call: ast.Call) -> None:
        """`_import_structure["x"].append("Y")`, `.extend([...])`, `__all__.extend(...)`."""
        function = call.func
        if not isinstance(function, ast.Attribute) or not call.args:
            return
        owner = function.value
        if isinstance(owner, ast.Subscript) and dotted(owner.value) in _STRUCTURES:
            key = constant_text(owner.slice)
            if key is not None and function.attr in ("append", "extend", "add", "update"):
                self.add(key, _strings(call.args[0]))
        elif dotted(owner) == "__all__" and function.attr in ("append", "extend"):
            self.record["all"] = [*(self.record["all"] or []), *_strings(call.args[0])]


def _strings(node: ast.expr | None) -> list[str]:
    if node is None:
        return []
    if (text := constant_text(node)) is not None:
        return [text]
    if isinstance(node, (ast.List, ast.Tuple, ast.Set)):
        return [text for item in node.elts if (text := constant_text(item)) is not None]
    if isinstance(node, ast.BinOp):
        return _strings(node.left) + _strings(node.right)
    return []


def _mapping_keys(node: ast.expr) -> list[str]:
    """Keys of a dict, or of an OrderedDict given as pairs (transformers' *_MAPPING_NAMES)."""
    if isinstance(node, ast.Call):
        return [key for argument in node.args for key in _mapping_keys(argument)]
    if isinstance(node, ast.Dict):
        return [key for item in node.keys if (key := constant_text(item)) is not None]
    if isinstance(node, ast.List):
        return [
            key
            for pair in node.elts
            if isinstance(pair, ast.Tuple) and pair.elts
            if (key := constant_text(pair.elts[0])) is not None
        ]
    return []


def _returned_call(node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    """Name called by `return NAME(*args, **kwargs)`, the last line of a forwarding stub."""
    last = node.body[-1] if node.body else None
    if isinstance(last, ast.Return) and isinstance(last.value, ast.Call):
        return dotted(last.value.func)
    return ""


def read_class(node: ast.ClassDef) -> Record:
    """Read one class.

    Returns a dict with
      bases: dotted names; "?" for what is not a name
      data: None, or {"init": bool, "kw_only": bool} of a dataclass
      fields: [[name, default or None, annotation, takes part in __init__, keyword only]]
      init, new: signature of `__init__` and of `__new__`, or None
      methods: {name: signature} of the public ones
      values: {member: value} when it may be an Enum
      open: why any keyword may be accepted, or ""
      enforced: {field: class that the value is converted with in __post_init__}
      warned: {field: text} of fields that warn when set
    """
    bases = [dotted(base) or "?" for base in node.bases]
    record: Record = {
        "bases": bases,
        "data": None,
        "fields": [],
        "init": None,
        "new": None,
        "methods": {},
        "values": {},
        "open": "",
        "enforced": {},
        "warned": {},
    }
    for name, call in decorators_of(node):
        text = ast.unparse(call) if call else ""
        if name == "dataclass":
            record["data"] = {
                "init": "init=False" not in text,
                "kw_only": "kw_only=True" in text,
            }
        elif "accept_kwargs=True" in text:
            record["open"] = "accept_kwargs"
    if any(keyword.arg not in (None, "metaclass") for keyword in node.keywords):
        record["open"] = record["open"] or "class keywords"
    keyword_only = False
    for line in node.body:
        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name):
            annotation = ast.unparse(line.annotation)
            if "ClassVar" in annotation:
                continue
            if annotation.endswith("KW_ONLY"):
                keyword_only = True
                continue
            default, takes_part, own_keyword = _field(line.value)
            record["fields"].append(
                [
                    line.target.id,
                    default,
                    annotation if len(annotation) <= 200 else "",
                    takes_part,
                    own_keyword or keyword_only,
                ]
            )
        elif isinstance(line, ast.Assign):
            for target in line.targets:
                value = constant_text(line.value)
                if isinstance(target, ast.Name) and value is not None:
                    record["values"][target.id] = value
        elif isinstance(line, (ast.FunctionDef, ast.AsyncFunctionDef)):
            if line.name == "__post_init__":
                record["enforced"] = _enforced(line)
                record["warned"] = warned_names(line)
            elif line.name in ("__init__", "__new__"):
                record[line.name.strip("_")] = read_signature(line, method=True)
            elif not line.name.startswith("_"):
                decorators = [name for name, _ in decorators_of(line)]
                if "property" not in decorators and "setter" not in decorators:
                    record["methods"][line.name] = read_signature(line, method=True)
    return record


def _field(value: ast.expr | None) -> tuple[str | None, bool, bool]:
    """Return (default, takes part in __init__, keyword only) of a dataclass field."""
    if isinstance(value, ast.Call) and dotted(value.func).rsplit(".", 1)[-1] in (
        "field",
        "Field",
        "HfArg",
    ):
        given = {keyword.arg: keyword.value for keyword in value.keywords}
        init = given.get("init")
        takes_part = not (isinstance(init, ast.Constant) and init.value is False)
        only = given.get("kw_only")
        keyword_only = isinstance(only, ast.Constant) and only.value is True
        if "default" in given:
            return text_of(given["default"]), takes_part, keyword_only
        if "default_factory" in given:
            factory = given["default_factory"]
            if isinstance(factory, ast.Lambda):
                return text_of(factory.body), takes_part, keyword_only
            return f"{ast.unparse(factory)}()"[:48], takes_part, keyword_only
        return None, takes_part, keyword_only
    return text_of(value), True, False


def _enforced(node: ast.FunctionDef | ast.AsyncFunctionDef) -> dict[str, str]:
    """`self.optim = OptimizerNames(self.optim)`: a value outside the enum raises ValueError."""
    found = {}
    for part in ast.walk(node):
        if isinstance(part, ast.Call) and len(part.args) == 1 and not part.keywords:
            argument = part.args[0]
            name = dotted(part.func)
            if (
                isinstance(argument, ast.Attribute)
                and dotted(argument.value) == "self"
                and name[:1].isupper()
                and "." not in name
            ):
                found[argument.attr] = name
    return found
