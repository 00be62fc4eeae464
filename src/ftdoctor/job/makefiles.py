"""Makefiles and justfiles: each recipe is a small shell script."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftdoctor.job.value import known, unknown
from ftdoctor.lazy import lazy

if TYPE_CHECKING:
    from ftdoctor.job.model import Job
    from ftdoctor.job.readenv import ReadEnv
    from ftdoctor.job.source import Source
    from ftdoctor.job.value import Value

_VARIABLE = lazy(r"^(?:export\s+)?([A-Za-z_][\w.]*)\s*([:?+]?:?=)\s*(.*?)\s*$")


def read(source: Source, env: ReadEnv) -> list[Job]:
    """Return the jobs that the recipes of a makefile submit or start."""
    from ftdoctor.job.shell import read_script
    from ftdoctor.job.shell_jobs import local_job, submitted

    variables: dict[str, Value[str]] = dict(env.variables)
    recipes: list[list[tuple[int, str]]] = []
    current: list[tuple[int, str]] = []
    lines = source.text.split("\n")
    for number, line in enumerate(lines, 1):
        goes_on = number > 1 and lines[number - 2].endswith("\\") and bool(current)
        if line.startswith(("\t", "    ")) or (goes_on and line.strip()):
            current.append((number, line))
            continue
        if current:
            recipes.append(current)
            current = []
        match = _VARIABLE.match(line)
        if match:
            _assign(variables, match, number, source)
    if current:
        recipes.append(current)
    jobs: list[Job] = []
    for recipe in recipes[:500]:
        text = _recipe(source, recipe)
        script = read_script(text, variables, where="submit", guarded=True)
        found = [job for step in script.steps for job in submitted(step, script, text, env)]
        for job in found:
            job.submit_steps = list(script.steps)
            job.sources.append(source)
        jobs.extend(found or local_job(script, text, env, document=True))
    return jobs


def _assign(
    variables: dict[str, Value[str]], match: re.Match[str], number: int, source: Source
) -> None:
    name, operator, text = match.groups()
    place = source.place(number, match.start(3) + 1, number, match.end(3) + 1)
    if operator == "?=":
        reason = f"make takes {name} from the environment when it is set there"
        variables[name] = unknown(reason, place, text, text)
    elif "$" in text or operator in ("+=", "!="):
        variables[name] = unknown(f"make computes {name}", place, text)
    else:
        variables[name] = known(text, place)


def _recipe(source: Source, rows: list[tuple[int, str]]) -> Source:
    """Return a recipe as shell text: tabs and `@` off, `$(NAME)` as `${NAME}`, `$$` as `$`."""
    texts: list[str] = []
    places: list[tuple[int, int]] = []
    exact = True
    for number, line in rows:
        goes_on = bool(texts) and texts[-1].endswith("\\")
        match = re.match(r"^[\t ]+" if goes_on else r"^[\t ]+[@+-]*", line)
        cut = match.end() if match else 0
        body = re.sub(r"\$\(([A-Za-z_][\w.]*)\)", r"${\1}", line[cut:])
        body = re.sub(r"\{\{\s*([A-Za-z_]\w*)\s*\}\}", r"${\1}", body)
        exact = exact and "$$" not in body and len(body) == len(line) - cut
        texts.append(body.replace("$$", "$"))
        places.append((number, cut + 1))
    return source.fragment("\n".join(texts) + "\n", tuple(places), "", exact)
