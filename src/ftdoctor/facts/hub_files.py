"""Questions to the Hub on the files and the revisions of a repository, through huggingface_hub.

The metadata of a gated repository is open to all: nothing here says anything about access.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ftdoctor.facts.hub_http import as_dict, as_list, not_hub_form, not_told, send
from ftdoctor.facts.value import NoRevision, Refs, RepoFiles, Unknown

if TYPE_CHECKING:
    from collections.abc import Mapping

#: A file list longer than this may be cut by the server; nothing is then said to be missing.
_WHOLE = 9000


def files(
    repo: str, repo_type: str, token: str, revision: str = ""
) -> RepoFiles | NoRevision | Unknown:
    """Ask for the files of a repository and their sizes, at a revision ("" for its main branch).

    The metadata of a gated repository is open to all: this says nothing about access.
    """
    at = f"/revision/{quote(revision, safe='')}" if revision else ""
    reply = send("GET", f"/api/{repo_type}s/{quote(repo)}{at}?blobs=true", token)
    if isinstance(reply, Unknown):
        return reply
    if not reply.ok:
        if reply.code.lower() == "revisionnotfound" or re.search(
            r"invalid rev id|revision not found", reply.said, re.I
        ):
            return NoRevision(repo, repo_type, revision, reply.said, reply.call)
        return not_told(reply)
    if not isinstance(reply.data, dict):
        return not_hub_form(reply)
    rows = reply.data.get("siblings")
    if not isinstance(rows, list):
        return Unknown("the Hub lists no files for it", reply.call, "a look at its page")
    found = {str(row["rfilename"]): _size(row) for row in as_list(rows) if row.get("rfilename")}
    whole = 0 < len(found) < _WHOLE
    base = _base(reply.data) if "adapter_config.json" in found else ""
    return RepoFiles(repo, repo_type, revision, found, whole, reply.call, base)


def _base(data: Mapping[str, Any]) -> str:
    """Return the base model that the metadata of an adapter name: its config, else its tags."""
    stated = as_dict(as_dict(data.get("config")).get("peft")).get("base_model_name_or_path")
    if isinstance(stated, str):
        return stated
    tags = data.get("tags")
    found = [str(tag) for tag in tags if str(tag).startswith("base_model:adapter:")] if (
        isinstance(tags, list)
    ) else []  # fmt: skip
    return found[0].rpartition(":")[2] if len(found) == 1 else ""


def _size(row: Mapping[str, Any]) -> int | None:
    for value in (row.get("size"), as_dict(row.get("lfs")).get("size")):
        if isinstance(value, int) and not isinstance(value, bool):
            return value
    return None


def refs(repo: str, repo_type: str, token: str) -> Refs | Unknown:
    """Ask for the branches and tags of a repository."""
    reply = send("GET", f"/api/{repo_type}s/{quote(repo)}/refs", token)
    if isinstance(reply, Unknown):
        return reply
    if not reply.ok:
        return not_told(reply)
    if not isinstance(reply.data, dict):
        return not_hub_form(reply)
    found = [
        str(row["name"])
        for group in ("branches", "tags")
        for row in as_list(reply.data.get(group))
        if row.get("name")
    ]
    return Refs(repo, tuple(found), reply.call)
