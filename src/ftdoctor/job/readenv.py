"""What a reader may ask beside the text in its hands: files next to it, and variables in force.

Nothing here runs anything. Files come through one `Files` object, so that the git hook can serve
the staged content instead of the working tree.
"""

from __future__ import annotations

import os
import posixpath
from typing import TYPE_CHECKING, Any, Protocol

from ftdoctor.job.source import Source
from ftdoctor.records import dataclass, field, replace

if TYPE_CHECKING:
    from ftdoctor.job.source import Place
    from ftdoctor.job.value import Value

#: Files above this size (bytes) are passed over: no job is written in so much text.
MAX_BYTES = 5_000_000


class Files(Protocol):
    """Where file content comes from."""

    def read(self, path: str) -> bytes | None:
        """Return the content of a regular file, or None when there is none (or it is too big)."""
        ...

    def head(self, path: str, size: int) -> tuple[bytes, bool] | None:
        """Return the first bytes of a regular file, and whether that is all of it; None: none."""
        ...


class Disk:
    """The working tree."""

    def __init__(self) -> None:
        self._seen: dict[str, bytes | None] = {}

    def read(self, path: str) -> bytes | None:
        """Return the content of a regular file of at most MAX_BYTES, or None."""
        if path not in self._seen:
            self._seen[path] = _read(path)
        return self._seen[path]

    def head(self, path: str, size: int) -> tuple[bytes, bool] | None:
        """Return the first `size` bytes of a regular file, and whether that is all of it."""
        try:
            if not os.path.isfile(path):
                return None
            with open(path, "rb") as stream:
                data = stream.read(size + 1)
        except (OSError, ValueError):
            return None
        return data[:size], len(data) <= size


def _read(path: str) -> bytes | None:
    try:
        if not os.path.isfile(path) or os.path.getsize(path) > MAX_BYTES:
            return None
        with open(path, "rb") as stream:
            return stream.read(MAX_BYTES + 1)
    except (OSError, ValueError):
        return None


def decode(data: bytes) -> str | None:
    """Return the text of a file: UTF-8 (with or without mark) or UTF-16 with mark; else None.

    Line ends become "\\n". A file with NUL bytes is binary.
    """
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        try:
            text = data.decode("utf-16")
        except UnicodeDecodeError:
            return None
    else:
        if b"\0" in data:
            return None
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            try:
                # Old editors: one byte a character. Columns stay right, ASCII is what we read.
                text = data.decode("cp1252")
            except UnicodeDecodeError:
                return None
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


@dataclass
class ReadEnv:
    """The surroundings of one text.

    `root` is the folder of the file being read ("" for the current folder), `top` the folder above
    which nothing is read (a checkout's root). `variables` are the shell or notebook variables in
    force. `written` holds files that the text itself writes (heredocs, `%%writefile`), by path as
    written. `used` collects the real paths that were read as part of a job: they are no jobs of
    their own. `state` is for whatever a reader wants to share between cells or commands.
    """

    root: str = ""
    top: str = ""
    files: Files = field(default_factory=Disk)
    variables: dict[str, Value[str]] = field(default_factory=dict)
    written: dict[str, Source] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    state: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def beside(cls, path: str, files: Files | None = None) -> ReadEnv:
        """Return the surroundings of the file at `path`."""
        root = os.path.dirname(path)
        return cls(root=root, top=_checkout(root), files=files or Disk())

    def keep(self, place: Place, fragment: Source) -> None:
        """Remember the text that stands at `place` as a fragment whose positions map to the file.

        Readers call it for multi-line texts (a YAML block scalar, a Python triple-quoted string),
        so that the script inside can be read with exact places.
        """
        self.state.setdefault("fragments", {})[place] = fragment

    def fragment(self, value: Value[str], context: str = "") -> Source | None:
        """Return the text of a value as a source; None when the value is not known.

        Without a kept fragment every line maps to the place of the value, and no edit is made.
        """
        if not value.known or value.value is None:
            return None
        place = value.place
        if place is None:
            return Source("", value.value, ((1, 1),), context, exact=False)
        kept: Source | None = self.state.get("fragments", {}).get(place)
        if kept is not None and kept.text == value.value:
            return kept
        lines = tuple((place.line, place.column) for _ in range(value.value.count("\n") + 1))
        return Source(place.path, value.value, lines, context or place.context, exact=False)

    def inside(self, variables: dict[str, Value[str]] | None = None) -> ReadEnv:
        """Return the same surroundings with variables of their own (a subshell, a container)."""
        return replace(self, variables=dict(self.variables if variables is None else variables))

    def read_file(self, path: str) -> Source | None:
        """Return the file at `path` (relative to the text's folder), or None.

        Files that the text writes come first. Absolute paths, home paths, URLs and paths that
        leave the checkout are not followed: they name places in a container or elsewhere.
        """
        clean = posixpath.normpath(path.replace("\\", "/")) if path else ""
        for name in (path, clean):
            if name in self.written:
                return self.written[name]
        if not clean or "\0" in path or clean[0] in "/~$<" or "://" in path or clean[1:2] == ":":
            return None
        full = os.path.normpath(os.path.join(self.root, clean))
        if not _below(full, self.top or self.root):
            return None
        data = self.files.read(full)
        if data is None:
            return None
        text = decode(data)
        if text is None:
            return None
        self.used.add(os.path.normpath(full))
        return Source(full, text)

    def find(self, path: str) -> Source | None:
        """Return the local file that stands behind a path used in a container, or None.

        `/app/src/train.py` may be `app/src/train.py`, `src/train.py` or `train.py` beside the job;
        a relative path may count from the job's folder or from a folder above it in the checkout.
        The bare name is looked for beside the job only: elsewhere it would be a guess.
        """
        parts = [part for part in path.replace("\\", "/").split("/") if part not in ("", ".")]
        if not parts or "://" in path or ".." in parts:
            return self.read_file(path) if parts and "://" not in path else None
        absolute = path.startswith(("/", "~"))
        for up in range(4):
            prefix = "../" * up
            for first in range(len(parts) if absolute else 1):
                tail = parts[first:]
                if up and len(tail) == 1:
                    continue
                found = self.read_file(prefix + "/".join(tail))
                if found is not None:
                    return found
        return self.read_file(parts[-1])

    def find_module(self, module: str) -> Source | None:
        """Return the file that `python -m MODULE` would run, if it is in the checkout."""
        stem = module.replace(".", "/")
        for folder in ("", "src/"):
            for tail in (f"{stem}.py", f"{stem}/__main__.py"):
                found = self.find(folder + tail)
                if found is not None:
                    return found
        return None


def _checkout(root: str) -> str:
    """Return the nearest folder at or above `root` that holds `.git`, as written like `root`."""
    folder = root
    for _ in range(12):
        if os.path.exists(os.path.join(folder, ".git")):
            return folder or "."
        if os.path.realpath(folder or ".") == os.path.realpath(os.path.join(folder, "..")):
            break
        folder = os.path.normpath(os.path.join(folder, ".."))
    return root or "."


def _below(path: str, top: str) -> bool:
    full = os.path.realpath(path)
    base = os.path.realpath(top or ".")
    return full == base or full.startswith(base.rstrip(os.sep) + os.sep)
