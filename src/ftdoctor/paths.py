"""Where the rulebook and its tables lie: inside the wheel, or at the top of a checkout."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

# pathlib takes longer to import than most of what asks here needs: it is imported on use.
PACKAGE = os.path.dirname(os.path.abspath(__file__))


def _path(text: str) -> Path:
    from pathlib import Path

    return Path(text)


def checkout() -> str:
    """Return the folder that holds `src` and `rules` in a checkout."""
    return os.path.dirname(os.path.dirname(PACKAGE))


def tables_dir() -> Path:
    """Return the folder of dated tables (`rules/tables` in a checkout)."""
    return _path(tables_folder())


def tables_folder() -> str:
    """Return the same as `tables_dir`, as a text."""
    packed = os.path.join(PACKAGE, "_tables")
    return packed if os.path.isdir(packed) else os.path.join(checkout(), "rules", "tables")


def compiled_rulebook() -> Path:
    """Return the path of the rulebook that the wheel carries compiled to one file."""
    return _path(os.path.join(PACKAGE, "_rulebook.json"))


def rules_dir() -> Path:
    """Return the folder of rule files of a checkout."""
    return _path(os.path.join(checkout(), "rules"))


def cache_dir() -> Path:
    """Return the folder for what may be thrown away at any time."""
    return _path(cache_folder())


def cache_folder() -> str:
    """Return the same as `cache_dir`, as a text."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.path.join(base, "ftdoctor")
