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
