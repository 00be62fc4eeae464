"""Dated facts, one JSON file each in `rules/tables`, read when first asked for."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from ftdoctor.paths import tables_dir


@cache
def table(name: str) -> Any:
    """Return the table `NAME.json`.

    Raises:
        FileNotFoundError: there is no such table.
    """
    return json.loads((tables_dir() / f"{name}.json").read_bytes())
