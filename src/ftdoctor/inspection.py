"""One `check`: read the jobs, resolve versions, gather facts, run the rules, apply ignores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftdoctor.checks.context import Context, now
from ftdoctor.records import dataclass, field, replace
from ftdoctor.rulebook.model import (
    SEVERITIES,
    Crashed,
    Finding,
    Ignored,
    Ok,
    Skipped,
)
from ftdoctor.rulebook.run import run
from ftdoctor.rulebook.select import chosen, ignored_by, inline_ignores

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ftdoctor.checks.context import Tracked
    from ftdoctor.config import Config
    from ftdoctor.facts.machine import Machine
    from ftdoctor.job.model import Job, Unread
    from ftdoctor.rulebook.load import Rulebook
    from ftdoctor.rulebook.model import Rule
    from ftdoctor.rulebook.packed import PackedBook

#: Rules of this area look at the check itself and run when all others have.
SELF_AREA = "FT-SELF-"


@dataclass
class JobReport:
    """What was found for one job."""

    job: Job
    findings: list[Finding] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    crashed: list[Crashed] = field(default_factory=list)
    ignored: list[Ignored] = field(default_factory=list)
    passed: int = 0
    #: What checks have to say of the job beside findings: label, text.
    told: dict[str, str] = field(default_factory=dict)


@dataclass
class Inspection:
    """All that one `check` has to say."""

    jobs: list[JobReport] = field(default_factory=list)
    passed_over: list[Unread] = field(default_factory=list)
    #: Inputs named by the user that could not be read whole.
    broken: list[Unread] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)
    fail_on: str = "error"
    online: bool = False

    def findings(self) -> list[tuple[JobReport, Finding]]:
        """Return every finding with its job, worst first, then by place."""
        pairs = [(report, finding) for report in self.jobs for finding in report.findings]
        return sorted(pairs, key=lambda pair: _order(pair[1]))

    def count(self, severity: str) -> int:
        """Return how many findings have this severity."""
        return sum(f.severity == severity for _, f in self.findings())

    def exit_code(self) -> int:
        """Return the exit code of the contract: 0, 1, 3 or 4."""
        if self.fail_on != "never":
            floor = SEVERITIES[self.fail_on]
            if any(SEVERITIES[f.severity] >= floor for _, f in self.findings()):
                return 1
        if self.broken or any(report.crashed for report in self.jobs):
            return 4
        if not self.jobs:
            return 3
        asked = {rule.code for rule in self.rules if _asks(rule)}
        if self.online and any(s.code in asked for report in self.jobs for s in report.skipped):
            return 4
        return 0


def _order(finding: Finding) -> tuple[int, str, int, int, str]:
    place = finding.place
    return (
        -SEVERITIES[finding.severity],
        place.path if place else "",
        place.line if place else 0,
        place.column if place else 0,
        finding.code,
    )


def inspect(
    jobs: list[Job],
    book: Rulebook | PackedBook,
    config: Config,
    *,
    with_: Mapping[str, str] | None = None,
    gather: Callable[[Job], Mapping[str, Any]] | None = None,
    look: Callable[[Job], Machine | None] | None = None,
    tracked: Tracked = None,
    require_smoke: str = "",
    home: str = "",
) -> Inspection:
    """Run the chosen rules on every job.

    `gather` asks the world for the facts of a job; None means offline. `look` looks at this machine
    for a job that trains here, which needs no network; None means not to. `tracked` are the files
    git tracks, or what asks git for them when a rule wants to know. `home` is the folder whose kept
    smoke runs count, the present one if "".
    """
    from ftdoctor.job.versions import resolve_job

    rules = [r for r in book.with_before() if chosen(r, config.select, config.ignore)]
    if gather is None:  # nothing was asked: rules on answers have nothing to look at
        rules = [r for r in rules if not _asks(r)]
    of_machine = [r for r in rules if _check(r).startswith("live_machine.")]
    rules = [r for r in rules if not _check(r).startswith("live_machine.")]
    own = [r for r in rules if r.code.startswith(SELF_AREA)]
    rules = [r for r in rules if not r.code.startswith(SELF_AREA)]
    inspection = Inspection(rules=[*rules, *of_machine, *own], fail_on=config.fail_on)
    moment = now()
    smoke_results = _kept(home)
    unproved: Callable[[Job], str] | None = None
    if require_smoke:
        from ftdoctor.smoke.required import lacking

        unproved = lacking(require_smoke, smoke_results())
    seen: set[tuple[str, str, str]] = set()
    paths = [job.place.path for job in jobs]
    for job in jobs:
        job.extra["beside_others"] = paths.count(job.place.path) > 1
        _remember_secrets(job)
        job.machine = look(job) if look else None
        resolve_job(job, dict(with_ or {}))
        context = Context(job, gather(job) if gather else {}, moment, tracked)
        context.smoke_results = smoke_results
        if unproved is not None and (why := unproved(job)):
            context.lacks_smoke, context.lacks_because = require_smoke, why
        if gather:
            from ftdoctor.facts.told import told

            context.told.update(told(context))
        report = JobReport(job, told=context.told)
        ignores = inline_ignores([job.source, *job.sources])
        here = of_machine if job.machine is not None else []
        for result in run([*rules, *here], context):
            if job.machine is not None and not job.machine.meant:
                result = _softer(result, inspection.rules)
            _sort_in(report, result, ignores, seen)
        context.ignores = ignores
        for result in run(own, context):
            _sort_in(report, result, ignores, seen)
        report.findings.sort(key=_order)
        inspection.jobs.append(report)
    return inspection


def _asks(rule: Rule) -> bool:
    """Whether a rule looks only at answers of the Hub or of Google."""
    return _check(rule).startswith("live_") and not _check(rule).startswith("live_machine.")


def _check(rule: Rule) -> str:
    return rule.before.check if rule.before else ""


#: Checks that judge a job by the machine it runs on.
_OF_MACHINE = ("gpu.", "memory.", "disk.", "bnb.", "live_machine.", "shell_steps.more_ranks_")


def _softer(result: Any, rules: list[Rule]) -> Any:
    """Make an error that rests on this machine a warning: nobody said that the job runs here."""
    if not isinstance(result, Finding) or result.severity != "error":
        return result
    check = next((_check(rule) for rule in rules if rule.code == result.code), "")
    return replace(result, severity="warning") if check.startswith(_OF_MACHINE) else result


def _kept(home: str) -> Callable[[], list[dict[str, Any]]]:
    """Return what reads the kept smoke runs, once, when they are first wanted."""
    found: list[list[dict[str, Any]]] = []

    def results() -> list[dict[str, Any]]:
        if not found:
            from ftdoctor.smoke.home import has_results

            kept: list[dict[str, Any]] = []
            if has_results(home or None):
                from ftdoctor.smoke.state import results as read

                kept = read(home or None)
            found.append(kept)
        return found[0]

    return results


def _remember_secrets(job: Job) -> None:
    """Tell the redactor the values that the job gives to names of secrets."""
    from ftdoctor.redact import names_secret, remember

    for values in (job.secrets, *(pool.env for pool in job.pools)):
        for name, value in values.items():
            if names_secret(name) and isinstance(value.value, str):
                remember(value.value)


def _sort_in(report: JobReport, result: Any, ignores: Any, seen: set[tuple[str, str, str]]) -> None:
    if isinstance(result, Ok):
        report.passed += 1
    elif isinstance(result, Skipped):
        if result not in report.skipped:
            report.skipped.append(result)
    elif isinstance(result, Crashed):
        report.crashed.append(result)
    else:
        # One fault in a file shared by several jobs (a script that two launchers run) is one fault.
        key = (result.code, str(result.place), result.summary)
        if key in seen:
            return
        seen.add(key)
        ignore = ignored_by(result, ignores)
        if ignore is None:
            report.findings.append(result)
        else:
            report.ignored.append(Ignored(result, ignore.reason, f"{ignore.path}:{ignore.line}"))
