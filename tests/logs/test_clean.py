"""Prefixes, bars, colours and escapes come off; what the program wrote stays."""

from __future__ import annotations

import pytest

from ftdoctor.logs.clean import clean_line, strip_ansi, without_prefix


@pytest.mark.parametrize(
    ("raw", "text", "stream"),
    [
        (
            "[rank3]: Traceback (most recent call last):",
            "Traceback (most recent call last):",
            "rank3",
        ),
        ('[rank3]:   File "a.py", line 1', '  File "a.py", line 1', "rank3"),
        ("[default0]:ValueError: x", "ValueError: x", "default0"),
        ("(workerpool1-0) KeyError: 'a'", "KeyError: 'a'", "workerpool1-0"),
        ("[1,3]<stderr>:OSError: no", "OSError: no", "1,3"),
        (
            "(RayTrainWorker pid=77, ip=10.0.0.1) ValueError: x",
            "ValueError: x",
            "RayTrainWorker pid=77, ip=10.0.0.1",
        ),
        ("trainer-1  | RuntimeError: x", "RuntimeError: x", "trainer-1"),
        ("2026-05-10T02:24:33.123Z stderr F   indented", "  indented", ""),
        ("2026-05-10 02:24:33,123 - root - ERROR - no", "no", ""),
        (
            "[2026-05-10 02:24:33,123] [INFO] [launch.py:1:main] x",
            "[INFO] [launch.py:1:main] x",
            "",
        ),
        ("10.0.0.7: ValueError: x", "ValueError: x", "10.0.0.7"),
        ("ERROR\t2026-05-10 02:24:33 +0000\tworkerpool0-0\t  File x", "  File x", "workerpool0-0"),
        ("ERROR   2026-05-10 02:24:33 +0000       service Job failed.", "Job failed.", "service"),
        (
            "ERROR   2026-05-10 02:24:33 +0000       workerpool0-0     File x",
            "  File x",
            "workerpool0-0",
        ),
        ("ValueError: 12:30:45 is no time", "ValueError: 12:30:45 is no time", ""),
        (
            "torch.OutOfMemoryError: CUDA out of memory",
            "torch.OutOfMemoryError: CUDA out of memory",
            "",
        ),
        ("[transformers] `x` is deprecated", "[transformers] `x` is deprecated", ""),
        ("KeyError: 'rank1'", "KeyError: 'rank1'", ""),
    ],
)
def test_prefixes(raw: str, text: str, stream: str) -> None:
    got, found, _ = without_prefix(raw)
    assert (got, found) == (text, stream)


def test_colours_come_off_also_when_the_escape_was_lost() -> None:
    assert strip_ansi("\x1b[31mValueError\x1b[0m: \x1b]8;;u\x1b\\x") == "ValueError: x"
    assert strip_ansi("[34m╭─[0m[1;35m x[0m") == "╭─ x"
    assert (
        strip_ansi("a[0] and b[12m] and [main] and x[3:4]")
        == "a[0] and b[12m] and [main] and x[3:4]"
    )


def test_what_follows_a_bar_stands_alone() -> None:
    raw = "  0%|          | 0/4 [00:00<?, ?it/s]Traceback (most recent call last):"
    assert [line.text for line in clean_line(raw, 7)][-1] == "Traceback (most recent call last):"
    raw = " 25%|██▌       | 1/4 [00:00<00:00,  6.06it/s]      {'loss': 0.0, 'grad_norm': 0.0}"
    assert [line.text for line in clean_line(raw, 7)][-1] == "{'loss': 0.0, 'grad_norm': 0.0}"


def test_escaped_newlines_of_a_message_become_lines() -> None:
    raw = (
        'message: "Traceback (most recent call last):\\n  File \\"a.py\\", line 1\\nValueError: x"'
    )
    texts = [line.text for line in clean_line(raw, 3)]
    assert texts[-1] == 'ValueError: x"'
    assert '  File "a.py", line 1' in texts


def test_boxes_of_rich_come_off() -> None:
    assert (
        clean_line("│ /app/a.py:3 in <module>                 │", 1)[0].text
        == "/app/a.py:3 in <module>"
    )


def test_a_very_long_line_keeps_its_ends() -> None:
    (line,) = clean_line("start " + "x" * 100_000 + " end", 1)
    assert line.text.startswith("start")
    assert line.text.endswith("end")
    assert len(line.text) < 40_000
