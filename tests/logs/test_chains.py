"""A failure drags others behind it: the cause that is named stays the same."""

from __future__ import annotations

import pytest

from tests.logs.chains import CHAINS
from tests.logs.test_fixtures import FIRES, label, named, patterns

#: The end of the log is the sign (a hang), or the losses of one rank as a series are.
_BY_ITS_END = {"hang", "loss", "warned"}
#: Seen in the code of the frames alone.
_BY_CODE = {"FT-DATA-027", "FT-DATA-204", "FT-DATA-206", "FT-EXPORT-007"}
#: No program runs before these: a platform that cannot start it says them.
_BEFORE_ANY = {"FT-JOB-201"}


@pytest.mark.parametrize("chain", CHAINS)
def test_no_chain_changes_an_answer(chain: str) -> None:
    rules = {rule[0]: rule for rule in patterns().rules}
    wrong = {}
    for path in FIRES:
        code = path.parent.name
        role, decide = rules[code][3], rules[code][5]
        if role != "cause" or decide in _BY_ITS_END:
            continue
        if chain == "without_frames" and code in _BY_CODE:
            continue
        if chain == "after_warnings" and code in _BEFORE_ANY:
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        answer = named(CHAINS[chain](text).encode("utf-8", "replace"))
        if answer != code:
            wrong[label(path)] = answer
    assert not wrong
