"""Walk a parsed script in the order in which it runs and write down every simple command.

Nothing runs. A branch may or may not be taken: what is assigned in it is known inside it, and
afterwards only when every way through assigns the same.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftdoctor.job.model import Step
from ftdoctor.job.shell_expand import Scope, text_of, words_of
from ftdoctor.job.shell_files import FileFollower, Script, Written
from ftdoctor.job.shell_scope import join, several
from ftdoctor.job.shell_text import ShellText, as_text, make
from ftdoctor.job.shell_tree import Block, Simple
from ftdoctor.job.shell_wrappers import unwrap
from ftdoctor.job.value import unknown
from ftdoctor.lazy import lazy

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ftdoctor.job.shell_tree import Assignment
    from ftdoctor.job.shell_words import Word
    from ftdoctor.job.source import Source
    from ftdoctor.job.value import Value

#: More commands than any job has: then the rest is left out.
MOST_STEPS = 3000
_MOST_CALLS = 6
_ENV_FILE = lazy(r"(?:^|[\s'\"/])((?:[\w./-]*/)?\.?[\w-]*\.env|\.env[\w.-]*)\b")


class Follower(FileFollower):
    """Walks blocks; `script` collects what was met."""

    def __init__(self, source: Source, scope: Scope, where: str, guarded: bool = False) -> None:
        self.source = source
        self.where = where
        self.script = Script()
        self.guarded = guarded
        self.pipefail = False
        self.functions: dict[str, Block] = {}
        self.called: set[str] = set()
        self.calls = 0
        self.scope = scope
        first = source.text.split("\n", 1)[0]
        if first.startswith("#!") and re.search(r"\s-\w*e", first):
            self.guarded = True

    def run(self, block: Block) -> None:
        """Walk a whole script, then the functions that nothing in it calls."""
        self.items(block, ())
        self.script.end = self.scope
        for name, body in list(self.functions.items()):
            if name not in self.called:
                inner = self.scope.copy()
                inner.positional = None
                outer, self.scope = self.scope, inner
                self.items(body, (f"function:{name}",))
                self.scope = outer

    def items(self, block: Block, inside: tuple[str, ...]) -> None:
        """Walk the commands of a block in order."""
        for node, joined in block.items:
            if len(self.script.steps) > MOST_STEPS:
                return
            if isinstance(node, Simple):
                self.simple(node, joined, inside)
            else:
                self.compound(node, joined, inside)

    def compound(self, block: Block, joined: str, inside: tuple[str, ...]) -> None:
        """Walk one compound command."""
        before = len(self.script.steps)
        kind = block.kind
        if kind == "function":
            self.functions[block.name] = block
            return
        if kind in ("if", "case"):
            self._branches(block, inside)
        elif kind == "loop":
            self._loop(block, inside)
        elif kind == "subshell":
            outer, guarded = self.scope, self.guarded
            self.scope = outer.copy()
            self.items(block, (*inside, "subshell"))
            self.scope, self.guarded = outer, guarded
        else:
            self.items(block, inside if kind in ("group", "list") else (*inside, kind))
        steps = self.script.steps
        if joined and len(steps) > before:
            steps[-1].joined = steps[-1].joined or joined
            if joined in ("&&", "||", "|", "&"):
                steps[-1].joined = joined
        self.group_redirects(block)

    def _branches(self, block: Block, inside: tuple[str, ...]) -> None:
        """Walk the branches of an `if` or `case`, then join what they assign."""
        start = self.scope
        guarded = self.guarded
        ends: list[Scope] = []
        whole = block.name == "else" or any(
            isinstance(node, Block) and node.name.strip() == "*" for node, _ in block.items
        )
        for node, _ in block.items:
            if not isinstance(node, Block):
                continue
            if node.kind == "condition":
                self.scope = start
                self.items(node, (*inside, "condition"))
                continue
            count = len(self.script.steps)
            self.scope = start.copy()
            self.items(node, (*inside, block.kind))
            if not self._leaves(count):
                ends.append(self.scope)
        if not whole:
            ends.append(start.copy())
        self.scope = start
        self.guarded = guarded
        join(start, ends)

    def _leaves(self, first: int) -> bool:
        """Whether the commands since `first` end the script (`exit`, `return`) for certain."""
        steps = self.script.steps[first:]
        if not steps or not steps[-1].argv:
            return False
        return steps[-1].argv[0].value in ("exit", "return", "continue", "break")

    def _loop(self, block: Block, inside: tuple[str, ...]) -> None:
        start = self.scope
        items = [value for word in block.words for value in words_of(word, start)]
        once = len(items) == 1 and items[0].known
        for node, _ in block.items:
            if not isinstance(node, Block):
                continue
            if node.kind == "condition":
                self.items(node, (*inside, "condition"))
                continue
            self.scope = start.copy()
            if block.name:
                self.scope.variables[block.name] = (
                    items[0] if once else several(block.name, items, self.source, block)
                )
            self.items(node, (*inside, "loop"))
            end = self.scope
            self.scope = start
            join(start, [end] if once else [end, start.copy()])

    def simple(self, command: Simple, joined: str, inside: tuple[str, ...]) -> None:
        """Write down one simple command, after those inside its substitutions."""
        for word in _all_words(command):
            self._substitutions(word, inside)
        argv = [value for word in command.words for value in words_of(word, self.scope)]
        assigned = {a.name: self._assigned(a) for a in command.assignments}
        name = argv[0].value if argv and argv[0].known else None
        step = Step(
            argv=list(argv),
            place=self.source.span(command.start, max(command.end, command.start)),
            joined=joined,
            guarded=self.guarded,
            assignments={k: v for k, v in assigned.items() if v is not None},
            where=self.where,
            text=self.source.text[command.start : command.end],
            inside=inside,
            pipefail=self.pipefail,
        )
        if not argv or name in _DECLARING:
            self._assign(command.assignments, assigned)
            self._env_files_in(command)
        unwrap(step)
        if step.argv or step.assignments or command.redirects:
            self.script.steps.append(step)
            self.script.scopes[id(step)] = self.scope.copy()
        self.redirects(command.redirects, step)
        name = step.argv[0].value if step.argv and step.argv[0].known else None
        if name in self.functions:
            self._call(name, step, inside)
        elif name is not None:
            self._builtin(name, step)

    def _substitutions(self, word: Word, inside: tuple[str, ...]) -> None:
        for part in word.parts:
            if part.block is not None:
                outer = self.scope
                guarded = self.guarded
                self.scope = outer.copy()
                self.items(part.block, (*inside, "substitution"))
                self.scope, self.guarded = outer, guarded
            if part.argument is not None:
                self._substitutions(part.argument, inside)

    def _assigned(self, assignment: Assignment) -> ShellText | None:
        """Return the value of a `NAME=word`; None for arrays."""
        if assignment.word is None or assignment.array is not None:
            return None
        value = text_of(assignment.word, self.scope)
        if assignment.append:
            before = self.scope.variables.get(assignment.name)
            if before is not None and before.known and value.known:
                text = before.body + value.body
                chars = before.chars + value.chars if before.source is value.source else ()
                chars = chars if len(chars) == len(text) else (-1,) * len(text)
                return make(text, chars, (), value.source, value.place)
            return as_text(unknown("it is put together in several steps", value.place, value.body))
        return value

    def _assign(
        self, assignments: Iterable[Assignment], values: dict[str, ShellText | None]
    ) -> None:
        for assignment in assignments:
            name = assignment.name
            if assignment.array is not None:
                items = [v for word in assignment.array for v in words_of(word, self.scope)]
                if assignment.append:
                    items = [*self.scope.arrays.get(name, []), *items]
                self.scope.arrays[name] = items[:1000]
                self.scope.variables.pop(name, None)
            elif assignment.indexed:
                self.scope.variables.pop(name, None)
                self.scope.arrays.pop(name, None)
            else:
                value = values.get(name)
                if value is not None:
                    self.scope.variables[name] = value
                    self.scope.arrays.pop(name, None)

    def _env_files_in(self, command: Simple) -> None:
        """`export $(cat .env | xargs)` and the like."""
        match = _ENV_FILE.search(self.source.text[command.start : command.end])
        if match and "$(" in self.source.text[command.start : command.end]:
            self.script.env_files.append(match.group(1))

    def _call(self, name: str, step: Step, inside: tuple[str, ...]) -> None:
        self.called.add(name)
        if self.calls >= _MOST_CALLS or f"function:{name}" in inside:
            return
        self.calls += 1
        outer = self.scope.positional
        self.scope.positional = [as_text(value) for value in step.argv[1:]]
        self.items(self.functions[name], (*inside, f"function:{name}"))
        self.scope.positional = outer
        self.calls -= 1

    def _builtin(self, name: str, step: Step) -> None:
        argv = [v.value if v.known else None for v in step.argv]
        if name == "set":
            self._set([a for a in argv[1:] if a])
        elif name == "read":
            for word in argv[1:]:
                if word and re.fullmatch(r"[A-Za-z_]\w*", word):
                    value: Value[str] = unknown(
                        "it is asked of the person who runs the script", step.place
                    )
                    self.scope.variables[word] = as_text(value)
        elif name == "unset":
            for word in argv[1:]:
                self.scope.variables.pop(word or "", None)
        elif name in ("source", ".") and len(argv) > 1 and argv[1]:
            self.script.env_files.append(argv[1])
        elif name == "shift" and self.scope.positional:
            self.scope.positional = self.scope.positional[1:]
        elif name == "sed" and any(a and re.fullmatch(r"-\w*i\S*", a) for a in argv[1:]):
            self.in_place(step, argv)
        elif name in ("mapfile", "readarray") and argv[-1]:
            self.scope.arrays.pop(argv[-1], None)

    def _set(self, words: list[str]) -> None:
        for at, word in enumerate(words):
            on = word.startswith("-")
            if re.fullmatch(r"[-+][a-zA-Z]+", word) and "e" in word:
                self.guarded = on
            following = words[at + 1] if at + 1 < len(words) else ""
            if re.fullmatch(r"[-+][a-zA-Z]*o", word):
                if following == "pipefail":
                    self.pipefail = on
                elif following == "errexit":
                    self.guarded = on


_DECLARING = frozenset(("export", "local", "declare", "readonly", "typeset"))


def _all_words(command: Simple) -> list[Word]:
    words = list(command.words)
    for assignment in command.assignments:
        if assignment.word is not None:
            words.append(assignment.word)
        words.extend(assignment.array or [])
    words.extend(r.target for r in command.redirects if r.target is not None)
    return words


__all__ = ["Follower", "Script", "Written"]
