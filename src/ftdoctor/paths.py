"""Where the rulebook and its tables lie: inside the wheel, or at the top of a checkout."""

from __future__ import annotations

import os
from pathlib import Path

_PACKAGE = Path(__file__).parent


def tables_dir() -> Path:
    """Return the folder of dated tables (`rules/tables` in a checkout)."""
    packed = _PACKAGE / "_tables"
    return packed if packed.is_dir() else _PACKAGE.parents[1] / "rules" / "tables"


def compiled_rulebook() -> Path:
    """Return the path of the rulebook that the wheel carries compiled to one file."""
    return _PACKAGE / "_rulebook.json"


def rules_dir() -> Path:
    """Return the folder of rule files of a checkout."""
    return _PACKAGE.parents[1] / "rules"


def cache_dir() -> Path:
    """Return the folder for what may be thrown away at any time."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(base) / "ftdoctor"
