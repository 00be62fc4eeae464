"""Tracebacks of every printer become blocks with their chain."""

from __future__ import annotations

from ftdoctor.logs.blocks import Block, find_blocks
from ftdoctor.logs.clean import clean_line
from ftdoctor.logs.lines import Line, Text


def blocks(text: str) -> list[Block]:
    lines: list[Line] = []
    for number, raw in enumerate(text.split("\n"), 1):
        lines += clean_line(raw, number)
    for at, line in enumerate(lines):
        line.at = at
    return find_blocks(Text(lines))


PLAIN = """\
starting
Traceback (most recent call last):
  File "a.py", line 1, in <module>
    load()
    ^^^^^^
  File "b.py", line 2, in load
    raise KeyError("x")
KeyError: 'x'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "a.py", line 3, in <module>
    raise OSError("We couldn't connect") from e
OSError: We couldn't connect
Check your connection
after
"""


def test_a_chain_is_one_block_with_its_exceptions_in_order() -> None:
    (block,) = blocks(PLAIN)
    assert [raised.type for raised in block.raised] == ["KeyError", "OSError"]
    assert block.final is not None
    assert block.final.message == "We couldn't connect"
    assert any("Check your connection" in line.text for line in block.members)


def test_ranks_that_interleave_are_kept_apart() -> None:
    rows = PLAIN.split("\n")
    mixed = "\n".join(f"[rank{rank}]: {row}" for row in rows for rank in (0, 1))
    found = blocks(mixed)
    assert [block.stream for block in found] == ["rank0", "rank1"]
    assert all([r.type for r in block.raised] == ["KeyError", "OSError"] for block in found)


def test_a_traceback_cut_off_at_the_top() -> None:
    (block,) = blocks('  File "b.py", line 2, in load\n    x()\nValueError: no\n')
    assert block.final is not None
    assert block.final.type == "ValueError"


def test_only_the_last_line() -> None:
    (block,) = blocks("huggingface_hub.errors.GatedRepoError: 403 Client Error.")
    assert block.kind == "bare"
    assert block.final is not None
    assert block.final.type == "huggingface_hub.errors.GatedRepoError"


def test_ipython() -> None:
    text = (
        "-" * 75 + "\nTypeError                                 Traceback (most recent call last)\n"
        "Cell In[3], line 4\n      2 x = 1\n----> 4 f(a=1)\n\n"
        "File /opt/venv/lib/python3.11/site-packages/trl/trainer.py:88, in f()\n     87 y\n\n"
        "TypeError: f() got an unexpected keyword argument 'a'\n"
    )
    (block,) = blocks(text)
    assert block.final is not None
    assert block.final.message.startswith("f() got")


def test_rich() -> None:
    text = (
        "╭───────────── Traceback (most recent call last) ─────────────╮\n"
        "│ /app/train.py:12 in main                                    │\n"
        "│   ❱ 12     trainer.train()                                  │\n"
        "╰─────────────────────────────────────────────────────────────╯\n"
        'ValueError: Unknown split "val"\n'
    )
    (block,) = blocks(text)
    assert block.final is not None
    assert block.final.type == "ValueError"


def test_other_output_inside_a_traceback_does_not_end_it() -> None:
    text = (
        "Traceback (most recent call last):\n"
        '  File "a.py", line 1, in <module>\n'
        "saving logs to disk\n"
        "    load()\n"
        "RuntimeError: CUDA error: no\n"
    )
    (block,) = blocks(text)
    assert block.final is not None
    assert block.final.type == "RuntimeError"


def test_failures_of_programs_that_are_not_python() -> None:
    assert [b.kind for b in blocks("bash: trl: command not found")] == ["line"]
    assert [b.kind for b in blocks("./run.sh: line 3:  4242 Killed")] == ["line"]
    assert blocks("INFO nothing failed\nUserWarning: this is deprecated\n  warnings.warn(") == []
