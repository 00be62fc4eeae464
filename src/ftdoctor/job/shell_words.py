"""Words of a shell script: quotes, expansions, line continuations, here-documents.

Every part remembers where it stands. Nothing is expanded here (see `shell_follow`).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftdoctor.lazy import lazy
from ftdoctor.records import dataclass, field

if TYPE_CHECKING:
    from ftdoctor.job.shell_tree import Block

BLANKS = " \t"
META = frozenset(" \t\n;&|<>()")
#: `<YOUR_BUCKET>` in a document is a placeholder, not a redirection.
_PLACEHOLDER = lazy(r"<[A-Za-z](?:[A-Za-z0-9_.\-]|[ ](?=[A-Za-z0-9])){0,60}>")
_NAME = lazy(r"[A-Za-z_][A-Za-z0-9_]*")
_CONTINUED = lazy(r"\\{1,2}[ \t]*\n")
_TRAILING = lazy(r"\\[ \t]+\n")
#: How deep expansions may nest; deeper text is taken as it stands.
MAX_DEPTH = 30


@dataclass(slots=True)
class Part:
    """A piece of a word. `kind`: "text", "var", "command" (`$(...)`), "other" (arithmetic, ...).

    `text` is the literal text, the variable's name, or the source text of the expansion.
    `chars` maps literal characters to offsets. `quoted` tells that no word splitting happens.
    """

    kind: str
    text: str
    start: int
    end: int
    quoted: bool = False
    chars: tuple[int, ...] = ()
    #: "${NAME<op>argument}": the operator (":-", "%%", ...) and its argument as a word.
    op: str = ""
    argument: Word | None = None
    #: Commands inside `$(...)`.
    block: Block | None = None


@dataclass(slots=True)
class Word:
    """A word as written: its parts and its span."""

    parts: list[Part] = field(default_factory=list)
    start: int = 0
    end: int = 0
    #: True when any quote occurs, so that an empty word is still a word.
    quoted: bool = False

    def literal(self) -> str | None:
        """Return the text when nothing in the word is expanded."""
        if any(part.kind != "text" for part in self.parts):
            return None
        return "".join(part.text for part in self.parts)


@dataclass(slots=True)
class Heredoc:
    """A here-document: the span of its body, and whether the shell expands it."""

    delimiter: str
    expands: bool
    strip_tabs: bool
    start: int = 0
    end: int = 0


class Words:
    """Reads words from a text. `pos` is the offset of the next character."""

    def __init__(self, text: str, pos: int = 0) -> None:
        self.text = text
        self.pos = pos
        self.depth = 0
        self.pending: list[Heredoc] = []
        #: Offsets of "\\ " before a line end: bash takes these as an escaped blank.
        self.broken: list[int] = []

    def peek(self, count: int = 1) -> str:
        """Return the next characters without taking them."""
        return self.text[self.pos : self.pos + count]

    def skip_blanks(self) -> None:
        """Skip blanks, continued lines and a comment."""
        text, size = self.text, len(self.text)
        while self.pos < size:
            char = text[self.pos]
            if char in BLANKS or char == "\r":
                self.pos += 1
            elif char == "\\" and (match := _CONTINUED.match(text, self.pos)):
                self._continuation(match)
            elif char == "#":
                end = text.find("\n", self.pos)
                self.pos = size if end < 0 else end
            else:
                return

    def _continuation(self, match: re.Match[str]) -> None:
        if _TRAILING.match(self.text, match.start()):
            self.broken.append(match.start())
        self.pos = match.end()

    def newline(self) -> None:
        """Take a line end, and the bodies of here-documents that begin after it."""
        self.pos += 1
        pending, self.pending = self.pending, []
        for heredoc in pending:
            self._body(heredoc)

    def _body(self, heredoc: Heredoc) -> None:
        text = self.text
        heredoc.start = self.pos
        while self.pos < len(text):
            end = text.find("\n", self.pos)
            end = len(text) if end < 0 else end
            line = text[self.pos : end].rstrip("\r")
            if (line.lstrip("\t") if heredoc.strip_tabs else line) == heredoc.delimiter:
                heredoc.end = self.pos
                self.pos = min(end + 1, len(text))
                return
            self.pos = min(end + 1, len(text))
        heredoc.end = len(text)

    def word(self, stop: frozenset[str] = META) -> Word | None:
        """Read the word that begins here; None when there is none."""
        word = Word(start=self.pos)
        text, size = self.text, len(self.text)
        literal: list[str] = []
        offsets: list[int] = []

        def flush(quoted: bool = False) -> None:
            if literal:
                word.parts.append(
                    Part("text", "".join(literal), offsets[0], self.pos, quoted, tuple(offsets))
                )
                literal.clear()
                offsets.clear()

        while self.pos < size:
            char = text[self.pos]
            if char == "\\":
                if match := _CONTINUED.match(text, self.pos):
                    self._continuation(match)
                    if self._blank_next():
                        break
                    continue
                if self.pos + 1 < size:
                    literal.append(text[self.pos + 1])
                    offsets.append(self.pos + 1)
                    word.quoted = True
                self.pos += 2
                continue
            if char == "<" and stop is META and (found := _PLACEHOLDER.match(text, self.pos)):
                literal.extend(found.group())
                offsets.extend(range(self.pos, found.end()))
                self.pos = found.end()
                continue
            if char in stop:
                if not (char in "<>" and self.peek(2) in ("<(", ">(")):
                    break
                flush()
                self._process_substitution(word)
                continue
            if char == "'":
                flush()
                word.quoted = True
                self._single(word)
            elif char == '"':
                flush()
                word.quoted = True
                self.pos += 1
                self._double(word, '"')
            elif char == "$" and self.peek(2) in ("$'", '$"'):
                flush()
                word.quoted = True
                self.pos += 1
                if self.peek() == "'":
                    self._ansi(word)
            elif char in "$`":
                flush()
                part = self.expansion(False)
                if part is None:
                    literal.append(char)
                    offsets.append(self.pos)
                    self.pos += 1
                else:
                    word.parts.append(part)
            else:
                literal.append(char)
                offsets.append(self.pos)
                self.pos += 1
        flush()
        self.pos = min(self.pos, size)
        word.end = self.pos
        return word if word.parts or word.quoted else None

    def _blank_next(self) -> bool:
        return self.peek() in (*BLANKS, "")

    def _single(self, word: Word) -> None:
        end = self.text.find("'", self.pos + 1)
        end = len(self.text) if end < 0 else end
        start = self.pos + 1
        body = self.text[start:end]
        self.pos = min(end + 1, len(self.text))
        word.parts.append(Part("text", body, start, end, True, tuple(range(start, end))))

    def _ansi(self, word: Word) -> None:
        simple = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", "'": "'", '"': '"', "0": "\0"}
        start = self.pos
        self.pos += 1
        out: list[str] = []
        offsets: list[int] = []
        while self.pos < len(self.text) and self.text[self.pos] != "'":
            char = self.text[self.pos]
            if char == "\\" and self.pos + 1 < len(self.text):
                following = self.text[self.pos + 1]
                out.append(simple.get(following, following))
                offsets.append(self.pos)
                self.pos += 2
                continue
            out.append(char)
            offsets.append(self.pos)
            self.pos += 1
        self.pos = min(self.pos + 1, len(self.text))
        word.parts.append(Part("text", "".join(out), start, self.pos, True, tuple(offsets)))

    def _double(self, word: Word, closer: str) -> None:
        """Read up to the closing double quote (or the end, for a here-document's body)."""
        text, size = self.text, len(self.text)
        literal: list[str] = []
        offsets: list[int] = []

        def flush() -> None:
            if literal:
                word.parts.append(
                    Part("text", "".join(literal), offsets[0], self.pos, True, tuple(offsets))
                )
                literal.clear()
                offsets.clear()

        while self.pos < size:
            char = text[self.pos]
            if char == closer:
                break
            if char == "\\":
                following = text[self.pos + 1 : self.pos + 2]
                if following == "\n":
                    self.pos += 2
                    continue
                if following and (following in "$`\\" or following == closer):
                    literal.append(following)
                    offsets.append(self.pos + 1)
                    self.pos += 2
                    continue
            if char in "$`":
                flush()
                part = self.expansion(True)
                if part is not None:
                    word.parts.append(part)
                    continue
            literal.append(char)
            offsets.append(self.pos)
            self.pos += 1
        flush()
        self.pos = min(self.pos + 1, size)

    def _process_substitution(self, word: Word) -> None:
        start = self.pos
        self.pos += 2
        self.nested()
        word.parts.append(Part("other", self.text[start : self.pos], start, self.pos, True))

    def nested(self) -> Block | None:
        """Parse commands up to the closing parenthesis, which is taken."""
        from ftdoctor.job.shell_parse import Parser

        if self.depth >= MAX_DEPTH:
            self.pos = len(self.text)
            return None
        inner = Parser(self.text, self.pos)
        inner.depth = self.depth + 1
        block = inner.block((")",))
        self.pos = min(inner.pos + 1, len(self.text))
        self.broken.extend(inner.broken)
        return block

    def expansion(self, quoted: bool) -> Part | None:
        """Read the `$...` or backquoted expansion here; None when `$` is just a character."""
        start = self.pos
        text = self.text
        if text[start] == "`":
            end = text.find("`", start + 1)
            self.pos = len(text) if end < 0 else end + 1
            return self._backquoted(start, quoted)
        if text.startswith("$((", start):
            depth, at = 0, start + 1
            while at < len(text):
                depth += (text[at] == "(") - (text[at] == ")")
                at += 1
                if depth == 0:
                    break
            self.pos = at
            return Part("other", text[start:at], start, at, quoted)
        if text.startswith("$(", start):
            self.pos += 2
            block = self.nested()
            return Part("command", text[start : self.pos], start, self.pos, quoted, block=block)
        if text.startswith("${{", start):
            # An expression of GitHub Actions, filled in before the shell sees it.
            end = text.find("}}", start)
            self.pos = len(text) if end < 0 else end + 2
            return Part("other", text[start : self.pos], start, self.pos, quoted)
        if text.startswith("${", start):
            return self._braced(start, quoted)
        if match := _NAME.match(text, start + 1):
            self.pos = match.end()
            return Part("var", match.group(), start, self.pos, quoted)
        special = text[start + 1 : start + 2]
        if special and (special in "@*#?$!-" or special.isdigit()):
            self.pos += 2
            return Part("var", special, start, self.pos, quoted)
        return None

    def _backquoted(self, start: int, quoted: bool) -> Part:
        from ftdoctor.job.shell_parse import Parser

        end = self.pos
        block = None
        # The text is copied for each: not in files longer than anyone writes.
        if self.depth < MAX_DEPTH and end - start > 2 and start < 100_000:
            inner = Parser(self.text[: end - 1], start + 1)
            inner.depth = self.depth + 1
            block = inner.block(())
        return Part("command", self.text[start:end], start, end, quoted, block=block)

    def _braced(self, start: int, quoted: bool) -> Part:
        """Read `${...}`; the argument of an operator is a word of its own."""
        text = self.text
        self.pos += 2
        length = self.peek() == "#" and self.peek(2) != "#}"
        if self.peek() in ("#", "!"):
            self.pos += 1
        match = _NAME.match(text, self.pos) or re.compile(r"[@*#?$!\-0-9]+").match(text, self.pos)
        name = match.group() if match else ""
        self.pos = match.end() if match else self.pos
        part = Part("var", name, start, start, quoted)
        if self.peek() == "[":
            end = text.find("]", self.pos)
            end = len(text) if end < 0 else end
            part.op = text[self.pos : end + 1]
            self.pos = min(end + 1, len(text))
        operator = re.compile(r":?[-+=?]|%%?|##?|//?|\^\^?|,,?|:|@").match(text, self.pos)
        if operator and self.peek() != "}":
            part.op += operator.group()
            self.pos = operator.end()
            part.argument = self._argument()
        else:
            end = text.find("}", self.pos)
            self.pos = len(text) if end < 0 else end
        if length or not name:
            part.kind = "other"
        self.pos = min(self.pos + 1, len(text))
        part.end = self.pos
        if part.kind == "other":
            part.text = text[start : self.pos]
        return part

    def _argument(self) -> Word:
        if self.depth >= MAX_DEPTH:
            self.pos = len(self.text)
            return Word(start=self.pos, end=self.pos)
        self.depth += 1
        start = self.pos
        word = self.word(frozenset("}")) or Word(start=start, end=self.pos)
        self.depth -= 1
        return word


def heredoc_word(text: str, start: int, end: int) -> Word:
    """Return the body [start, end) of an unquoted here-document as one word, expansions marked."""
    words = Words(text[:end], start)
    word = Word(start=start, end=end, quoted=True)
    words._double(word, "")
    return word
