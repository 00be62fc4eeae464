"""What a paid run may cost: the ceiling, the words for it, and the question before it starts."""

from __future__ import annotations

import math
import sys

import click

from ftdoctor.errors import UsageError


def ceiling(usd_per_hour: float, timeout: float) -> float:
    """Return the most that `timeout` seconds can cost, in dollars: minutes are counted whole."""
    return usd_per_hour / 60 * math.ceil(timeout / 60)


def cents(usd: float) -> str:
    """Return dollars rounded up to a cent, so that `--max-cost` of the same text allows it."""
    return f"{math.ceil(usd * 100 - 1e-6) / 100:.2f}"


def agree(most: float, *, yes: bool, max_cost: float | None) -> None:
    """Ask before money is spent.

    Raises:
        UsageError: over the ceiling, not agreed to, or nobody there to ask.
    """
    # Written so that a ceiling of NaN refuses. What is compared is what is shown: whole cents.
    if max_cost is not None and not float(cents(most)) <= max_cost + 1e-9:
        raise UsageError(
            f"The run may cost ${cents(most)}, more than --max-cost {max_cost:.2f}.",
            "Shorten --timeout, choose a smaller GPU, or raise --max-cost.",
        )
    if yes:
        if max_cost is None:
            raise UsageError(
                "--yes needs --max-cost.",
                f"It may cost ${cents(most)}:  --yes --max-cost {cents(most)}",
            )
        return
    if not sys.stdin.isatty():
        raise UsageError(
            "There is nobody to ask whether the run may cost money.",
            f"Agree beforehand:  --yes --max-cost {cents(most)}",
        )
    if not click.confirm(f"Start it? It costs ${cents(most)} at most", default=False, err=True):
        raise UsageError("Not started.")
