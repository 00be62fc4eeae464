"""Two failures in one log: which of them ended the run."""

from __future__ import annotations

from tests.logs.test_fixtures import explain, named

_CAUGHT = """\
Traceback (most recent call last):
  File "/app/data.py", line 9, in pick
    rows = load_dataset("acme/rows", split="validation")
ValueError: Unknown split "validation". Should be one of ['train'].
"""
_LAST = """\
Traceback (most recent call last):
  File "/app/train.py", line 30, in <module>
    trainer = SFTTrainer(model=model, max_seq_length=512)
TypeError: SFTTrainer.__init__() got an unexpected keyword argument 'max_seq_length'
"""
_UNKNOWN = """\
Traceback (most recent call last):
  File "/app/train.py", line 31, in <module>
    report(rows)
acme.errors.NothingToReport: no rows
"""


def _work(lines: int) -> str:
    return "".join(f"reading shard {number} of the corpus\n" for number in range(lines))


def test_the_last_of_two_decides_when_the_run_went_on_between() -> None:
    assert named((_CAUGHT + _work(80) + _LAST).encode()) == "FT-API-015"


def test_a_failure_that_was_outlived_is_not_named_for_one_that_nobody_knows() -> None:
    found = explain((_CAUGHT + _work(80) + _UNKNOWN).encode())
    assert found.outcome == "unrecognised"
    assert "NothingToReport" in found.block
    assert [seen["code"] for seen in found.also] == ["FT-DATA-015"]


def test_the_first_decides_when_the_second_follows_at_once() -> None:
    assert named((_CAUGHT + _work(2) + _UNKNOWN).encode()) == "FT-DATA-015"


def test_ranks_go_on_for_a_while_after_one_of_them_died() -> None:
    others = "NCCL INFO Channel 00/0 : 1[1] -> 0[0] via P2P/CUMEM\n"
    assert named((_CAUGHT + others + _work(80) + _UNKNOWN).encode()) == "FT-DATA-015"
