"""Walk a parsed script in the order in which it runs and write down every simple command.

Nothing runs. A branch may or may not be taken: what is assigned in it is known inside it, and
afterwards only when every way through assigns the same.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftdoctor.job.model import Step
from ftdoctor.job.shell_expand import Scope, text_of, words_of
from ftdoctor.job.shell_parse import Block, Simple
from ftdoctor.job.shell_text import ShellText, as_text, make
from ftdoctor.job.value import unknown
from ftdoctor.lazy import lazy
from ftdoctor.records import dataclass, field

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ftdoctor.job.shell_parse import Assignment, Redirect
    from ftdoctor.job.shell_words import Heredoc, Word
    from ftdoctor.job.source import Place, Source
    from ftdoctor.job.value import Value

#: More commands than any job has: then the rest is left out.
MOST_STEPS = 3000
_MOST_CALLS = 6
_WRAPPERS = frozenset(
    "exec command builtin sudo nohup time env nice ionice stdbuf timeout setsid eval unbuffer"
    " xvfb-run caffeinate".split()
)
#: Options of wrappers that take a value of their own.
_WRAPPER_VALUES = {"sudo": "ugpCHT", "nice": "n", "ionice": "cn", "timeout": "ks", "env": "uCS"}
_ENV_FILE = lazy(r"(?:^|[\s'\"/])((?:[\w./-]*/)?\.?[\w-]*\.env|\.env[\w.-]*)\b")


@dataclass(slots=True)
class Written:
    """A file that the script writes: its text, and how the text came to be.

    `expands`: the shell fills in variables as it writes. `made_from`/`tool`/`replaced`: it is
    another file put through `envsubst` or `sed`.
    """

    path: str
    source: Source | None
    expands: bool = False
    scope: Scope | None = None
    made_from: str = ""
    tool: str = ""
    replaced: tuple[str, ...] = ()
    #: True when something the script cannot be followed in was appended.
    more: bool = False


@dataclass
class Script:
    """What was read of one script."""

    steps: list[Step] = field(default_factory=list)
    written: dict[str, Written] = field(default_factory=dict)
    #: Scope in force when step i ran, by the identity of the step.
    scopes: dict[int, Scope] = field(default_factory=dict)
    #: Files of variables that were loaded (`source .env`).
    env_files: list[str] = field(default_factory=list)
    #: Variables in force at the end.
    end: Scope | None = None
    #: Backslashes with a blank after them, where the line was meant to go on.
    broken: list[Place] = field(default_factory=list)


class Follower:
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
        self._group_redirects(block)

    def _group_redirects(self, block: Block) -> None:
        for redirect in block.redirects:
            if redirect.operator.endswith((">", ">>")) and redirect.target is not None:
                path = text_of(redirect.target, self.scope)
                if path.known and path.value:
                    self.script.written[path.value] = Written(path.value, None, more=True)

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
                    items[0] if once else _several(block.name, items, self.source, block)
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
        self._redirects(command.redirects, step)
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

    def _redirects(self, redirects: list[Redirect], step: Step) -> None:
        heredoc = next((r.heredoc for r in redirects if r.heredoc is not None), None)
        body = self._heredoc(heredoc) if heredoc is not None else None
        step.stdin = body
        target = next(
            (r for r in redirects if r.operator in (">", ">>", ">|", "&>") and r.target), None
        )
        program = step.argv[0].value if step.argv else None
        path: str | None = None
        append = False
        if target is not None and target.target is not None:
            value = text_of(target.target, self.scope)
            path, append = value.value or value.body, target.operator == ">>"
        elif program == "tee" and body is not None:
            names = [v.value for v in step.argv[1:] if v.value and not v.value.startswith("-")]
            path, append = (names[0] if names else None), any(v.value == "-a" for v in step.argv)
        if path is None:
            return
        if body is not None and heredoc is not None and not append:
            self.script.written[path] = Written(path, body, heredoc.expands, self.scope.copy())
        elif append and path in self.script.written:
            self.script.written[path].more = True
        elif program in ("envsubst", "sed", "perl", "yq", "jq", "python", "python3"):
            self._filtered(path, program or "", redirects, step)

    def _filtered(self, path: str, tool: str, redirects: list[Redirect], step: Step) -> None:
        made_from = next(
            (
                text_of(r.target, self.scope).value
                for r in redirects
                if r.operator == "<" and r.target
            ),
            None,
        )
        if made_from is None and tool in ("sed", "yq", "jq") and len(step.argv) > 2:
            made_from = step.argv[-1].value
        if made_from is None:
            # `cat template.yaml | envsubst > job.yaml`
            before = self.script.steps[-2] if len(self.script.steps) > 1 else None
            if before is not None and before.joined == "|" and len(before.argv) > 1:
                made_from = before.argv[-1].value
        if made_from:
            words = replaced_words(step) if tool == "sed" else ()
            self.script.written[path] = Written(
                path, None, made_from=made_from, tool=tool, replaced=words
            )

    def _heredoc(self, heredoc: Heredoc) -> Source:
        first = self.source.line_column(heredoc.start)[0]
        last = self.source.line_column(max(heredoc.end - 1, heredoc.start))[0]
        indent = 0
        if heredoc.strip_tabs:
            indent = 1000
        return _lines(self.source, first, last, heredoc, indent)

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
            self._in_place(step, argv)
        elif name in ("mapfile", "readarray") and argv[-1]:
            self.scope.arrays.pop(argv[-1], None)

    def _in_place(self, step: Step, argv: list[str | None]) -> None:
        path = argv[-1]
        if not path:
            return
        words = replaced_words(step)
        if path in self.script.written:
            entry = self.script.written[path]
            entry.replaced = (*entry.replaced, *words)
            entry.tool = entry.tool or "sed"
        else:
            self.script.written[path] = Written(
                path, None, made_from=path, tool="sed", replaced=words
            )

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


def _lines(source: Source, first: int, last: int, heredoc: Heredoc, indent: int) -> Source:
    texts = []
    lines = []
    for number in range(first, last + 1):
        line = source.line_text(number)
        cut = len(line) - len(line.lstrip("\t")) if indent else 0
        texts.append(line[cut:])
        lines.append((number, cut + 1))
    if heredoc.end <= heredoc.start:
        return source.fragment("", ((first, 1),), f"heredoc {heredoc.delimiter}")
    return source.fragment("\n".join(texts) + "\n", tuple(lines), f"heredoc {heredoc.delimiter}")


def _all_words(command: Simple) -> list[Word]:
    words = list(command.words)
    for assignment in command.assignments:
        if assignment.word is not None:
            words.append(assignment.word)
        words.extend(assignment.array or [])
    words.extend(r.target for r in command.redirects if r.target is not None)
    return words


def _several(name: str, items: list[ShellText], source: Source, block: Block) -> ShellText:
    place = source.span(block.start, block.start + 3)
    first = items[0].value if items and items[0].known else None
    return as_text(unknown("it takes several values in a loop", place, f"${name}", first))


def replaced_words(step: Step) -> tuple[str, ...]:
    """Return what the `s/OLD/new/` expressions of a sed command replace."""
    found = []
    for value in step.argv[1:]:
        text = as_text(value).body
        for match in re.finditer(r"(?:^|;)\s*s([^\w\s\\])(.+?)\1.*?\1[gI0-9]*", text):
            found.append(re.sub(r"\\(.)", r"\1", match.group(2)).strip("^$"))
    return tuple(word for word in found if word)


def unwrap(step: Step) -> None:
    """Take `exec`, `sudo -u x`, `env A=b`, `nohup`, ... off the front of a step."""
    for _ in range(8):
        if not step.argv:
            return
        name = step.argv[0].value
        if name not in _WRAPPERS:
            return
        rest = step.argv[1:]
        takes = _WRAPPER_VALUES.get(name, "")
        while rest:
            text = as_text(rest[0]).body
            if text == "--":
                rest = rest[1:]
                break
            if text.startswith("-") and len(text) > 1:
                rest = rest[2:] if len(text) == 2 and text[1] in takes else rest[1:]
            elif name in ("env", "sudo") and re.match(r"[A-Za-z_]\w*=", text):
                key, _, value = as_text(rest[0]).partition("=")
                step.assignments[key.body] = value
                rest = rest[1:]
            elif name == "timeout" and re.fullmatch(r"[\d.]+[smhd]?|\$.*", text):
                rest = rest[1:]
                break
            else:
                break
        if not rest and name in ("env", "time", "sudo", "exec"):
            return
        step.argv = list(rest)


def join(target: Scope, ends: list[Scope]) -> None:
    """Set in `target` what its variables are after one of several ways was taken."""
    if not ends:
        return
    names = {name for end in ends for name in end.variables}
    for name in names:
        values = [end.variables.get(name) for end in ends]
        first = values[0]
        if all(
            v is first or (v and first and v.known and v.body == first.body and first.known)
            for v in values
        ):
            if first is not None:
                target.variables[name] = first
            continue
        before = target.variables.get(name)
        set_ = [v for v in values if v is not None]
        given = before if before is not None and before.known else set_[0]
        default = given.value if given.known else given.default
        reason = "it depends on a condition"
        target.variables[name] = as_text(unknown(reason, set_[0].place, f"${{{name}}}", default))
    for name in {name for end in ends for name in end.arrays}:
        lists = [end.arrays.get(name) for end in ends]
        if all(items is lists[0] for items in lists):
            target.arrays[name] = lists[0] or []
            continue
        longest = max((items for items in lists if items is not None), key=len)
        base = target.arrays.get(name)
        if base is not None and all(
            items is not None and items[: len(base)] == base for items in lists
        ):
            target.arrays[name] = [*base, *(_maybe(item) for item in longest[len(base) :])]
        else:
            target.arrays[name] = [_maybe(item) for item in longest]


def _maybe(item: ShellText) -> ShellText:
    reason = "it is given only under a condition"
    return as_text(unknown(reason, item.place, item.body, item.value if item.known else None))
