"""Run the `before` half of rules on a job, and turn what the checks say into findings."""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

from ftdoctor.rulebook.edits import declared_edit
from ftdoctor.rulebook.model import Crashed, Finding, Fix, Hit, Ok, Result, Rule, Skipped, Unsure
from ftdoctor.rulebook.text import fill

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from ftdoctor.checks.context import Context

Check = "Callable[..., Iterable[Hit | Unsure]]"


def resolve_check(name: str) -> Callable[..., Iterable[Hit | Unsure]]:
    """Return the check function that a rule names as `module.function`.

    Raises:
        LookupError: there is no such module or function.
    """
    module_name, _, function = name.partition(".")
    try:
        module = importlib.import_module(f"ftdoctor.checks.{module_name}")
        found = getattr(module, function)
    except (ImportError, AttributeError) as error:
        raise LookupError(f"no check {name!r}: {error}") from error
    checked: Callable[..., Iterable[Hit | Unsure]] = found
    return checked


def finding(rule: Rule, hit: Hit) -> Finding:
    """Return the finding for a hit, placeholders filled in."""
    values: Mapping[str, Any] = {**hit.evidence, **hit.captures}
    fixes = tuple(
        Fix(
            fill(template.text, values),
            fill(template.command, values),
            declared_edit(template, hit, values),
            template.safe,
        )
        for template in rule.fixes
    )
    return Finding(
        code=rule.code,
        name=rule.name,
        severity=hit.severity or rule.severity,
        summary=fill(hit.summary or rule.summary, values),
        explain=fill(rule.explain, values),
        place=hit.place,
        evidence=dict(hit.evidence),
        fixes=(*hit.advice, *(fix for fix in fixes if not _repeats(fix, hit.advice))),
        references=rule.references,
        verify=rule.verify,
    )


#: Modules of checks that look at trainings and at Python that runs in the job, and at nothing else
#: without one of them. Where a job shows neither, they are not imported: a quarter of the time of
#: `check` on a job whose code lies in its image.
_OF_CODE = frozenset(
    "adapter_use api argument_conflicts data_rows data_splits eval_memory generation handed "
    "hub_names known_datasets known_templates label_count literal_values loading_values "
    "lora_config lora_targets memory number_types resume script_arguments trainable "
    "trainer_methods undefined_names".split()
)


def _has_code(context: Context) -> bool:
    job = context.job
    return bool(job.trainings) or any(script.role != "submit" for script in job.scripts)


def _repeats(fix: Fix, advice: tuple[Fix, ...]) -> bool:
    """Whether a fix of the rule is a command that the check already gave for this very case."""
    head = fix.command.split()[:3]
    return len(head) == 3 and any(given.command.split()[:3] == head for given in advice)


def run_rule(rule: Rule, context: Context) -> Iterator[Result]:
    """Run one rule; yields findings and skips, or one Ok when it saw nothing wrong."""
    assert rule.before is not None
    if rule.platforms and context.job.platform not in rule.platforms:
        return
    module = rule.before.check.partition(".")[0]
    if module in _OF_CODE and not _has_code(context):
        yield Ok(rule.code)
        return
    silent = True
    try:
        check = resolve_check(rule.before.check)
        for answer in check(context, **rule.before.params):
            silent = False
            if isinstance(answer, Unsure):
                yield Skipped(rule.code, rule.name, answer.reason, answer.needs)
            else:
                yield finding(rule, answer)
    except Exception as error:
        if os.environ.get("FTDOCTOR_DEBUG"):
            raise
        yield Crashed(rule.code, rule.name, f"{type(error).__name__}: {error}")
        return
    if silent:
        yield Ok(rule.code)


def run(rules: Iterable[Rule], context: Context) -> list[Result]:
    """Run the rules on one job, in order."""
    return [result for rule in rules for result in run_rule(rule, context)]
