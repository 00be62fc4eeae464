"""From an exception to a message and an exit code: never a traceback."""

from __future__ import annotations

import os
import sys

from ftdoctor.errors import EXIT_USAGE, FtdoctorError


def outcome(error: BaseException) -> int:
    """Tell of an exception on stderr and return the exit code; FTDOCTOR_DEBUG raises it again."""
    if isinstance(error, FtdoctorError):
        from ftdoctor.redact import redact

        print(f"Error: {redact(str(error))}", file=sys.stderr)
        return error.exit_code
    if isinstance(error, BrokenPipeError):
        # The reader of our output went away (`| head`); that is no failure of ours.
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
        return 0
    if isinstance(error, KeyboardInterrupt):
        print("Stopped.", file=sys.stderr)
        return 130
    if os.environ.get("FTDOCTOR_DEBUG"):
        raise error
    return _crash(error)


def _crash(error: BaseException) -> int:
    """Tell of a bug of ours in a form that can be pasted into an issue."""
    import traceback

    from ftdoctor import __version__
    from ftdoctor.redact import redact

    frames = traceback.extract_tb(error.__traceback__)[-4:]
    where = " < ".join(f"{f.filename.rsplit('/', 1)[-1]}:{f.lineno}" for f in reversed(frames))
    print(
        redact(
            f"Error: this is a bug in ftdoctor {__version__}: {type(error).__name__}: {error}\n"
            f"  at {where}\n"
            "  Please report it with this text; FTDOCTOR_DEBUG=1 shows the whole traceback."
        ),
        file=sys.stderr,
    )
    return EXIT_USAGE
