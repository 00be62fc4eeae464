"""Shell scripts as a list of steps: the entry points of the shell reader.

The work is done in `shell_words` (quotes and expansions), `shell_parse` (grammar), `shell_expand`
(values of words) and `shell_follow` (order, variables, branches). Nothing is ever run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftdoctor.job.shell_expand import Scope
from ftdoctor.job.shell_follow import Follower, Script
from ftdoctor.job.shell_parse import parse_block
from ftdoctor.job.shell_text import as_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ftdoctor.job.model import Step
    from ftdoctor.job.source import Source
    from ftdoctor.job.value import Value


#: What follows in a longer script is data (a self-extracting archive), not commands.
MOST_CHARS = 300_000


def read_script(
    source: Source,
    variables: Mapping[str, Value[str]] | None = None,
    *,
    positional: Sequence[Value[str]] | None = None,
    where: str = "container",
    owner: str = "shell variable",
    guarded: bool = False,
) -> Script:
    """Read a script into its steps, the files it writes and the env files it loads.

    `variables` are set before it starts; `positional` are `$1`, `$2`, ... (None: not known).
    `owner` names who sets the others, for the reason of an unknown value.
    """
    scope = Scope(source, owner=owner)
    scope.variables = {name: as_text(value) for name, value in (variables or {}).items()}
    if positional is not None:
        scope.positional = [as_text(value) for value in positional]
    block, broken = parse_block(source.text[:MOST_CHARS])
    follower = Follower(source, scope, where, guarded)
    follower.run(block)
    follower.script.broken = [source.span(at, at + 2) for at in broken]
    return follower.script


def parse(
    source: Source,
    variables: Mapping[str, Value[str]] | None = None,
    *,
    positional: Sequence[Value[str]] | None = None,
    where: str = "container",
) -> list[Step]:
    """Return the simple commands of a script in the order in which they run."""
    return read_script(source, variables, positional=positional, where=where).steps
