"""The file behind `--config`: beside the job, written by the script itself, or made by a tool."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

from ftdoctor.job.shell_expand import expand_text
from ftdoctor.job.yaml_values import Template
from ftdoctor.lazy import lazy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftdoctor.job.readenv import ReadEnv
    from ftdoctor.job.shell_follow import Written
    from ftdoctor.job.shell_text import ShellText
    from ftdoctor.job.source import Place, Source
    from ftdoctor.job.value import Value

_SUBSTITUTION = lazy(r"<\(\s*(envsubst|sed|cat)\b(.*)\)", re.S)


def find_config(
    value: ShellText, env: ReadEnv, written: Mapping[str, Written]
) -> tuple[Source, Template | None] | str:
    """Return the text of a config file and how it is filled in, or why it is not there.

    `written` are the files that the script writes, by path as written.
    """
    entry = _entry(value, written)
    if entry is not None:
        return _written(entry, env)
    made = _SUBSTITUTION.match(value.body)
    if made:
        path = _input_of(made.group(2))
        source = env.find(path) if path else None
        tool = "" if made.group(1) == "cat" else made.group(1)
        return (
            (source, Template(filled=tool) if tool else None) if source else "it is made on the fly"
        )
    for text in (value.value, value.default):
        if isinstance(text, str) and text:
            source = env.find(text)
            if source is not None:
                return source, None
    if not value.known:
        return value.unknown
    return f"{value.body} is not among these files"


def _input_of(words: str) -> str:
    match = re.search(r"<\s*['\"]?([^\s'\"<>]+)", words) or re.search(
        r"([^\s'\"]+\.ya?ml\S*)", words
    )
    return match.group(1) if match else ""


def _plain(path: str) -> str:
    return re.sub(r"\$\{(\w+)\}", r"$\1", path)


def _entry(value: ShellText, written: Mapping[str, Written]) -> Written | None:
    body = value.body
    if body in written:
        return written[body]
    for path, entry in written.items():
        if _plain(path) == _plain(body):
            return entry
    same = [e for p, e in written.items() if posixpath.basename(p) == posixpath.basename(body)]
    return same[0] if len(same) == 1 else None


def _written(entry: Written, env: ReadEnv) -> tuple[Source, Template | None] | str:
    if entry.source is not None:
        filled = entry.tool if entry.tool != "sed" else ""
        template = Template(replaced=entry.replaced, filled=filled, more=entry.more)
        scope = entry.scope
        if entry.expands and scope is not None:

            def expand(text: str, place: Place) -> Value[str]:
                assert scope is not None
                return expand_text(text, scope, place)

            template.expand = expand
        return entry.source, template
    if entry.made_from:
        source = env.find(entry.made_from)
        if source is not None:
            filled = entry.tool if entry.tool not in ("sed", "") else ""
            return source, Template(replaced=entry.replaced, filled=filled)
        return f"{entry.made_from}, from which `{entry.tool}` makes it, is not among these files"
    return "the script writes it in a way that is not followed"
