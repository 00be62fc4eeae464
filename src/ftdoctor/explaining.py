"""What `ftdoctor explain` does once its arguments are read. click is not needed here."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from ftdoctor.errors import EXIT_INCOMPLETE, EXIT_NOTHING, EXIT_USAGE, FtdoctorError, UsageError
from ftdoctor.report.style import emit

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ftdoctor.logs.explain import Explanation
    from ftdoctor.logs.patterns import Patterns

#: The options of the command when none is given.
DEFAULTS: dict[str, Any] = {
    "platform": "auto",
    "last": False,
    "project": None,
    "region": None,
    "namespace": None,
    "against": None,
    "job_file": None,
    "save": None,
    "follow": False,
    "engine": "auto",
    "fmt": "terminal",
}


def explain(sources: tuple[str, ...], options: dict[str, Any]) -> int:
    """Explain the logs, print the report and return the exit code."""
    from ftdoctor.logs.patterns import load_patterns

    names = list(sources)
    if options["last"]:
        if names:
            raise UsageError("--last takes no source.", "Leave the job out, or leave out --last.")
        names = ["--last"]
    if not names:
        if sys.stdin.isatty():
            raise UsageError(
                "Nothing to explain.", "Give a log file, a job id or URL, '-', or --last."
            )
        names = ["-"]
    patterns = load_patterns(_rule_folders())
    codes: list[int] = []
    explanations: list[Explanation] = []
    for explanation in _explain_all(names, patterns, options, codes):
        codes.append(explanation.exit_code)
        if options["fmt"] in ("jsonl", "terminal"):
            if options["fmt"] == "terminal" and len(codes) > 1:
                emit("")
            _show([explanation], options["fmt"])
        else:
            explanations.append(explanation)
    if options["fmt"] not in ("jsonl", "terminal") and (explanations or not codes):
        _show(explanations, options["fmt"])
    return next((c for c in (EXIT_USAGE, EXIT_INCOMPLETE, EXIT_NOTHING) if c in codes), 0)


def _rule_folders() -> tuple[Path, ...]:
    """Return the team's rule folders; the configuration is only imported where there is one."""
    folder = os.getcwd()
    while True:
        if os.path.isfile(os.path.join(folder, "ftdoctor.toml")) or _asks_for_rules(folder):
            from ftdoctor.config import find

            return find().rules
        above = os.path.dirname(folder)
        if above == folder or os.path.exists(os.path.join(folder, ".git")):
            return ()
        folder = above


def _asks_for_rules(folder: str) -> bool:
    try:
        with open(os.path.join(folder, "pyproject.toml"), "rb") as file:
            return b"tool.ftdoctor" in file.read()
    except OSError:
        return False


def _show(explanations: list[Explanation], fmt: str) -> None:
    from ftdoctor.report.explain import render

    width = min(120, os.get_terminal_size().columns) if sys.stdout.isatty() else 100
    text = render(explanations, fmt, width=width)
    if text:
        emit(text)


def _explain_all(
    names: list[str], patterns: Patterns, options: dict[str, Any], codes: list[int]
) -> Iterator[Explanation]:
    """Explain each source; with several, one that cannot be read does not stop the others."""
    good = None
    if options["against"]:
        from ftdoctor.logs.explain import read_lines

        good = (options["against"], read_lines(options["against"], patterns))
    for name in names:
        try:
            yield _one(name, patterns, options, good)
        except FtdoctorError as error:
            if len(names) == 1:
                raise
            from ftdoctor.redact import redact

            print(f"Error: {redact(str(error))}", file=sys.stderr)
            codes.append(error.exit_code)


def _one(name: str, patterns: Patterns, options: dict[str, Any], good: Any) -> Explanation:
    from ftdoctor.logs.explain import explain_log

    engine = options["engine"]
    if name != "--last" and (name == "-" or os.path.isfile(name)):
        from ftdoctor.logs.reading import open_log

        raw = open_log(name)
        try:
            return explain_log(
                raw, patterns, good=good, engine=engine, job_file=options["job_file"] or ""
            )
        finally:
            raw.close()
    from ftdoctor.platforms.fetch import explain_job

    return explain_job(name, patterns, options, good)
