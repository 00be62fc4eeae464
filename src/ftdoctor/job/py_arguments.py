"""What a script's argparse parser was told, as far as it is certain: for a check of its words.

Kept is a parser whose options all stand in plain sight and which reads the command line itself.
One that is filled under a condition, handed to other code, or has subcommands is passed over.
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Any

from ftdoctor.job.model import ArgumentParser
from ftdoctor.job.py_abstract import Abstract, At, Const, Map, Obj, Ref, Seq, text_of

if TYPE_CHECKING:
    from ftdoctor.job.model import Script
    from ftdoctor.job.py_builtins import Arguments
    from ftdoctor.job.py_run import Run

#: Keywords of ArgumentParser(...) that leave the reading of words as it is.
_PLAIN = frozenset({"description", "prog", "usage", "epilog", "formatter_class", "allow_abbrev"})
_ACTIONS = frozenset(
    "store store_true store_false store_const append append_const count help extend".split()
)
#: The words are changed, or the parser's exit is caught.
_TOUCHED = r"sys\.argv\s*(?:\[[^\]]*\]\s*)?(?:=[^=]|\+=)|sys\.argv\.(?!copy|index)\w+\(|SystemExit"

_READS = r"\.parse_(?:known_)?args\("


def note_parsed(run: Run, owner: Obj, given: Arguments, name: str, at: At) -> None:
    """Keep what a parser knows at the moment when it reads the command line."""
    explicit = given.arg("args", 0)
    if explicit is not None and not (isinstance(explicit, Const) and explicit.value is None):
        return
    if run.resting or run.conditions or run.loops or run.fallbacks or run.stopped:
        return
    specs = owner.cells.get("_specs", [])
    if owner.callee != "argparse.ArgumentParser" or "_open" in owner.cells:
        return
    if not isinstance(specs, list) or set(owner.kwargs) - _PLAIN:
        return
    options = [_option(names, spec) for names, spec, _ in specs]
    if any(option is None for option in options):
        return
    abbreviated = owner.kwargs.get("allow_abbrev")
    run.parsed.append(
        ArgumentParser(
            [option for option in options if option is not None],
            known_only="known" in name,
            abbreviations=not (isinstance(abbreviated, Const) and abbreviated.value is False),
            place=at.place,
        )
    )


def _option(names: list[str], spec: Arguments) -> tuple[list[str], dict[str, Any]] | None:
    """Return the arguments of `add_argument` that decide what it takes, None when not certain."""
    keywords: dict[str, Any] = {}
    action = spec.kwargs.get("action")
    if action is not None:
        word = text_of(action)
        if isinstance(action, Ref) and action.name == "argparse.BooleanOptionalAction":
            word = "boolean"
        elif word not in _ACTIONS:
            return None
        keywords["action"] = word
    for name in ("nargs", "required", "choices"):
        value = spec.kwargs.get(name)
        if value is None:
            continue
        plain = _plain(value)
        if name == "nargs" and plain is None:
            return None
        if plain is not None:
            keywords[name] = plain
    kind = spec.kwargs.get("type")
    if isinstance(kind, Ref) and kind.name in ("int", "float", "str"):
        keywords["type"] = kind.name
    elif kind is not None:
        keywords.pop("choices", None)  # compared with what an unknown function makes of the word
        keywords["type"] = ""
    return names, keywords


def _plain(value: Abstract) -> Any:
    """Return a literal, a list for any sequence of literals or the keys of a dict; else None."""
    if isinstance(value, Const):
        return value.value
    if isinstance(value, Seq) and not value.now.open:
        items = [item.value for item in value.items if isinstance(item, Const)]
        return items if len(items) == len(value.items) else None
    if isinstance(value, Map) and not value.now.open:
        return list(value.data)
    return None


def certain(script: Script) -> bool:
    """Whether the words reach the parser as they are, and only plain code fills it."""
    if re.search(_TOUCHED, script.source.text):
        return False
    # Of several scripts in one notebook or document, which one a command starts may be a guess.
    source = script.source
    if not source.is_file and len(re.findall(_READS, source.whole)) > 1:
        return False
    tree = script.tree
    if tree is None:
        return False
    parsers = {
        target.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and _makes_parser(node.value)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            handed = [*node.args, *(keyword.value for keyword in node.keywords)]
            if any(isinstance(item, ast.Name) and item.id in parsers for item in handed):
                return False
        returned = node.value if isinstance(node, ast.Return) else None
        if isinstance(returned, ast.Name) and returned.id in parsers:
            return False
    return True


def _makes_parser(node: ast.AST) -> bool:
    function = node.func if isinstance(node, ast.Call) else None
    return getattr(function, "attr", getattr(function, "id", "")) == "ArgumentParser"
