"""Put the hook where git looks for it, keep what was there, and take it out again."""

from __future__ import annotations

import os
import shlex
import stat
import sys
from pathlib import Path

from ftdoctor.errors import UsageError
from ftdoctor.hook.git import git

KINDS = ("pre-commit", "pre-push")
MARK = "# ftdoctor hook"
KEPT = ".before-ftdoctor"

_SCRIPT = """\
#!/bin/sh
{mark} ({kind}): `ftdoctor hook uninstall` removes it and puts an earlier hook back.
hooks=$(dirname "$0")
input=
{read_input}
if [ -x "$hooks/{kind}{kept}" ]; then
    printf '%s' "$input" | "$hooks/{kind}{kept}" "$@" || exit $?
fi
if [ -x {python} ]; then
    printf '%s' "$input" | {python} -m ftdoctor hook run {kind}
elif command -v ftdoctor >/dev/null 2>&1; then
    printf '%s' "$input" | ftdoctor hook run {kind}
else
    echo "ftdoctor: not installed here, so nothing was checked (pip install ftdoctor-cli)" >&2
fi
"""


def hooks_dir() -> Path:
    """Return the folder where git looks for hooks: core.hooksPath and worktrees are respected."""
    top = git("rev-parse", "--show-toplevel").decode("utf-8", "surrogateescape").rstrip("\n")
    path = git("rev-parse", "--git-path", "hooks").decode("utf-8", "surrogateescape").rstrip("\n")
    found = Path(path)
    if found.is_absolute():
        return found
    # --git-path answers relative to the current folder, core.hooksPath relative to the top.
    configured = _configured()
    return Path(top, configured) if configured else Path(os.path.abspath(path))


def _configured() -> str:
    try:
        return git("config", "--type=path", "core.hooksPath").decode().strip()
    except UsageError:
        return ""


def _ours(path: Path) -> bool:
    try:
        return MARK in path.read_text("utf-8", "replace")
    except OSError:
        return False


def script(kind: str) -> str:
    """Return the text of the hook."""
    read_input = "input=$(cat; printf x); input=${input%x}" if kind == "pre-push" else ":"
    return _SCRIPT.format(
        mark=MARK, kind=kind, kept=KEPT, python=shlex.quote(sys.executable), read_input=read_input
    )


def install(kind: str) -> str:
    """Install one hook and return what was done. Installing twice changes nothing."""
    folder = hooks_dir()
    path = folder / kind
    text = script(kind)
    if _ours(path):
        path.write_text(text)
        return f"{path}: already installed, renewed"
    folder.mkdir(parents=True, exist_ok=True)
    said = f"{path}: installed"
    if path.exists() or path.is_symlink():
        kept = path.with_name(kind + KEPT)
        if kept.exists():
            raise UsageError(
                f"{kept} is in the way of keeping the present hook.",
                "Remove or rename one of the two.",
            )
        path.rename(kept)
        said += f"; the earlier hook is kept as {kept.name} and runs first"
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    return said


def uninstall(kind: str) -> str:
    """Remove one hook, put an earlier one back, and return what was done."""
    path = hooks_dir() / kind
    kept = path.with_name(kind + KEPT)
    if not _ours(path):
        return f"{path}: not ours, left alone" if path.exists() else f"{path}: none installed"
    path.unlink()
    if kept.exists():
        kept.rename(path)
        return f"{path}: removed; the earlier hook is back"
    return f"{path}: removed"
