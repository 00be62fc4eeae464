"""`ftdoctor hook`: install, remove and run the git hook."""

from __future__ import annotations

import sys

import click

_KIND = click.Choice(["pre-commit", "pre-push"])


@click.group("hook", context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """Check the staged or pushed content before git takes it."""


@command.command("install")
@click.argument("kinds", nargs=-1, type=_KIND)
def install(kinds: tuple[str, ...]) -> None:
    """Install the hook (pre-commit if none is named); an existing hook is kept and runs first."""
    from ftdoctor.hook import install as hooks

    for kind in kinds or ("pre-commit",):
        click.echo(hooks.install(kind))


@command.command("uninstall")
@click.argument("kinds", nargs=-1, type=_KIND)
def uninstall(kinds: tuple[str, ...]) -> None:
    """Remove the hook and put an earlier one back."""
    from ftdoctor.hook import install as hooks

    for kind in kinds or hooks.KINDS:
        click.echo(hooks.uninstall(kind))


@command.command("run")
@click.argument("kind", type=_KIND, default="pre-commit")
@click.argument("ignored", nargs=-1)
def run(kind: str, ignored: tuple[str, ...]) -> int:
    """Check what would be committed or pushed. 1 blocks; what could not be told never does."""
    from ftdoctor.hook.run import run as check

    return check(kind, sys.stdin.read() if kind == "pre-push" else "")
