"""`ftdoctor smoke`: run the smallest job that proves the fix, and say whether it works."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from ftdoctor.commands.smoke_options import refuse_here, remote_options
from ftdoctor.commands.smoke_plan import plan_options, wish_of
from ftdoctor.errors import MissingExtra, UnreadableInput, UsageError

if TYPE_CHECKING:
    from ftdoctor.job.model import Job

#: A smoke run is short: a day is a slip of the hand.
MOST_SECONDS = 86400


@click.command("smoke")
@click.argument("job", required=False, metavar="[JOB[:LINE]]")
@click.option(
    "--gpu",
    metavar="cpu|local|NAME",
    help="What to run on: cpu, the GPU of this machine, or a platform's (l4, a10g, a100-80gb).  "
    "[default: a GPU that is here, else cpu; with --on its own platform the job's; with --confirm "
    "what the rule needs]",
)
@click.option(
    "--on",
    "where",
    type=click.Choice(["local", "hf-jobs", "vertex"]),
    help="Where to run. cpu and local run here; another GPU is taken where the JOB runs.",
)
@plan_options
@remote_options
@click.option(
    "--timeout",
    type=click.FloatRange(min=1),
    help="Seconds until the run is ended; 600 here, 1200 on a platform.",
)
@click.option("--yes", is_flag=True, help="Start a paid run without a question; needs --max-cost.")
@click.option(
    "--max-cost", type=click.FloatRange(min=0), metavar="USD", help="Refuse what may cost more."
)
@click.option(
    "--confirm",
    metavar="CODE",
    help="Run just the parts that prove the fix of this rule (FT-AUTH-003).",
)
@click.option("--resume", is_flag=True, help="Watch the paid run of this folder to its end.")
@click.option("--cancel", is_flag=True, help="End the paid run of this folder, and verify it.")
@click.option("--poll", type=click.FloatRange(min=0.05), default=10.0, hidden=True)
@click.option(
    "--memory-limit", default=0.0, metavar="GIB", help="Limit of the run's memory; 0 is none."
)
@click.option("--dry-run", is_flag=True, help="Print the plan or the request and run nothing.")
@click.option(
    "--format", "fmt", type=click.Choice(["terminal", "json", "markdown"]), default="terminal"
)
def command(job: str | None, **options: Any) -> int:
    """Run the smallest job that would still fail for every reason the real one could.

    With no JOB: real 4-bit QLoRA of a small random model, to prove the installed stack. With one:
    its method, quantisation, LoRA, arguments and rows.

    \b
      ftdoctor smoke                                      the installed stack, on the CPU
      ftdoctor smoke train.py                             the job's own arguments, on the CPU
      ftdoctor smoke --gpu local train.py                 on the GPU of this machine
      ftdoctor smoke --gpu l4 --on hf-jobs job.sh         on a GPU of a platform; asks first
      ftdoctor smoke --gpu l4 --on vertex job.yaml        the same on Vertex AI
      ftdoctor smoke --confirm FT-AUTH-003 job.sh         only what proves the fix of one rule

    \b
    Exit codes: 0 WORKS, 1 FAILS (with the rule that names the cause), 4 NO VERDICT (it never ran
    far enough to tell), 2 wrong use or not agreed to. Only the report goes to stdout.
    """
    if options["timeout"] is not None and not options["timeout"] <= MOST_SECONDS:
        raise UsageError("--timeout is more than a day.", "Give seconds: --timeout 1200")
    if options["resume"] or options["cancel"]:
        options["gpu"] = options["gpu"] or "cpu"
        return _running(options)
    from ftdoctor.smoke.job_file import job_at

    if not options["gpu"] and not options["confirm"] and options["where"] in (None, "local"):
        options["gpu"] = _gpu_here()
    read = job_at(job, here=options["gpu"] == "local")
    if options["confirm"]:
        from ftdoctor.smoke.confirm import proof_of, rulebook, target

        proof = proof_of(options["confirm"], rulebook())
        options["gpu"], options["where"] = target(proof, read, options["gpu"], options["where"])
    if options["gpu"] is None and read is not None and options["where"] == read.platform:
        from ftdoctor.smoke.confirm import own_gpu

        options["gpu"] = own_gpu(read)  # asked to run where the job runs: on what it runs on
    options["gpu"] = options["gpu"] or "cpu"
    if _where(options, read) == "local":
        return _local(read, options)
    return _remote(read, options)


def _gpu_here() -> str | None:
    """Return "local" where this machine has an NVIDIA GPU that answers, and say so."""
    from ftdoctor.environment.nvidia import nvidia

    gpus = nvidia().gpus
    if not gpus:
        return None
    click.echo(f"on the GPU of this machine ({gpus[0].name}); --gpu cpu runs without it", err=True)
    return "local"


def _where(options: dict[str, Any], read: Job | None) -> str:
    """Return local, hf-jobs or vertex."""
    here = options["gpu"] in ("cpu", "local")
    if options["where"]:
        where: str = options["where"]
        if where == "local" and not here:
            raise UsageError(
                f"--gpu {options['gpu']} is no name for what is in this machine.",
                "On this machine give --gpu cpu or --gpu local.",
            )
        if where != "local" and options["gpu"] == "local":
            raise UsageError("--gpu local is this machine.", "Name a GPU, such as --gpu l4.")
        return where
    if here:
        return "local"
    if read is not None and read.platform in ("hf-jobs", "vertex"):
        return read.platform
    raise UsageError(
        f"--gpu {options['gpu']}: say where.",
        "Add --on hf-jobs or --on vertex, or give --gpu cpu or --gpu local.",
    )


def _local(read: Job | None, options: dict[str, Any]) -> int:
    from ftdoctor.smoke.plan import default_plan, plan_for

    refuse_here(options)
    device = "cuda" if options["gpu"] == "local" else "cpu"
    wish = wish_of(options, timeout=options["timeout"] or 600.0)
    plan = plan_for(read, device, wish=wish) if read is not None else default_plan(device, wish)
    plan = _confirming(plan, options)
    if options["dry_run"]:
        click.echo(json.dumps({k: v for k, v in plan.items() if k != "rows"}, indent=2))
        return 0
    _installed(plan)
    from ftdoctor.smoke import run_local
    from ftdoctor.smoke.killed import more, oom_kills
    from ftdoctor.smoke.result import finish
    from ftdoctor.smoke.verdict import judge

    before = oom_kills()
    timeout = options["timeout"] or 600.0
    try:
        log, code, ended = run_local.run(
            plan, timeout=timeout, memory_gib=options["memory_limit"], told=_progress()
        )
    except OSError as error:
        raise UnreadableInput(
            f"The run could not be started here: {error}.",
            "Free some space, or point TMPDIR at a folder that has it.",
        ) from None
    verdict = judge(
        log,
        exit_code=code,
        ended=ended,
        out_of_memory=more(before, oom_kills()),
        memory_gib=options["memory_limit"],
    )
    return finish(verdict, plan, read, fmt=options["fmt"])


def _remote(read: Job | None, options: dict[str, Any]) -> int:
    from ftdoctor.smoke import run_remote
    from ftdoctor.smoke.plan import default_plan, plan_for
    from ftdoctor.smoke.result import finish

    given = _given(options, _where(options, read))
    offer = run_remote.offer_for(given, read)
    device = "cuda" if offer.memory_gb else "cpu"
    gpus = offer.count if offer.memory_gb else 1
    wish = wish_of(options, timeout=given.timeout, gpus=gpus, nodes=given.nodes)
    plan = plan_for(read, device, wish=wish) if read is not None else default_plan(device, wish)
    plan = _confirming(plan, options)
    if options["dry_run"]:
        target = run_remote.shown(plan, read, given)
        click.echo(json.dumps(target.shown, indent=2))
        for note in target.notes:
            click.echo(f"note: {note}", err=True)
        most = run_remote.cents(target.most)
        click.echo(f"it would cost ${most} at most; nothing was started", err=True)
        return 0
    verdict, facts = run_remote.start(plan, read, given)
    return finish(verdict, plan, read, fmt=options["fmt"], run=facts)


def _confirming(plan: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    """Return the plan with just the stages that `--confirm` asks for."""
    if not options["confirm"]:
        return plan
    from ftdoctor.smoke.confirm import proof_of, reduced, rulebook

    return reduced(plan, proof_of(options["confirm"], rulebook()))


def _running(options: dict[str, Any]) -> int:
    """--resume and --cancel: the run that the state file names."""
    from ftdoctor.smoke import run_remote, running
    from ftdoctor.smoke.job_file import job_again
    from ftdoctor.smoke.result import finish

    if options["resume"] and options["cancel"]:
        raise UsageError("--resume and --cancel exclude each other.", "Give one of them.")
    if options["cancel"]:
        run_remote.cancel(_given(options))
        return 0
    state = running.current()
    verdict, facts = run_remote.resume(_given(options))
    return finish(
        verdict,
        state.get("plan") or {},
        job_again(state),
        fmt=options["fmt"],
        run=facts,
        fingerprint=state.get("fingerprint"),
    )


def _given(options: dict[str, Any], where: str = "hf-jobs") -> Any:
    from ftdoctor.smoke.target import TIMEOUT, Options

    same = "gpu namespace yes max_cost poll project region spot price send_token token_secret nodes"
    return Options(
        **{name: options[name] for name in same.split()},
        timeout=options["timeout"] or TIMEOUT,
        queue=options["queue_timeout"],
        on=where,
    )


def _installed(plan: dict[str, Any]) -> None:
    """Say which extra is missing before a process is started for nothing."""
    from importlib.util import find_spec

    wanted = plan["imports"] if "imports" in plan["stages"] else ()
    if any(find_spec(name) is None for name in wanted):
        raise MissingExtra("smoke", "A smoke run")


def _progress() -> Any:
    if not sys.stderr.isatty():
        return None

    def told(line: str) -> None:
        from ftdoctor.smoke.verdict import stages_of

        for stage in stages_of(line):
            mark = "ok" if stage.get("ok") else "FAILED"
            click.echo(f"  {stage['stage']:<12} {mark} {stage.get('seconds', '')}", err=True)

    return told
