"""Methods that people call on a trainer and that no trainer has: AttributeError."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftdoctor.checks.about import near_names
from ftdoctor.checks.installed import imported
from ftdoctor.lazy import lazy
from ftdoctor.records import replace
from ftdoctor.rulebook.model import Edit, Hit, TextEdit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftdoctor.checks.context import Context
    from ftdoctor.job.model import Script
    from ftdoctor.job.source import Place

_CALL = lazy(
    r"(?:trl|transformers)\.((?:SFT|DPO|GRPO|KTO|ORPO|CPO|RLOO|Reward|Seq2Seq|)Trainer)\(\)\.(\w+)\Z"
)
#: What is meant by names of other libraries. None of them is a method or attribute of these classes
#: in transformers 4.36 to 5.23 or trl 0.7 to 1.16 (read in the wheels).
_MEANT = {
    "fit": "train",
    "run": "train",
    "finetune": "train",
    "fine_tune": "train",
    "save": "save_model",
    "save_pretrained": "save_model",
    "save_checkpoint": "save_model",
    "upload": "push_to_hub",
    "push": "push_to_hub",
    "test": "evaluate",
}
_METHODS = ("train", "evaluate", "predict", "save_model", "push_to_hub", "save_state")
#: Names near to one of _METHODS that do exist.
_OTHERS = frozenset({"training_step", "prediction_step", "trainer", "trained", "predicts"})


def unknown(context: Context, **_: object) -> Iterator[Hit]:
    """A method is called on a trainer that has none of that name."""
    if imported(context.job, "unsloth") is not None:
        return
    for script in context.job.scripts:
        if script.role == "submit":
            continue
        for name, places in script.calls.items():
            match = _CALL.match(name)
            if match is None or match[2] in _METHODS or match[2] in _OTHERS:
                continue
            right = _MEANT.get(match[2], "") or next(
                iter(near_names(match[2], _METHODS, 1, 0.8)), ""
            )
            if not right or (abs(len(right) - len(match[2])) > 2 and match[2] not in _MEANT):
                continue
            values = {"trainer": match[1], "method": match[2], "right": right}
            place = _of_name(script, places[0], match[2])
            edits = {}
            if place.end_line:
                edits["right"] = Edit(f"Write {right}", (TextEdit(place, right),))
            summary = "{trainer} has no method `{method}`; `{right}` is."
            yield Hit(place, values, values, edits, summary=summary)


def _of_name(script: Script, place: Place, name: str) -> Place:
    """Return the place of the method's name in a call; the call without an end if not found."""
    row = script.source.text.split("\n")[place.line - 1] if script.source.is_file else ""
    at = row.find(f".{name}(", place.column - 1)
    if at < 0:
        return replace(place, end_line=0, end_column=0)
    return replace(place, column=at + 2, end_line=place.line, end_column=at + 2 + len(name))
