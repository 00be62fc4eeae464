"""Code in documents: fenced and directive blocks of Markdown, MyST and reStructuredText.

Each block is a fragment whose places point into the document.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftdoctor.lazy import lazy
from ftdoctor.records import dataclass

if TYPE_CHECKING:
    from ftdoctor.job.source import Source

_OPEN = lazy(r"^([ \t>]*(?:[-*+] |\d+\. )?[ \t]*)(`{3,}|~{3,}|:{3,})\s*(.*?)\s*$")
_DIRECTIVE = lazy(r"^([ \t]*)\.\.\s+(?:code-block|code|sourcecode|parsed-literal)::\s*(\S*)\s*$")
_WORDS = lazy(r"\{?([A-Za-z0-9_+.-]+)\}?")
_SHELL = frozenset("bash sh shell zsh console shell-session terminal shellscript bat cmd".split())
_LANGUAGES = {
    **dict.fromkeys(_SHELL, "shell"),
    **dict.fromkeys(("yaml", "yml"), "yaml"),
    **dict.fromkeys(("json", "jsonc", "json5"), "json"),
    **dict.fromkeys(("python", "py", "python3", "ipython"), "python"),
    **dict.fromkeys(("powershell", "ps1", "pwsh"), "powershell"),
    **dict.fromkeys(("hcl", "terraform", "tf"), "terraform"),
    **dict.fromkeys(("dockerfile", "docker"), "dockerfile"),
    **dict.fromkeys(("makefile", "make"), "make"),
    **dict.fromkeys(("diff", "patch", "output", "log", "mermaid", "text-output"), "other"),
}
#: Words above or in a block that say: this is how not to do it.
_WRONG = lazy(
    r"(?i)\b(?:wrong|incorrect|bad|broken|don'?t do this|do not do this|anti-?pattern|fails?"
    r"|deprecated|old way|before(?: the fix)?|will not work|won'?t work|never)\b"
    r"|[\u274c\u2717\u2716]"
)
_NAMED = lazy(r"`?([\w./-]+\.(?:ya?ml|json|py|sh|txt|tf|tmpl|tpl))`?")


@dataclass(slots=True)
class Fence:
    """A block of code in a document."""

    language: str
    source: Source
    #: First line of the block in the document.
    line: int
    #: File names that the block says it is (title, caption, first comment), then those that the
    #: text just above mentions.
    names: tuple[str, ...] = ()
    #: True when the document shows it as a mistake.
    wrong: bool = False


def fences(source: Source) -> list[Fence]:
    """Return the code blocks of a document, in order."""
    lines = source.text.split("\n")
    found: list[Fence] = []
    at = 0
    while at < len(lines):
        match = _OPEN.match(lines[at])
        if match and not (match.group(2)[0] == "`" and "`" in match.group(3)):
            at = _fenced(source, lines, at, match, found)
            continue
        directive = _DIRECTIVE.match(lines[at])
        if directive:
            at = _directive(source, lines, at, directive, found)
            continue
        at += 1
    if not found:
        found = _indented(source, lines)
    return found


def _fenced(
    source: Source, lines: list[str], at: int, match: re.Match[str], found: list[Fence]
) -> int:
    mark = match.group(2)
    info = match.group(3)
    end = at + 1
    closing = re.compile(r"^[ \t>]*" + re.escape(mark[0]) + "{" + str(len(mark)) + r",}\s*$")
    while end < len(lines) and not closing.match(lines[end]):
        end += 1
    if mark[0] == ":" and not re.match(r"\{?(?:code|code-block|sourcecode|literalinclude)\b", info):
        # A MyST admonition: what stands inside is text with blocks of its own.
        return at + 1
    first = at + 1
    name = ""
    while first < end and (option := re.match(r"^[ \t>]*:(\w+):\s*(.*)$", lines[first])):
        name = option.group(2).strip() if option.group(1) in ("caption", "name") else name
        first += 1
    _add(source, lines, first, end, _language(info), info + " " + name, found, at)
    return end + 1


def _language(info: str) -> str:
    words = _WORDS.findall(info)
    if words and words[0] in ("code-block", "code", "sourcecode", "code-cell", "highlight"):
        words = words[1:]
    word = words[0].lower() if words else ""
    return _LANGUAGES.get(word, "other" if word else "")


def _directive(
    source: Source, lines: list[str], at: int, match: re.Match[str], found: list[Fence]
) -> int:
    indent = len(match.group(1))
    first = at + 1
    while first < len(lines) and (not lines[first].strip() or re.match(r"\s+:\w+:", lines[first])):
        first += 1
    end = first
    while end < len(lines) and (
        not lines[end].strip() or len(lines[end]) - len(lines[end].lstrip()) > indent
    ):
        end += 1
    _add(source, lines, first, end, _language(match.group(2)), "", found, at)
    return max(end, at + 1)


def _indented(source: Source, lines: list[str]) -> list[Fence]:
    """Code set off by four blanks, in a text that has no fences at all."""
    found: list[Fence] = []
    at = 0
    while at < len(lines):
        if not re.match(r"(?: {4,}|\t)\S", lines[at]) or (at and lines[at - 1].strip()):
            at += 1
            continue
        end = at
        while end < len(lines) and (not lines[end].strip() or re.match(r"(?: {4}|\t)", lines[end])):
            end += 1
        _add(source, lines, at, end, "", "", found, at)
        at = end
    return found


def _add(
    source: Source,
    lines: list[str],
    first: int,
    end: int,
    language: str,
    info: str,
    found: list[Fence],
    opened: int,
) -> None:
    while end > first and not lines[end - 1].strip():
        end -= 1
    if first >= end:
        return
    body = lines[first:end]
    quoted = all(line.lstrip().startswith(">") for line in body)
    indents = [
        len(line) - len(line.lstrip(" \t>" if quoted else " \t")) for line in body if line.strip()
    ]
    indent = min(indents, default=0)
    texts = [line[min(indent, len(line)) :] for line in body]
    places = tuple((first + 1 + i, min(indent, len(line)) + 1) for i, line in enumerate(body))
    block = source.fragment("\n".join(texts) + "\n", places, "")
    above = _above(lines, opened)
    names = [*_NAMED.findall(info), *_first_comment(texts), *_NAMED.findall(above)]
    wrong = bool(
        any(_WRONG.search(line) for line in texts[:2] if line.lstrip().startswith(("#", "//")))
        or (
            _WRONG.search(above.rsplit("\n", 1)[-1] if len(above) < 200 else above[-120:])
            and re.search(r"(?i)wrong|incorrect|don'?t|do not|bad\b|\u274c", above[-120:])
        )
    )
    found.append(
        Fence(language or _sniff(texts), block, first + 1, tuple(dict.fromkeys(names)), wrong)
    )


def _above(lines: list[str], opened: int) -> str:
    """Return the paragraph or heading just above a block."""
    at = opened - 1
    while at >= 0 and not lines[at].strip():
        at -= 1
    last = at
    while (
        at >= 0
        and lines[at].strip()
        and last - at < 6
        and not lines[at].lstrip().startswith(("```", "~~~"))
    ):
        at -= 1
    return "\n".join(lines[at + 1 : last + 1])


def _first_comment(texts: list[str]) -> list[str]:
    first = next((text for text in texts if text.strip()), "")
    match = re.match(
        r"\s*(?:#|//)\s*(?:[\w ]{0,20}:\s*)?([\w./-]+\.\w{1,5})\s*(?:[(—:-].*)?$", first
    )
    return [match.group(1)] if match else []


def _sniff(texts: list[str]) -> str:
    """Guess the language of a block without one."""
    text = "\n".join(texts)
    first = next((line.strip() for line in texts if line.strip()), "")
    if re.match(
        r"(?:[$%]\s+)?(?:gcloud|hf|trl|pip|uv|accelerate|torchrun|export|huggingface-cli|bash|cat)\s",
        first,
    ):
        return "shell"
    if re.match(r"[$%] \S", first):
        return "shell"
    if re.match(r"#!.*sh\b", first):
        return "shell"
    if re.search(r"(?m)^\s*-?\s*(?:workerPoolSpecs|machineSpec|containerSpec|jobSpec):", text):
        return "yaml"
    if first.startswith("{") and text.rstrip().endswith("}"):
        return "json"
    if re.search(
        r"(?m)^(?:from\s+[\w.]+\s+import|import\s+\w)|^# /// script|^\w[\w.]*\s*=\s*[\w.]+\(", text
    ):
        return "python"
    return ""
