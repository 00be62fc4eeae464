"""`ftdoctor submit -- COMMAND`: check the job of a submit command, then run it."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ftdoctor.errors import UsageError

if TYPE_CHECKING:
    from ftdoctor.config import Config
    from ftdoctor.inspection import Inspection


@click.command("submit", context_settings={"ignore_unknown_options": True})
@click.option("--force", is_flag=True, help="Run the command whatever the check says.")
@click.option("--fail-on", type=click.Choice(["error", "warning", "note", "never"]))
@click.option("--offline", is_flag=True, help="Ask nothing of the network before submitting.")
@click.argument("submit", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- COMMAND ...")
def command(submit: tuple[str, ...], *, force: bool, fail_on: str | None, offline: bool) -> int:
    """Check a job, then run the command that submits it.

    The command runs only when nothing blocks, and its exit code is passed through:
    ftdoctor submit -- gcloud ai custom-jobs create --config job.yaml ...
    """
    from ftdoctor.config import find
    from ftdoctor.records import replace
    from ftdoctor.report import render

    config = find()
    config = replace(config, fail_on=fail_on or config.fail_on, offline=offline or config.offline)
    inspection = inspect_command(list(submit), config)
    code = inspection.exit_code()
    stop = code == 1 and not force
    if inspection.findings() or stop:
        click.echo(
            render(inspection, "terminal"), err=True, color=None if sys.stderr.isatty() else False
        )
    elif not inspection.jobs:
        click.echo("ftdoctor: no job was recognised in this command; it runs unchecked.", err=True)
    if stop:
        click.echo(
            "ftdoctor: not submitted. Mend it, or submit all the same with --force.", err=True
        )
        return 1
    try:
        return subprocess.run(list(submit), check=False).returncode
    except OSError as error:
        raise UsageError(
            f"{submit[0]} cannot be run: {error}", "Check the command after `--`."
        ) from None


def inspect_command(submit: list[str], config: Config) -> Inspection:
    """Return the inspection of a submit command: the command line itself, or its Python script."""
    from ftdoctor.checking import inspect_jobs
    from ftdoctor.job.read import read, read_text

    scripts = [Path(a) for a in submit if a.endswith(".py") and Path(a).is_file()]
    program = Path(submit[0]).name
    if program.startswith("python") and scripts:
        reading = read(scripts[:1])
    elif program.endswith((".py", ".sh")) and Path(submit[0]).is_file():
        reading = read([Path(submit[0])])
    else:
        reading = read_text(shlex.join(submit) + "\n", "command.sh")
    return inspect_jobs(reading, config, {})
