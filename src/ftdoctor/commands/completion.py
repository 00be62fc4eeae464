"""`ftdoctor completion SHELL`: the script that click makes for bash, zsh and fish."""

from __future__ import annotations

import click


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the completion script: eval "$(ftdoctor completion bash)"."""
    from click.shell_completion import get_completion_class

    from ftdoctor.cli import main

    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(main, {}, "ftdoctor", "_FTDOCTOR_COMPLETE").source())
