"""`ftdoctor check`: what would fail in the job that would run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ftdoctor.report import FORMATS


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
@click.option("--format", "fmt", type=click.Choice(FORMATS), default="terminal", show_default=True)
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
    "--local",
    is_flag=True,
    help="The job runs on this machine, with the packages installed here.",
)
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
    from ftdoctor.checking import check

    return check(list(paths), options)
