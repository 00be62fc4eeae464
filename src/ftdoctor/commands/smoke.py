"""`ftdoctor smoke`: run the smallest job that proves the fix, and say whether it works."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from ftdoctor.errors import MissingExtra, UsageError

if TYPE_CHECKING:
    from ftdoctor.job.model import Job
    from ftdoctor.smoke.verdict import Verdict


@click.command("smoke")
@click.argument("job", required=False, type=click.Path(exists=True))
@click.option(
    "--gpu", default="cpu", show_default=True, metavar="cpu|local", help="What to run on."
)
@click.option("--timeout", default=600.0, show_default=True, help="Seconds until the run is ended.")
@click.option(
    "--memory-limit", default=0.0, metavar="GIB", help="Limit of the run's memory; 0 is none."
)
@click.option("--dry-run", is_flag=True, help="Print the plan and run nothing.")
@click.option(
    "--format", "fmt", type=click.Choice(["terminal", "json", "markdown"]), default="terminal"
)
def command(job: str | None, **options: Any) -> int:
    """Run the smallest job that would still fail for every reason the real one could.

    With no JOB: real 4-bit QLoRA of a small random model, to prove the installed stack. With one:
    its method, quantisation, LoRA, arguments and rows. Exit code 0 works, 1 fails, 4 no verdict.
    """
    from ftdoctor.smoke.plan import default_plan, plan_for

    device = _device(options["gpu"])
    read = _job(job)
    plan = plan_for(read, device) if read is not None else default_plan(device)
    if options["dry_run"]:
        click.echo(json.dumps({k: v for k, v in plan.items() if k != "rows"}, indent=2))
        return 0
    _installed()
    from ftdoctor.smoke import run_local, state
    from ftdoctor.smoke.verdict import judge

    log, code, ended = run_local.run(
        plan, timeout=options["timeout"], memory_gib=options["memory_limit"], told=_progress()
    )
    verdict = judge(log, exit_code=code, ended=ended)
    document = verdict.document(plan)
    path = state.keep(document, read)
    if options["fmt"] == "json":
        click.echo(json.dumps(document, indent=2))
    else:
        from ftdoctor.redact import redact

        rows = _rows(verdict, plan, markdown=options["fmt"] == "markdown")
        click.echo(redact("\n".join(rows)))
        click.echo(f"kept in {path}", err=True)
    return verdict.exit_code


def _device(gpu: str) -> str:
    if gpu == "cpu":
        return "cpu"
    if gpu == "local":
        return "cuda"
    raise UsageError(
        f"--gpu {gpu}: smoke runs on this machine only, so far.", "Give --gpu cpu or --gpu local."
    )


def _installed() -> None:
    """Say which extra is missing before a process is started for nothing."""
    from importlib.util import find_spec

    if any(find_spec(n) is None for n in ("torch", "transformers", "trl", "peft", "bitsandbytes")):
        raise MissingExtra("smoke", "A smoke run")


def _job(path: str | None) -> Job | None:
    if path is None:
        return None
    from ftdoctor.job.read import read
    from ftdoctor.job.versions import resolve_job

    jobs = read([path]).jobs
    if not jobs:
        raise UsageError(f"{path}: no job was found in it.", "Give a job file, or none at all.")
    found = next((j for j in jobs if j.training is not None), jobs[0])
    resolve_job(found, {})
    return found


def _progress() -> Any:
    if not sys.stderr.isatty():
        return None

    def told(line: str) -> None:
        from ftdoctor.smoke.verdict import stages_of

        for stage in stages_of(line):
            mark = "ok" if stage.get("ok") else "FAILED"
            click.echo(f"  {stage['stage']:<12} {mark} {stage.get('seconds', '')}", err=True)

    return told


def _rows(verdict: Verdict, plan: dict[str, Any], *, markdown: bool) -> list[str]:
    from ftdoctor.smoke.verdict import WORDS

    rows = [f"{'## ' if markdown else ''}smoke: {WORDS[verdict.word]}"]
    if verdict.reason:
        rows.append(verdict.reason)
    rows.append("")
    for stage in verdict.stages:
        if stage["stage"] == "end":
            continue
        mark = "ok" if stage.get("ok") else "FAILED"
        facts = {k: v for k, v in stage.items() if k not in ("stage", "ok", "seconds", "error")}
        text = ", ".join(f"{k} {v}" for k, v in facts.items())
        lead = "- " if markdown else "  "
        rows.append(
            f"{lead}{stage['stage']:<11} {mark:<7} {stage.get('seconds', '')!s:>6} s  {text}"[:160]
        )
    cause = verdict.cause
    if cause:
        rows += [
            "",
            f"{cause['code']} {cause['name']}: {cause['summary']}",
            f"  {cause['explain']}",
        ]
        rows += [f"  fix: {fix['text']}" for fix in cause["fixes"][:2]]
    elif verdict.word == "fails":
        rows += ["", "The cause is not one that the rulebook knows:", verdict.block[-1500:]]
    rows += ["", *(f"{'- ' if markdown else '  '}note: {note}" for note in plan.get("notes", ()))]
    return rows
