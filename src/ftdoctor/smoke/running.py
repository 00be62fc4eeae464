"""The state file of a remote run: `.ftdoctor/smoke-running.json`, there while a job may run.

It is made before the request leaves this machine, so that a run whose terminal was closed, or whose
answer was lost, can be found again by its key.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
from pathlib import Path
from typing import Any

from ftdoctor.errors import UnreadableInput, UsageError

PATH = Path(".ftdoctor") / "smoke-running.json"


def begin(state: dict[str, Any]) -> None:
    """Write the state of a run that is about to be submitted.

    Raises:
        UsageError: another run of this folder may still be running, or it cannot be written.
    """
    made = False
    try:
        PATH.parent.mkdir(parents=True, exist_ok=True)
        handle = _new()
        made = True
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(state, file, indent=2)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        if made:
            finish()
        raise UsageError(
            f"{PATH} cannot be written ({error.strerror or error}); without it no paid run starts.",
            "Start it in a folder that can be written.",
        ) from None


def _new() -> int:
    try:
        return os.open(PATH, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise UsageError(
            f"A smoke run of this folder may still be running ({PATH}).",
            "Read its result with  ftdoctor smoke --resume  or end it with  ftdoctor smoke "
            "--cancel",
        ) from None


def update(state: dict[str, Any]) -> None:
    """Write the state anew, whole or not at all."""
    partial = PATH.with_suffix(".partial")
    partial.write_text(json.dumps(state, indent=2), "utf-8")
    partial.replace(PATH)


def current() -> dict[str, Any]:
    """Return the state of the run that may be running.

    Raises:
        UsageError: there is none.
        UnreadableInput: the file cannot be read.
    """
    try:
        text = PATH.read_text("utf-8")
    except (FileNotFoundError, NotADirectoryError):
        raise UsageError(
            "No smoke run of this folder is running.",
            "Start one:  ftdoctor smoke --gpu l4 --on hf-jobs",
        ) from None
    except (OSError, UnicodeDecodeError):
        text = ""
    try:
        state = json.loads(text)
    except ValueError:
        state = None
    if isinstance(state, dict) and _whole(state):
        return state
    raise UnreadableInput(
        f"{PATH} cannot be read.",
        "Look for a job labelled ftdoctor-smoke with  hf jobs ps  or  gcloud ai custom-jobs list  "
        "and cancel it; then remove the file.",
    )


def _whole(state: dict[str, Any]) -> bool:
    """Whether a state has what a run is found and judged by."""
    numbers = (state.get(name) for name in ("submitted", "timeout", "usd_per_hour"))
    return (
        state.get("platform") in ("hf-jobs", "vertex")
        and bool(state.get("key"))
        and isinstance(state.get("machine"), str)
        and all(isinstance(n, (int, float)) and math.isfinite(n) for n in numbers)
        and isinstance(state.get("started") or 0.0, (int, float))
    )


def finish() -> None:
    """Remove the state: nothing of it is running."""
    with contextlib.suppress(FileNotFoundError):
        PATH.unlink()
