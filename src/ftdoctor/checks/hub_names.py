"""Names of repositories that huggingface_hub refuses before it asks the Hub."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftdoctor.job.value import get
from ftdoctor.rulebook.model import Hit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftdoctor.checks.context import Context

#: huggingface_hub 2.4.0, utils/_validators.py, REPO_ID_REGEX.
_NAME = r"(?:\b[\w\-.]{1,96}\b/)?\b[\w\-.]{1,96}\b"


def refusal(name: str) -> str:
    """Return why `validate_repo_id` of huggingface_hub raises on a name, "" when it does not."""
    if name.count("/") > 1:
        return "it has more than one slash"
    if not re.fullmatch(_NAME, name, re.ASCII):
        odd = sorted(set(re.sub(r"[\w\-./]", "", name, flags=re.ASCII)))
        if odd:
            return "it has " + ", ".join("a blank" if c == " " else f"`{c}`" for c in odd[:4])
        return "it is empty, too long, or begins or ends with `-` or `.`"
    if "--" in name or ".." in name:
        return "it has `--` or `..`"
    return "it ends with .git" if name.endswith(".git") else ""


def invalid(context: Context, **_: object) -> Iterator[Hit]:
    """`hub_model_id` of a training that pushes is no name of a repository."""
    for training in context.job.trainings:
        value = training.arguments.get("hub_model_id")
        name = get(value)
        pushes = get(training.arguments.get("push_to_hub"))
        if value is None or not isinstance(name, str) or not name or pushes is not True:
            continue
        why = refusal(name)
        if why:
            values = {"name": name, "why": why}
            yield Hit(value.place or context.job.place, values, values)
