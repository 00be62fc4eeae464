"""Which `.ftdoctor` folder is meant: the one of the checkout, or of the present folder."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = os.path.join(".ftdoctor", "smoke")


def folder_of(start: Path | str | None = None) -> str:
    """Return the folder that holds `.ftdoctor`.

    In a git checkout it is the nearest folder, from `start` (the present one if None) up to the
    top, that has results, else the top: a run started in a folder of the project is then known at
    its top, where hooks run. Outside a checkout it is `start` itself.
    """
    first = folder = os.path.abspath(start or os.getcwd())
    nearest = ""
    while True:
        if not nearest and os.path.isdir(os.path.join(folder, FOLDER)):
            nearest = folder
        if os.path.exists(os.path.join(folder, ".git")):
            return nearest or folder
        above = os.path.dirname(folder)
        if above == folder:
            return first
        folder = above


def has_results(start: Path | str | None = None) -> bool:
    """Whether any smoke run was kept; costs a few looks at the file system and no import."""
    return os.path.isdir(os.path.join(folder_of(start), FOLDER))
