"""The click group. A command's module is imported only when that command is called."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import click

from ftdoctor.errors import EXIT_USAGE

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Command name -> (module in ftdoctor.commands, one line for --help). Kept here so that the help
#: page needs none of the modules.
COMMANDS: dict[str, tuple[str, str]] = {
    "check": ("check", "Say what would fail in the job that would run."),
    "explain": ("explain", "Name the root cause of a failed job from its log."),
    "smoke": ("smoke", "Run the smallest job that proves the fix on the target GPU."),
    "estimate": ("estimate", "Predict peak GPU memory for a model and settings."),
    "api": ("api", "Show a signature of trl, transformers, peft, ... at a version."),
    "migrate": ("migrate", "Report and apply what changes for a script between versions."),
    "rule": ("rule", "List, explain, draft and score rules."),
    "hook": ("hook", "Install, remove or run the git hook."),
    "submit": ("submit", "Check a job, then run the command that submits it."),
    "env": ("env", "Describe this environment, judged and redacted, to paste into an issue."),
    "completion": ("completion", "Print the shell completion script."),
}

EPILOG = """\b
Exit codes
  check    0 nothing to report  1 findings  2 wrong use  3 nothing to check here  4 cannot tell
  explain  0 named or healthy   2 wrong use  3 not recognised  4 log not readable whole
  smoke    0 works  1 fails  2 wrong use  4 no verdict
"""


class LazyGroup(click.Group):
    """A group that knows its commands by name and imports one when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of COMMANDS."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one command."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"ftdoctor.commands.{COMMANDS[cmd_name][0]}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; a wrong name is answered with the nearest right one."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            from difflib import get_close_matches

            near = get_close_matches(args[0], COMMANDS, n=1) if args else []
            if near:
                raise click.UsageError(f"{error.message} Did you mean '{near[0]}'?", ctx) from None
            raise

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=LazyGroup, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="ftdoctor-cli", message="ftdoctor %(version)s")
def main() -> None:
    """Know what would fail in a fine-tuning job before it runs, and why one failed afterwards."""


def run(arguments: Sequence[str]) -> int:
    """Run the command line and return the exit code. Never raises, never shows a traceback."""
    try:
        result: Any = main.main(list(arguments), prog_name="ftdoctor", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.Abort:
        click.echo("Stopped.", err=True)
        return 130
    except click.ClickException as error:
        error.show()
        return EXIT_USAGE
    except (Exception, KeyboardInterrupt) as error:
        from ftdoctor.failures import outcome

        return outcome(error)
