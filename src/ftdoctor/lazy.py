"""Regular expressions that are compiled when first used, not when their module is imported.

Compiling costs a tenth of a millisecond and more; a short log or a clean text needs few of the
patterns, and `explain` has to answer within six times the start of the bare interpreter.
"""

from __future__ import annotations

import re
from typing import Any, cast


class _Lazy:
    """Stands for a compiled pattern; its methods are fetched on first use and then kept."""

    def __init__(self, pattern: str | bytes, flags: int) -> None:
        self._source = (pattern, flags)

    def __getattr__(self, name: str) -> Any:
        pattern: Any = re.compile(*self._source)
        found = getattr(pattern, name)
        setattr(self, name, found)
        return found


def lazy(pattern: str, flags: int = 0) -> re.Pattern[str]:
    """Return a stand-in for `re.compile(pattern, flags)`."""
    return cast("re.Pattern[str]", _Lazy(pattern, flags))


def lazy_bytes(pattern: bytes, flags: int = 0) -> re.Pattern[bytes]:
    """Return a stand-in for `re.compile(pattern, flags)` of bytes."""
    return cast("re.Pattern[bytes]", _Lazy(pattern, flags))


class _LazyModule:
    """Stands for a module that is imported when something of it is used."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        from importlib import import_module

        found = getattr(import_module(self._name), name)
        setattr(self, name, found)
        return found


def lazy_module(name: str) -> Any:
    """Return a stand-in for a module of which many jobs need nothing (ast: 2 ms)."""
    return _LazyModule(name)
