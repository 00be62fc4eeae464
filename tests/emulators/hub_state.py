"""Who is who on the Hub of the tests, what is in it, and whom it lets in.

Statuses, codes and sentences are those that the Hub sends (huggingface_hub 2.4.0 utils/_http.py
keys on them).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGH"
TOKEN = "hf_" + LETTERS


@dataclass
class Identity:
    """Whose token it is and what it may do."""

    name: str = "ada"
    role: str = "write"  # read | write | fineGrained | oauth
    permissions: dict[str, list[str]] = field(default_factory=dict)
    gated: bool = False
    orgs: dict[str, str] = field(default_factory=dict)
    blocked: dict[str, list[str]] = field(default_factory=dict)
    scopes: tuple[str, ...] = ()
    expires: str = ""
    #: whoami does not know it, repositories do.
    no_account: bool = False
    #: The Hub refuses it, with this sentence.
    refused: str = ""


@dataclass
class Repo:
    """A repository: `gate` is "", "auto" or "manual"; `requests` maps an account to its state."""

    gate: str = ""
    private: bool = False
    disabled: bool = False
    #: Said with status 403 to everybody.
    closed: str = ""
    requests: dict[str, str] = field(default_factory=dict)
    #: The model that an adapter was made for.
    base: str = ""
    #: Branches and tags besides main, and files with their sizes in bytes, the same at each.
    revisions: tuple[str, ...] = ()
    files: dict[str, int] = field(
        default_factory=lambda: {"config.json": 700, "model.safetensors": 10_000_000}
    )


@dataclass
class State:
    """All that this Hub knows, and how it misbehaves."""

    tokens: dict[str, Identity] = field(default_factory=dict)
    repos: dict[str, Repo] = field(default_factory=dict)
    hardware: list[dict[str, Any]] = field(default_factory=list)
    jobs_denied: bool = False
    #: "", 429, 500, cut, cut-body, garbage, proxy, proxy-login, empty
    fault: str = ""
    #: Paths (regular expression) that have the fault; "" for all.
    fault_at: str = ""
    #: "" for http, "good" or "expired" for https with a certificate of its own authority.
    certificate: str = ""
    delay: float = 0.0
    seen: list[str] = field(default_factory=list)

    def find(self, kind: str, repo: str) -> Repo | None:
        """Return a repository; models are kept under their bare name."""
        return self.repos.get(repo if kind == "model" else f"{kind}s/{repo}")


class Answer(Exception):
    """An error answer of the Hub."""

    def __init__(self, status: int, message: str, code: str = "") -> None:
        super().__init__(message)
        self.status, self.message, self.code = status, message, code


def repo_access(state: State, who: Identity | None, kind: str, repo: str, write: bool) -> None:
    """Raise the Answer that the Hub gives when access is refused."""
    found = state.find(kind, repo)
    owner = repo.split("/")[0]
    member = who is not None and (
        owner == who.name or who.orgs.get(owner, "no_access") != "no_access"
    )
    if found is None or (found.private and not (member and _reads(who, owner, repo))):
        if who is None:
            raise Answer(401, "Invalid username or password.", "RepoNotFound")
        raise Answer(404, "Repository not found", "RepoNotFound")
    if found.disabled:
        raise Answer(403, "Access to this resource is disabled.", "DisabledRepo")
    if found.closed:
        raise Answer(403, found.closed)
    if who is not None and who.blocked.get(owner):
        raise Answer(
            403,
            "Due to the organization token policy, your token needs to be approved by the "
            "organization before you can access this resource.",
        )
    word = "dataset" if kind == "dataset" else "model"
    page = f"https://huggingface.co/{'datasets/' if kind == 'dataset' else ''}{repo}"
    if found.gate and not member:
        if who is None:
            raise Answer(
                401,
                f"Access to {word} {repo} is restricted. You must have access to it and be "
                "authenticated to access it. Please log in.",
                "GatedRepo",
            )
        if who.role == "fineGrained" and not who.gated:
            raise Answer(
                403,
                "Please enable access to public gated repositories in your fine-grained token "
                "settings to view this repository.",
            )
        if who.role == "oauth" and not {"gated-repos", "read-repos"} & set(who.scopes):
            # The Hub's words for this are not known; it is a refusal like any other.
            raise Answer(
                403,
                f"Access to {word} {repo} is restricted and you are not in the authorized list. "
                f"Visit {page} to ask for access.",
                "GatedRepo",
            )
        said = {
            "": f"Access to {word} {repo} is restricted and you are not in the authorized list. "
            f"Visit {page} to ask for access.",
            "pending": f"Your request to access {word} {repo} is awaiting a review from the repo authors.",
            "rejected": f"Your request to access {word} {repo} has been rejected by the repo's authors.",
            "reset": f"Your request to access {word} {repo} has been reset by the repo's authors. "
            f"Visit {page} to submit a new request.",
        }
        status = found.requests.get(who.name, "")
        if status != "accepted":
            raise Answer(403, said[status], "GatedRepo")
    if write and not _writes(who, owner, repo, kind):
        if who is None:
            raise Answer(401, "Invalid username or password.")
        raise Answer(
            403, "You have read access but not the required permissions for this operation"
        )


def _entities(owner: str, who: Identity, kind: str, repo: str) -> list[str]:
    return [f"{'user' if owner == who.name else 'org'}:{owner}", f"{kind}:{repo}"]


def _reads(who: Identity | None, owner: str, repo: str) -> bool:
    if who is None:
        return False
    if who.role != "fineGrained":
        return who.role != "oauth" or bool({"read-repos", "write-repos"} & set(who.scopes))
    held = [p for e in _entities(owner, who, "model", repo) for p in who.permissions.get(e, [])]
    return bool({"repo.content.read", "repo.write"} & set(held))


def _writes(who: Identity | None, owner: str, repo: str, kind: str) -> bool:
    if who is None:
        return False
    if owner != who.name and who.orgs.get(owner) not in ("admin", "write", "contributor"):
        return False
    if who.role == "fineGrained":
        held = [p for e in _entities(owner, who, kind, repo) for p in who.permissions.get(e, [])]
        return "repo.write" in held
    if who.role == "oauth":
        return bool({"write-repos", "manage-repos"} & set(who.scopes))
    return who.role == "write"


def metadata(
    state: State, who: Identity | None, kind: str, repo: str, revision: str
) -> dict[str, Any]:
    """The body of /api/{kind}s/{repo}[/revision/{revision}]; a gated repository gives it to all."""
    found = state.find(kind, repo)
    if found is None or found.private:
        repo_access(state, who, kind, repo, write=False)
    assert found is not None
    if revision not in ("", "main", *found.revisions, "a" * 40):
        raise Answer(404, f"Invalid rev id: {revision}", "RevisionNotFound")
    return {
        "id": repo,
        "modelId": repo,
        "sha": "a" * 40,
        "private": found.private,
        "gated": found.gate or False,
        **({"config": {"peft": {"base_model_name_or_path": found.base}}} if found.base else {}),
        "siblings": [{"rfilename": name, "size": size} for name, size in found.files.items()],
    }


def references(state: State, who: Identity | None, kind: str, repo: str) -> dict[str, Any]:
    """The body of /api/{kind}s/{repo}/refs."""
    repo_access(state, who, kind, repo, write=False)
    found = state.find(kind, repo)
    assert found is not None
    rows = [
        {"name": name, "ref": f"refs/heads/{name}", "targetCommit": "a" * 40}
        for name in ("main", *found.revisions)
    ]
    return {"branches": rows, "converts": [], "tags": []}


def whoami(who: Identity) -> dict[str, Any]:
    """The body of /api/whoami-v2."""
    auth: dict[str, Any] = {"type": "oauth" if who.role == "oauth" else "access_token"}
    if who.expires:
        auth["expiresAt"] = who.expires
    if who.role != "oauth":
        token: dict[str, Any] = {
            "displayName": "train",
            "role": who.role,
            "createdAt": "2026-01-01T00:00:00.000Z",
        }
        if who.role == "fineGrained":
            token["fineGrained"] = {
                "canReadGatedRepos": who.gated,
                "global": [],
                "scoped": [
                    {
                        "entity": {
                            "_id": "0" * 24,
                            "type": e.split(":")[0],
                            "name": e.split(":", 1)[1],
                        },
                        "permissions": p,
                    }
                    for e, p in who.permissions.items()
                ],
            }
        auth["accessToken"] = token
    return {
        "type": "user",
        "id": "0" * 24,
        "name": who.name,
        "fullname": who.name.title(),
        "isPro": False,
        "auth": auth,
        "orgs": [
            {
                "type": "org",
                "id": "1" * 24,
                "name": org,
                "roleInOrg": role,
                "securityRestrictions": who.blocked.get(org, []),
            }
            for org, role in who.orgs.items()
        ],
    }
