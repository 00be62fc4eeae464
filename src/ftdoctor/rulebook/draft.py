"""Draft a rule from the log of a failure that no rule knows, with its redacted fixture.

The pattern is the line that decided, with what changes from run to run taken out; the words are
left to the author. The draft is read back and must match its own fixture before it is written.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from ftdoctor.errors import UsageError
from ftdoctor.redact import redact

if TYPE_CHECKING:
    from ftdoctor.logs.blocks import Block
    from ftdoctor.logs.lines import Line

#: Lines of the log before the failure that the fixture keeps.
_BEFORE = 5
_LONGEST_PATTERN = 160
_VARIABLE = re.compile(
    r"(?P<quoted>'[^'\n]*'|\"[^\"\n]*\")|(?P<path>(?:[\w.~-]*/){2,}[\w.-]*)|(?P<hex>0x[0-9a-f]+)"
    r"|(?P<number>\d[\d.,]*)"
)


def pattern_of(text: str) -> str:
    """Return a pattern for a line: quoted names, paths and numbers may be others."""
    parts: list[str] = []
    at = 0
    for match in _VARIABLE.finditer(text):
        parts.append(_plain(text[at : match.start()]))
        kind = match.lastgroup
        if kind == "quoted":
            quote = match[0][0]
            parts.append(f"{quote}[^{quote}]*{quote}")
        elif kind == "number":
            parts.append(r"[\d.,]+")
        else:
            parts.append(r"\S+")
        at = match.end()
    parts.append(_plain(text[at:]))
    whole = ""
    for part in parts:
        if len(whole) + len(part) > _LONGEST_PATTERN and len(whole) > 20:
            break
        whole += part
    return whole.strip()


def _plain(text: str) -> str:
    """Escape a text for `re`, readably."""
    return re.sub(r"([.^$*+?{}\[\]\\|()])", r"\\\1", text)


def name_of(text: str) -> str:
    """Return a rule name made from the words of a line."""
    words = re.findall(r"[A-Za-z]{3,}", re.sub(r"'[^']*'|\"[^\"]*\"|\S*/\S*", " ", text))
    parts = [re.sub(r"(?<=[a-z])(?=[A-Z])", "-", word).lower() for word in words[:6]]
    return "-".join(parts)[:60].strip("-") or "unnamed-failure"


def draft(log: str, *, code: str = "FT-ACME-001", name: str = "", folder: str = ".") -> int:
    """Write CODE-NAME.yaml and its fixture under a folder, print what was written, return 0.

    Raises:
        UsageError: a rule knows the failure already, there is none, or a file would be overwritten.
    """
    from ftdoctor.config import find
    from ftdoctor.logs.causes import Run, judge
    from ftdoctor.logs.patterns import load_patterns
    from ftdoctor.logs.reading import open_log
    from ftdoctor.logs.scan import scan

    raw = open_log(log)
    try:
        lines = scan(raw, patterns := load_patterns(find().rules)).lines
    finally:
        raw.close()
    run = Run(lines, patterns, {})
    verdict = judge(run)
    if verdict.cause is not None:
        known = patterns.rules[verdict.cause.rule]
        raise UsageError(
            f"{known[0]} {known[1]} already names the cause of {log}.",
            f"See it:  ftdoctor rule {known[0]}",
        )
    if verdict.block is None:
        raise UsageError(f"There is no failure in {log}.", "Give the log of a run that failed.")
    line = deciding_line(verdict.block)
    return _write(line, verdict.block, lines, code.upper(), name, Path(folder))


def deciding_line(block: Block) -> Line:
    """Return the line that states the failure."""
    final = block.final
    at = final.line if final else block.last
    return next((line for line in block.members if line.at == at), block.members[-1])


def _write(line: Line, block: Block, lines: list[Line], code: str, name: str, folder: Path) -> int:
    import yaml

    from ftdoctor.rulebook.parse import parse_rule

    text = redact(line.text.strip())
    name = name or name_of(text)
    pattern = pattern_of(text)
    rule = {
        "code": code,
        "name": name,
        "severity": "error",
        "since": "0.1.0",
        "summary": text[:120],
        "after": {"any": [pattern], "role": "cause"},
        "explain": "Say in two or three sentences why this happens.",
        "fixes": [{"text": "Say what to do."}],
        "references": [],
    }
    parse_rule(rule, f"{code}-{name}.yaml")
    if not re.search(pattern, text):
        raise UsageError(
            f"No pattern could be made of: {text[:80]}",
            "Write the rule by hand; see CONTRIBUTING.md.",
        )
    start = max(0, block.first - _BEFORE)
    fixture = "\n".join(redact(other.text) for other in lines[start : block.last + 2]) + "\n"
    paths = {
        folder / f"{code}-{name}.yaml": yaml.safe_dump(
            rule, sort_keys=False, allow_unicode=True, width=100
        ),
        folder / "fixtures" / "after" / code / "fires.log": fixture,
    }
    taken = next((path for path in paths if path.exists()), None)
    if taken is not None:
        raise UsageError(f"{taken} exists.", "Give another --code, or move the file away.")
    for path, content in paths.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
        except OSError as error:
            raise UsageError(
                f"{path}: {error.strerror or error}", "Name a folder with --to."
            ) from None
        print(path)
    print(
        "Fill in 'explain' and 'fixes', add a look-alike as silent.log beside the fixture, and "
        "name the folder in the configuration: rules = [...]"
    )
    return 0
