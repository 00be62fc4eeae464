"""`ftdoctor api`: a signature at a version, and how each parameter came and went."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ftdoctor.api.view import Description, Row


@click.command("api", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("symbol")
@click.option("--with", "with_", multiple=True, metavar="PKG==VERSION", help="Versions to look at.")
@click.option("--all", "everything", is_flag=True, help="List inherited parameters, too.")
@click.option("--format", "form", type=click.Choice(["terminal", "json"]), default="terminal")
def command(symbol: str, with_: tuple[str, ...], everything: bool, form: str) -> int:
    """Show what a class or function of trl, transformers, peft, ... takes at a version.

    \b
    ftdoctor api trl.SFTConfig --with trl==0.19.1
    ftdoctor api trl.SFTTrainer.tokenizer

    Without --with the newest release in the tables is shown. Exit code 3: no release has it.
    """
    from ftdoctor.api.table import PACKAGES, load
    from ftdoctor.api.view import describe
    from ftdoctor.commands.options import pins
    from ftdoctor.errors import EXIT_NOTHING, UsageError

    given = pins(with_)
    for name, version in given.items():
        table = load(name)
        if table is None:
            raise UsageError(
                f"There is no API table for {name}.", f"There are tables for {', '.join(PACKAGES)}."
            )
        if not table.candidates(version):
            raise UsageError(
                f"{name} {version} is not in the table, which goes from {table.versions[0]} to "
                f"{table.newest} ({table.date}).",
                "Name a released version in that range.",
            )
    if symbol.split(".", 1)[0] not in PACKAGES:
        raise UsageError(
            f"{symbol!r} does not start with a package that has a table.",
            f"Write for instance trl.SFTConfig; packages: {', '.join(PACKAGES)}.",
        )
    found = describe(symbol, given)
    if found is None:
        click.echo(f"No release read has {symbol}.", err=True)
        return EXIT_NOTHING
    click.echo(_json(found) if form == "json" else _text(found, everything))
    return 0


def _json(found: Description) -> str:
    import json
    from dataclasses import asdict

    return json.dumps({"schema_version": 1, **asdict(found)}, indent=2)


def _span(first: str, last: str) -> str:
    if not last:
        return f"since {first}"
    return f"only {first}" if first == last else f"{first} to {last}"


def _text(found: Description, everything: bool) -> str:
    lines = []
    ranges = ", ".join(_span(first, last) for first, last in found.releases)
    lines.append(f"{found.symbol}  {found.kind} of {found.package} {found.version}")
    state = "" if found.exists else f"  not in {found.package} {found.version};"
    lines.append(f"{state}  {found.package} {ranges}")
    if found.asked:
        for row in [*found.parameters, *found.others]:
            lines += _one(row, taken=row in found.parameters, found=found)
        return "\n".join(lines)
    own = [row for row in found.parameters if everything or row.package == found.package]
    inherited = len(found.parameters) - len(own)
    if own:
        lines.append("")
        width = max(len(row.name) for row in own)
        for row in own:
            default = "required" if row.default is None else f"= {row.default}"
            note = f"since {row.since}" if row.since != found.releases[0][0] else ""
            note += "  deprecated " + row.deprecated if row.deprecated else ""
            lines.append(f"  {row.name:<{width}}  {default:<28} {note}".rstrip())
    if inherited:
        lines.append(f"  and {inherited} inherited parameters (--all lists them)")
    if found.open:
        lines.append("  It takes other keywords, too (**kwargs).")
    gone = [r for r in found.others if (everything or r.package == found.package)]
    if gone:
        lines += ["", f"Not in {found.package} {found.version}, but in other releases:"]
        width = max(len(row.name) for row in gone)
        for row in gone:
            to = f"  now: {row.replacement}" if row.replacement else ""
            lines.append(f"  {row.name:<{width}}  {_span(row.since, row.until)}{to}")
    return "\n".join(lines)


def _one(row: Row, *, taken: bool, found: Description) -> list[str]:
    state = "takes it" if taken else "does not take it"
    lines = ["", f"  {row.name}: {found.package} {found.version} {state}"]
    lines.append(f"    {row.package} {_span(row.since, row.until)}")
    if taken:
        lines.append("    required" if row.default is None else f"    default {row.default}")
    for version, default in row.defaults:
        lines.append(f"    default from {row.package} {version} on: {default}")
    if row.deprecated:
        lines.append(f"    deprecated {row.deprecated}")
    if row.replacement:
        lines.append(f"    now: {row.replacement}")
    return lines
