"""Options of `ftdoctor smoke` for runs on a platform."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ftdoctor.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable


def _finite(_: click.Context, option: click.Parameter, value: float | None) -> float | None:
    """Refuse what no comparison stops: NaN and infinity are within every range of click."""
    if value is not None and not 0 < value < 1e6:
        raise UsageError(f"{option.opts[0]} {value}: no such number.", "Give a number above 0.")
    return value


_OPTIONS = (
    click.option("--region", default="", help="Vertex AI: region; else the job's, else gcloud's."),
    click.option(
        "--project", default="", help="Vertex AI: project; else the job's, else gcloud's."
    ),
    click.option("--spot", is_flag=True, help="Vertex AI: spot machines, which may be taken away."),
    click.option(
        "--token-secret",
        default="",
        metavar="NAME",
        help="Vertex AI: Secret Manager secret that holds the Hugging Face token.",
    ),
    click.option(
        "--send-token",
        is_flag=True,
        help="Vertex AI: send the Hugging Face token along, readable by all who see the job.",
    ),
    click.option("--namespace", default="", help="HF Jobs: user or organisation that pays."),
    click.option(
        "--price",
        type=click.FloatRange(min=0),
        callback=_finite,
        metavar="USD",
        help="Price of the machine an hour, where the table has none.",
    ),
    click.option(
        "--queue-timeout",
        type=click.FloatRange(min=1),
        callback=_finite,
        metavar="SECONDS",
        help="Until a run that waits for a machine is given up; 900.",
    ),
    click.option(
        "--nodes",
        type=click.IntRange(min=1),
        default=1,
        show_default=True,
        help="Vertex AI: machines of the run.",
    ),
)


def remote_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options to a command function."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def refuse_here(options: dict[str, Any]) -> None:
    """Refuse options that mean nothing on this machine.

    Raises:
        UsageError: one of them is given.
    """
    given = {
        "--nodes": options["nodes"] > 1,
        "--spot": options["spot"],
        "--token-secret": options["token_secret"],
        "--send-token": options["send_token"],
        "--price": options["price"] is not None,
        "--queue-timeout": options["queue_timeout"] is not None,
    }
    for name, there in given.items():
        if there:
            raise UsageError(
                f"{name} is for a run on a platform.", "Leave it out, or add --on vertex."
            )
