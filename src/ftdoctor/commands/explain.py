"""`ftdoctor explain`: why a job failed, from its log."""

from __future__ import annotations

from typing import Any

import click

from ftdoctor.report.explain import FORMATS


@click.command("explain")
@click.argument("sources", nargs=-1, metavar="[JOB | URL | FILE | -]...")
@click.option(
    "--platform",
    type=click.Choice(["auto", "vertex", "hf-jobs"]),
    default="auto",
    show_default=True,
    help="Where a job id belongs.",
)
@click.option("--last", is_flag=True, help="My latest failed job on --platform.")
@click.option("--project", metavar="ID", help="Google Cloud project of a bare Vertex job number.")
@click.option("--region", metavar="REGION", help="Region of a bare Vertex job number.")
@click.option("--namespace", metavar="NAME", help="User or organisation of a bare HF Jobs id.")
@click.option(
    "--against",
    metavar="GOOD.LOG",
    help="A log of a run that succeeded: show what this one has and that one has not.",
)
@click.option(
    "--job",
    "job_file",
    metavar="FILE",
    help="The job that the log is of: out of memory is then read with the memory model.",
)
@click.option("--save", metavar="DIR", help="Keep the log and the job, redacted, in this folder.")
@click.option("--follow", is_flag=True, help="Wait for the job to end, then explain it.")
@click.option(
    "--engine",
    type=click.Choice(["auto", "plain", "fast"]),
    default="auto",
    show_default=True,
    help="How large logs are searched; fast needs the extra 'fast'.",
)
@click.option("--format", "fmt", type=click.Choice(FORMATS), default="terminal", show_default=True)
def command(sources: tuple[str, ...], **options: Any) -> int:
    """Name the root cause of a failed job from its log.

    A source is a log file, "-" for standard input, a Vertex AI custom job or training pipeline
    (number, resource name or console URL), an HF Jobs id or URL, or a folder made by --save.

    Exit codes: 0 a cause is named or the log is healthy, 3 a failure that no rule knows,
    4 the log could not be read whole.
    """
    from ftdoctor.explaining import explain

    return explain(sources, options)
