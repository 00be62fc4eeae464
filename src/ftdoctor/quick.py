"""The plain forms of `check` and `explain`, run without click, whose import would be a sixth of
their time: `check [--offline] [--format NAME] PATH...` and `explain [--format NAME] FILE...`.

Everything else, and everything that could be a mistake, is left to click.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence


def run(arguments: Sequence[str]) -> int | None:
    """Run a plain command and return its exit code; None when click has to read the arguments."""
    if sys.platform == "win32" or "_FTDOCTOR_COMPLETE" in os.environ:
        return None
    if arguments[:1] not in (["check"], ["explain"]):
        return None
    read = _read(arguments[1:], checks=arguments[0] == "check")
    if read is None:
        return None
    names, options = read
    try:
        if arguments[0] == "check":
            from ftdoctor.checking import DEFAULTS, check

            return check(names, {**DEFAULTS, **options})
        from ftdoctor.explaining import DEFAULTS, explain

        return explain(tuple(names), {**DEFAULTS, **options})
    except (Exception, KeyboardInterrupt) as error:
        from ftdoctor.failures import outcome

        return outcome(error)


def _read(words: Sequence[str], checks: bool) -> tuple[list[str], dict[str, Any]] | None:
    """Return the files and options, or None for anything but the plain forms."""
    names: list[str] = []
    options: dict[str, Any] = {}
    rest = iter(words)
    for word in rest:
        if word == "--offline" and checks:
            options["offline"] = True
        elif word == "--format" or word.startswith("--format="):
            name = next(rest, "") if word == "--format" else word.removeprefix("--format=")
            if name not in ("terminal", "json", "sarif", "github", "junit", "markdown"):
                return None
            options["fmt"] = name
        elif word.startswith("-") or not _is_tidy(word) or not os.path.isfile(word):
            return None
        else:
            names.append(word)
    return (names, options) if names else None


def _is_tidy(path: str) -> bool:
    """Whether a path is written as pathlib would write it, which is how reports show it."""
    parts = path.removeprefix("/").split("/")
    return "" not in parts and "." not in parts
