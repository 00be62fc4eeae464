"""The grammar of shell scripts: lists of commands, compound commands, redirections.

A reader's parser, not a shell's: whatever it does not understand is skipped and never an error.
"""

from __future__ import annotations

import re

from ftdoctor.job.shell_tree import Assignment, Block, Redirect, Simple
from ftdoctor.job.shell_words import MAX_DEPTH, META, Heredoc, Word, Words
from ftdoctor.lazy import lazy

_ASSIGN = lazy(r"([A-Za-z_][A-Za-z0-9_]*)(\[[^\]\n]*\])?(\+?)=")
_FUNCTION = lazy(r"(?:function\s+([\w.:\-]+)\s*(?:\(\s*\))?|([\w.:\-]+)\s*\(\s*\))\s*(?=[{(\n])")
_REDIRECT = lazy(r"(\d*|&)(<<<|<<-?|>>|>&|<&|&>>|&>|>\||<>|>|<)")
_KEYWORD = lazy(r"[A-Za-z_{}!\[(]+")
_OPENERS = frozenset(
    ("if", "while", "until", "for", "select", "case", "{", "!", "function", "time")
)
_CLOSERS = frozenset(("then", "else", "elif", "fi", "do", "done", "esac", "}", ";;"))


class Parser(Words):
    """Parses commands from `pos` on."""

    def block(self, closers: tuple[str, ...], kind: str = "list") -> Block:
        """Parse commands up to one of `closers` (reserved words or ")"), which is not taken."""
        block = Block(kind, start=self.pos)
        size = len(self.text)
        while self.pos < size:
            self.skip_blanks()
            char = self.peek()
            if char == "":
                break
            if char == "\n":
                self._join(block, "\n")
                self.newline()
                continue
            if char in ";&|":
                if self.peek(2) == ";;":
                    if ";;" in closers:
                        break
                    self.pos += 2
                    continue
                self._operator(block)
                continue
            if char == ")":
                if ")" in closers:
                    break
                self.pos += 1
                continue
            word = self._keyword()
            if word in closers:
                break
            if word in _CLOSERS:
                # A closer without its opener: a fragment of a script, or a typing error.
                self.pos += len(word)
                continue
            before = self.pos
            node = self._command(word)
            if node is not None:
                block.items.append((node, ""))
            if self.pos <= before:
                self.pos = before + 1
        self.pos = min(self.pos, size)
        block.end = self.pos
        return block

    def _join(self, block: Block, operator: str) -> None:
        if block.items and not block.items[-1][1]:
            block.items[-1] = (block.items[-1][0], operator)

    def _operator(self, block: Block) -> None:
        operator = next(
            o for o in ("&&", "||", "|&", ";", "&", "|") if self.text.startswith(o, self.pos)
        )
        self.pos += len(operator)
        self._join(block, "|" if operator == "|&" else operator)
        if operator in ("&&", "||", "|", "|&"):
            self._skip_lines()

    def _skip_lines(self) -> None:
        """Skip line ends after an operator that continues the list."""
        while True:
            self.skip_blanks()
            if self.peek() != "\n":
                return
            self.newline()

    def _keyword(self) -> str:
        """Return the reserved word that stands here as a word of its own, or ""."""
        match = _KEYWORD.match(self.text, self.pos)
        if not match:
            return ""
        word = match.group()
        if word[0] in "{}!":
            word = word[0]
        after = self.text[self.pos + len(word) : self.pos + len(word) + 1]
        if word == "}" and (after == "" or after in " \t\n;&|)<>\r"):
            return word
        if after and after not in META and after != "\r":
            return ""
        return word if word in _OPENERS or word in _CLOSERS else ""

    def _command(self, word: str) -> Simple | Block | None:
        if self.depth > MAX_DEPTH:
            self.pos = len(self.text)
            return None
        self.depth += 1
        try:
            return self._compound(word)
        finally:
            self.depth -= 1

    def _compound(self, word: str) -> Simple | Block | None:
        text = self.text
        start = self.pos
        if word in ("!", "time"):
            self.pos += len(word)
            self.skip_blanks()
            return self._command(self._keyword())
        if word == "{":
            self.pos += 1
            block = self.block(("}",), "group")
            self.pos += 1
            return self._finish(block, start)
        if text.startswith("((", start):
            end = text.find("))", start)
            self.pos = len(text) if end < 0 else end + 2
            return None
        if text[start : start + 1] == "(":
            self.pos += 1
            block = self.block((")",), "subshell")
            self.pos += 1
            return self._finish(block, start)
        if word == "if":
            return self._if(start)
        if word in ("while", "until"):
            self.pos += len(word)
            block = Block("loop", start=start)
            block.items.append((self.block(("do",), "condition"), "\n"))
            self.pos += 2
            block.items.append((self.block(("done",), "branch"), ""))
            self.pos += 4
            return self._finish(block, start)
        if word in ("for", "select"):
            return self._for(start, len(word))
        if word == "case":
            return self._case(start)
        if function := _FUNCTION.match(text, start):
            return self._function(function, start)
        return self._simple()

    def _finish(self, block: Block, start: int) -> Block:
        block.start = start
        self.pos = min(self.pos, len(self.text))
        while True:
            self.skip_blanks()
            redirect = self._redirect()
            if redirect is None:
                break
            block.redirects.append(redirect)
        block.end = self.pos
        return block

    def _if(self, start: int) -> Block:
        block = Block("if", start=start)
        self.pos += 2
        while self.pos < len(self.text):
            block.items.append((self.block(("then", "fi"), "condition"), "\n"))
            if self._keyword() == "then":
                self.pos += 4
                block.items.append((self.block(("elif", "else", "fi"), "branch"), "\n"))
            closer = self._keyword()
            self.pos += len(closer)
            if closer == "else":
                block.items.append((self.block(("fi",), "branch"), "\n"))
                block.name = "else"
                self.pos += 2
                break
            if closer != "elif":
                break
        return self._finish(block, start)

    def _for(self, start: int, skip: int) -> Block:
        block = Block("loop", start=start)
        self.pos += skip
        self.skip_blanks()
        if self.text.startswith("((", self.pos):
            end = self.text.find("))", self.pos)
            self.pos = len(self.text) if end < 0 else end + 2
        else:
            name = self.word()
            block.name = (name.literal() or "") if name else ""
            self.skip_blanks()
            if re.compile(r"in(?=[\s;])").match(self.text, self.pos):
                self.pos += 2
                while True:
                    self.skip_blanks()
                    word = self.word() if self.peek() not in ("\n", ";", "") else None
                    if word is None:
                        break
                    block.words.append(word)
        while self.pos < len(self.text) and self._keyword() != "do":
            if self._keyword() in ("done", "}"):
                break
            if self.peek() == "\n":
                self.newline()
            else:
                self.pos += 1
            self.skip_blanks()
        if self._keyword() == "do":
            self.pos += 2
        block.items.append((self.block(("done",), "branch"), ""))
        self.pos += 4
        return self._finish(block, start)

    def _case(self, start: int) -> Block:
        block = Block("case", start=start)
        self.pos += 4
        self.skip_blanks()
        subject = self.word()
        if subject:
            block.words.append(subject)
        at = re.compile(r"\s*in\b").match(self.text, self.pos)
        self.pos = at.end() if at else self.pos
        while self.pos < len(self.text):
            self._skip_lines()
            if self._keyword() == "esac" or not self.peek():
                break
            close = self.text.find(")", self.pos)
            if close < 0:
                self.pos = len(self.text)
                break
            pattern = self.text[self.pos : close].strip().lstrip("(")
            self.pos = close + 1
            branch = self.block((";;", "esac"), "branch")
            branch.name = pattern[:80]
            block.items.append((branch, "\n"))
            while self.peek() in (";", "&"):
                self.pos += 1
        self.pos += 4
        return self._finish(block, start)

    def _function(self, match: re.Match[str], start: int) -> Block:
        self.pos = match.end()
        while self.peek() in ("\n", " ", "\t"):
            self.pos += 1
        opener = self.peek()
        self.pos += 1
        body = self.block(("}",) if opener == "{" else (")",), "function")
        self.pos += 1
        body.name = match.group(1) or match.group(2)
        return self._finish(body, start)

    def _redirect(self) -> Redirect | None:
        match = _REDIRECT.match(self.text, self.pos)
        if not match:
            return None
        if self.text.startswith(("<(", ">("), match.start(2)):
            return None
        operator = match.group(2)
        self.pos = match.end()
        self.skip_blanks()
        if operator in ("<<", "<<-"):
            word = self.word()
            if word is None:
                return Redirect(operator, None)
            delimiter = "".join(
                p.text if p.kind == "text" else self.text[p.start : p.end] for p in word.parts
            )
            heredoc = Heredoc(delimiter, not word.quoted, operator == "<<-")
            self.pending.append(heredoc)
            return Redirect(operator, word, heredoc)
        return Redirect(operator, self.word())

    def _simple(self) -> Simple | None:
        command = Simple(start=self.pos)
        while True:
            self.skip_blanks()
            char = self.peek()
            if char == "" or char in "\n;|)":
                break
            if char == "&" and self.peek(2) not in ("&>",):
                break
            if not command.words and (match := _ASSIGN.match(self.text, self.pos)):
                command.assignments.append(self._assignment(match))
                command.end = self.pos
                continue
            if char in "<>&" or char.isdigit():
                redirect = None if self._is_placeholder() else self._redirect()
                if redirect is not None:
                    command.redirects.append(redirect)
                    command.end = self.pos
                    continue
            if (
                command.words
                and command.words[0].literal() in _DECLARING
                and (match := _ASSIGN.match(self.text, self.pos))
            ):
                command.assignments.append(self._assignment(match))
                command.end = self.pos
                continue
            before = self.pos
            word = self.word()
            if word is None:
                if self.pos == before:
                    self.pos += 1
                continue
            command.words.append(word)
            command.end = word.end
            if len(command.words) == 1 and word.literal() == "[[":
                self._test(command)
        if not (command.words or command.assignments or command.redirects):
            return None
        return command

    def _is_placeholder(self) -> bool:
        from ftdoctor.job.shell_words import _PLACEHOLDER

        return bool(_PLACEHOLDER.match(self.text, self.pos))

    def _test(self, command: Simple) -> None:
        """Skip to the `]]` of a test; its inside is no list of words."""
        end = re.compile(r"\s\]\]").search(self.text, self.pos)
        line = self.text.find("\n", self.pos)
        limit = end.end() if end else (len(self.text) if line < 0 else line)
        self.pos = command.end = limit

    def _assignment(self, match: re.Match[str]) -> Assignment:
        name, index, plus = match.group(1), match.group(2), match.group(3)
        self.pos = match.end()
        if self.peek() == "(":
            self.pos += 1
            return Assignment(name, None, self._array(), bool(plus), bool(index))
        word = self.word() if self.peek() not in (" ", "\t", "\n", "") else None
        if word is None:
            word = Word(start=self.pos, end=self.pos, quoted=True)
        return Assignment(name, word, None, bool(plus), bool(index))

    def _array(self) -> list[Word]:
        words: list[Word] = []
        while self.pos < len(self.text):
            self.skip_blanks()
            char = self.peek()
            if char == ")":
                self.pos += 1
                break
            if char == "\n":
                self.newline()
                continue
            word = self.word()
            if word is None:
                self.pos += 1
                continue
            words.append(word)
        return words


_DECLARING = frozenset(("export", "local", "declare", "readonly", "typeset"))


def parse_block(text: str) -> tuple[Block, list[int]]:
    """Parse a whole script; also return the offsets of broken line continuations."""
    parser = Parser(text)
    block = parser.block(())
    return block, parser.broken
