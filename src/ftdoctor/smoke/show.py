"""The result of a smoke run for people: on a terminal, and as Markdown for a pull request.

Both are made from the JSON document (docs/smoke.md), which is redacted before it comes here.
"""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

from ftdoctor.memory.parts import gib

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: Of the stages' facts, those that the evidence tells in its own lines.
_TOLD_BELOW = frozenset({"stage", "ok", "seconds", "error", "versions", "step_seconds"})
#: Packages named first where versions are told.
_FIRST = ("torch", "transformers", "trl", "peft", "bitsandbytes")
_WIDTH = 100


def terminal(document: Mapping[str, Any]) -> str:
    """Return the result as plain text."""
    rows = [f"smoke: {document['verdict']}"]
    if document.get("reason"):
        rows += _wrap(str(document["reason"]))
    confirmed = _confirm(document)
    if confirmed:
        rows += _wrap(confirmed)
    rows.append("")
    for name, ok, seconds, text in _stages(document):
        took = f"{seconds:>6} s" if seconds else " " * 8
        line = f"  {name:<11} {'ok' if ok else 'FAILED':<7} {took}  {text}"
        rows.append(line.rstrip() if len(line) <= 160 else f"{line[:158]} …")
    told = list(_evidence(document))
    if told:
        rows.append("")
        for label, text in told:
            rows += _wrap(text, f"  {label:<11} ", " " * 14)
    cause = document.get("cause")
    if cause:
        rows += ["", f"{cause['code']} {cause['name']}: {cause['summary']}"]
        rows += _wrap(cause["explain"], "  ", "  ")
        for fix in cause["fixes"][:2]:
            rows += _wrap(f"fix: {fix['text']}", "  ", " " * 7)
            rows += [f"       $ {line}" for line in (fix.get("command") or "").splitlines()]
        if cause.get("prove"):
            rows.append(f"  prove the fix:  {cause['prove']}")
    elif block := _block(document):
        rows += ["", _head(document), block]
    notes = (document.get("plan") or {}).get("notes") or ()
    if notes:
        rows.append("")
        for note in notes:
            rows += _wrap(f"note: {note}", "  ", " " * 8)
    return "\n".join(rows)


def _wrap(text: str, first: str = "", rest: str = "") -> list[str]:
    """Wrap a text; names and commands stay in one piece."""
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    )


def markdown(document: Mapping[str, Any]) -> str:
    """Return the result as GitHub-flavoured Markdown, a block for a pull request."""
    rows = [f"## ftdoctor smoke: {document['verdict']}", ""]
    if document.get("reason"):
        rows += [_inline(str(document["reason"])), ""]
    confirmed = _confirm(document)
    if confirmed:
        rows += [_inline(confirmed), ""]
    cause = document.get("cause")
    if cause:
        rows += [f"**{cause['code']} {cause['name']}**: {_inline(cause['summary'])}", ""]
        rows += [_inline(cause["explain"]), ""]
        rows += [f"- fix: {_inline(fix['text'])}" for fix in cause["fixes"][:2]]
        if cause.get("prove"):
            rows.append(f"- prove it: `{cause['prove']}`")
        rows.append("")
    elif block := _block(document):
        rows += [_head(document), "", "```text", block.replace("```", "'''"), "```", ""]
    told = list(_evidence(document))
    if told:
        rows += [f"- **{label}**: {_inline(text)}" for label, text in told]
        rows.append("")
    stages = list(_stages(document))
    if stages:
        rows += ["| stage | | seconds | |", "|---|---|---|---|"]
        rows += [
            f"| {name} | {'ok' if ok else '**failed**'} | {seconds} | {_inline(text[:300])} |"
            for name, ok, seconds, text in stages
        ]
        rows.append("")
    notes = (document.get("plan") or {}).get("notes") or ()
    if notes:
        rows += ["<details><summary>Notes</summary>", ""]
        rows += [f"- {_inline(str(note))}" for note in notes]
        rows += ["", "</details>"]
    return "\n".join(rows).rstrip()


def _block(document: Mapping[str, Any]) -> str:
    """Return the part of the log that decided, where no rule says it better."""
    return "" if document["verdict"] == "WORKS" else str(document.get("error_block") or "")[-1500:]


def _head(document: Mapping[str, Any]) -> str:
    if document["verdict"] == "FAILS":
        return "The cause is not one that the rulebook knows:"
    return "What it said last:"


def _inline(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ").strip()


def _stages(document: Mapping[str, Any]) -> Iterator[tuple[str, bool, str, str]]:
    """Yield (name, ok, seconds, facts in words) of each stage but the end."""
    for stage in document.get("stages") or ():
        if stage["stage"] == "end":
            continue
        if stage["stage"] == "imports" and stage.get("versions"):
            text = _versions(stage["versions"])
        elif stage["stage"] == "train" and stage.get("losses"):
            text = _train(stage)
        else:
            facts = ((k, v) for k, v in stage.items() if k not in _TOLD_BELOW)
            told = ((k, v) for k, v in facts if v not in (None, "", []))
            text = ", ".join(f"{_words(k)} {_value(k, v)}" for k, v in told)
        yield stage["stage"], bool(stage.get("ok")), str(stage.get("seconds", "")), text


def _train(stage: Mapping[str, Any]) -> str:
    """Return what three steps showed: the losses, the size of a batch, what is quantised."""
    parts = [f"loss {_value('', stage['losses'])}"]
    if stage.get("seconds_per_step"):
        parts.append(f"{stage['seconds_per_step']:.3g} s a step")
    if stage.get("batch"):
        parts.append(f"batch {' x '.join(map(str, stage['batch']))} tokens")
    if stage.get("quantized"):
        double = ", double quantisation" if stage.get("double_quant") else ""
        kind = str(stage.get("quant_type") or "8 bits")
        parts.append(f"{stage.get('layers_quantized', '')} layers in {kind}{double}")
    if stage.get("trainable"):
        parts.append(f"{stage['trainable']} parameters trained")
    if stage.get("ranks"):
        parts.append(f"{len(stage['ranks'])} processes")
    return ", ".join(parts)


def _versions(versions: Mapping[str, str]) -> str:
    names = [n for n in _FIRST if n in versions]
    names += [n for n in versions if n not in _FIRST]
    return ", ".join(f"{name} {versions[name]}" for name in names)


def _words(name: str) -> str:
    return name.removesuffix("_bytes").replace("_", " ")


def _value(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if name.endswith("_bytes") and isinstance(value, (int, float)):
        return gib(value)
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, (list, tuple)):
        return " ".join(_value("", v) for v in value)
    if isinstance(value, dict):
        return " ".join(f"{k} {_value(k, v)}" for k, v in value.items())
    return str(value)


def _confirm(document: Mapping[str, Any]) -> str:
    confirm = document.get("confirm")
    return str(confirm["told"]) if confirm else ""


def _evidence(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (label, text) of what a run showed beside its stages."""
    evidence = document.get("evidence") or {}
    other = evidence.get("version_differences") or ()
    if other:
        listed = ", ".join(
            f"{d['package']} {d['installed']} (check expects {d['expected']}"
            f"{'' if d['pinned'] else ', which floats'})"
            for d in other
        )
        yield "versions", f"not those of the job: {listed}"
    memory = evidence.get("memory")
    if memory:
        yield "memory", _memory(memory)
    speed = evidence.get("speed")
    if speed and not speed.get("not_told"):
        yield "speed", f"{speed['seconds_per_step']:g} s a step"
    if speed and speed.get("real_job"):
        yield "real job", _real_job(speed["real_job"])
    run = document.get("run")
    if run:
        yield (
            "run",
            f"{run['platform']} job {run['job']} on {run['machine']}: "
            f"{run['running_seconds']:g} s, about ${run['usd']:.2f}",
        )


def _memory(memory: Mapping[str, Any]) -> str:
    if memory["outcome"] == "oom":
        text = f"out of memory on {gib(memory.get('gpu_bytes') or 0)}"
    else:
        text = f"peak {gib(memory['allocated_bytes'])} allocated"
        if memory.get("reserved_bytes"):
            text += f", {gib(memory['reserved_bytes'])} reserved"
        if memory.get("gpu_bytes"):
            text += f", of {gib(memory['gpu_bytes'])}"
    if memory.get("not_predicted"):
        return f"{text}; no prediction: {memory['not_predicted']}"
    predicted = memory.get("predicted_allocated_bytes")
    if predicted:
        text += f"; predicted {gib(predicted)}"
        if memory.get("predicted_reserved_bytes"):
            text += f" and {gib(memory['predicted_reserved_bytes'])}"
        errors = [
            f"{memory[key]:+.1f} %"
            for key in ("allocated_error_percent", "reserved_error_percent")
            if memory.get(key) is not None
        ]
        text += f" ({', '.join(errors)})" if errors else ""
    if memory.get("of_the_job"):
        text += "; later checks of this job go by it"
    return text


def _real_job(real: Mapping[str, Any]) -> str:
    steps = (
        f"{real['steps']} steps ({real['steps_from']})"
        if real.get("steps")
        else f"{real['per_steps']} steps ({real['steps_from']})"
    )
    text = f"{steps}: {duration(real['seconds_low'])} to {duration(real['seconds_high'])}"
    if real.get("usd_high") is not None:
        text += f", ${real['usd_low']:.2f} to ${real['usd_high']:.2f}"
        whose = f" ({real['priced']})" if real.get("priced") else ""
        text += f" at ${real['usd_per_hour']:.2f} an hour{whose}"
    return text


def duration(seconds: float) -> str:
    """Return seconds as people say them: "40 s", "25 min", "3.5 h"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
