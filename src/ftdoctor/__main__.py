"""Entry point. `--version` answers before anything is imported that it does not need."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; the exit code says how it went (see `ftdoctor --help`)."""
    arguments = sys.argv[1:]
    if arguments in (["--version"], ["-V"]):
        from ftdoctor import __version__

        print(f"ftdoctor {__version__}")
        return
    from ftdoctor.cli import run

    sys.exit(run(arguments))


if __name__ == "__main__":
    main()
