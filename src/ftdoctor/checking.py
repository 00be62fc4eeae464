"""What `ftdoctor check` does once its arguments are read. click is not needed here."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from ftdoctor.commands.options import pins, split
from ftdoctor.records import replace
from ftdoctor.report.style import emit

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ftdoctor.config import Config
    from ftdoctor.inspection import Inspection
    from ftdoctor.job.read import Reading

#: The options of the command when none is given.
DEFAULTS: dict[str, Any] = {
    "with_": (),
    "select": (),
    "ignore": (),
    "fail_on": None,
    "fmt": "terminal",
    "fix": False,
    "unsafe_fixes": False,
    "diff": False,
    "offline": False,
    "online": False,
    "local": False,
    "deadline": 10.0,
    "require_smoke": "",
    "verbose": False,
}


def _config(options: dict[str, Any]) -> Config:
    from ftdoctor.config import find

    config = find()
    return replace(
        config,
        select=split(options["select"]) or config.select,
        ignore={**config.ignore, **dict.fromkeys(split(options["ignore"]), "--ignore")},
        fail_on=options["fail_on"] or config.fail_on,
        offline=options["offline"] or (config.offline and not options["online"]),
    )


def inspect_paths(
    paths: Sequence[Path | str] | None, config: Config, options: dict[str, Any]
) -> Inspection:
    """Read the jobs at the given paths (or in this folder) and run the rules on them."""
    from ftdoctor.job.read import read

    return inspect_jobs(read(paths), config, options, named=paths or [])


def inspect_jobs(
    reading: Reading,
    config: Config,
    options: dict[str, Any],
    named: Sequence[Path | str] | None = None,
) -> Inspection:
    """Run the rules on jobs that were read; `named` are the inputs that the user gave by name."""
    from ftdoctor.inspection import inspect
    from ftdoctor.job.tracked import tracked_files
    from ftdoctor.rulebook.packed import checks

    gather = None
    if not config.offline:
        from ftdoctor.facts.gather import gatherer

        gather = gatherer(
            online=options.get("online", False), deadline=options.get("deadline", 10.0)
        )
    look = None
    if options.get("look") and any(job.platform == "local" for job in reading.jobs):
        from ftdoctor.facts.look import looker

        look = looker(local=bool(options.get("local")))
    inspection = inspect(
        reading.jobs,
        checks(config.rules),
        config,
        with_=pins([*config.with_, *options.get("with_", ())]),
        gather=gather,
        look=look,
        tracked=tracked_files,
        require_smoke=options.get("require_smoke") or config.require_smoke,
        home=options.get("home", ""),
    )
    inspection.online = bool(options.get("online"))
    by_name = {str(path) for path in named or []}
    for unread in reading.passed_over:
        broken = unread.broken or (
            unread.what == "broken" and unread.place is not None and unread.place.path in by_name
        )
        (inspection.broken if broken else inspection.passed_over).append(unread)
    return inspection


def check(paths: Sequence[Path | str], options: dict[str, Any]) -> int:
    """Check the jobs at the paths, print the report and return the exit code."""
    from ftdoctor.errors import UsageError
    from ftdoctor.report import render

    if options["offline"] and options["online"]:
        raise UsageError("--offline and --online exclude each other.", "Give one of them.")
    for path in paths:
        if str(path) != "-" and not os.path.exists(path):
            raise UsageError(f"{path}: no such file or folder.", "Check the path.")
    config = _config(options)
    options = options | {"look": True}
    inspection = inspect_paths(paths or None, config, options)
    if options["fix"] or options["diff"]:
        return _fix(inspection, options, paths or None, config)
    emit(render(inspection, options["fmt"], width=_width(), verbose=options["verbose"]))
    return inspection.exit_code()


def _width() -> int:
    """Columns of the terminal, between 72 and 110; 100 for a pipe, so that output reproduces."""
    if not sys.stdout.isatty():
        return 100
    import shutil

    return max(72, min(110, shutil.get_terminal_size().columns))


def _fix(
    inspection: Inspection,
    options: dict[str, Any],
    paths: Sequence[Path | str] | None,
    config: Config,
) -> int:
    from ftdoctor.fix import apply, plan
    from ftdoctor.redact import redact
    from ftdoctor.report import render

    made = plan((f for _, f in inspection.findings()), unsafe=options["unsafe_fixes"])
    if options["diff"]:
        emit(redact("".join(change.diff() for change in made.changes)).rstrip("\n"))
        for finding, reason in made.refused:
            _tell(f"not edited: {finding.code} {finding.summary}: {reason}")
        return inspection.exit_code()
    apply(made.changes)
    for finding, edit in made.made:
        _tell(f"mended {finding.code} at {finding.place}: {edit.title}")
    for finding, reason in made.refused:
        _tell(f"not edited: {finding.code} {finding.summary}: {reason}")
    after = inspect_paths(paths, config, options)
    emit(render(after, options["fmt"], width=_width(), verbose=options["verbose"]))
    return after.exit_code()


def _tell(text: str) -> None:
    from ftdoctor.redact import redact

    print(redact(text), file=sys.stderr)
