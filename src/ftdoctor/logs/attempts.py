"""Several attempts in one log: Vertex restarts workers and jobs, torchrun restarts its workers.

Vertex repeats a job up to three times and a worker up to five times and writes all of it into one
log (docs.cloud.google.com, training troubleshooting); HF Jobs prints `===== Job started` at each
start (huggingface_hub 2.4.0 filters that line); elastic says that it will restart the group.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftdoctor.lazy import lazy
from ftdoctor.logs.lines import PLATFORM_STREAMS

if TYPE_CHECKING:
    from ftdoctor.logs.blocks import Block
    from ftdoctor.logs.lines import Line, Text

_STARTS = lazy(
    r"^===== Job started|^Job is preparing\.|^Container called start|^Restarting worker group"
)
_RESTARTS = lazy(r"will restart worker group|Restarting worker group")
_DIGITS = lazy(r"\d+")
_BANNER = 3


def last_attempt(text: Text, blocks: list[Block]) -> tuple[int, int]:
    """Return (`at` of the first line of the last attempt, number of attempts)."""
    starts = sorted({*_explicit(text), *_banners(text.lines, blocks)})
    kept: list[int] = []
    for start in starts:
        # An attempt that failed lies before a true restart.
        if any((kept[-1] if kept else 0) <= block.stated < start for block in blocks):
            kept.append(start)
    while kept and sum(1 for line in text.lines[kept[-1] :] if line.text.strip()) < 3:
        kept.pop()  # it began, and the log ends there
    if not kept:
        return 0, 1
    return kept[-1], len(kept) + 1


def _explicit(run: Text) -> list[int]:
    starts: list[int] = []
    seen = False
    marks = (b"===== Job started", b"Job is preparing", b"Container called", b"worker group")
    for index in sorted(run.holding(marks)):
        line = run.lines[index]
        text = line.text
        if _STARTS.match(text):
            if seen or text.startswith("Restarting"):
                starts.append(line.at)
            seen = True
        elif _RESTARTS.search(text) and line.stream not in PLATFORM_STREAMS:
            starts.append(line.at + 1)
    return starts


def _banners(lines: list[Line], blocks: list[Block]) -> list[int]:
    """Starts told by the first lines of a stream standing there again after a failure."""
    if not blocks or len(lines) < 4 * _BANNER:
        return []
    first_end = blocks[0].stated
    streams: dict[str, list[Line]] = {}
    for line in lines:
        text = line.text
        if text.strip() and "%|" not in text:
            streams.setdefault(line.stream, []).append(line)
    starts: list[int] = []
    for stream, own in streams.items():
        if stream in PLATFORM_STREAMS or len(own) < 4 * _BANNER:
            continue
        banner = [_DIGITS.sub("", line.text) for line in own[:_BANNER]]
        if len(set(banner)) < _BANNER or min(map(len, banner)) < 8 or "Traceback" in banner[0]:
            continue
        for index in range(_BANNER, len(own) - _BANNER):
            line = own[index]
            if line.at <= first_end or _DIGITS.sub("", line.text) != banner[0]:
                continue
            again = [_DIGITS.sub("", other.text) for other in own[index : index + _BANNER]]
            if again == banner:
                starts.append(line.at)
    return starts
