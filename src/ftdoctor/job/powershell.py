"""PowerShell scripts: the gcloud and hf commands in them, read as a shell would."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftdoctor.job.shell_follow import Written
from ftdoctor.job.shell_text import as_text
from ftdoctor.job.value import known, unknown
from ftdoctor.lazy import lazy

if TYPE_CHECKING:
    from ftdoctor.job.model import Job
    from ftdoctor.job.readenv import ReadEnv
    from ftdoctor.job.source import Source
    from ftdoctor.job.value import Value

_ASSIGN = lazy(
    r"(?im)^[ \t]*(?:\[\w+\]\s*)?\$((?:env:)?\w+)\s*=\s*"
    r"(?:\"([^\"\n`]*)\"|'([^'\n]*)'|([^\n]*?))[ \t]*$"
)
_HERE = re.compile(r"@([\"'])[ \t]*\n")
_TARGET = lazy(
    r"(?i)(?:Out-File|Set-Content)(?:\s+-\w+)*?\s+(?:-(?:File)?Path\s+)?[\"']?([^\s\"'|]+)"
)


def read(source: Source, env: ReadEnv) -> list[Job]:
    """Return the jobs that a PowerShell script submits."""
    from ftdoctor.job.shell import read_script
    from ftdoctor.job.shell_jobs import submitted

    variables: dict[str, Value[str]] = dict(env.variables)
    for match in _ASSIGN.finditer(source.text):
        _assign(variables, match, source)
    text = source.fragment(_as_shell(source.text), _same_lines(source), "", source.exact)
    script = read_script(text, variables, where="submit")
    script.written = {**script.written, **_here_strings(source, variables)}
    jobs = [job for step in script.steps for job in submitted(step, script, text, env)]
    for job in jobs:
        job.submit_steps = list(script.steps)
        job.extra["shell"] = "powershell"
    return jobs


def _same_lines(source: Source) -> tuple[tuple[int, int], ...]:
    return tuple((number, 1) for number in range(1, source.text.count("\n") + 2))


def _assign(variables: dict[str, Value[str]], match: re.Match[str], source: Source) -> None:
    name = match.group(1).removeprefix("env:").removeprefix("Env:")
    which = next((i for i in (2, 3, 4) if match.group(i) is not None), 4)
    text = match.group(which) or ""
    quotes = 1 if which in (2, 3) else 0
    place = source.span(match.start(which) - quotes, match.end(which) + quotes)
    plain = which == 3 or (which == 2 and "$" not in text) or text.replace(".", "").isdigit()
    if name in variables and (not plain or variables[name].value != text):
        variables[name] = unknown("it is set in several places", place, text)
    elif plain:
        variables[name] = known(text, place)
    else:
        variables[name] = unknown(f"PowerShell computes ${name}", place, text)


def _as_shell(text: str) -> str:
    """Return the text with the same length in the shape that the shell reader knows."""
    for start, _, _, end in _here_spans(text):
        # Same length: the spans that follow stay right.
        text = text[:start] + re.sub(r"[^\n]", " ", text[start:end]) + text[end:]
    text = re.sub(r"<#.*?#>", lambda m: re.sub(r"[^\n]", " ", m.group()), text, flags=re.S)
    text = re.sub(r"`(?=[ \t]*(?:\n|$))", r"\\", text)
    text = re.sub(r"\$env:(\w)", lambda m: " " * 0 + "$" + m.group(1), text, flags=re.I)
    return re.sub(r"(?m)^([ \t]*)&[ \t](?=\w)", r"\1  ", text)


def _here_spans(text: str) -> list[tuple[int, int, int, int]]:
    """Return (start, start of the body, its end, end of the last line) of each here-string."""
    found: list[tuple[int, int, int, int]] = []
    at = 0
    while len(found) < 200 and (match := _HERE.search(text, at)):
        close = text.find("\n" + match.group(1) + "@", match.end() - 1)
        if close < 0:
            break
        line = text.find("\n", close + 3)
        at = len(text) if line < 0 else line
        found.append((match.start(), match.end(), close, at))
    return found


def _here_strings(source: Source, variables: dict[str, Value[str]]) -> dict[str, Written]:
    found: dict[str, Written] = {}
    for start, first, close, end in _here_spans(source.text):
        target = _TARGET.search(source.text[close + 3 : end])
        before = re.search(r"\$(\w+)\s*=\s*$", source.text[max(0, start - 80) : start])
        if target is None and before is not None:
            later = re.search(rf"\${before.group(1)}\s*\|\s*([^\n]+)", source.text[end:])
            target = _TARGET.search(later.group(1)) if later else None
        if target is None:
            continue
        body = source.block(
            source.line_column(first)[0], source.line_column(close)[0], "here-string"
        )
        expands = source.text[start + 1] == '"'
        from ftdoctor.job.shell_expand import Scope

        scope = Scope(source, owner="PowerShell variable") if expands else None
        if scope is not None:
            scope.variables = {name: as_text(value) for name, value in variables.items()}
        found[target.group(1)] = Written(target.group(1), body, expands, scope)
    return found
