"""Score the rulebook on a labelled corpus: right, wrong, silent, false alarms, per rule and in all.

A corpus is JSON lines: {"id", "cause", "accept": [...], "log"}; cause "none" is a healthy log.
Right: the named rule is the cause, one of `accept`, or a child (by `parent`) of either.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftdoctor.errors import UsageError
from ftdoctor.records import dataclass, field

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ftdoctor.logs.patterns import Patterns
    from ftdoctor.rulebook.load import Rulebook


@dataclass(frozen=True, slots=True)
class Case:
    """One labelled log."""

    id: str
    cause: str
    accept: tuple[str, ...]
    log: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What was said of a case: kind is right | wrong | silent | false-alarm | quiet."""

    case: Case
    kind: str
    named: str
    outcome: str


@dataclass
class Score:
    """Counts over a corpus. "quiet" is a healthy log on which nothing was named."""

    answers: list[Answer] = field(default_factory=list)

    def count(self, kind: str) -> int:
        """Return how many answers are of a kind."""
        return sum(1 for answer in self.answers if answer.kind == kind)

    def document(self) -> dict[str, Any]:
        """Return the JSON form: totals, per cause, and every case that is not right."""
        causes: dict[str, dict[str, int]] = {}
        for answer in self.answers:
            row = causes.setdefault(answer.case.cause, {})
            row[answer.kind] = row.get(answer.kind, 0) + 1
        return {
            "schema_version": 1,
            "cases": len(self.answers),
            **{kind.replace("-", "_"): self.count(kind) for kind in KINDS},
            "causes": causes,
            "misses": [
                {"id": a.case.id, "cause": a.case.cause, "kind": a.kind, "named": a.named or None}
                for a in self.answers
                if a.kind not in ("right", "quiet")
            ],
        }

    def text(self, *, misses: bool = True) -> str:
        """Return the report for a terminal."""
        failures = len(self.answers) - self.count("quiet") - self.count("false-alarm")
        healthy = len(self.answers) - failures

        def share(kind: str, of: int) -> str:
            return f"{self.count(kind)} ({100 * self.count(kind) / of:.1f} %)" if of else "0"

        lines = [
            f"{failures} failures: right {share('right', failures)}, "
            f"wrong {share('wrong', failures)}, silent {share('silent', failures)}",
            f"{healthy} healthy logs: false alarms {share('false-alarm', healthy)}",
        ]
        if misses:
            lines += [
                f"  {a.kind:11} {a.case.id:8} {a.case.cause}"
                + (f"  named: {a.named}" if a.named else "")
                for a in sorted(self.answers, key=lambda a: (a.kind, a.case.cause))
                if a.kind not in ("right", "quiet")
            ]
        return "\n".join(lines)


KINDS = ("right", "wrong", "silent", "false-alarm", "quiet")


def cases(path: Path) -> Iterator[Case]:
    """Yield the cases of a corpus file.

    Raises:
        UsageError: the file is missing or a line is not a case.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"{path}: {error.strerror or error}", "Name a corpus file (JSON lines)."
        ) from None
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            yield Case(
                str(row["id"]), str(row["cause"]), tuple(row.get("accept") or ()), str(row["log"])
            )
        except (ValueError, KeyError, TypeError):
            raise UsageError(
                f"{path}:{number}: not a case.",
                'Each line is {"id": ..., "cause": ..., "accept": [...], "log": ...}.',
            ) from None


def answer(case: Case, patterns: Patterns) -> Answer:
    """Explain one case and compare."""
    from ftdoctor.logs.explain import explain_log
    from ftdoctor.logs.reading import RawLog

    data = io.BytesIO(case.log.encode("utf-8", "replace"))
    found = explain_log(RawLog(case.id, data), patterns, engine="plain")
    named = str(found.cause["name"]) if found.cause else ""
    return Answer(case, _kind(case, named, patterns), named, found.outcome)


def _kind(case: Case, named: str, patterns: Patterns) -> str:
    if case.cause == "none":
        return "false-alarm" if named else "quiet"
    if not named:
        return "silent"
    wanted = {case.cause, *case.accept}
    return "right" if wanted & {named, *patterns.ancestors(named)} else "wrong"


def score(rows: Iterable[Case], patterns: Patterns, *, areas: Sequence[str] = ()) -> Score:
    """Score the rulebook on cases; `areas` keeps the causes whose rule is in one of them."""
    result = Score()
    for case in rows:
        if areas:
            number = patterns.by_name.get(case.cause)
            area = patterns.rules[number][0].split("-")[1] if number is not None else ""
            if area not in areas:
                continue
        result.answers.append(answer(case, patterns))
    return result


def report(corpus: str, book: Rulebook, *, fmt: str = "terminal", misses: bool = False) -> int:
    """Print the score of a rulebook on a corpus file and return the exit code (0).

    Raises:
        UsageError: the corpus cannot be read.
    """
    from ftdoctor.logs.patterns import Patterns
    from ftdoctor.logs.table import build

    result = score(cases(Path(corpus)), Patterns(build(book.rows), book.rows))
    if fmt == "json":
        print(json.dumps(result.document(), indent=2, ensure_ascii=False))
    else:
        print(result.text(misses=misses))
    return 0


def _main() -> None:
    """`python -m ftdoctor.rulebook.score FILE [--area X]... [--misses]`."""
    import argparse

    from ftdoctor.logs.patterns import load_patterns

    parser = argparse.ArgumentParser(prog="python -m ftdoctor.rulebook.score")
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--area", action="append", default=[])
    parser.add_argument("--misses", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    result = score(cases(options.corpus), load_patterns(), areas=options.area)
    print(
        json.dumps(result.document(), indent=1)
        if options.json
        else result.text(misses=options.misses)
    )


if __name__ == "__main__":
    _main()
