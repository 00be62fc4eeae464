"""Command-line arguments of a script that parses them with HfArgumentParser or TrlParser.

These parsers refuse what is no field of their dataclasses: "Some specified arguments are not used
by the HfArgumentParser". The fields come from the script's own dataclasses and, for SFTConfig and
its like, from the release that runs.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ftdoctor.api.changes import renamed
from ftdoctor.api.cli import CliFinding
from ftdoctor.api.lint import read_script

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ftdoctor.api.lint import Script

_PARSERS = {"transformers.HfArgumentParser", "trl.TrlParser"}
#: Calls that make unknown arguments harmless, or take them from elsewhere.
_LENIENT = {"return_remaining_strings", "fail_with_unknown_args", "args", "look_for_args_file"}
_PARSE = {"parse_args_into_dataclasses", "parse_args_and_config"}


def check_script_flags(
    source: str, flags: Iterable[str], versions: Mapping[str, str | None]
) -> list[CliFinding]:
    """Return the flags that the script's parser does not take at these versions.

    Nothing is said when the script parses in another way as well, lets unknown arguments through,
    or builds its parser in a form that cannot be followed.
    """
    if "HfArgumentParser" not in source and "TrlParser" not in source:
        return []
    script = read_script(source, versions)
    classes = _classes(script) if script is not None else None
    if script is None or not classes:
        return []
    found = []
    for flag in flags:
        name = flag.lstrip("-").split("=", 1)[0].replace("-", "_")
        if not name or name in ("config", "help", "h", "local_rank"):
            continue
        names = (name, name.removeprefix("no_"))
        if all(_takes(script, node, n, prefix=True) is False for node in classes for n in names):
            found.append(_finding(script, classes, name))
    return found


def _classes(script: Script) -> list[ast.expr] | None:
    """Return the class expressions that the one parser of the script is made of."""
    made: list[ast.Call] = []
    parses = 0
    for call in script.tree.calls:
        function = call.func
        attribute = function.attr if isinstance(function, ast.Attribute) else ""
        name = function.id if isinstance(function, ast.Name) else attribute
        if name in ("ArgumentParser", "add_argument", "parse_known_args", "set_defaults"):
            return None
        if attribute in _PARSE:
            parses += 1
            if call.args or any(k.arg is None or k.arg in _LENIENT for k in call.keywords):
                return None
        ref = script.names.resolve(function)
        if ref is not None and ref.path in _PARSERS and not attribute.startswith("parse"):
            made.append(call)
    if len(made) != 1 or parses != 1:
        return None
    given = made[0].args[0] if made[0].args else None
    for keyword in made[0].keywords:
        if keyword.arg != "dataclass_types":
            return None
        given = keyword.value
    if isinstance(given, (ast.Tuple, ast.List)):
        return None if any(isinstance(i, ast.Starred) for i in given.elts) else list(given.elts)
    return [given] if isinstance(given, (ast.Name, ast.Attribute)) else None


def _takes(
    script: Script, node: ast.expr, name: str, *, prefix: bool, depth: int = 0
) -> bool | None:
    """Whether a dataclass has a field (or, for argparse, one that begins so)."""
    ref = script.names.resolve(node)
    if ref is None or depth > 5:
        return None
    if ref.kind == "symbol":
        accepted = script.world.accepts(ref.path, name)
        if accepted is not False:
            return accepted
        return any(field.startswith(name) for field in script.world.parameters(ref.path))
    if ref.kind != "local" or ref.node is None:
        return None
    for line in ref.node.body:
        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name):
            field = line.target.id
            if field == name or (prefix and field.startswith(name)):
                return True
    for base in ref.node.bases:
        inherited = _takes(script, base, name, prefix=prefix, depth=depth + 1)
        if inherited is not False:
            return inherited
    return False


def _finding(script: Script, classes: list[ast.expr], name: str) -> CliFinding:
    world = script.world
    paths = [
        ref.path
        for node in classes
        if (ref := script.names.resolve(node)) is not None and ref.kind == "symbol"
    ]
    for path in paths:
        history = world.keyword_history(path, name)
        if history.last_ok or history.first_ok:
            new = renamed(path, name, world)
            told = f"The script's parser takes no `--{name}`: `{path}` "
            told += (
                f"lost it with {history.package} {history.first_bad} (the job has "
                f"{history.spoken})."
                if history.last_ok
                else f"has it from {history.package} {history.first_ok} on only."
            )
            told += f" Use `--{new}`." if new else ""
            return CliFinding(
                name,
                path,
                told,
                history.package,
                history.version,
                history.last_ok,
                history.first_bad,
                history.first_ok,
                new,
            )
    return CliFinding(
        name,
        "transformers.HfArgumentParser",
        f"The script's parser takes no `--{name}`: none of its dataclasses has such a field, and "
        "it stops at arguments that it does not know.",
        "transformers",
        world.version("transformers"),
    )
