"""How many classes a classifier has, held against the labels of a well-known data set."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftdoctor.checks.about import code
from ftdoctor.checks.installed import text
from ftdoctor.job.value import get
from ftdoctor.lazy import lazy
from ftdoctor.rulebook.model import Hit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftdoctor.checks.context import Context
    from ftdoctor.job.model import Dataset, Job, Script
    from ftdoctor.job.source import Place

#: Classes of the column `label` (ClassLabel in the dataset_info of their cards, November 2026), by
#: id without its owner; with the configuration where it decides.
_CLASSES = {
    "ag_news": 4,
    "emotion": 6,
    "yelp_review_full": 5,
    "dbpedia_14": 14,
    "banking77": 77,
    "20_newsgroups": 20,
    "sst5": 5,
    "twitter-financial-news-sentiment": 3,
    "twitter-financial-news-topic": 20,
    "glue/mnli": 3,
    "tweet_eval/emotion": 4,
    "tweet_eval/sentiment": 3,
    "tweet_eval/emoji": 20,
}
_OWNERS = frozenset(
    "fancyzhang dair-ai Yelp yelp PolyAI mteb SetFit zeroshot nyu-mll cardiffnlp".split()
)
_COPIES = lazy(
    r"\[[\"']labels?[\"']\]\s*=\s*(?:list\()?\w+\[[\"']labels?[\"']\]"
    r"|rename_column\(\s*[\"']label[\"']\s*,\s*[\"']labels[\"']\s*\)"
    r"|(?:select|set_format)[^\n]*"
    r"|label_names\s*="
)
#: Signs that the labels are made anew, or that their number is looked up.
_OWN_LABELS = lazy(
    r"[\"']labels?[\"']\s*[\]:]|num_labels|label2id|id2label|n_classes|\.filter\(|\.features"
    r"|class_encode|ClassLabel|concatenate_datasets|remap|problem_type|\bconfig\s*="
)


def too_few(context: Context, **_: object) -> Iterator[Hit]:
    """A classifier with two classes (the default) for data with more: the loss stops at a label."""
    job = context.job
    for training in job.trainings:
        if training.method != "trainer" or len(training.datasets) != 1 or training.open:
            continue
        place = _classifier(job)
        if place is None or any("keywords" in note for note in training.notes):
            continue
        found = _classes(training.datasets[0])
        if found is None or set(training.model_kwargs) & {"id2label", "label2id", "config"}:
            continue
        name, classes = found
        given = training.model_kwargs.get("num_labels")
        count = get(given) if given is not None else 2
        if not isinstance(count, int) or count >= classes or count < 2:
            continue  # one label is a regression
        rest = _COPIES.sub("", code(job))
        if given is not None:
            rest = re.sub(r"num_labels\s*=\s*\d+", "", rest)
        if _OWN_LABELS.search(rest):
            continue
        values = {"name": name, "classes": classes, "count": count}
        yield Hit(
            (given.place if given is not None else None) or place,
            values,
            {"num_labels": count, "classes": classes},
            summary="The classifier has {count} classes, and the labels of {name} have {classes}.",
        )


def _classifier(job: Job) -> Place | None:
    """Return where the one classifier of the job is loaded, None when there is not just one."""
    found: list[Place] = []
    for script in job.scripts:
        if script.role != "submit":
            found += _loads(script)
    return found[0] if len(found) == 1 else None


def _loads(script: Script) -> list[Place]:
    return [
        place
        for callee, places in script.calls.items()
        if callee.endswith("ForSequenceClassification.from_pretrained")
        for place in places
    ]


def _classes(dataset: Dataset) -> tuple[str, int] | None:
    given, config = text(dataset.id), text(dataset.config)
    owner, _, name = given.rpartition("/")
    if owner and owner not in _OWNERS:
        return None
    for key in (f"{name}/{config}", name):
        if key in _CLASSES:
            return given, _CLASSES[key]
    return None
