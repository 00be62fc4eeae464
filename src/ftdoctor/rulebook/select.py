"""Choose rules (--select, --ignore, configuration) and apply ignores written in the inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftdoctor.lazy import lazy
from ftdoctor.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ftdoctor.job.source import Source
    from ftdoctor.rulebook.model import Finding, Rule

_IGNORE = lazy(r"(?:#|//|<!--)\s*ftdoctor:\s*ignore\[([^\]\n]*)\]\s*(.*)")


@dataclass(slots=True)
class InlineIgnore:
    """A `# ftdoctor: ignore[CODE] reason` in an input. It covers its own line and the next."""

    path: str
    line: int
    codes: tuple[str, ...]
    reason: str
    used: bool = False


def chosen(rule: Rule, select: Iterable[str], ignore: Mapping[str, str]) -> bool:
    """Whether a rule runs: an entry may be a code, a name, or a prefix such as FT-JOB."""

    def matches(entry: str) -> bool:
        upper = entry.upper()
        return (
            rule.code == upper
            or rule.code.startswith(f"{upper.rstrip('-')}-")
            or rule.name == entry.lower()
        )

    wanted = list(select)
    if wanted and not any(matches(entry) for entry in wanted):
        return False
    return not any(matches(entry) for entry in ignore)


def inline_ignores(sources: Iterable[Source]) -> list[InlineIgnore]:
    """Return the ignores written in the files of a job, each file read once."""
    seen: set[str] = set()
    found: list[InlineIgnore] = []
    for source in sources:
        text = source.whole or source.text
        if source.path in seen or "ftdoctor:" not in text:
            continue
        seen.add(source.path)
        for number, line in enumerate(text.split("\n"), 1):
            match = _IGNORE.search(line)
            if match:
                codes = tuple(c.strip().upper() for c in match[1].split(",") if c.strip())
                reason = match[2].removesuffix("-->").strip().rstrip('",\\n').strip()
                found.append(InlineIgnore(source.path, number, codes, reason))
    return found


def ignored_by(finding: Finding, ignores: Iterable[InlineIgnore]) -> InlineIgnore | None:
    """Return the inline ignore that covers a finding, marked as used, or None."""
    place = finding.place
    for ignore in ignores:
        if finding.code not in ignore.codes and finding.name.upper() not in ignore.codes:
            continue
        if place is not None and (
            place.path != ignore.path or place.line not in (ignore.line, ignore.line + 1)
        ):
            continue
        ignore.used = True
        return ignore
    return None
