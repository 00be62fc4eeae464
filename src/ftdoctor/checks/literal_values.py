"""Values of trl's arguments outside which its code raises, release by release."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftdoctor.checks.about import near_names
from ftdoctor.checks.installed import imported, true, version
from ftdoctor.job.pep440 import at_least
from ftdoctor.job.value import get
from ftdoctor.rulebook.model import Edit, Hit, TextEdit
from ftdoctor.tables import table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftdoctor.checks.context import Context
    from ftdoctor.job.model import Training
    from ftdoctor.job.value import Value

_CONFIGS = {"sft": "SFTConfig", "dpo": "DPOConfig", "grpo": "GRPOConfig"}


def refused(context: Context, **_: object) -> Iterator[Hit]:
    """A `loss_type`, `packing_strategy`, ... that the trl of the job refuses.

    Told only when the releases on both sides of the job's, of those that were read, refuse it.
    """
    job = context.job
    trl = version(job, "trl")
    if not trl or imported(job, "unsloth") is not None:
        return
    for training in job.trainings:
        config = _CONFIGS.get(training.method, "")
        named = (get(training.config_class) or "").rsplit(".", 1)[-1]
        if not config or named not in ("", config):
            continue
        for name, value in training.arguments.items():
            spans = table("literal_values")["values"].get(f"{config}.{name}")
            if spans is None or not value.known or not _reached(training, name):
                continue
            taken = _taken(spans, trl)
            if taken is None:
                continue
            given = value.value if isinstance(value.value, (list, tuple)) else [value.value]
            wrong = [item for item in given if isinstance(item, str) and item not in taken]
            if wrong:
                yield _hit(f"{config}.{name}", name, value, wrong[0], trl, taken, spans)


def _reached(training: Training, name: str) -> bool:
    """Whether the code that refuses a value is come to."""
    if name == "packing_strategy":
        return true(training.packing or training.arguments.get("packing"))
    liger = ("use_liger_kernel", "use_liger_loss")
    return not any(training.arguments.get(option) is not None for option in liger)


def _taken(spans: list[list[object]], trl: str) -> frozenset[str] | None:
    """Return the values that the release before or after takes; None when not all are known."""
    releases: list[str] = table("literal_values")["releases"]
    before = [release for release in releases if at_least(trl, release)]
    after = [release for release in releases if at_least(release, trl)]
    if not before:
        return None
    taken: set[str] = set()
    for release in (before[-1], *after[:1]):
        row = next((span[1] for span in reversed(spans) if at_least(release, str(span[0]))), None)
        if not isinstance(row, list):
            return None
        taken.update(map(str, row))
    return frozenset(taken)


def _hit(
    key: str,
    name: str,
    value: Value[object],
    wrong: str,
    trl: str,
    taken: frozenset[str],
    spans: list[list[object]],
) -> Hit:
    near = near_names(wrong, sorted(taken), 1, 0.6)
    since = next((str(s[0]) for s in spans if isinstance(s[1], list) and wrong in s[1]), "")
    when = f" (trl {since} has it)" if since else ""
    values = {
        "argument": name,
        "value": wrong,
        "trl": trl,
        "config": key.partition(".")[0],
        "values": ", ".join(sorted(taken)),
        "near": f" Did you mean {near[0]!r}?" if near else "",
        "when": when,
    }
    edits = {}
    place = value.place
    if near and place is not None and place.end_line and isinstance(value.value, str):
        edits["replace"] = Edit(f"Write {near[0]}", (TextEdit(place, f"\0{near[0]}\0"),))
    summary = "`{argument}={value!r}`: {config} of trl {trl} takes {values}{when}.{near}"
    summary = summary.replace("{value!r}", repr(wrong))
    return Hit(place, values, values, edits=edits, summary=summary)
