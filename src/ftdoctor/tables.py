"""Dated facts, one JSON file each in `rules/tables`, read when first asked for."""

from __future__ import annotations

import json
import os
from functools import cache
from typing import Any

from ftdoctor.paths import tables_folder


@cache
def table(name: str) -> Any:
    """Return the table `NAME.json`.

    Raises:
        FileNotFoundError: there is no such table.
    """
    with open(os.path.join(tables_folder(), f"{name}.json"), "rb") as file:
        return json.loads(file.read())
