"""The Hub of the tests with files that can be fetched: `/OWNER/NAME/resolve/REVISION/FILE`."""

from __future__ import annotations

import json
import re

from tests.emulators.hub_server import Handler, HubServer
from tests.emulators.hub_state import Answer, State, repo_access

#: The commit of every revision.
COMMIT = "0123456789abcdef0123456789abcdef01234567"
_FILE = re.compile(r"/(datasets/|spaces/)?([^/]+/[^/]+)/resolve/([^/]+)/(.+)")


class FilesHandler(Handler):
    """Adds what `hf_hub_download` asks for: a HEAD with the metadata, then the bytes."""

    server: FilesServer

    def _file(self, method: str) -> bool:
        path = self.path.split("?")[0]
        match = _FILE.fullmatch(path)
        if match is None:
            return False
        self.server.state.seen.append(f"{method} {path}")
        kind = {"datasets/": "dataset", "spaces/": "space"}.get(match[1] or "", "model")
        try:
            repo_access(self.server.state, self._identity(), kind, match[2], False)
            repo = self.server.state.find(kind, match[2])
            content = self.server.content(match[4]) if repo and match[4] in repo.files else None
            if content is None:
                raise Answer(404, "Entry not found", "EntryNotFound")
        except Answer as answer:
            headers = {"X_Error_Message": answer.message}
            if answer.code:
                headers["X_Error_Code"] = answer.code
            body = b"" if method == "HEAD" else json.dumps({"error": answer.message}).encode()
            self._send(answer.status, body, **headers)
            return True
        self.send_response(200)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{abs(hash(match[4])):x}"')
        self.end_headers()
        if method == "GET":
            self.wfile.write(content)
        return True

    def do_HEAD(self) -> None:
        if not self._file("HEAD"):
            self.send_error(404)

    def do_GET(self) -> None:
        if not self._file("GET"):
            super().do_GET()


class FilesServer(HubServer):
    """The server; `files` are contents by file name, the same in every repository."""

    def __init__(self, state: State, files: dict[str, bytes] | None = None) -> None:
        super().__init__(state)
        self.RequestHandlerClass = FilesHandler
        self.files = files or {"config.json": b'{"model_type": "llama"}'}

    def content(self, name: str) -> bytes | None:
        """Return the bytes of a file, None where it is not there."""
        return self.files.get(name)
