"""Options of `ftdoctor smoke` that say what the run holds, and the wish that they make."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ftdoctor.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ftdoctor.smoke.wish import Wish

_OPTIONS = (
    click.option(
        "--shape-only",
        is_flag=True,
        help="On a GPU: random weights of the model's real sizes instead of a download.",
    ),
    click.option(
        "--hub/--no-hub",
        default=None,
        help="Take tokenizer, configuration and first rows from the Hub.  [default: on a GPU]",
    ),
    click.option(
        "--processes",
        type=click.IntRange(min=1, max=64),
        default=1,
        show_default=True,
        help="On this machine: processes that train together (cpu, or one for each GPU).",
    ),
    click.option(
        "--push",
        is_flag=True,
        help="Push the tiny adapter to a branch of the job's output repository, and remove it.",
    ),
)


def plan_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options to a command function."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def wish_of(options: dict[str, Any], *, timeout: float, gpus: int = 0, nodes: int = 1) -> Wish:
    """Return what the options ask of the plan; `gpus` are those of a platform's machine, 0 here.

    Raises:
        UsageError: --processes for a machine whose GPUs decide it.
    """
    from ftdoctor.smoke.wish import Wish

    if gpus and options["processes"] > 1:
        raise UsageError(
            "--processes is for runs on this machine.",
            f"On a platform every GPU gets a process: --gpu {options['processes']}xNAME",
        )
    return Wish(
        shape_only=options["shape_only"],
        hub=options["hub"],
        processes=gpus or options["processes"],
        nodes=nodes,
        push=options["push"],
        timeout=timeout,
    )
