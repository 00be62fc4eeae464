"""`--against GOOD.log`: what a log has that a good one has not.

Lines are compared as templates: numbers, hex, paths' directories and quoted names taken out, so
that two runs of the same job look the same where they did the same. Cross-run comparison finds
what no rule knows (the idea is that of L4, arXiv 2503.20263, section on cross-job patterns).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftdoctor.lazy import lazy

if TYPE_CHECKING:
    from ftdoctor.logs.lines import Line

_HEX = lazy(r"\b0x[0-9a-fA-F]+\b|\b[0-9a-f]{8,64}\b")
_NUMBER = lazy(r"(?<![A-Za-z_])[-+]?\d[\d.,:eE+%-]*|\d+")
_PATH = lazy(r"(?:[\w.~-]*/){2,}")
_SPACE = lazy(r"\s+")
#: Lines that differ between any two runs and say nothing.
_BORING = lazy(
    r"^\W*$|\d+%\||it/s\]|s/it\]|B/s\]|^\s*\{'(?:loss|eval_loss|train_runtime)'|^\s*[\^~]+\s*$"
)


def template(text: str) -> str:
    """Return a line with what changes from run to run taken out."""
    text = _HEX.sub("#", text)
    text = _PATH.sub("/", text)
    text = _NUMBER.sub("#", text)
    return _SPACE.sub(" ", text).strip()


def unusual(lines: list[Line], good: list[Line], limit: int = 200) -> list[dict[str, Any]]:
    """Return the lines whose template the good log has not, one a template, in order.

    Each is {"line", "text", "count"}; texts are as printed and must still be redacted.
    """
    known = {template(line.text) for line in good}
    found: dict[str, dict[str, Any]] = {}
    for line in lines:
        if not line.text.strip() or _BORING.search(line.text):
            continue
        key = template(line.text)
        if key in known:
            continue
        entry = found.get(key)
        if entry is not None:
            entry["count"] += 1
        elif len(found) < limit:
            found[key] = {"line": line.number, "text": line.text.strip(), "count": 1}
    return list(found.values())
