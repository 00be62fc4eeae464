"""Options that several commands share, and how their texts become values."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftdoctor.errors import UsageError
from ftdoctor.lazy import lazy

if TYPE_CHECKING:
    from collections.abc import Iterable

_PIN = lazy(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*==\s*([A-Za-z0-9][A-Za-z0-9.+!_-]*)\s*\Z")


def pins(texts: Iterable[str]) -> dict[str, str]:
    """Return {package: version} of `PKG==VERSION` texts, names normalised.

    Raises:
        UsageError: a text has another form.
    """
    found: dict[str, str] = {}
    for text in texts:
        match = _PIN.match(text)
        if match is None:
            raise UsageError(
                f"--with {text!r} is not PKG==VERSION.", "Write for instance: --with trl==1.16.0"
            )
        found[re.sub(r"[-_.]+", "-", match[1]).lower()] = match[2]
    return found


def split(texts: Iterable[str]) -> tuple[str, ...]:
    """Return the items of options that may be repeated or hold commas."""
    return tuple(item.strip() for text in texts for item in text.split(",") if item.strip())
