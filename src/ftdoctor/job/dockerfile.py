"""Dockerfiles: the base image, what is installed, what is copied, and what runs.

https://docs.docker.com/reference/dockerfile/
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from ftdoctor.job.source import Source
from ftdoctor.job.value import Value, known, unknown
from ftdoctor.lazy import lazy
from ftdoctor.records import dataclass, field

if TYPE_CHECKING:
    from ftdoctor.job.model import Step
    from ftdoctor.job.source import Place

_INSTRUCTION = lazy(r"^[ \t]*([A-Za-z]+)(?:[ \t]+|$)(.*)$", re.S)
_VARIABLE = lazy(r"\$(?:\{(\w+)(?::?([-+])([^}]*))?\}|(\w+))")
_HEREDOC = lazy(r"<<-?[\"']?([A-Za-z_]\w*)[\"']?")
_KNOWN = frozenset(
    "FROM RUN CMD LABEL MAINTAINER EXPOSE ENV ADD COPY ENTRYPOINT VOLUME USER WORKDIR ARG ONBUILD "
    "STOPSIGNAL HEALTHCHECK SHELL".split()
)


@dataclass(slots=True)
class Instruction:
    """One instruction; `source` holds its text after the name, with places."""

    name: str
    text: str
    place: Place
    source: Source


@dataclass(slots=True)
class Dockerfile:
    """What a Dockerfile builds, as far as its last stage (and the stages it is built on) says."""

    base: Value[str] | None = None
    #: Commands of RUN, in order, with `where` "dockerfile".
    steps: list[Step] = field(default_factory=list)
    env: dict[str, Value[str]] = field(default_factory=dict)
    user: Value[str] | None = None
    workdir: Value[str] | None = None
    entrypoint: list[Value[str]] = field(default_factory=list)
    command: list[Value[str]] = field(default_factory=list)
    #: COPY and ADD from the build context: (sources, destination).
    copies: list[tuple[list[str], str]] = field(default_factory=list)
    #: Stages that files are copied from ("--from=builder").
    copied_stages: list[str] = field(default_factory=list)
    instructions: list[Instruction] = field(default_factory=list)


def read_dockerfile(source: Source) -> Dockerfile:
    """Read a Dockerfile. Raises nothing: what is no instruction is skipped."""
    stages: list[tuple[str, str, list[Instruction]]] = []
    arguments: dict[str, str] = {}
    for item in _instructions(source):
        if item.name == "FROM":
            words = [w for w in item.text.split() if not w.startswith("--")]
            name = words[2] if len(words) > 2 and words[1].lower() == "as" else ""
            stages.append((words[0] if words else "", name, [item]))
        elif not stages:
            if item.name == "ARG":
                arguments.update(_argument(item.text))
        else:
            stages[-1][2].append(item)
    result = Dockerfile()
    if not stages:
        return result
    chain = [stages[-1]]
    while True:
        parent = next((s for s in stages if s[1] and s[1] == chain[0][0] and s not in chain), None)
        if parent is None:
            break
        chain.insert(0, parent)
    result.base = _substituted(chain[0][0], arguments, chain[0][2][0].place)
    variables = dict(arguments)
    for _, _, items in chain:
        result.instructions += items
        for item in items[1:]:
            _apply(result, item, variables)
    return result


def _instructions(source: Source) -> list[Instruction]:
    lines = source.text.split("\n")
    found: list[Instruction] = []
    index = 0
    while index < len(lines):
        first = index
        if not lines[index].strip() or lines[index].lstrip().startswith("#"):
            index += 1
            continue
        rows = [(index + 1, lines[index])]
        while rows[-1][1].rstrip().endswith("\\") and index + 1 < len(lines):
            index += 1
            # Comments inside a continued instruction are dropped.
            if lines[index].lstrip().startswith("#") or not lines[index].strip():
                continue
            rows.append((index + 1, lines[index]))
        index += 1
        match = _INSTRUCTION.match(rows[0][1])
        if match is None or match[1].upper() not in _KNOWN:
            continue
        start = match.start(2) + 1
        name = match[1].upper()
        if name in ("RUN", "COPY"):
            for word in _HEREDOC.findall(rows[-1][1]):
                while index < len(lines) and lines[index].strip() != word:
                    rows.append((index + 1, lines[index]))
                    index += 1
                if index < len(lines):
                    rows.append((index + 1, lines[index]))
                    index += 1
        texts = [match[2].split("\n")[0], *(text for _, text in rows[1:])]
        spots = ((rows[0][0], start), *((row, 1) for row, _ in rows[1:]))
        body = source.fragment("\n".join(texts), tuple(spots), "")
        joined = re.sub(r"\\[ \t]*\n", " ", body.text).strip()
        end = rows[-1]
        place = source.place(first + 1, 1, end[0], len(end[1]) + 1)
        found.append(Instruction(name, joined, place, body))
    return found


def _argument(text: str) -> dict[str, str]:
    found = {}
    for word in text.split():
        name, equals, value = word.partition("=")
        if equals:
            found[name] = value.strip("\"'")
    return found


def _substituted(text: str, variables: dict[str, str], place: Place) -> Value[str]:
    """Return a text with its `${VAR}` filled; unknown when one is set at build time only."""
    missing: list[str] = []

    def fill(match: re.Match[str]) -> str:
        name = match[1] or match[4]
        if name in variables:
            return variables[name]
        if match[2] == "-":
            return match[3]
        missing.append(name)
        return match[0]

    filled = _VARIABLE.sub(fill, text.strip())
    if missing:
        return unknown(f"it is the build argument {missing[0]}", place, filled)
    return known(filled, place, text)


def _apply(result: Dockerfile, item: Instruction, variables: dict[str, str]) -> None:
    if item.name == "ARG":
        for name, value in _argument(item.text).items():
            variables.setdefault(name, value)
    elif item.name == "ENV":
        for name, value in _environment(item.text).items():
            filled = _substituted(value, variables, item.place)
            result.env[name] = filled
            if filled.known and filled.value is not None:
                variables[name] = filled.value
    elif item.name == "RUN":
        result.steps += _run(item, result.env)
    elif item.name == "USER":
        result.user = _substituted(item.text.split(":")[0], variables, item.place)
    elif item.name == "WORKDIR":
        result.workdir = _substituted(item.text.strip("\"'"), variables, item.place)
    elif item.name == "ENTRYPOINT":
        result.entrypoint = _exec(item, variables)
        result.command = []
    elif item.name == "CMD":
        result.command = _exec(item, variables)
    elif item.name in ("COPY", "ADD"):
        _copy(result, item)


def _environment(text: str) -> dict[str, str]:
    """Return the pairs of `ENV A=1 B="x y"` or of the old `ENV A 1`."""
    pairs = re.findall(r"([A-Za-z_]\w*)=(\"(?:[^\"\\]|\\.)*\"|'[^']*'|(?:\\.|[^\s\\])*)", text)
    if pairs and re.match(r"[A-Za-z_]\w*=", text):
        return {name: value.strip("\"'") for name, value in pairs}
    name, _, value = text.partition(" ")
    return {name: value.strip()} if name.isidentifier() else {}


def _run(item: Instruction, env: dict[str, Value[str]]) -> list[Step]:
    from ftdoctor.job.model import Step
    from ftdoctor.job.shell import read_script

    text = item.source.text
    listed = _json(item.text)
    if listed is not None:
        argv = [known(word, item.place) for word in listed]
        return [Step(argv=argv, place=item.place, where="dockerfile", text=" ".join(listed))]
    flags = re.match(r"(?:\s*--(?:mount|network|security)=\S+(?:[ \t]*\\\n)?)+\s*", text)
    if flags is not None:
        # Blank out the options so that columns stay.
        text = re.sub(r"[^\n]", " ", text[: flags.end()]) + text[flags.end() :]
    heredoc = re.match(r"\s*<<-?[\"']?(\w+)[\"']?[ \t]*\n", text)
    whole = item.source
    if heredoc is not None:
        lines = text.split("\n")
        text = "\n".join(["", *(line for line in lines[1:] if line.strip() != heredoc[1])])
    inner = Source(whole.path, text, whole.lines, whole.context, False, whole.whole)
    if text == whole.text:
        inner = whole
    return read_script(inner, env, where="dockerfile").steps


def _json(text: str) -> list[str] | None:
    if not text.lstrip().startswith("["):
        return None
    try:
        data = json.loads(text)
    except ValueError:
        return None
    return [str(word) for word in data] if isinstance(data, list) else None


def _exec(item: Instruction, variables: dict[str, str]) -> list[Value[str]]:
    listed = _json(item.text)
    if listed is not None:
        # The exec form starts no shell: nothing is substituted.
        return [known(word, item.place) for word in listed]
    if not item.text:
        return []
    return [known("/bin/sh", item.place), known("-c", item.place), known(item.text, item.place)]


def _copy(result: Dockerfile, item: Instruction) -> None:
    listed = _json(re.sub(r"^(?:--\S+\s+)+", "", item.text))
    words = listed if listed is not None else item.text.split()
    stage = next((w[7:] for w in words if w.startswith("--from=")), "")
    if stage:
        result.copied_stages.append(stage)
        return
    words = [w for w in words if not w.startswith("--")]
    if len(words) >= 2:
        result.copies.append((words[:-1], words[-1]))
