"""The edits that a rule may declare, turned into changes of the file at hand.

`edit:` in a rule's fix is one of
  {use: NAME}            an edit that the check computed and put into `Hit.edits`
  {replace: TEXT}        replace the value at the hit's place, its quotes kept
  {delete_line: true}    remove the whole line(s) of the hit's place
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftdoctor.records import replace
from ftdoctor.rulebook.model import Edit, FixTemplate, Hit, TextEdit
from ftdoctor.rulebook.text import fill, placeholders

if TYPE_CHECKING:
    from collections.abc import Mapping

KINDS = ("use", "replace", "delete_line")
#: In a TextEdit's text, stands for "the quote that the replaced value had, if any".
KEEP_QUOTES = "\0"


def declared_edit(template: FixTemplate, hit: Hit, values: Mapping[str, Any]) -> Edit | None:
    """Return the edit of a fix for this hit, or None when it cannot be made here."""
    if not template.edit:
        return None
    if "use" in template.edit:
        return hit.edits.get(str(template.edit["use"]))
    place = hit.place
    if place is None or not place.end_line:
        return None
    title = fill(template.text, values)
    if "replace" in template.edit:
        text = fill(str(template.edit["replace"]), values)
        if placeholders(text):
            return None
        return Edit(title, (TextEdit(place, f"{KEEP_QUOTES}{text}{KEEP_QUOTES}"),))
    if template.edit.get("delete_line"):
        whole = replace(place, column=1, end_line=place.end_line + 1, end_column=1)
        return Edit(title, (TextEdit(whole, ""),))
    return None
