"""`ftdoctor migrate`: what changes for a script between two versions, and the edited script."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ftdoctor.api.migrate import Migration


@click.command("migrate", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("script", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--from", "old", multiple=True, metavar="PKG==VERSION", help="Written for this.")
@click.option("--to", "new", multiple=True, metavar="PKG==VERSION", help="Will run with this.")
@click.option("--diff", "show", is_flag=True, help="Show the edits.")
@click.option("--write", is_flag=True, help="Make the edits in the file.")
@click.option("--format", "form", type=click.Choice(["terminal", "json"]), default="terminal")
def command(
    script: Path, old: tuple[str, ...], new: tuple[str, ...], show: bool, write: bool, form: str
) -> int:
    """Report what changes for a script between versions, and edit it.

    \b
    ftdoctor migrate train.py --from trl==0.12 --to trl==1.16 --diff

    Versions that are not named are filled in: for --from what an install brought on the day of that
    release, for --to what it brings today. Without --to the newest trl is taken. Exit code 1:
    something is left that needs a hand.
    """
    from ftdoctor.api.migrate import complete, migrate
    from ftdoctor.errors import EXIT_FINDINGS, UnreadableInput, UsageError

    if not old:
        raise UsageError(
            "--from is missing: it is not known what the script was written for.",
            "Name it, for instance --from trl==0.12.2",
        )
    before, after = _versions(old), _versions(new or (_newest_trl(),))
    try:
        source = script.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UnreadableInput(f"{script} cannot be read: {error}") from None
    result = migrate(source, str(script), complete(before, then=True), complete(after, then=False))
    if result.broken:
        raise UnreadableInput(result.broken, "Mend the syntax first.")
    click.echo(_json(result) if form == "json" else _text(result, show))
    if write and result.edited != result.source:
        from ftdoctor.fix import FileChange, apply

        apply([FileChange(str(script), result.source, result.edited)])
        click.echo(f"{script} was edited.", err=True)
    return EXIT_FINDINGS if any(f.severity == "error" for f in result.left) else 0


def _newest_trl() -> str:
    from ftdoctor.api.table import load

    table = load("trl")
    return f"trl=={table.newest if table else ''}"


def _versions(texts: tuple[str, ...]) -> dict[str, str]:
    from ftdoctor.api.table import load
    from ftdoctor.commands.options import pins
    from ftdoctor.errors import UsageError

    found = pins(texts)
    for name, version in found.items():
        table = load(name)
        if table is None:
            raise UsageError(f"There is no API table for {name}.", "Leave it out.")
        if not table.candidates(version):
            raise UsageError(
                f"{name} {version} is not in the table, which goes from {table.versions[0]} to "
                f"{table.newest} ({table.date}).",
                "Name a released version in that range.",
            )
    return found


def _text(result: Migration, show: bool) -> str:
    from ftdoctor.api.migrate import packages_of

    lines = [
        f"{result.path}",
        f"  from  {packages_of(result.old)}",
        f"  to    {packages_of(result.new)}",
        "",
    ]
    for finding in result.found:
        mark = "edited" if finding.edit is not None and finding.edit.safe else "by hand"
        lines.append(f"{finding.line}:{finding.column}  {finding.severity} ({mark})")
        lines.append(f"    {finding.message}")
    for finding in result.already:
        lines.append(f"{finding.line}:{finding.column}  {finding.severity} (in both versions)")
        lines.append(f"    {finding.message}")
    if result.defaults:
        lines += ["", "Left at a default that is another one now:"]
        for change in result.defaults:
            lines.append(
                f"  line {change.line}  {change.symbol.rsplit('.', 1)[-1]}.{change.parameter}: "
                f"{change.old} -> {change.new}  ({change.package})"
            )
    if result.left_alone:
        lines += ["", "Left alone:"]
        lines += [f"  line {n.line}  {n.what}: {n.reason}" for n in result.left_alone]
    hand = sum(finding.severity == "error" for finding in result.left)
    lines += ["", f"{len(result.edits)} edits, {hand} errors left for a hand."]
    if show and result.edited != result.source:
        from ftdoctor.fix import FileChange

        lines += ["", FileChange(result.path, result.source, result.edited).diff().rstrip("\n")]
    return "\n".join(lines)


def _json(result: Migration) -> str:
    import json
    from dataclasses import asdict

    return json.dumps({"schema_version": 1, **asdict(result)}, indent=2)
