"""Regular expressions that are compiled when first used.

`check` imports many modules of which a job needs few; compiling all of their patterns would cost
more than reading the job.
"""

from __future__ import annotations

import re
from typing import Any, cast


class _Lazy:
    """Stands for a compiled pattern until an attribute of it is asked for."""

    __slots__ = ("_compiled", "_flags", "_text")

    def __init__(self, text: str | bytes, flags: int) -> None:
        self._text = text
        self._flags = flags
        self._compiled: Any = None

    def __getattr__(self, name: str) -> Any:
        if self._compiled is None:
            self._compiled = re.compile(self._text, self._flags)
        return getattr(self._compiled, name)


def lazy(text: str, flags: int = 0) -> re.Pattern[str]:
    """Return a pattern with the methods of `re.compile(text, flags)`, compiled on first use.

    Only its methods and attributes may be used: `re.sub(PATTERN, ...)` wants a true pattern.
    """
    return cast("re.Pattern[str]", _Lazy(text, flags))
