"""One cause out of many matches: what broke first, what only followed, what is noise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftdoctor.lazy import lazy
from ftdoctor.logs.blocks import find_blocks
from ftdoctor.logs.lines import PLATFORM_STREAMS, Line, Text
from ftdoctor.logs.match import Match, find_matches, quoted_code
from ftdoctor.logs.progress import Life

if TYPE_CHECKING:
    from ftdoctor.logs.blocks import Block
    from ftdoctor.logs.patterns import Patterns

_ROLES = {"cause": 0, "consequence": 1, "wrapper": 2}
#: Longest message, in lines, that is put together again.
_WRAPPED = 12
_RETRY = lazy(r"\b[Rr]etry(?:ing)?\b|\b[Ww]ill retry\b|\battempt \d+ of \d+|Trying to resume")
#: Lines of the file after which a traceback was not what ended a process.
_LONG_AFTER = 40
#: Several processes write into one log: each may die of its own.
_PARALLEL = (
    b"NCCL",
    b"distributed/elastic",
    b"distributed.elastic",
    b"torchrun",
    b"local_rank",
    b"world_size",
    b"[rank",
    b"deepspeed",
    b"ProcessGroup",
    b"workerpool",
)
#: As logging's formats put the level; NCCL's INFO is another thing.
_INFO = lazy(r"^(?:INFO|DEBUG):[\w.]+:|^\[?(?:INFO|DEBUG)[|\]]|^[\w.]* ?- (?:INFO|DEBUG) - ")
#: Known to stand in healthy logs too. Google's images print the first in runs that succeed.
_HARMLESS = lazy(
    r"No module named '(?:pythonjsonlogger|sitecustomize|usercustomize)'|sitecustomize"
    r"|Exception ignored in"
    # pip installed what was asked for, and tells of packages that nobody may import.
    r"|pip's dependency resolver does not currently|^ERROR: After October 2020 you may"
    # vLLM falls back to another kernel; trackers ask git for a commit that is not there.
    r"|Cannot use FA version|not a git repository|git root error"
)


class Verdict:
    """What a run's lines say."""

    def __init__(
        self,
        cause: Match | None = None,
        confidence: str = "",
        also: list[Match] | None = None,
        block: Block | None = None,
        *,
        failed: bool = False,
    ) -> None:
        self.cause = cause
        self.confidence = confidence
        self.also = also or []
        #: The failure that decided, or the one to show when nothing was recognised.
        self.block = block
        self.failed = failed


class Run:
    """The lines of the last attempt with what was found in them; deciders look at it."""

    def __init__(self, lines: list[Line], patterns: Patterns, facts: dict[str, Any]) -> None:
        self.lines = lines
        self.patterns = patterns
        self.facts = facts
        self.text = Text(lines)
        self.blocks = find_blocks(self.text)
        self.matches = find_matches(self.text, self.blocks, patterns)
        self.life = Life(self.text)
        #: Whether several processes wrote the lines.
        self.parallel = len({line.stream for line in lines}) > 1 or bool(
            self.text.holding(_PARALLEL)
        )

    def name(self, match: Match) -> str:
        """The rule's name of a match."""
        found: str = self.patterns.rules[match.rule][1]
        return found


def judge(run: Run) -> Verdict:
    """Name the cause, if there is one."""
    _decide(run)
    fatal = [block for block in run.blocks if not _survived(block, run)]
    alive = [match for match in run.matches if not _is_past(match, run, fatal)]
    rules = run.patterns.rules
    causes = [match for match in alive if rules[match.rule][3] == "cause"]
    pool = causes or [match for match in alive if rules[match.rule][3] == "consequence"]
    pool = pool or [match for match in alive if rules[match.rule][3] == "wrapper"]
    pool = _without_ancestors(pool, run.patterns)
    shown = _decisive(fatal)
    if not pool:
        return Verdict(also=_one_each(run.matches), block=shown, failed=bool(fatal))
    pool.sort(key=lambda match: _rank(match, run, fatal))
    best = pool[0]
    others = {match.rule for match in pool} - {best.rule}
    in_fatal = best.block in fatal if best.block else False
    if rules[best.rule][3] != "cause":
        confidence = "low"
    elif in_fatal or best.line.stream in PLATFORM_STREAMS:
        confidence = (
            "medium"
            if others and _rank(pool[0], run, fatal)[0] == _next_rank(pool, run, fatal)
            else "high"
        )
    else:
        confidence = "medium"
    also = [match for match in _one_each(run.matches) if match.rule != best.rule]
    return Verdict(best, confidence, also, best.block or shown, failed=True)


def judge_unwrapped(run: Run) -> Verdict | None:
    """Try a failure that no rule knows again with the lines of its message put together.

    Terminals, Rich and issue trackers break long messages; rules are written for one line.
    """
    joined: list[Line] = []
    for block in run.blocks:
        if _survived(block, run) or _outlived(block, run):
            continue
        for raised in block.raised:
            parts = [line for line in block.members if raised.line <= line.at <= raised.end]
            if 1 < len(parts) <= _WRAPPED:
                for between in ("", " "):
                    text = between.join(part.text.strip() for part in parts)
                    joined.append(Line(parts[0].number, text, parts[0].stream))
    if not joined:
        return None
    for at, line in enumerate(joined):
        line.at = at
    verdict = judge(Run(joined, run.patterns, run.facts))
    return verdict if verdict.cause is not None else None


def _next_rank(pool: list[Match], run: Run, fatal: list[Block]) -> int:
    """The rank of the best match of another rule in another block."""
    for match in pool[1:]:
        if match.rule != pool[0].rule and match.block is not pool[0].block:
            return _rank(match, run, fatal)[0]
    return -1


def _decide(run: Run) -> None:
    """Let the named deciders choose between a rule and its children."""
    rules = run.patterns.rules
    kept: list[Match] = []
    for match in run.matches:
        name = rules[match.rule][5]
        if name:
            from ftdoctor.logs.deciders import decide

            chosen = decide(name, match, run)
            if chosen is None:
                continue
            number = run.patterns.by_name.get(chosen)
            if number is not None:
                match.rule = number
        kept.append(match)
    run.matches = kept


def _harmless(block: Block) -> bool:
    """Whether the lines that state a failure are known from healthy runs."""
    told = [line for line in block.members if line.at <= block.stated]
    return any(_HARMLESS.search(line.text) for line in told[-3:])


def _survived(block: Block, run: Run) -> bool:
    """Whether the run went on after this failure, or the failure is known to be harmless."""
    if _harmless(block):
        return True
    return run.life.survived(block.stated) or _only_warned(block, run)


def _told_in_passing(match: Match) -> bool:
    """Whether a line says of itself that it is no failure: a logger's INFO or DEBUG."""
    return match.block is None and bool(_INFO.search(match.line.text))


def _outlived(block: Block, run: Run) -> bool:
    """Whether the one process of a run went on for long after a traceback, to die of another."""
    if block.kind != "traceback" or run.parallel:
        return False
    last = next(
        (b for b in reversed(run.blocks) if b.kind == "traceback" and not b.launcher), block
    )
    between = last.members[0].number - block.members[-1].number
    return last.stream == block.stream and last.first > block.last and between >= _LONG_AFTER


def _only_warned(block: Block, run: Run) -> bool:
    """Whether a logger put a whole traceback at WARNING or lower and the run said more after it."""
    return (
        all(line.mild for line in block.members if line.at <= block.stated)
        and run.lines[-1].at > block.stated
        and any(line.at > block.stated and not line.mild for line in run.lines)
    )


def _is_past(match: Match, run: Run, fatal: list[Block]) -> bool:
    """Whether a match tells of something that the run outlived.

    A warning that a rule names on purpose stays; an exception that was caught, or an error that
    was tried again, does not when the run went on.
    """
    if _told_in_passing(match) or quoted_code(match.line, match.block):
        return True
    block = match.block
    if block is not None and _harmless(block):
        if match.line.at <= block.stated:
            return True
        # What follows it only looks like more of its message.
        block = None
    if block is not None:
        if run.life.survived(block.stated) or _only_warned(block, run):
            return True
        # What pip could not build is missing later on: the first failure is the root.
        return run.patterns.rules[match.rule][0][:6] != "FT-PKG" and _outlived(block, run)
    if not _RETRY.search(match.line.text):
        return False
    # Tried again, and nothing says that it failed in the end.
    network = run.patterns.rules[match.rule][0].startswith("FT-NET-")
    return run.life.survived(match.line.at) or (network and not fatal)


def _rank(match: Match, run: Run, fatal: list[Block]) -> tuple[int, int, int]:
    """Order of candidates, the best first: (kind of evidence, order of blocks, order of lines)."""
    block = match.block
    if match.line.stream in PLATFORM_STREAMS:
        return (0, 0, match.line.at)
    if block is not None and block in fatal:
        if block.launcher:
            return (3, block.stated, match.line.at)
        if block.kind in ("traceback", "bare", "cut"):
            return (1, block.stated, match.line.at)
        return (2, block.stated, match.line.at)
    # A warning above the traceback is often the root (a driver too old, then "No GPU found"); the
    # network's warnings are mostly of requests that went through on the second try.
    area = run.patterns.rules[match.rule][0].split("-")[1]
    mild = area in ("NET", "AUTH") or bool(_RETRY.search(match.line.text))
    return (2 if mild else 1, match.line.at, match.line.at)


def _without_ancestors(pool: list[Match], patterns: Patterns) -> list[Match]:
    """Drop a rule when one of its children is there too."""
    names = {patterns.rules[match.rule][1] for match in pool}
    ancestors = {above for name in names for above in patterns.ancestors(name)}
    return [match for match in pool if patterns.rules[match.rule][1] not in ancestors]


def _one_each(matches: list[Match]) -> list[Match]:
    """Return the first match of each rule."""
    seen: dict[int, Match] = {}
    for match in matches:
        seen.setdefault(match.rule, match)
    return list(seen.values())


def _decisive(fatal: list[Block]) -> Block | None:
    """Return the failure to show when no rule knows it: the last real traceback, else the last."""
    real = [b for b in fatal if b.kind in ("traceback", "cut", "bare") and not b.launcher]
    return (real or fatal or [None])[-1]  # type: ignore[list-item]
