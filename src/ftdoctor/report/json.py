"""`--format json`: the document itself."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ftdoctor.report.document import document

if TYPE_CHECKING:
    from ftdoctor.inspection import Inspection


def render(inspection: Inspection) -> str:
    """Return JSON v1 of a check."""
    return json.dumps(document(inspection), indent=2, ensure_ascii=False)
