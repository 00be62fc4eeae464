"""Edits of a script: rename, drop and move keywords, change imports."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ast

    from ftdoctor.api.lint import Script
    from ftdoctor.api.model import ApiEdit
    from ftdoctor.api.text import Text


def edit_call(
    script: Script, call: ast.Call, path: str, config: str, plans: dict[str, tuple[str, Any]]
) -> dict[str, ApiEdit]:
    return {}


def import_edit(source: Text, alias: ast.AST, module: str, name: str) -> ApiEdit | None:
    return None
