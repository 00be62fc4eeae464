"""`ftdoctor check`: what would fail in the job that would run."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ftdoctor.commands.options import pins, split

if TYPE_CHECKING:
    from ftdoctor.config import Config
    from ftdoctor.inspection import Inspection
    from ftdoctor.job.read import Reading

_FORMATS = ("terminal", "json", "sarif", "github", "junit", "markdown")


def emit(text: str) -> None:
    """Print a report to stdout, colours only on a terminal."""
    click.echo(text, color=None if sys.stdout.isatty() else False)


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


def inspect_paths(paths: list[Path] | None, config: Config, options: dict[str, Any]) -> Inspection:
    """Read the jobs at the given paths (or in this folder) and run the rules on them."""
    from ftdoctor.job.read import read

    return inspect_jobs(read(paths), config, options, named=paths or [])


def inspect_jobs(
    reading: Reading, config: Config, options: dict[str, Any], named: list[Path] | None = None
) -> Inspection:
    """Run the rules on jobs that were read; `named` are the inputs that the user gave by name."""
    from ftdoctor.inspection import inspect
    from ftdoctor.job.tracked import tracked_files
    from ftdoctor.rulebook.load import load

    gather = None
    if not config.offline:
        from ftdoctor.facts.gather import gatherer

        gather = gatherer(
            online=options.get("online", False), deadline=options.get("deadline", 10.0)
        )
    inspection = inspect(
        reading.jobs,
        load(config.rules),
        config,
        with_=pins([*config.with_, *options.get("with_", ())]),
        gather=gather,
        tracked=tracked_files(),
        require_smoke=options.get("require_smoke") or config.require_smoke,
    )
    inspection.online = bool(options.get("online"))
    by_name = {str(path) for path in named or []}
    for unread in reading.passed_over:
        broken = unread.broken or (
            unread.what == "broken" and unread.place is not None and unread.place.path in by_name
        )
        (inspection.broken if broken else inspection.passed_over).append(unread)
    return inspection


@click.command("check")
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--with",
    "with_",
    multiple=True,
    metavar="PKG==VERSION",
    help="A version that will run; wins over everything read. Repeatable.",
)
@click.option(
    "--select",
    multiple=True,
    metavar="CODE",
    help="Only these rules (code, name or prefix such as FT-JOB).",
)
@click.option("--ignore", multiple=True, metavar="CODE", help="Not these rules.")
@click.option(
    "--fail-on",
    type=click.Choice(["error", "warning", "note", "never"]),
    help="Least severity that makes the exit code 1.  [default: error]",
)
@click.option("--format", "fmt", type=click.Choice(_FORMATS), default="terminal", show_default=True)
@click.option("--fix", is_flag=True, help="Apply the safe edits.")
@click.option(
    "--unsafe-fixes",
    is_flag=True,
    help="With --fix or --diff: also the edits that change what the job does.",
)
@click.option("--diff", is_flag=True, help="Show the edits and change nothing.")
@click.option("--offline", is_flag=True, help="Ask nothing of the network.")
@click.option("--online", is_flag=True, help="What could not be asked makes the exit code 4.")
@click.option(
    "--deadline",
    type=click.FloatRange(min=0.1),
    default=10.0,
    show_default=True,
    help="Seconds for all live questions together.",
)
@click.option(
    "--require-smoke",
    metavar="AGE",
    default="",
    help="Demand a passed smoke run not older than this (24h, 7d).",
)
@click.option(
    "-v",
    "--verbose",
    is_flag=True,
    help="List everything that was passed over or could not be told.",
)
def command(paths: tuple[Path, ...], **options: Any) -> int:
    """Say what would fail in the job that would run.

    PATH is a Vertex AI YAML, a shell script with gcloud or hf commands, a Python submit or training
    script, a notebook, a README. With no PATH, the jobs of this folder are found. "-" reads stdin.
    """
    from ftdoctor.errors import UsageError
    from ftdoctor.report import render

    if options["offline"] and options["online"]:
        raise UsageError("--offline and --online exclude each other.", "Give one of them.")
    for path in paths:
        if str(path) != "-" and not path.exists():
            raise UsageError(f"{path}: no such file or folder.", "Check the path.")
    config = _config(options)
    inspection = inspect_paths(list(paths) or None, config, options)
    if options["fix"] or options["diff"]:
        return _fix(inspection, options, list(paths) or None, config)
    emit(render(inspection, options["fmt"], width=_width(), verbose=options["verbose"]))
    return inspection.exit_code()


def _width() -> int:
    """Columns of the terminal, between 72 and 110; 100 for a pipe, so that output reproduces."""
    if not sys.stdout.isatty():
        return 100
    import shutil

    return max(72, min(110, shutil.get_terminal_size().columns))


def _fix(
    inspection: Inspection, options: dict[str, Any], paths: list[Path] | None, config: Config
) -> int:
    from ftdoctor.fix import apply, plan
    from ftdoctor.redact import redact
    from ftdoctor.report import render

    made = plan((f for _, f in inspection.findings()), unsafe=options["unsafe_fixes"])
    if options["diff"]:
        emit(redact("".join(change.diff() for change in made.changes)).rstrip("\n"))
        for finding, reason in made.refused:
            click.echo(redact(f"not edited: {finding.code} {finding.summary}: {reason}"), err=True)
        return inspection.exit_code()
    apply(made.changes)
    for finding, edit in made.made:
        click.echo(redact(f"mended {finding.code} at {finding.place}: {edit.title}"), err=True)
    for finding, reason in made.refused:
        click.echo(redact(f"not edited: {finding.code} {finding.summary}: {reason}"), err=True)
    after = inspect_paths(paths, config, options)
    emit(render(after, options["fmt"], width=_width(), verbose=options["verbose"]))
    return after.exit_code()
