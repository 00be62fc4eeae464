"""Fill the placeholders of a rule's texts. `{name}` is replaced when it is known, else left."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_PLACEHOLDER = re.compile(r"\{([a-z_][a-z0-9_]*)\}")


def fill(text: str, values: Mapping[str, Any]) -> str:
    """Return `text` with every known `{name}` replaced; braces of shell and JSON are left alone."""

    def one(match: re.Match[str]) -> str:
        value = values.get(match[1])
        if value is None:
            return match[0]
        if isinstance(value, (list, tuple)):
            return ", ".join(map(str, value))
        return str(value)

    return _PLACEHOLDER.sub(one, text)


def placeholders(text: str) -> set[str]:
    """Return the names of the placeholders in a text."""
    return set(_PLACEHOLDER.findall(text))


def prose(text: str, values: Mapping[str, Any]) -> str:
    """Fill a text for people; a bracket or a sentence whose `{name}` is not known is left out.

    Where nothing else would be left, the name stands there as a word.
    """
    filled = fill(text, values)
    if not _PLACEHOLDER.search(filled):
        return filled
    filled = re.sub(r"\s*\([^()]*\{[a-z_][a-z0-9_]*\}[^()]*\)", "", filled)
    sentences = re.split(r"(?<=[.!?])\s+", filled)
    kept = [part for part in sentences if not _PLACEHOLDER.search(part)]
    if kept:
        return " ".join(kept)
    return _PLACEHOLDER.sub(lambda match: match[1].replace("_", " "), filled)
