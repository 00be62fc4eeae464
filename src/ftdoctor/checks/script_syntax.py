"""A script that is no Python: it ends with SyntaxError before its first line runs.

What this interpreter refuses is an error for the job as well, unless the job's Python is newer
(or not known) and the place may be of a grammar that came later. Sources: PEP 695 and 701
(Python 3.12), PEP 750 and 758 (3.14).
"""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

from ftdoctor.checks.about import launched
from ftdoctor.job.value import get
from ftdoctor.records import replace
from ftdoctor.rulebook.model import Hit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftdoctor.checks.context import Context
    from ftdoctor.job.model import Job, Script

#: Python that brought a grammar -> how a line or a message shows that it may be of it.
_LATER = (
    ((3, 12), r"\b(?:[fF][rR]?|[rR][fF])['\"]", r"f-string"),
    ((3, 12), r"^\s*type\s+\w+|^\s*(?:async\s+)?(?:def|class)\s+\w+\s*\[", r"\Z\A"),
    ((3, 14), r"\b(?:[tT][rR]?|[rR][tT])['\"]", r"t-string"),
    ((3, 14), r"\Z\A", r"multiple exception types must be parenthesized"),
)
#: Commands of IPython, fields of a template, something left out: nobody runs the file as it is.
_NOT_PLAIN = r"^\s*[!%?]|\{\{.*\}\}|\{%.*%\}|<%|\.\.\.|…"


def broken(context: Context, **_: object) -> Iterator[Hit]:
    """A script of the job, or the one that submits it, cannot be compiled."""
    job = context.job
    for script in job.scripts:
        path = script.source.path
        if not script.source.is_file or not path.endswith(".py") or _python2(job, script):
            continue
        error = _error(script)
        if error is not None and not launched(job) and _excerpt(script.source.text, error):
            continue
        if error is None or not _certain(job, script, error):
            continue
        line = max(1, error.lineno or 1)
        place = script.source.place(line, max(1, error.offset or 1))
        if error.end_lineno == line and (error.end_offset or 0) > (error.offset or 1):
            place = replace(place, end_line=line, end_column=error.end_offset or 0)
        kind = type(error).__name__
        values = {"kind": kind, "said": error.msg, "path": path, "line": line}
        yield Hit(place, values, values, summary="{path} is no Python: {said} (line {line}).")


def _excerpt(text: str, error: SyntaxError) -> bool:
    """Whether a file that stands alone is cut out of a longer one: nobody runs it as it is."""
    if "# /// script" in text:
        return False
    cut = isinstance(error, IndentationError) or "..." in text or "\u2026" in text
    return cut or not re.search(r"^(?:import|from)\s", text, re.M)


def _python2(job: Job, script: Script) -> bool:
    if re.match(r"#!.*\bpython2", script.source.text):
        return True
    return any(re.search(r"\bpython2", get(v) or "") for s in job.steps for v in s.argv[:3])


def _error(script: Script) -> SyntaxError | None:
    """Return what the compiler says, None when it says nothing."""
    import warnings

    tree = script.tree
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(
                script.source.text if tree is None else tree,
                script.source.path,
                "exec",
                dont_inherit=True,
            )
    except SyntaxError as error:
        return error
    except (ValueError, RecursionError, MemoryError):
        return None
    return None


def _certain(job: Job, script: Script, error: SyntaxError) -> bool:
    lines = script.source.text.split("\n")
    first = error.lineno or 1
    shown = lines[first - 1 : max(first, error.end_lineno or first)]
    if any(re.search(_NOT_PLAIN, line) for line in shown):
        return False
    runs = job.environment.python if job.environment and script.role != "submit" else ""
    newest = (99, 0)
    if re.fullmatch(r"3\.\d+", runs):
        newest = (3, int(runs.split(".")[1]))
    for since, in_line, in_message in _LATER:
        if sys.version_info[:2] >= since or newest < since:
            continue
        if re.search(in_message, error.msg) or any(re.search(in_line, line) for line in shown):
            return False
    return True
