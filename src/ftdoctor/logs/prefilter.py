"""Find which literals stand in a block of lines, without one pass per literal.

Each literal is selected by its most telling whole word. One pass splits the block into words
(C speed); literals whose word is not there are out, whatever their number. The few that stay are
searched for. Literals without a whole word are searched for directly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ftdoctor.logs.lines import Text

#: Everything that is not an ASCII letter, digit or underscore becomes a space.
SEPARATE = bytes(
    c if 48 <= c <= 57 or 65 <= c <= 90 or 97 <= c <= 122 or c == 95 else 32 for c in range(256)
)


class Prefilter:
    """Literals (bytes) with their selecting words ("" for none) and what they stand for."""

    def __init__(self, literals: Iterable[tuple[bytes, bytes, int]]) -> None:
        self._by_word: dict[bytes, list[tuple[bytes, int]]] = {}
        #: (longest piece without a separator, literal, what)
        self._loose: list[tuple[bytes, bytes, int]] = []
        for text, word, what in literals:
            if word:
                self._by_word.setdefault(word, []).append((text, what))
            else:
                piece = max(text.translate(SEPARATE).split(), key=len, default=b"")
                self._loose.append((piece, text, what))

    def present(self, block: bytes) -> Iterator[tuple[bytes, int]]:
        """Yield (literal, what) for every literal that stands somewhere in the block."""
        words = set(block.translate(SEPARATE).split())
        for word in self._by_word.keys() & words:
            for text, what in self._by_word[word]:
                if text in block:
                    yield text, what
        # A literal without a whole word has pieces of words: they are looked for in the distinct
        # words, of which there are far fewer than there is text.
        distinct = b" ".join(words)
        for piece, text, what in self._loose:
            if piece in distinct and text in block:
                yield text, what

    def lines(self, text: Text) -> dict[int, set[int]]:
        """Return, for each line index that holds literals, what they are."""
        found: dict[int, set[int]] = {}
        for literal, what in self.present(text.block):
            for row in text.holding((literal,)):
                found.setdefault(row, set()).add(what)
        return found
