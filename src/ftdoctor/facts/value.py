"""A live fact is a value, or Unknown with the reason. The call that gave it is kept for reports."""

from __future__ import annotations

from ftdoctor.records import dataclass


@dataclass(frozen=True)
class Unknown:
    """What could not be learnt. `needs` is what would let us learn it ("a network", a role)."""

    reason: str
    call: str = ""
    needs: str = ""


@dataclass(frozen=True)
class Access:
    """The Hub's answer on one repository.

    `kind` is one of: open, not-signed-in, not-requested, pending, rejected, reset,
    fine-grained-no-gated, invalid-token, missing-or-private, disabled, read-only, org-policy,
    refused (a clear no in words that we do not know).
    `repo_type` is "model", "dataset", "space" or "namespace". `said` is the server's own sentence.
    `as_nobody` is True when no token was sent.
    """

    repo: str
    kind: str
    repo_type: str = "model"
    said: str = ""
    call: str = ""
    as_nobody: bool = False


@dataclass(frozen=True)
class Account:
    """Who a token belongs to and what it may do, as `GET /api/whoami-v2` states it.

    Schema: Hub OpenAPI (https://huggingface.co/.well-known/openapi.json), path /api/whoami-v2.
    `role` is read, write, fineGrained or "" (OAuth tokens state none). `permissions` maps an
    entity ("user:NAME", "org:NAME", "model:ID", "" for those of no entity, "org:?" for one that is
    stated without its name) to its permission strings; None when they are not stated.
    `organisations` is None when the answer does not list them.
    """

    name: str
    kind: str
    role: str = ""
    permissions: dict[str, frozenset[str]] | None = None
    can_read_gated: bool | None = None
    expires: str = ""
    #: Organisation -> role in it ("admin", "write", "contributor", "read", "no_access").
    organisations: dict[str, str] | None = None
    #: Organisation -> restrictions that stop this token there.
    restrictions: dict[str, tuple[str, ...]] | None = None
    call: str = ""


@dataclass(frozen=True)
class TokenRefused:
    """The Hub said that the token is invalid, expired or revoked."""

    said: str
    call: str = ""


@dataclass(frozen=True)
class RepoFiles:
    """The files of a repository at one revision, in bytes; a size that is not stated is None.

    `complete` is False when the list may be cut. `base` is the model that an adapter was made for,
    as the repository states it, "" when it is none.
    """

    repo: str
    repo_type: str
    revision: str
    files: dict[str, int | None]
    complete: bool = True
    call: str = ""
    base: str = ""


@dataclass(frozen=True)
class NoRevision:
    """The repository has no such branch, tag or commit."""

    repo: str
    repo_type: str
    revision: str
    said: str = ""
    call: str = ""


@dataclass(frozen=True)
class Refs:
    """The branches and tags of a repository, by the names that `revision=` takes."""

    repo: str
    names: tuple[str, ...]
    call: str = ""
