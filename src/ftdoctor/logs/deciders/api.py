"""Failures that no rule spells out and the API tables know: a keyword or a name of another release.

`SFTTrainer.__init__() got an unexpected keyword argument 'k'` and `cannot import name 'n' from 'm'`
go through the tables with the versions that the log shows. Only a call or an import that the user's
own file makes is judged: inside a library it is the libraries that do not fit each other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftdoctor.lazy import lazy
from ftdoctor.logs.match import Match

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftdoctor.api.explain import Explanation
    from ftdoctor.logs.blocks import Block
    from ftdoctor.logs.causes import Run
    from ftdoctor.logs.lines import Line

KEYWORD_RULE = "api-unexpected-keyword"
IMPORT_RULE = "api-name-not-importable"
_KEYWORD = lazy(
    r"TypeError: (?P<callable>[\w.]{1,120})\(\) got an unexpected keyword argument "
    r"'(?P<keyword>\w{1,80})'"
)
_IMPORT = lazy(
    r"ImportError: cannot import name '(?P<name>\w{1,80})' from '(?P<module>[\w.]{1,120})'"
)
_LIBRARY = ("site-packages", "dist-packages", "<frozen", "/lib/python3")
_FILE = lazy(r'File "([^"\n]{1,400})", line \d+')


def recognise(run: Run, block: Block | None) -> tuple[Match, str] | None:
    """Return (match of the generic API rule, what the releases say) for a failure, or None."""
    if block is None or block.final is None:
        return None
    line = next((line for line in block.members if line.at == block.final.line), None)
    if line is None:
        return None
    keyword = _KEYWORD.search(line.text)
    name = None if keyword else _IMPORT.search(line.text)
    if (not keyword and not name) or not users_own(block, line):
        return None
    versions = run.facts.get("versions") or {}
    if keyword:
        from ftdoctor.api.explain import explain_unexpected_keyword

        found = explain_unexpected_keyword(keyword["callable"], keyword["keyword"], versions)
        rule = KEYWORD_RULE
    else:
        from ftdoctor.api.explain import explain_missing_import

        assert name is not None
        found = explain_missing_import(name["module"], name["name"], versions)
        rule = IMPORT_RULE
    number = run.patterns.by_name.get(rule)
    if found is None or number is None:
        return None
    match = Match(number, line, _captures(found))
    match.block = block
    return match, sentence(found, versions)


def users_own(block: Block, line: Line) -> bool:
    """Whether the last frame above a line is the user's file (or no frame was printed)."""
    for other in reversed([member for member in block.members if member.at < line.at]):
        frame = _FILE.search(other.text)
        if frame:
            return not any(part in frame[1] for part in _LIBRARY)
    return True


def _captures(found: Explanation) -> dict[str, str]:
    values: dict[str, Any] = {
        "symbol": found.symbol,
        "parameter": found.parameter,
        "package": found.package,
        "replacement": found.replacement,
        "last_ok": found.last_ok,
        "first_bad": found.first_bad,
    }
    return {key: str(value) for key, value in values.items() if value}


def sentence(found: Explanation, versions: Mapping[str, str]) -> str:
    """Return what the tables say: the releases that have it, the job's own, what to use."""
    spans = [
        f"{first} to {last}"
        if last and first != last
        else (first if last else f"{first} and newer")
        for first, last in found.accepted
    ]
    what = (
        f"`{found.symbol}` takes `{found.parameter}`"
        if found.parameter != found.symbol.rsplit(".", 1)[-1]
        else f"`{found.symbol}` exists"
    )
    text = f"{what} in {found.package} {', '.join(spans)}"
    own = versions.get(found.package)
    text += f"; this job has {own}." if own else "."
    return f"{text} {found.text}".strip()
