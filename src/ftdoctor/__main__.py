"""Entry point. `--version` and the hook answer before click is imported: they run all the time."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; the exit code says how it went (see `ftdoctor --help`)."""
    arguments = sys.argv[1:]
    if arguments in (["--version"], ["-V"]):
        from ftdoctor import __version__

        print(f"ftdoctor {__version__}")
        return
    if arguments == ["hook", "run", "pre-commit"]:
        from ftdoctor.hook.run import nothing_staged

        if nothing_staged():
            return
    from ftdoctor.cli import run

    sys.exit(run(arguments))


if __name__ == "__main__":
    main()
