"""Configurations and splits of well-known data sets (table `datasets`, from their cards).

What the Hub says now goes before the table; it is asked by `check --online`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ftdoctor.job.value import get
from ftdoctor.rulebook.model import Hit
from ftdoctor.tables import table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftdoctor.checks.context import Context
    from ftdoctor.job.model import Dataset, Job


def _known(job: Job) -> Iterator[tuple[Dataset, dict[str, Any]]]:
    """Yield the data sets of a job that the table has, loaded as the card says, not by files."""
    rows = table("datasets")["datasets"]
    seen = set()
    for training in job.trainings:
        for dataset in training.datasets:
            row = rows.get(get(dataset.id) or "")
            if row is not None and dataset.data_files is None and dataset.place not in seen:
                seen.add(dataset.place)
                yield dataset, row


def config_missing(context: Context, **_: object) -> Iterator[Hit]:
    """No configuration is named and the data set has several."""
    for dataset, row in _known(context.job):
        if row["configs"] and dataset.config is None:
            yield Hit(
                dataset.place or context.job.place,
                {"name": get(dataset.id) or "", "config": row["configs"][0]},
                {"configs": row["configs"]},
                summary='{name} has several configurations and none is named, such as "{config}".',
            )


def config_not_found(context: Context, **_: object) -> Iterator[Hit]:
    """The configuration that is named is none of those of the data set."""
    for dataset, row in _known(context.job):
        name = get(dataset.config) if dataset.config is not None else None
        if not row["configs"] or not row["complete"] or not isinstance(name, str):
            continue
        if name not in row["configs"]:
            yield Hit(
                (dataset.config and dataset.config.place) or dataset.place or context.job.place,
                {"name": get(dataset.id) or "", "given": name, "there": ", ".join(row["configs"])},
                {"configs": row["configs"]},
                summary="{name} has no configuration '{given}': it has {there}.",
            )


def wrong_splits(job: Job) -> Iterator[Hit]:
    """Yield `split=` that names splits which the data set does not have."""
    for dataset, row in _known(job):
        asked = get(dataset.split) if dataset.split is not None else None
        if not row["splits"] or not isinstance(asked, str):
            continue
        # "train[:10%]+test": https://huggingface.co/docs/datasets/loading#slice-splits
        names = [re.split(r"[\[(]", part)[0].strip() for part in asked.split("+")]
        wrong = [name for name in names if name and name != "all" and name not in row["splits"]]
        if wrong:
            yield Hit(
                (dataset.split and dataset.split.place) or dataset.place or job.place,
                {"split": wrong[0], "there": ", ".join(row["splits"])},
                {"split": wrong[0], "splits": row["splits"], "dataset": get(dataset.id)},
                summary="The split '{split}' is not there: the data set has {there}.",
            )
