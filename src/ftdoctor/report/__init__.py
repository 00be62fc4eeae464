"""One renderer a format. They know findings and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ftdoctor.inspection import Inspection

FORMATS = ("terminal", "json", "sarif", "github", "junit", "markdown")


def render(inspection: Inspection, fmt: str, *, width: int = 100, verbose: bool = False) -> str:
    """Return the report of a check in one of FORMATS."""
    if fmt == "terminal":
        from ftdoctor.report import terminal

        return terminal.render(inspection, width, verbose=verbose)
    from importlib import import_module

    text: str = import_module(f"ftdoctor.report.{fmt}").render(inspection)
    return text
