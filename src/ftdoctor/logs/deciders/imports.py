"""`cannot import name 'n' from 'm'`: which of the two packages is too old, and who imports.

The tables of the published releases (`ftdoctor.api`) tell whether `m` lost the name or has not got
it yet; the last frame above the line tells who asked for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftdoctor.lazy import lazy

if TYPE_CHECKING:
    from ftdoctor.logs.causes import Run
    from ftdoctor.logs.match import Match

_IMPORT = lazy(
    r"cannot import name '(?P<name>\w{1,80})' from '(?P<module>(?P<package>\w+)[\w.]{0,120})'"
)
#: A frame in an installed package, as CPython and IPython print it.
_FRAME = lazy(r"(?:site|dist)-packages[/\\]+(\w+)")
#: Lazy loading tells whose module it could not import.
_LAZILY = lazy(r"Failed to import (\w+)[\w.]* because")
#: Lines above a failed import that may tell who asked.
_ABOVE = 60
_USER_FRAME = lazy(r'File "(?!<)[^"]{1,400}", line \d|<ipython-input|Cell In\s?\[')
#: Loads a package's modules on first use: it is never the one that asks.
_LOADER = lazy(r"utils[/\\]+import_utils\.py|importlib[/\\]+__init__\.py")
#: Names that one library alone imports, when no frame is printed.
_ASKED_BY = {
    "EncoderDecoderCache": "peft",
    "HybridCache": "peft",
    "clear_device_cache": "peft",
    "is_trackio_available": "trl",
    "is_rich_available": "trl",
}
#: (who asks, of which package) -> (the package has not got the name yet, it lost the name).
_CAUSES = {
    ("trl", "transformers"): ("trl-too-new-for-transformers", "trl-too-old-for-transformers"),
    ("peft", "transformers"): ("peft-too-new-for-transformers", "peft-too-old-for-transformers5"),
    ("", "transformers"): ("", "transformers-symbol-removed"),
    ("peft", "accelerate"): ("accelerate-too-old-for-peft", ""),
    ("transformers", "accelerate"): ("accelerate-too-old-for-transformers", ""),
    ("trl", "accelerate"): ("accelerate-too-old-for-transformers", ""),
    ("peft", "huggingface_hub"): ("peft-too-new-for-transformers", "huggingface-hub-too-new"),
    ("", "huggingface_hub"): ("transformers-dependency-version-pin", "huggingface-hub-too-new"),
    ("", "trl"): ("trl-too-old-symbol", "trl-symbol-removed"),
    ("", "peft"): ("peft-too-old-symbol", "peft-symbol-removed"),
}
#: Libraries that have causes of their own when they do not fit together.
_PAIRED = ("trl", "peft", "accelerate")
_MODEL_CLASS = lazy(
    r"(?!Auto)[A-Z]\w*(?:For[A-Z]\w+|Config|Tokenizer(?:Fast)?|Processor(?:Fast)?|Model)$"
)


def decide(match: Match, run: Run) -> str | None:
    """Return the cause of a failed import; the rule's own name where the tables know nothing."""
    own = run.name(match)
    said = _IMPORT.search(match.line.text)
    if said is None:
        return own
    package, name = said["package"], said["name"]
    asker = _asker(match, run) or _ASKED_BY.get(name, "")
    causes = _CAUSES.get((asker, package)) or _CAUSES.get(("", package))
    lost = None if causes is None else _lost(said["module"], package, name, run)
    if causes is None or lost is None:
        # Told only for the user's own imports: a library's may be of either kind.
        return None if asker in _PAIRED and own == "transformers-symbol-removed" else own
    chosen = causes[lost]
    if not chosen and not lost and package == "transformers":
        # The script itself asks for the class of a model that came later.
        chosen = "transformers-too-old-for-model-type" if _MODEL_CLASS.match(name) else ""
        chosen = chosen or "api-name-not-importable"
    return chosen or own


def _lost(module: str, package: str, name: str, run: Run) -> bool | None:
    """Whether the installed release is too new for a name (False: too old); None: not known."""
    from ftdoctor.api.explain import explain_missing_import
    from ftdoctor.job.pep440 import at_least

    versions = run.facts.get("versions") or {}
    found = explain_missing_import(module, name, versions)
    if found is None and module != package:
        found = explain_missing_import(package, name, versions)
    if found is None or not found.accepted:
        return None
    first, last = found.accepted[0][0], found.accepted[-1][1]
    installed = versions.get(package) or versions.get(package.replace("_", "-"))
    if installed:
        return at_least(installed, first)
    return bool(last)


def _asker(match: Match, run: Run) -> str:
    """Return the package whose file asks for the name, "" for the user's own or unknown."""
    lines = match.block.members if match.block is not None else run.lines
    at = match.line.at
    above = [
        line.text
        for line in lines
        if at - _ABOVE <= line.at <= at and line.stream == match.line.stream
    ]
    for text in reversed(above):
        lazily = _LAZILY.search(text)
        if lazily is not None:
            return lazily[1]
        if _LOADER.search(text) or _IMPORT.search(text):
            continue
        frame = _FRAME.search(text)
        if frame is not None:
            return frame[1]
        if _USER_FRAME.search(text):
            return ""
    return ""
