"""The first rows of a data file beside the job."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from ftdoctor.job.data_files import MOST_BYTES, MOST_ROWS, read_sample
from ftdoctor.job.read import read

if TYPE_CHECKING:
    from pathlib import Path


def test_lines() -> None:
    sample = read_sample("a.jsonl", b'{"a": 1}\n\n{"b": 2}\n', True)
    assert sample is not None
    assert (sample.columns, sample.lines, sample.broken, sample.whole) == (
        ("a", "b"),
        (1, 3),
        None,
        True,
    )


def test_a_broken_line_is_named_and_not_shown() -> None:
    sample = read_sample("a.jsonl", b'{"a": 1}\n{"secret": "x\n', True)
    assert sample is not None
    assert sample.broken == (2, "Unterminated string starting at")


def test_a_pretty_printed_object_is_not_called_broken() -> None:
    assert read_sample("a.json", b'{\n  "a": 1\n}\n', True) is None


def test_an_array_is_read_when_it_is_whole() -> None:
    sample = read_sample("a.json", b'[{"a": 1}, {"a": 2}]', True)
    assert sample is not None
    assert len(sample.rows) == 2
    assert read_sample("a.json", b'[{"a": 1}, {"a"', False) is None


def test_a_header_is_all_that_is_read_of_csv() -> None:
    sample = read_sample("a.csv", b'"x, y",b\n1,2\n', True)
    assert sample is not None
    assert (sample.columns, sample.rows) == (("x, y", "b"), ())


def test_an_empty_file_is_empty_and_a_binary_one_is_not_understood() -> None:
    empty = read_sample("a.jsonl", b"", True)
    assert empty is not None
    assert empty.rows == ()
    assert read_sample("a.jsonl", b"\x00\x01\x02", True) is None


def test_a_cut_last_line_is_left_out() -> None:
    sample = read_sample("a.jsonl", b'{"a": 1}\n{"a": 2, "b', False)
    assert sample is not None
    assert (len(sample.rows), sample.broken) == (1, None)


@given(st.binary(max_size=400), st.booleans(), st.sampled_from(["a.jsonl", "a.json", "a.csv"]))
def test_no_bytes_make_it_fail(data: bytes, whole: bool, name: str) -> None:
    read_sample(name, data, whole)


def test_a_huge_file_is_read_in_part(tmp_path: Path) -> None:
    row = json.dumps({"text": "x" * 5000}) + "\n"
    (tmp_path / "data.jsonl").write_text(row * (3 * MOST_BYTES // len(row)))
    (tmp_path / "train.py").write_text(
        "from datasets import load_dataset\nfrom trl import SFTTrainer\n"
        'data = load_dataset("json", data_files="data.jsonl", split="train")\n'
        'SFTTrainer(model="a/b", train_dataset=data.shuffle(seed=1))\n'
    )
    (job,) = read([str(tmp_path / "train.py")]).jobs
    (training,) = job.trainings
    (dataset,) = training.datasets
    assert training.fed_by == dataset.place
    assert dataset.sample is not None
    assert 0 < len(dataset.sample.rows) <= MOST_ROWS
    assert not dataset.sample.whole
