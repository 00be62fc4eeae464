"""Which rules match which lines of a run."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

from ftdoctor.lazy import lazy
from ftdoctor.logs.patterns import UNLESS
from ftdoctor.logs.prefilter import Prefilter

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ftdoctor.logs.blocks import Block
    from ftdoctor.logs.lines import Line, Text
    from ftdoctor.logs.patterns import Patterns

#: A longer line is matched in windows round its literals, so that no pattern sees it whole.
LONG = 4000
#: Source code round a frame, as IPython and Rich print it; an arrow marks the line that ran.
_CONTEXT = lazy(
    r"^\s{2,8}\[?\d{1,5}\]?(?:\(\S{1,200}\))? {1,40}\S|^\d{1,5} {4,40}\S|^\s{0,8}\d{1,5} [│|] "
)
#: Without a block, `near` looks this many lines up and down.
NEARBY = 60


class Match:
    """A rule's pattern found in a line. `captures` are the named groups of the pattern."""

    __slots__ = ("block", "captures", "line", "rule")

    def __init__(self, rule: int, line: Line, captures: dict[str, str]) -> None:
        self.rule = rule
        self.line = line
        self.captures = captures
        self.block: Block | None = None


def find_matches(text: Text, blocks: list[Block], patterns: Patterns) -> list[Match]:
    """Return the matches of `any` patterns whose `unless` and `near` conditions hold, in order."""
    found: dict[tuple[int, int], Match] = {}
    vetoes: dict[int, list[Line]] = {}
    lines = text.lines
    for index, numbers, literals in _candidates(text, patterns):
        line = lines[index]
        for number in numbers:
            _, rule, kind = patterns.texts[number]
            if kind != UNLESS and (rule, index) in found:
                continue
            match = _search(patterns, number, line.text, literals)
            if match is None:
                continue
            if kind == UNLESS:
                vetoes.setdefault(rule, []).append(line)
            else:
                groups = {key: value for key, value in match.items() if value is not None}
                found[rule, index] = Match(rule, line, groups)
    matches = list(found.values())
    member = _place(matches, blocks)
    matches = [
        match
        for match in matches
        if not _vetoed(match, vetoes.get(match.rule, ()), member) and _near(match, lines, patterns)
    ]
    return sorted(matches, key=lambda match: match.line.at)


def _candidates(
    text: Text, patterns: Patterns
) -> list[tuple[int, list[int], dict[int, list[str]]]]:
    """(line index, pattern numbers to try, literals by pattern) for lines that hold a literal."""
    finder = Prefilter(
        (entry[0].encode(), entry[2].encode(), number)
        for number, entry in enumerate(patterns.literals)
    )
    wanted: dict[int, tuple[list[int], dict[int, list[str]]]] = {}
    for index, literals in finder.lines(text).items():
        numbers: list[int] = []
        by_pattern: dict[int, list[str]] = {}
        for literal in literals:
            entry = patterns.literals[literal]
            for number in entry[1]:
                if number not in by_pattern:
                    numbers.append(number)
                by_pattern.setdefault(number, []).append(entry[0])
        wanted[index] = (sorted(numbers), by_pattern)
    if patterns.unfiltered:
        for index in range(len(text.lines)):
            numbers, by_pattern = wanted.setdefault(index, ([], {}))
            numbers += patterns.unfiltered
    return [(index, *wanted[index]) for index in sorted(wanted)]


def _search(
    patterns: Patterns, number: int, text: str, literals: dict[int, list[str]]
) -> dict[str, str] | None:
    """Return the named groups of a match, None for no match."""
    regex = patterns.regex(number)
    if len(text) <= LONG:
        match = regex.search(text)
        if match is None and "\\" in text:
            match = regex.search(_slashes(text))
        return None if match is None else match.groupdict()
    windows = [text[:LONG], text[-LONG:]]
    for literal in literals.get(number, ()):
        at = text.find(literal)
        while at >= 0 and len(windows) < 12:
            windows.append(text[max(0, at - LONG // 2) : at + LONG // 2])
            at = text.find(literal, at + LONG // 2)
    for window in windows:
        match = regex.search(window)
        if match is not None:
            return match.groupdict()
    return None


def _place(matches: list[Match], blocks: list[Block]) -> dict[int, Block]:
    """Give each match the block that its line is in; return the blocks by line."""
    member: dict[int, Block] = {}
    for block in blocks:
        for line in block.members:
            member.setdefault(line.at, block)
    for match in matches:
        match.block = member.get(match.line.at)
    return member


def _vetoed(match: Match, vetoes: Iterable[Line], member: dict[int, Block]) -> bool:
    """Whether an `unless` line speaks against a match.

    The traceback of a launcher tells nothing about the failure of its child, and does not count;
    nor does code that is shown beside a frame.
    """
    for line in vetoes:
        block = member.get(line.at)
        if quoted_code(line, block):
            continue
        if block is None or block is match.block or not block.launcher:
            return True
    return False


def quoted_code(line: Line, block: Block | None) -> bool:
    """Whether a line of a traceback is code that stands beside the line that ran."""
    return (
        block is not None
        and block.kind in ("traceback", "cut")
        and line.at < block.stated
        and bool(_CONTEXT.match(line.text))
        and not any(raised.line <= line.at <= raised.end for raised in block.raised)
    )


def _near(match: Match, lines: list[Line], patterns: Patterns) -> bool:
    near: list[str] = patterns.rules[match.rule][4]
    if not near:
        return True
    import re

    around = surroundings(match, lines)
    wanted = [re.compile(text) for text in near]
    return any(
        regex.search(text)
        for text in (_slashes(line.text[:LONG]) for line in around)
        for regex in wanted
    )


def _slashes(text: str) -> str:
    """Return a line with the separators of Windows paths written as patterns write them."""
    return text.replace("\\\\", "/").replace("\\", "/") if "\\" in text else text


def surroundings(match: Match, lines: list[Line]) -> list[Line]:
    """Return the lines that `near` may look at: the match's block, else the lines round it."""
    if match.block is not None and match.block.kind == "traceback":
        return match.block.members
    at = bisect_left([line.at for line in lines], match.line.at)
    return [
        line
        for line in lines[max(0, at - NEARBY) : at + NEARBY + 1]
        if line.stream == match.line.stream or not match.line.stream or not line.stream
    ]
