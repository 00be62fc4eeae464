"""`ftdoctor explain` for a terminal: the cause, its lines, why, and what to do."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

from ftdoctor.report.style import style

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftdoctor.logs.explain import Explanation

_BLOCK_LINES = 40


def _wrap(text: str, width: int, indent: str) -> Iterator[str]:
    for part in text.split("\n"):
        yield from textwrap.wrap(
            part,
            width,
            initial_indent=indent,
            subsequent_indent=indent,
            break_long_words=False,
            break_on_hyphens=False,
        ) or [""]


def _size(number: int) -> str:
    if number < 10_000:
        return f"{number} bytes"
    return f"{number / 1e6:.1f} MB" if number >= 1_000_000 else f"{number / 1e3:.0f} kB"


def _facts(facts: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Facts in a row each, in the words of the field."""
    versions = facts.get("versions")
    if versions:
        yield "versions", ", ".join(f"{name} {version}" for name, version in versions.items())
    gpu = " ".join(str(facts[key]) for key in ("gpu", "gpu_memory") if facts.get(key))
    if gpu:
        yield "GPU", gpu
    driver = facts.get("driver")
    if driver:
        cuda = f" (CUDA {facts['driver_cuda']})" if facts.get("driver_cuda") else ""
        yield "driver", f"{driver}{cuda}"
    for key, label in (
        ("model", "model"),
        ("python", "Python"),
        ("machine", "machine"),
        ("image", "image"),
        ("state", "state"),
        ("world_size", "processes"),
        ("per_device_batch_size", "per-device batch size"),
        ("gradient_accumulation", "gradient accumulation"),
        ("trainable_parameters", "trainable parameters"),
        ("duration", "ran for"),
        ("cost", "cost"),
        ("token", "token in the job"),
    ):
        if facts.get(key):
            yield label, str(facts[key])
    loss = facts.get("loss")
    if loss:
        word = "" if loss["trend"] == "too few" else f", {loss['trend']}"
        yield (
            "loss",
            f"{loss['first']:g} to {loss['last']:g} in {loss['logged']} logged steps{word}",
        )
    if facts.get("steps"):
        yield "last step", f"{facts.get('step')} of {facts['steps']}"


def _header(explanation: Explanation) -> Iterator[str]:
    scan = explanation.scan
    form = {
        "": "text",
        "json": "JSON entries",
        "sse": "HF Jobs events",
        "csv": "CSV export",
        "yaml": "YAML entries",
    }
    where = f"{scan.total_lines} lines, {_size(scan.total_bytes)}, {form.get(scan.form, scan.form)}"
    yield style(explanation.source, bold=True) + f"  {where}"
    for label, text in _facts(explanation.facts):
        yield f"  {label}: {text}"
    if explanation.attempts > 1:
        names = ", ".join(seen["name"] for seen in explanation.earlier)
        told = f" (before it: {names})" if names else ""
        yield f"  attempts: {explanation.attempts} in this log; the last one is explained{told}"
    if scan.truncated:
        yield style(f"  not read whole: {scan.truncated}", fg="yellow")
    yield ""


def _cause(explanation: Explanation, width: int) -> Iterator[str]:
    cause = explanation.cause
    assert cause is not None
    head = style(f"{cause['code']} {cause['name']}", fg="red", bold=True)
    sure = {"high": "", "medium": "  (likely)", "low": "  (the log shows no more than this)"}
    yield head + sure.get(cause["confidence"], "")
    yield from _wrap(cause["summary"], width, "")
    yield ""
    for line in cause["evidence"]:
        number = style(f"{line['line']:>7} |", fg="blue")
        yield f"{number} {line['text']}"
    yield ""
    yield from _wrap(cause["explain"], width, "  ")
    for fix in cause["fixes"]:
        yield ""
        label = style("fix:", fg="green", bold=True)
        first, *rest = list(_wrap(fix["text"], width - 5, "       ")) or [""]
        yield f"  {label} {first.strip()}"
        yield from rest
        for line in fix["command"].splitlines():
            yield f"       {style('$ ' + line, fg='green')}"
    if cause["prove"]:
        yield ""
        yield f"  prove the fix:  {style(cause['prove'], fg='green')}"
    if cause["would_have_been_stopped_by_check"]:
        yield ""
        yield "  `ftdoctor check` would have stopped this before the job ran."
    for url in cause["references"][:2]:
        yield f"  see {url}"


def _block(text: str) -> Iterator[str]:
    lines = text.split("\n")
    if len(lines) > _BLOCK_LINES:
        left = len(lines) - _BLOCK_LINES
        lines = [*lines[:10], f"... {left} lines ...", *lines[-(_BLOCK_LINES - 10) :]]
    for line in lines:
        yield f"  {style('|', fg='blue')} {line[:400]}"


def render(explanation: Explanation, width: int = 100) -> str:
    """Return the explanation as text with ANSI colours (strip them when not on a terminal)."""
    rows = list(_header(explanation))
    if explanation.outcome == "named":
        rows += _cause(explanation, width)
    elif explanation.outcome == "healthy":
        rows.append(style("No failure in this log.", fg="green"))
    else:
        rows.append(style("A failure that no rule knows.", fg="yellow", bold=True))
        rows.append("This is the part that matters:")
        rows += _block(explanation.block)
        rows += [
            "",
            "Draft a rule from it:  ftdoctor rule new --from-log FILE",
        ]
    if explanation.also:
        rows += ["", "also seen:"]
        for seen in explanation.also[:8]:
            role = "" if seen["role"] == "cause" else f" ({seen['role']})"
            rows.append(f"  {seen['code']} {seen['name']}{role}, line {seen['line']}")
        if len(explanation.also) > 8:
            rows.append(f"  and {len(explanation.also) - 8} more")
    if explanation.unusual:
        rows += ["", "not in the good log:"]
        rows += [f"  {row['line']:>7} | {row['text'][:300]}" for row in explanation.unusual[:20]]
        if len(explanation.unusual) > 20:
            rows.append(f"  and {len(explanation.unusual) - 20} more")
    return "\n".join(rows)
