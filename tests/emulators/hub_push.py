"""The Hub of the tests with repositories that can be written to: branches, commits, large files.

The routes are those that huggingface_hub 2.4.0 calls for `create_repo`, `create_branch`,
`upload_folder`, `list_repo_tree`, `delete_branch` and `delete_repo` (hf_api.py, _commit_api.py,
lfs.py). Large files go over git LFS: the store that hf_xet writes to is not spoken here, so the
client runs with HF_HUB_DISABLE_XET=1.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import Any
from urllib.parse import parse_qs, unquote

from tests.emulators.hub_files import COMMIT
from tests.emulators.hub_server import Handler, HubServer
from tests.emulators.hub_state import Answer, Repo, State, repo_access

Files = dict[str, bytes]
_FILE = re.compile(r"/((?:datasets/)?[^/]+/[^/]+)/resolve/([^/]+)/(.+)")
#: A model by its bare name, a data set as `datasets/OWNER/NAME`.
_REPO = r"/api/(?:models/)?((?:datasets/)?[^/]+/[^/]+)"


def _entry(held: Files, name: str) -> dict[str, Any]:
    return {"type": "file", "oid": "0" * 40, "size": len(held[name]), "path": name}


class PushHandler(Handler):
    """Adds what writes, and files of each branch."""

    server: PushServer

    given = b""

    def _branch(self, repo: str, name: str, *, write: bool) -> Files:
        kind, bare = ("dataset", repo[9:]) if repo.startswith("datasets/") else ("model", repo)
        repo_access(self.server.state, self._identity(), kind, bare, write)
        branches = self.server.held.setdefault(repo, {"main": {}})
        name = "main" if name == COMMIT else unquote(name)
        if name not in branches:
            raise Answer(404, f"Invalid rev id: {name}", "RevisionNotFound")
        return branches[name]

    def _file(self, method: str) -> bool:
        match = _FILE.fullmatch(self.path.split("?")[0])
        if match is None:
            return False
        self.server.state.seen.append(f"{method} {match[0]}")
        try:
            content = self._branch(match[1], match[2], write=False).get(unquote(match[3]))
            if content is None:
                raise Answer(404, "Entry not found", "EntryNotFound")
        except Answer as answer:
            headers = {"X_Error_Message": answer.message, "X_Error_Code": answer.code}
            self._send(answer.status, b"", **headers)
            return True
        tag = hashlib.sha1(content, usedforsecurity=False).hexdigest()
        part = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
        size = len(content)
        if part:
            content = content[int(part[1]) : int(part[2]) + 1 if part[2] else None]
        self.send_response(206 if part else 200)
        if part:
            last = int(part[1]) + len(content) - 1
            self.send_header("Content-Range", f"bytes {part[1]}-{last}/{size}")
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{tag}"')
        self.end_headers()
        if method == "GET":
            self.wfile.write(content)
        return True

    def _route(self, method: str, path: str) -> Any:
        if path.startswith("/lfs/") and method == "PUT":
            self.server.large[path[5:]] = self.given
            return {}
        if path == "/api/validate-yaml":
            return {"errors": [], "warnings": []}
        for pattern, answer in (
            (r"/api/repos/(create|delete)", self._repos),
            (_REPO + r"/branch/([^/]+)", self._branches),
            (_REPO + r"/preupload/([^/]+)", self._modes),
            (r"/([^/]+/[^/]+)\.git/info/lfs/objects/batch", self._batch),
            (_REPO + r"/commit/([^/]+)", self._commit),
            (_REPO + r"/tree/([^/]+)(?:/(.+))?", self._tree),
            (_REPO + r"/paths-info/([^/]+)", self._paths),
        ):
            match = re.fullmatch(pattern, path)
            if match:
                return answer(method, *match.groups())
        match = re.fullmatch(_REPO + r"(?:/revision/([^/]+))?", path)
        if match:
            held = self._branch(match[1], match[2] or "main", write=False)
            siblings = [{"rfilename": n, "size": len(held[n])} for n in sorted(held)]
            return {
                "id": match[1].removeprefix("datasets/"),
                "sha": COMMIT,
                "private": False,
                "tags": [],
                "siblings": siblings,
            }
        return super()._route(method, path)

    def _repos(self, _: str, verb: str) -> Any:
        who, asked = self._identity(), json.loads(self.given)
        if who is None:
            raise Answer(401, "Invalid username or password.")
        owner = asked.get("organization") or who.name
        repo = f"{owner}/{asked['name'].rpartition('/')[2]}"
        if who.role == "read":
            raise Answer(
                403,
                f'You don\'t have the rights to create a model under the namespace "{owner}"',
            )
        if verb == "delete":
            self._branch(repo, "main", write=True)
            del self.server.state.repos[repo]
            self.server.held.pop(repo, None)
            return {}
        if repo in self.server.state.repos:
            raise Answer(409, "You already created this model repo")
        self.server.state.repos[repo] = Repo(private=bool(asked.get("private")))
        self.server.held[repo] = {"main": {}}
        return {"url": f"{self.server.url}/{repo}", "name": repo, "id": "0" * 24}

    def _branches(self, method: str, repo: str, name: str) -> Any:
        main = self._branch(repo, "main", write=True)
        branches = self.server.held[repo]
        name = unquote(name)
        if method == "DELETE":
            if name not in branches:
                raise Answer(404, f"Invalid rev id: {name}", "RevisionNotFound")
            del branches[name]
            return {}
        if name in branches:
            raise Answer(409, f"Reference already exists: refs/heads/{name}")
        branches[name] = dict(main)
        return {}

    def _modes(self, _: str, repo: str, revision: str) -> Any:
        self._branch(repo, revision, write=True)
        large = (".safetensors", ".bin")
        return {
            "files": [
                {
                    "path": one["path"],
                    "uploadMode": "lfs" if one["path"].endswith(large) else "regular",
                    "shouldIgnore": False,
                }
                for one in json.loads(self.given)["files"]
            ]
        }

    def _batch(self, _: str, repo: str) -> Any:
        self._branch(repo, "main", write=True)
        objects = []
        for one in json.loads(self.given)["objects"]:
            upload = {"href": f"{self.server.url}/lfs/{one['oid']}", "header": {}}
            objects.append({**one, "actions": {"upload": upload}})
        return {"transfer": "basic", "objects": objects}

    def _commit(self, _: str, repo: str, revision: str) -> Any:
        held = self._branch(repo, revision, write=True)
        for line in self.given.splitlines():
            item = json.loads(line)
            value = item["value"]
            if item["key"] == "file":
                held[value["path"]] = base64.b64decode(value["content"])
            elif item["key"] == "lfsFile":
                stored = self.server.large.get(value["oid"])
                if stored is None or hashlib.sha256(stored).hexdigest() != value["oid"]:
                    raise Answer(400, f"LFS pointer pointed to a file that does not exist: {value}")
                held[value["path"]] = stored
            elif item["key"] == "deletedFile":
                held.pop(value["path"], None)
        url = f"{self.server.url}/{repo}/commit/{COMMIT}"
        return {"success": True, "commitOid": COMMIT, "commitUrl": url, "hookOutput": ""}

    def _tree(self, _: str, repo: str, revision: str, under: str | None) -> Any:
        held = self._branch(repo, revision, write=False)
        inside = [n for n in sorted(held) if not under or n.startswith(unquote(under) + "/")]
        if under and not inside:
            raise Answer(404, "Not found", "EntryNotFound")
        return [_entry(held, name) for name in inside]

    def _paths(self, _: str, repo: str, revision: str) -> Any:
        held = self._branch(repo, revision, write=False)
        asked = self.given.decode()
        if asked.startswith("{"):
            names = json.loads(asked)["paths"]
        else:
            names = parse_qs(asked).get("paths", [])
        return [_entry(held, name) for name in names if name in held]

    def do_HEAD(self) -> None:
        if not self._file("HEAD"):
            self.send_error(404)

    def do_GET(self) -> None:
        if not self._file("GET"):
            super().do_GET()

    def _handle(self, method: str) -> None:
        # Read in any case: a client that is not heard out takes the answer for a broken line.
        self.given = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        super()._handle(method)

    def do_POST(self) -> None:
        self._handle("POST")

    def do_PUT(self) -> None:
        self._handle("PUT")

    def do_DELETE(self) -> None:
        self._handle("DELETE")


class PushServer(HubServer):
    """The server; `held` is the content by repository, branch and path."""

    def __init__(self, state: State, held: dict[str, dict[str, Files]] | None = None) -> None:
        super().__init__(state)
        self.RequestHandlerClass = PushHandler
        self.held = held or {}
        #: Large files by their SHA-256, as they were uploaded.
        self.large: dict[str, bytes] = {}

    def __enter__(self) -> PushServer:
        super().__enter__()
        return self
