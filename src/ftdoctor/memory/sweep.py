"""Predictions over a range of sequence lengths or batch sizes, as a table, JSON or a drawing."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import click

from ftdoctor.errors import MissingExtra, UsageError
from ftdoctor.memory.closed_form import predict
from ftdoctor.memory.settings import GIB
from ftdoctor.memory.verdict import judge

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ftdoctor.memory.gpus import Gpu
    from ftdoctor.memory.settings import TrainingSettings

_RANGE = re.compile(r"(seq-len|batch-size)=(\d+)\.\.(\d+)\Z")
_FIELDS = {"seq-len": "seq_len", "batch-size": "batch_size"}
#: Points of a drawing; a doubling in eight steps looks smooth.
_STEPS = 8


def parse(text: str) -> tuple[str, list[int]]:
    """Return the field and the values of `seq-len=512..16384`.

    Raises:
        UsageError: it has another form.
    """
    match = _RANGE.match(text.strip())
    if match is None or not 0 < int(match[2]) <= int(match[3]) <= 1 << 22:
        raise UsageError(
            f"--sweep {text!r} is not a range.", "Write for instance --sweep seq-len=512..16384."
        )
    low, high = int(match[2]), int(match[3])
    values = {high}
    step = 0
    while (value := round(low * 2 ** (step / _STEPS))) < high:
        values.add(value)
        step += 1
    return match[1], sorted(values)


def rows(
    settings: TrainingSettings, name: str, values: list[int], card: Gpu | None
) -> list[dict[str, Any]]:
    """Return one record a value: the value, allocated and reserved bytes, and the verdict."""
    out = []
    for value in values:
        prediction = predict(
            settings.but(**{_FIELDS[name]: value}), hopper=bool(card and card.hopper)
        )
        out.append(
            {
                name: value,
                "allocated_bytes": prediction.allocated,
                "reserved_bytes": prediction.reserved,
                "verdict": judge(prediction, card).word if card else None,
                "phase": prediction.phase,
            }
        )
    return out


def run(options: Mapping[str, Any], settings: TrainingSettings, card: Gpu | None) -> int:
    """Print the sweep, and draw it if a file is named."""
    name, values = parse(options["sweep"])
    found = rows(settings, name, values, card)
    if options.get("plot"):
        draw(options["plot"], name, found, settings, card)
    if options.get("form") == "json":
        click.echo(
            json.dumps({"schema_version": 1, "model": settings.shape.key, "sweep": found}, indent=1)
        )
        return 0
    for row in found[:: max(1, len(found) // 16)]:
        word = f"  {row['verdict']}" if row["verdict"] else ""
        click.echo(
            f"{name} {row[name]:>8}  allocated {row['allocated_bytes'] / GIB:6.1f} GiB  "
            f"reserved {row['reserved_bytes'] / GIB:6.1f} GiB{word}"
        )
    if options.get("plot"):
        click.echo(f"Drawn to {options['plot']}.", err=True)
    return 0


def draw(
    path: Path,
    name: str,
    found: list[dict[str, Any]],
    settings: TrainingSettings,
    card: Gpu | None,
) -> None:
    """Draw allocated and reserved against the card's line.

    Raises:
        MissingExtra: matplotlib is not installed.
        UsageError: the file cannot be written.
    """
    try:
        import matplotlib

        matplotlib.use("Agg")
        from matplotlib import pyplot
    except ImportError as exc:
        raise MissingExtra("plot", "--plot") from exc
    figure, axes = pyplot.subplots(figsize=(7, 4))
    x = [row[name] for row in found]
    axes.plot(x, [r["allocated_bytes"] / GIB for r in found], label="allocated")
    axes.plot(x, [r["reserved_bytes"] / GIB for r in found], "--", label="reserved")
    if card is not None:
        axes.axhline(card.line / GIB, color="tab:red", label=f"{card.name}, less its context")
    axes.set_xlabel(name.replace("-", " "))
    axes.set_ylabel("GiB")
    axes.set_title(f"{settings.shape.key}, {settings.method}, {settings.loss} loss")
    axes.legend()
    figure.tight_layout()
    try:
        figure.savefig(path)
    except (OSError, ValueError) as exc:
        raise UsageError(f"--plot {path}: {exc}") from exc
    finally:
        pyplot.close(figure)
