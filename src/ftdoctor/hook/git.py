"""The few questions that the hook asks of git."""

from __future__ import annotations

import os
import subprocess

from ftdoctor.errors import UsageError


def git(*arguments: str, stdin: bytes | None = None) -> bytes:
    """Run git and return its stdout.

    Raises:
        UsageError: git is missing, or says no; its own words are in the message.
    """
    try:
        done = subprocess.run(
            ["git", *arguments],
            input=stdin,
            capture_output=True,
            check=False,
            env={**os.environ, "LC_ALL": "C"},
        )
    except OSError as error:
        raise UsageError(
            f"git cannot be run: {error}", "Install git, or run `ftdoctor check` by hand."
        ) from None
    if done.returncode != 0:
        words = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise UsageError(
            f"git {arguments[0]} failed: {words[-1] if words else done.returncode}",
            "Run this inside a git checkout.",
        )
    return done.stdout


def names(output: bytes) -> list[str]:
    """Return the NUL-separated names of a git listing."""
    return [name.decode("utf-8", "surrogateescape") for name in output.split(b"\0") if name]
