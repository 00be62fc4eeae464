"""`ftdoctor rule`: list the rulebook, explain one rule, draft and score rules."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import click

from ftdoctor.errors import UsageError
from ftdoctor.report.rule_page import rule_json, rule_markdown, rule_terminal, seen_by

if TYPE_CHECKING:
    from ftdoctor.rulebook.load import Rulebook


class _RuleGroup(click.Group):
    """`rule`, `rule CODE`, `rule new`, `rule score`: anything that is no subcommand is a code."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            args = ["show", *args]
        elif not args or args[0] not in (*self.commands, "-h", "--help"):
            args = ["list", *args]
        return super().parse_args(ctx, args)


@click.group("rule", cls=_RuleGroup, context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """List the rules; `ftdoctor rule FT-JOB-004` explains one."""


def _book() -> Rulebook:
    from ftdoctor.config import find
    from ftdoctor.rulebook.load import load

    return load(find().rules)


@command.command("show", hidden=True)
@click.argument("code")
@click.option(
    "--format", "fmt", type=click.Choice(["terminal", "json", "markdown"]), default="terminal"
)
def show(code: str, fmt: str) -> None:
    """Explain one rule, by its code or name."""
    book = _book()
    try:
        rule = book.rule(code)
    except KeyError:
        from difflib import get_close_matches

        near = get_close_matches(code.lower(), [*book.code_of, *map(str.lower, book.by_code)], n=3)
        raise UsageError(
            f"There is no rule {code!r}.",
            f"Near it: {', '.join(near)}" if near else "`ftdoctor rule` lists all rules.",
        ) from None
    if fmt == "json":
        click.echo(json.dumps(rule_json(rule), indent=2, ensure_ascii=False))
    elif fmt == "markdown":
        click.echo(rule_markdown(rule))
    else:
        click.echo(rule_terminal(rule, colour=sys.stdout.isatty()))


@command.command("list")
@click.option(
    "--format", "fmt", type=click.Choice(["terminal", "json", "markdown"]), default="terminal"
)
@click.option("--area", help="Only one area (AUTH, JOB, ...).")
def list_(fmt: str, area: str | None) -> None:
    """List the rules."""
    rules = [r for r in _book() if area is None or r.area == area.upper()]
    if fmt == "json":
        click.echo(json.dumps([rule_json(r) for r in rules], indent=2, ensure_ascii=False))
    elif fmt == "markdown":
        click.echo("| code | name | severity | seen by | what |\n|---|---|---|---|---|")
        for r in rules:
            summary = r.summary.replace("|", "\\|")
            click.echo(f"| {r.code} | {r.name} | {r.severity} | {seen_by(r)} | {summary} |")
    else:
        for r in rules:
            mark = ("c" if r.before else "-") + ("e" if r.after else "-")
            click.echo(f"{r.code:<14} {mark} {r.severity:<8} {r.name}")
        click.echo(f"{len(rules)} rules (c: seen by check, e: seen by explain)")


@command.command("score")
@click.argument("corpus", type=click.Path(exists=True, dir_okay=False))
@click.option("--format", "fmt", type=click.Choice(["terminal", "json"]), default="terminal")
@click.option("--misses", is_flag=True, help="List every log that was not named right.")
def score(corpus: str, fmt: str, misses: bool) -> int:
    """Score the rulebook on a labelled corpus: right, wrong, silent, false alarms per rule.

    CORPUS is JSON lines with `log`, `cause` and, if several causes are right, `accept`.
    """
    from ftdoctor.rulebook.score import report

    return report(corpus, _book(), fmt=fmt, misses=misses)


@command.command("new")
@click.option("--from-log", "log", required=True, type=click.Path(exists=True, dir_okay=False))
@click.option("--code", default="FT-ACME-001", show_default=True, help="The code of the new rule.")
@click.option(
    "--name", default="", help="The name of the root cause; made from the error if left out."
)
@click.option("--to", "folder", type=click.Path(file_okay=False), default=".", show_default=True)
def new(log: str, code: str, name: str, folder: str) -> int:
    """Draft a rule, with its redacted fixture, from the log of an unrecognised failure."""
    from ftdoctor.rulebook.draft import draft

    return draft(log, code=code, name=name, folder=folder)
