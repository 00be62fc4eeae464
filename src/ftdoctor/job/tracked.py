"""Which files git tracks, asked of git once."""

from __future__ import annotations


def tracked_files() -> frozenset[str] | None:
    """Return the tracked files below this folder as relative paths; None outside a checkout.

    Spawns one `git ls-files` (about 3 ms); a missing git reads as "not a checkout".
    """
    import subprocess

    try:
        done = subprocess.run(
            ["git", "ls-files", "-z"], capture_output=True, timeout=10, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return None
    if done.returncode != 0:
        return None
    return frozenset(done.stdout.decode("utf-8", "surrogateescape").split("\0")) - {""}
