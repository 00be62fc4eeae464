"""What a script does with the splits of its data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftdoctor.job.read import read_text

if TYPE_CHECKING:
    from ftdoctor.job.model import Training

HEAD = """
from datasets import DatasetDict, load_dataset
from trl import SFTTrainer
"""


def _training(code: str) -> Training:
    (job,) = read_text(HEAD + code, "train.py").jobs
    (training,) = job.trainings
    return training


@pytest.mark.parametrize(
    ("made", "taken", "expected"),
    [
        ('load_dataset("a/b")', "data", [("passed", "train_dataset", None)]),
        ('load_dataset("a/b", split=None)', "data", [("passed", "train_dataset", None)]),
        ('load_dataset("a/b").shuffle(seed=1)', "data", [("passed", "train_dataset", None)]),
        ('load_dataset("a/b", split="train")', "data", []),
        ('load_dataset("a/b", **options)', "data", []),
        ('load_dataset("a/b")', 'data["dev"]', []),
        (
            'load_dataset("json", data_files="x.jsonl")',
            'data["dev"]',
            [("item", "dev", ("train",))],
        ),
        (
            'load_dataset("json", data_files={"fit": "x.jsonl", "dev": "y.jsonl"})',
            'data["test"]',
            [("item", "test", ("fit", "dev"))],
        ),
        (
            'load_dataset("a/b", split="train").train_test_split(0.1)',
            'data["train"]',
            [("item", "train", ("train", "test"))],
        ),
        (
            'load_dataset("a/b").train_test_split(0.1)',
            'data["train"]',
            [("call", "train_test_split", None)],
        ),
        ('load_from_disk("x")', "data", []),
        ('DatasetDict({"train": x})', "data", [("passed", "train_dataset", ("train",))]),
    ],
)
def test_split_uses(
    made: str, taken: str, expected: list[tuple[str, str, tuple[str, ...] | None]]
) -> None:
    training = _training(f'data = {made}\nSFTTrainer(model="a/b", train_dataset={taken})\n')
    assert [(u.what, u.name, u.splits) for u in training.split_uses] == expected
    assert all(use.place is not None for use in training.split_uses)


def test_a_dict_with_a_split_added_is_not_known() -> None:
    training = _training(
        'data = load_dataset("json", data_files="x.jsonl")\ndata["dev"] = data["train"]\n'
        'SFTTrainer(model="a/b", train_dataset=data["train"], eval_dataset=data["dev"])\n'
    )
    assert training.split_uses == []


@pytest.mark.parametrize(
    ("made", "streams"),
    [
        ('load_dataset("a/b", split="train", streaming=True)', True),
        ('load_dataset("a/b", streaming=True)["train"].map(f).take(9)', True),
        ('load_dataset("a/b", split="train").to_iterable_dataset()', True),
        ('load_dataset("a/b", split="train", streaming=flag)', False),
        ('list(load_dataset("a/b", split="train", streaming=True))', False),
    ],
)
def test_streamed(made: str, streams: bool) -> None:
    assert _training(f'SFTTrainer(model="a/b", train_dataset={made})\n').streamed is streams
