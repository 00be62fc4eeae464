"""Find the exceptions in a run's lines: tracebacks and their chains, per stream.

Forms: CPython's traceback (also cut off at the top, in boxes of Rich, in IPython cells), a bare
last line (`ValueError: ...`), and the one-line failures of programs that are not Python.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftdoctor.lazy import lazy

if TYPE_CHECKING:
    from ftdoctor.logs.lines import Line, Text

HEAD = "Traceback (most recent call last)"
CHAIN = (
    "During handling of the above exception, another exception occurred",
    "The above exception was the direct cause of the following exception",
)
_FRAME = lazy(r'[\s|+]*File ".+?", line \d+|\s+File .+:\d+, in ')
#: The same as faulthandler prints it, below a fatal signal: no exception follows.
_FAULT_FRAME = lazy(r'\s*File ".+?", line \d+ in ')
#: `module.Name: text`, where Name ends like an exception's.
_NAMED = lazy(
    r"(?:\w+\.)*[A-Za-z_]\w*"
    r"(?:Error|Exception|Interrupt|Exit|Timeout|Failure|Failed|Refused|NotFound|Denied|Unavailable"
    r"|Forbidden|Exhausted|Invalid\w*|Mismatch|Warning|StopIteration|Abort|Cancelled"
    r"|TooOldForTriton|Missing|Exceeded)"
    r"(?::(?=\s|$)|$)"
)
_TYPE = lazy(r"((?:\w+\.)*[A-Za-z_]\w*)(?::\s?(.*))?$", re.S)
_RICH_TOP = lazy(r"^\s*[╭┌+][─-]+.*Traceback \(most recent call last\).*[─-]+[╮┐+]")
_NOISE = lazy(r"\d+%\|| it/s\]|^\{'(?:loss|eval_loss|train_runtime)'")
#: A failure told in one line by a program that is no Python traceback.
FAILURE = lazy(
    r"^(?:[\w./-]+: )?(?:error|fatal error|fatal|ERROR|Error)\s?: \S"
    r"|^(?:ERROR|CRITICAL|FATAL)\b[\s:\]-]"
    r"|\b(?:Segmentation fault|Bus error|core dumped|Fatal Python error|terminate called after)\b"
    r"|^Killed\b|\bKilled\s*$"
    r"|\bexited with (?:a )?(?:non-?zero|exit code [1-9]|code [1-9]|status [1-9])"
    r"|\bexit(?:s|ed)? with return code = -?[1-9]|\bexit(?:ed)?[ _]code:? ?\(?-?[1-9]"
    r"|\bexitcode *: -?[1-9]|\bfinished with exit code [1-9]|\bJob failed\b"
    r"|\bran out[- ]of[- ]memory\b|\bOOMKilled\b|\bdeath signal\b|^npm ERR!|^make: \*\*\*"
    r"|\bError response from daemon: |^nvidia-container-cli: .{0,40}error"
    r"|: command not found$|: can't open file '|^\S+(?: [\w.-]+){0,3}: error: "
    r"|\bInternal error occurred\b|\bResources are insufficient\b|^Job timeout"
    r"|finished with stage 'ERROR'"
)
#: Words of warning levels at the head of a line: no failure by themselves.
_MILD = lazy(
    r"^\W*(?:WARN(?:ING)?|INFO|DEBUG|NOTE|FutureWarning|UserWarning|DeprecationWarning)\b|Warning: "
)
#: Exceptions that launchers end with when their child failed.
_LAUNCHER = lazy(
    r"ChildFailedError|CalledProcessError|SignalException|ProcessRaisedException"
    r"|ProcessExitedException"
)
_MESSAGE_LINES = 40
#: Characters shown of one line of a block.
_SHOWN = 2000
#: What a line is shows in its first characters.
_HEAD_CHARS = 2000


class Raised:
    """One exception of a block: its type, message, and the line that states it."""

    __slots__ = ("end", "first", "line", "message", "type")

    def __init__(self, kind: str, message: str, first: int, line: int) -> None:
        self.type = kind
        self.message = message
        #: `at` of its traceback's first line, of the line that states it, of its message's last.
        self.first = first
        self.line = line
        self.end = line


class Block:
    """One failure as printed: a traceback with its chain, or a bare line."""

    __slots__ = ("first", "kind", "last", "members", "raised", "stream")

    def __init__(self, kind: str, stream: str, line: Line) -> None:
        #: "traceback" | "bare" | "line"
        self.kind = kind
        self.stream = stream
        self.first = self.last = line.at
        self.members: list[Line] = [line]
        self.raised: list[Raised] = []

    def add(self, line: Line) -> None:
        """Put a line into the block."""
        self.members.append(line)
        self.last = line.at

    @property
    def final(self) -> Raised | None:
        """The exception that ended it."""
        return self.raised[-1] if self.raised else None

    @property
    def stated(self) -> int:
        """`at` of the line that states how it ended; what follows may belong to its message."""
        return self.raised[-1].line if self.raised else self.last

    @property
    def launcher(self) -> bool:
        """Whether it is the traceback of a launcher, which only tells that its child ended."""
        final = self.final
        return final is not None and bool(_LAUNCHER.search(final.type))

    def text(self, limit: int = 120) -> str:
        """Return the block as printed; a long one without its middle."""
        lines = [line.text for line in self.members]
        lines = [t if len(t) <= _SHOWN else f"{t[:_SHOWN]} …" for t in lines]
        if len(lines) > limit:
            cut = len(lines) - limit
            lines = [*lines[: limit // 2], f"  ... {cut} lines left out ...", *lines[-limit // 2 :]]
        return "\n".join(lines)


#: A line that begins a block holds one of these.
_STARTS = tuple(
    b"Traceback|File |rror|ERROR|Exception|Interrupt|Exit|imeout|ail|Refused|NotFound|Denied"
    b"|Unavail|Forbidden|Exhausted|Invalid|Mismatch|StopIteration|Abort|Cancelled|TooOld|Missing"
    b"|Exceeded|atal|FATAL|CRITICAL|Segmentation|core dumped|terminate called|Killed|exit|memory"
    b"|not found|can't open|death signal|ERR!|***|occurred|insufficient".split(b"|")
)


def find_blocks(text: Text) -> list[Block]:
    """Return the blocks of a run, ordered by where they end."""
    parsers: dict[str, _Parser] = {}
    starts = text.holding(_STARTS)
    for index, line in enumerate(text.lines):
        parser = parsers.get(line.stream)
        if parser is None:
            parser = parsers[line.stream] = _Parser(line.stream)
        if parser.state or index in starts:
            parser.feed(line)
    blocks = [block for parser in parsers.values() for block in parser.finish()]
    return sorted(blocks, key=lambda block: (block.last, block.first))


class _Parser:
    """A state machine over the lines of one stream."""

    def __init__(self, stream: str) -> None:
        self.stream = stream
        self.done: list[Block] = []
        self.block: Block | None = None
        #: "" | "frames" (in a traceback) | "message" (after its last line) | "chain"
        self.state = ""
        self.indent = 0
        self.start = 0
        self.noise = 0
        self.blank = 0
        self.kind = ""
        self.name = ""

    def finish(self) -> list[Block]:
        self._close()
        return self.done

    def _close(self) -> None:
        if self.block is not None:
            if self.state == "frames" and not self.block.raised and self.block.kind == "traceback":
                self.block.kind = "cut"
            self.done.append(self.block)
        self.block = None
        self.state = ""

    def feed(self, line: Line) -> None:
        text = line.text[:_HEAD_CHARS]
        if line.gap and self.state in ("message", "chain"):
            self._close()
        if HEAD in text:
            self._head(line)
        elif self.state == "frames":
            self._frames(line)
        elif self.state in ("message", "chain"):
            self._message(line)
        else:
            self._outside(line)

    def _head(self, line: Line) -> None:
        text = line.text[:_HEAD_CHARS]
        if self.block is not None and self.state == "chain":
            self.block.add(line)
        else:
            self._close()
            self.block = Block("traceback", self.stream, line)
        self.state = "frames"
        self.start = line.at
        self.noise = 0
        self.blank = 0
        self.indent = len(text) - len(text.lstrip(" |+"))
        before = text.split(HEAD)[0].strip()
        self.name = ""
        if _RICH_TOP.match(text):
            self.kind = "rich"
        elif re.fullmatch(r"[A-Za-z_]\w*", before):
            # IPython: `ValueError       Traceback (most recent call last)`; ends at `ValueError: `.
            self.kind, self.name = "ipython", before
        else:
            self.kind = "python"
            if before and not before.endswith(":") and self.indent == 0:
                self.indent = 0

    def _frames(self, line: Line) -> None:
        assert self.block is not None
        text = line.text[:_HEAD_CHARS]
        stripped = text.strip()
        if self.kind == "ipython":
            self.block.add(line)
            if (
                stripped.startswith(f"{self.name}:")
                or stripped == self.name
                # The traceback of another exception of the chain was left out.
                or (_NAMED.match(text) and not _MILD.search(stripped))
            ):
                self._raise(line)
            elif len(self.block.members) > 2000:
                self._close()
            return
        if not stripped:
            self.blank += 1
            self.block.add(line)
            return
        if self.kind == "rich" and (text[:1] in "╰└+" or not _NAMED.match(stripped)):
            self.block.add(line)
            if len(self.block.members) > 2000:
                self._close()
            return
        depth = len(text) - len(text.lstrip(" |+"))
        if _FRAME.match(text) or depth > self.indent or stripped[0] in "^~":
            self.block.add(line)
            return
        match = _TYPE.match(stripped)
        if match and (
            _NAMED.match(stripped) or (self._plausible(match[1]) and not _NOISE.search(text))
        ):
            self.block.add(line)
            self._raise(line)
            return
        if any(mark in text for mark in CHAIN):
            self.block.add(line)
            self.state = "chain"
            return
        self.noise += 1
        self.block.add(line)
        if self.noise > 60:
            self._close()

    @staticmethod
    def _plausible(name: str) -> bool:
        """Whether a name at the end of a traceback can be an exception's (`queue.Empty`, `Foo`)."""
        last = name.rsplit(".", 1)[-1]
        return last[:1].isupper() and not last.isupper() and ("." in name or len(last) > 3)

    def _raise(self, line: Line) -> None:
        assert self.block is not None
        match = _TYPE.match(line.text[:_HEAD_CHARS].strip())
        kind, message = (match[1], match[2] or "") if match else (line.text.strip(), "")
        self.block.raised.append(Raised(kind, message, self.start, line.at))
        self.state = "message"
        self.blank = 0
        self.noise = 0

    def _message(self, line: Line) -> None:
        assert self.block is not None
        text = line.text[:_HEAD_CHARS]
        stripped = text.strip()
        if not stripped:
            self.blank += 1
            if self.blank > 2 and self.state == "message":
                self._close()
                return
            self.block.add(line)
            return
        if any(mark in text for mark in CHAIN):
            self.block.add(line)
            self.state = "chain"
            self.start = line.at
            return
        if self.state == "chain":
            if len(self.block.members) > 2000:
                self._close()
            else:
                self.block.add(line)
            return
        raised = self.block.raised[-1]
        if _FRAME.match(text):
            # The head of the next traceback was cut off.
            self._close()
            self._outside(line)
            return
        told = self.block.kind == "bare" and FAILURE.search(stripped) and not _MILD.match(stripped)
        if (
            told
            or line.at - raised.line > _MESSAGE_LINES
            or _NOISE.search(text)
            or _NAMED.match(stripped)
        ):
            self._close()
            self._outside(line)
            return
        self.block.add(line)
        raised.end = line.at

    def _outside(self, line: Line) -> None:
        text = line.text[:_HEAD_CHARS]
        stripped = text.strip()
        if not stripped:
            return
        if _FRAME.match(text):
            if _FAULT_FRAME.match(text):
                return
            self.block = Block("traceback", self.stream, line)
            self.state, self.kind, self.noise, self.blank = "frames", "python", 0, 0
            self.start = line.at
            self.indent = 0
            return
        if _NAMED.match(stripped) and not _MILD.search(stripped):
            self.block = Block("bare", self.stream, line)
            self.start = line.at
            self._raise(line)
            return
        if FAILURE.search(stripped) and not _MILD.match(stripped):
            block = Block("line", self.stream, line)
            self.done.append(block)
