"""Entry point. `--version`, `rule CODE`, the hook and plain checks answer without click."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; the exit code says how it went (see `ftdoctor --help`)."""
    try:
        _main()
    except KeyboardInterrupt:  # before a command had begun, or between two
        print("Stopped.", file=sys.stderr)
        _leave(130)


def _main() -> None:
    arguments = sys.argv[1:]
    if arguments in (["--version"], ["-V"]):
        from ftdoctor import __version__

        print(f"ftdoctor {__version__}")
        return
    if arguments == ["hook", "run", "pre-commit"]:
        from ftdoctor.hook.run import nothing_staged

        if nothing_staged():
            return
    if len(arguments) == 2 and arguments[0] == "rule" and arguments[1][:3].upper() == "FT-":
        from ftdoctor.rulebook.shipped import page

        text = page(arguments[1].upper(), colour=sys.stdout.isatty())
        if text:
            print(text)
            return
    if arguments[:1] in (["check"], ["explain"]):
        from ftdoctor.quick import run as run_plain

        code = run_plain(arguments)
        if code is not None:
            _leave(code)
    from ftdoctor.cli import run

    _leave(run(arguments))


def _leave(code: int) -> None:
    """End the process; at once where a live question hangs, which would hold it or crash it."""
    asking = sys.modules.get("ftdoctor.facts.ask")
    if asking is not None and asking.hung():
        import os

        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (OSError, ValueError):
                continue
        os._exit(code)
    sys.exit(code)


if __name__ == "__main__":
    main()
