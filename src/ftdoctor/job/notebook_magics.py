"""Magics and `!` commands of notebook cells: taken out, so that what is left is plain Python.

Each command line becomes a call of a name that stands for it, on the same line, so that it is met
in order and under the same conditions as the Python around it. IPython puts Python values into a
command for `{expression}` and `$name`; those expressions become arguments of the call.
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from ftdoctor.lazy import lazy
from ftdoctor.records import dataclass, field

if TYPE_CHECKING:
    from ftdoctor.job.source import Source

#: Names that stand for a command, and for the environment that `%env` changes.
COMMAND, ENVIRONMENT = "__notebook_command__", "__notebook_environment__"
#: Stands for a field of a Colab form that is left empty, to be filled in by whoever runs it.
FORM = "__notebook_form__"
_LINE = lazy(
    r"^(?P<indent>[ \t]*)(?P<target>[A-Za-z_][\w, ]*=[ \t]*)?"
    r"(?P<sign>!!?[ \t]*|%)(?P<body>[^=\s].*)$"
)
_EMPTY_FIELD = lazy(r"^([ \t]*[A-Za-z_]\w*[ \t]*=[ \t]*)(?:\"\"|'')[ \t]*#[ \t]*@param\b.*$")
_HELP = lazy(r"^[ \t]*(?:\?\??[\w.*]+|[A-Za-z_][\w.]*\?\??)[ \t]*$")
_CELL = lazy(r"^%%(?P<name>[\w.]+)[ \t]*(?P<rest>.*)$")
#: Cell magics under which the cell is Python all the same.
_PYTHON_CELLS = frozenset(
    "capture time timeit prun memit mprun python python3 pypy debug cell_fused skip snakeviz "
    "heat scalene wandb".split()
)
_SHELL_CELLS = frozenset({"bash", "sh", "shell", "zsh", "!", "system", "sx"})
#: Line magics that run a program as a shell would.
_PROGRAMS = frozenset({"pip", "conda", "mamba", "uv", "pip3"})
_EXPRESSION = lazy(r"(?<!\$)(?<!\{)\{([^{}]+)\}(?!\})")
_NAME = lazy(r"(?<![\\$])\$\{?([A-Za-z_]\w*)\}?")


@dataclass(slots=True)
class Command:
    """A command of a cell: lines first..last of the cell (from 1), and the text a shell gets.

    `names` maps the shell variables of that text to the Python expressions they stand for.
    """

    text: str
    first: int
    last: int
    names: dict[str, str] = field(default_factory=dict)
    #: A whole `%%bash` cell rather than one line.
    whole: bool = False


@dataclass(slots=True)
class Split:
    """A cell taken apart: its Python, its commands, and the file that it writes."""

    python: str = ""
    commands: list[Command] = field(default_factory=list)
    #: `%%writefile NAME`: the name, whether it appends, and the first line of the content.
    writes: str = ""
    appends: bool = False
    body_from: int = 0
    #: A cell magic of another language ("html", "bigquery"): nothing is read.
    skipped: str = ""


def split(source: Source) -> Split:
    """Take the magics and commands of a cell out of its Python."""
    lines = source.text.split("\n")
    first = next((i for i, line in enumerate(lines) if line.strip()), 0)
    magic = _CELL.match(lines[first].strip())
    if magic is None:
        return _lines(lines, 0)
    name, rest = magic["name"], magic["rest"].strip()
    if name in ("writefile", "file"):
        words = rest.split()
        appends = bool({"-a", "--append"} & set(words))
        names = [word for word in words if not word.startswith("-")]
        target = names[0].strip("\"'") if names else ""
        return Split(writes=target, appends=appends, body_from=first + 2)
    if name in _SHELL_CELLS or (name == "script" and re.match(r"(?:ba|z)?sh\b", rest)):
        text = "\n".join(lines[first + 1 :])
        command = Command(text, first + 2, max(len(lines), first + 2), {}, True)
        return Split(commands=[command], python=_call(0, command, ""))
    if name in _PYTHON_CELLS:
        return _lines(lines, first + 1)
    return Split(skipped=name)


def _lines(lines: list[str], start: int) -> Split:
    done = Split()
    out: list[str] = [""] * start
    index = start
    text = "\n".join(lines)
    plain = "!" not in text and "%" not in text and "?" not in text
    quoted = set() if plain else _inside_strings(lines)
    while index < len(lines):
        line = lines[index]
        match = None if plain or index in quoted else _LINE.match(line)
        if match is None:
            if not plain and index not in quoted and _HELP.match(line):
                line = ""
            form = _EMPTY_FIELD.match(line) if "@param" in line else None
            out.append(form[1] + FORM if form is not None else line)
            index += 1
            continue
        last = index
        body = match["body"]
        while body.rstrip().endswith("\\") and last + 1 < len(lines):
            last += 1
            body = body + "\n" + lines[last]
        out.append(_replaced(match, body, index + 1, last + 1, done))
        out += [""] * (last - index)
        index = last + 1
    done.python = "\n".join(out)
    return done


def _inside_strings(lines: list[str]) -> set[int]:
    """Return the lines (from 0) that begin inside a triple-quoted text."""
    inside: set[int] = set()
    quote = ""
    for index, line in enumerate(lines):
        if quote:
            inside.add(index)
        at = 0
        while at < len(line):
            if quote:
                end = line.find(quote, at)
                if end < 0:
                    break
                at = end + 3
                quote = ""
                continue
            triple = re.compile(r"'''|\"\"\"|#|'(?:[^'\\\n]|\\.)*'|\"(?:[^\"\\\n]|\\.)*\"").search(
                line, at
            )
            if triple is None or triple[0] == "#":
                break
            at = triple.end()
            if triple[0] in ("'''", '"""'):
                quote = triple[0]
    return inside


def _replaced(match: re.Match[str], body: str, first: int, last: int, done: Split) -> str:
    """Return the Python line that stands for a command or magic."""
    indent, target = match["indent"], match["target"] or ""
    if match["sign"] == "%":
        name, _, rest = body.partition(" ")
        rest = rest.strip()
        if name in ("env", "set_env"):
            return indent + _environment(rest)
        if name in ("time", "timeit", "prun", "memit") and rest and "\n" not in body:
            return indent + target + re.sub(r"^(?:-\S+\s+(?:\d+\s+)?)*", "", rest)
        if name == "run" and rest:
            body = f"python {rest}"
        elif name not in _PROGRAMS and name not in ("sx", "system", "sh"):
            return f"{indent}{target or ''}{'None' if target else 'pass'}"
        elif name not in _PROGRAMS:
            body = rest
    command = Command(*_shell_text(body, first, last))
    done.commands.append(command)
    return _call(len(done.commands) - 1, command, indent + target)


def _shell_text(body: str, first: int, last: int) -> tuple[str, int, int, dict[str, str]]:
    """Return the text a shell gets, with `{expression}` as `${name}`, and those names."""
    names: dict[str, str] = {}

    def expression(match: re.Match[str]) -> str:
        inner = match[1].strip()
        try:
            tree = ast.parse(inner, mode="eval")
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return match[0]
        if isinstance(tree.body, (ast.Constant, ast.Tuple, ast.Slice)):
            return match[0]
        name = (
            inner
            if inner.isidentifier()
            else f"_{len(names)}_{re.sub(r'[^A-Za-z0-9]+', '_', inner)}"[:40]
        )
        names[name] = inner
        return "${" + name + "}"

    text = _EXPRESSION.sub(expression, body)
    for match in _NAME.finditer(text):
        names.setdefault(match[1], match[1])
    return text, first, last, names


def _call(index: int, command: Command, head: str) -> str:
    arguments = "".join(f", {name}=({inner})" for name, inner in command.names.items())
    return f"{head}{COMMAND}({index}{arguments})"


def _environment(rest: str) -> str:
    """Return the Python of `%env NAME=value`."""
    name, equals, value = rest.partition("=")
    if not equals:
        name, _, value = rest.partition(" ")
    name, value = name.strip(), value.strip()
    if not name.isidentifier() or not value:
        return "pass"
    whole = re.fullmatch(r"\$\{?(\w+)\}?|\{(\w+)\}", value)
    if whole is not None:
        return f"{ENVIRONMENT}[{name!r}] = {whole[1] or whole[2]}"
    return f"{ENVIRONMENT}[{name!r}] = {value!r}"
