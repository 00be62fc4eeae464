"""The words that the job gives to a script, read by argparse as the script's own parser would.

The parser is built anew from what its `add_argument` calls state; nothing of the script is run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftdoctor.checks.about import near_names
from ftdoctor.job.value import get
from ftdoctor.rulebook.model import Edit, Hit, TextEdit

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from ftdoctor.checks.context import Context
    from ftdoctor.job.model import ArgumentParser, Script
    from ftdoctor.job.source import Place
    from ftdoctor.job.value import Value

_TYPES = {"int": int, "float": float, "str": str}


class _Stop(Exception):
    """What argparse would print before it ends the script with exit code 2."""


def fits(context: Context, want: str = "", **_: object) -> Iterator[Hit]:
    """The script's parser refuses its words.

    `want` is "unknown" (a word that no option takes), "missing" (a required one is not given) or
    "value" (a value that its option does not take).
    """
    job = context.job
    if job.form == "tuning":
        return  # the tuner adds words of its own
    for script in job.scripts:
        if script.role == "submit" or not script.launched or not script.parsers:
            continue
        if any(not value.known for value in script.args):
            continue
        from ftdoctor.job.py_arguments import certain

        if not certain(script):
            continue
        words = [str(get(value)) for value in script.args]
        for parser in script.parsers:
            hit = _WANTS[want](job.place, script, parser, words)
            if hit is not None:
                yield hit
                break


def _build(
    parser: ArgumentParser, *, required: bool, values: bool
) -> argparse.ArgumentParser | None:
    """Return the parser, None when argparse itself would refuse to make it.

    Without `required` nothing has to be given, without `values` any value is taken.
    """
    import argparse

    class Own(argparse.ArgumentParser):
        def error(self, message: str) -> Any:
            raise _Stop(message)

        def exit(self, status: int = 0, message: str | None = None) -> Any:
            raise _Stop("")

    built = Own(allow_abbrev=parser.abbreviations)
    for names, given in parser.options:
        keywords = dict(given)
        kind = keywords.pop("type", "")
        action = keywords.get("action", "store")
        if not values:
            keywords.pop("choices", None)
        elif kind in _TYPES and action in ("store", "append", "extend"):
            keywords["type"] = _TYPES[kind]
        if action == "boolean":
            keywords["action"] = argparse.BooleanOptionalAction
        elif action in ("store_const", "append_const"):
            keywords["const"] = True
        elif keywords.get("nargs") == "?":
            keywords["const"] = None
        optional = names[0].startswith("-")
        if optional:
            keywords["required"] = required and keywords.get("required") is True
        elif not required and keywords.get("nargs") is None:
            keywords["nargs"] = "?"
        elif not required and keywords["nargs"] == "+":
            keywords["nargs"] = "*"
        if action in ("store_true", "store_false", "count", "help", "boolean"):
            keywords.pop("nargs", None)
        try:
            built.add_argument(*names, **keywords)
        except (TypeError, ValueError, argparse.ArgumentError):
            return None
    return built


def _asked(
    parser: ArgumentParser, words: list[str], *, required: bool = False, values: bool = False
) -> tuple[str, list[str]]:
    """Return what argparse says and the words that are left over."""
    built = _build(parser, required=required, values=values)
    if built is None:
        return "", []
    try:
        _, left = built.parse_known_args(words)
    except _Stop as said:
        return str(said), []
    except Exception:
        return "", []
    return "", left


def _unknown(start: Place, script: Script, parser: ArgumentParser, words: list[str]) -> Hit | None:
    if parser.known_only:
        return None
    said, left = _asked(parser, words)
    options = [word for word in left if word.startswith("-")]
    first = (options or left or [""])[0]
    if said.startswith("ambiguous option"):
        first = said.partition(": ")[2].split(" ")[0]
        left = [said]
    elif said or not left:
        return None
    known = [name for names, _ in parser.options for name in names if name.startswith("--")]
    name, equals, rest = first.partition("=")
    same = [k for k in known if _folded(k) == _folded(name)]
    near = same or near_names(name, known, 1, 0.75)
    values = {
        "script": script.source.path,
        "words": said or " ".join(left),
        "near": f"; the script has `{near[0]}`" if near else "",
        "options": ", ".join(known[:12]) or "none",
    }
    value = _value(script, first)
    place = value.place if value is not None else None
    edits = {}
    if same and place is not None and place.end_line:
        edits["rename"] = Edit(
            f"Write {same[0]}", (TextEdit(place, f"\0{same[0]}{equals}{rest}\0"),)
        )
    summary = "{script} does not know `{words}`{near}."
    return Hit(place or start, values, values, edits=edits, summary=summary)


def _folded(name: str) -> str:
    return name.lstrip("-").replace("_", "-").lower()


def _missing(start: Place, script: Script, parser: ArgumentParser, words: list[str]) -> Hit | None:
    said, _ = _asked(parser, words, required=True)
    head, _, names = said.partition("the following arguments are required: ")
    if not names or head:
        return None
    wanted = [name for part in names.split(", ") for name in part.split("/")]
    _, left = _asked(parser, words)
    if any(near_names(word.partition("=")[0], wanted, 1, 0.75) for word in left):
        return None  # it is given under a misspelt name, which is told
    values = {"script": script.source.path, "names": names}
    place = script.args[-1].place if script.args else None
    summary = "{script} needs {names}, and the job does not give it."
    return Hit(place or start, values, values, summary=summary)


def _wrong(start: Place, script: Script, parser: ArgumentParser, words: list[str]) -> Hit | None:
    said, _ = _asked(parser, words, values=True)
    if not said.startswith("argument "):
        return None
    names, _, why = said.removeprefix("argument ").partition(": ")
    if names.startswith("_") or "not allowed with" in why:
        return None
    values = {"script": script.source.path, "argument": names, "why": why}
    value = None
    for name in names.split("/"):
        value = value or _value(script, name)
    place = value.place if value is not None else None
    summary = "{script} refuses `{argument}`: {why}."
    return Hit(place or start, values, values, summary=summary)


def _value(script: Script, word: str) -> Value[str] | None:
    """Return the word of the command line that is, or begins, an option."""
    for value in script.args:
        text = str(get(value))
        if text == word or text.startswith(f"{word}="):
            return value
    return None


_WANTS = {"unknown": _unknown, "missing": _missing, "value": _wrong}
