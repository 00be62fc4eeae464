"""Entry point. `--version`, `rule CODE`, the hook and plain checks answer without click."""

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
            sys.exit(code)
    from ftdoctor.cli import run

    sys.exit(run(arguments))


if __name__ == "__main__":
    main()
