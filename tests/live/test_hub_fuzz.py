"""Whatever JSON comes back, a question ends in an answer or in Unknown, never in an error."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftdoctor.facts import hub, hub_files
from ftdoctor.facts.hub_http import Reply
from ftdoctor.facts.told import disk_bytes, per_hour

#: Keys that the Hub uses, so that the parts of its answers come together in odd ways.
KEYS = st.sampled_from(
    "name type id auth accessToken role fineGrained scoped global permissions entity _id orgs "
    "roleInOrg securityRestrictions canReadGatedRepos expiresAt siblings rfilename size lfs config "
    "peft base_model_name_or_path tags branches gated unitCostUSD unitLabel ephemeralStorage "
    "adapter_config.json".split()
)
LEAF = (
    st.none() | st.booleans() | st.integers(-2, 10**12) | st.floats() | st.text(max_size=8) | KEYS
)
JSON = st.recursive(
    LEAF,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=6),
    max_leaves=20,
)


@settings(max_examples=150, deadline=None)
@given(
    data=JSON,
    status=st.sampled_from([200, 401, 403, 404]),
    code=st.sampled_from(["", "GatedRepo", "RepoNotFound"]),
)
def test_any_json(data: Any, status: int, code: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for module in (hub, hub_files):
            patch.setattr(module, "send", lambda *_: Reply(status, code, "", data, "x", "call"))
        if isinstance(data, dict):
            data["name"] = data.get("name") if isinstance(data.get("name"), str) else "ada"
        hub.whoami("hf_x")
        hub.access("a/b", "model", "hf_x")
        hub.access("a/b", "model", "hf_x", write=True)
        hub.jobs_permission("ns", "hf_x")
        hub_files.files("a/b", "model", "hf_x", "rev")
        hub_files.refs("a/b", "model", "hf_x")
        rows = hub.hardware("hf_x")
        for row in rows.values() if isinstance(rows, dict) else ():
            per_hour(row)
            disk_bytes(row)
