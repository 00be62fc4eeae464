"""A wheel as a set of module records, with a cache keyed by the hash of each file's text."""

from __future__ import annotations

import hashlib
import io
import json
import sqlite3
import urllib.request
import zipfile
import zlib
from email.parser import HeaderParser
from typing import TYPE_CHECKING, Any

from tools.api_tables.parse import SHAPE, read_exports, read_module

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

#: transformers keeps some 2,000 files of model code: of those only the exports are read, except
#: for the Auto classes, whose `from_pretrained` people call.
_EXPORTS_ONLY = "transformers/models/"
_READ_WHOLE = ("transformers/models/auto/",)
_LEFT_OUT = ("/tests/", "/testing_utils", "/test_utils/", "/dummy_", "/kernels/", "/_vendor/")


class Records:
    """The cache of parsed files: one SQLite file."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path)
        self._db.execute("create table if not exists record (key text primary key, data blob)")
        #: Counts, for the progress line: files parsed anew, files found in the cache.
        self.parsed = self.found = 0

    def get(self, text: bytes, exports_only: bool) -> Any:
        """Return the record of one file's text (a list of names when `exports_only`)."""
        digest = hashlib.sha256(text).hexdigest()
        key = f"{SHAPE}{'e' if exports_only else 'm'}{digest}"
        row = self._db.execute("select data from record where key = ?", (key,)).fetchone()
        if row:
            self.found += 1
            return json.loads(zlib.decompress(row[0]))
        source = text.decode("utf-8", errors="replace")
        record = read_exports(source) if exports_only else read_module(source)
        self.parsed += 1
        packed = zlib.compress(json.dumps(record, separators=(",", ":")).encode(), 1)
        self._db.execute("insert or replace into record values (?, ?)", (key, packed))
        return record

    def keep(self) -> None:
        """Write what was parsed so far to the disk."""
        self._db.commit()

    def __enter__(self) -> Records:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._db.commit()
        self._db.close()


class RangeFile(io.RawIOBase):
    """A remote file that is read piecewise: a wheel of 100 MB gives its few Python files."""

    def __init__(self, url: str, block: int = 1 << 18) -> None:
        self._url, self._block, self._at = url, block, 0
        self._blocks: dict[int, bytes] = {}
        request = urllib.request.Request(url, method="HEAD")
        with urllib.request.urlopen(request, timeout=180) as answer:
            self._size = int(answer.headers["Content-Length"])

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = offset + (0, self._at, self._size)[whence]
        return self._at

    def _get(self, index: int) -> bytes:
        if index not in self._blocks:
            first = index * self._block
            last = min(first + self._block, self._size) - 1
            request = urllib.request.Request(self._url, headers={"Range": f"bytes={first}-{last}"})
            with urllib.request.urlopen(request, timeout=180) as answer:
                if answer.status != 206:
                    raise OSError("the index does not serve parts of a file")
                self._blocks[index] = answer.read()
        return self._blocks[index]

    def readinto(self, buffer: Any) -> int:
        done = 0
        while done < len(buffer) and self._at < self._size:
            index, inside = divmod(self._at, self._block)
            part = self._get(index)[inside : inside + len(buffer) - done]
            buffer[done : done + len(part)] = part
            done += len(part)
            self._at += len(part)
        return done


def slim_copy(url: str, target: Path, package: str) -> Path:
    """Write a small wheel with only the Python files and the metadata of a large remote one."""
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_suffix(".part")
        with (
            zipfile.ZipFile(io.BufferedReader(RangeFile(url), 1 << 16)) as remote,
            zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as local,
        ):
            for name in remote.namelist():
                wanted = name.startswith(f"{package}/") and name.endswith((".py", ".so"))
                if name.endswith((".so",)):
                    local.writestr(name, b"")  # the name is the fact: one binary per CUDA version
                elif wanted or name.endswith(("METADATA", "entry_points.txt")):
                    local.writestr(name, remote.read(name))
        part.rename(target)
    return target


def read_wheel(path: Path, package: str, records: Records) -> dict[str, Any]:
    """Read a wheel.

    Returns {"modules": {dotted name: record}, "packages": [dotted names of packages],
    "exports": {dotted name: names} of files read for their exports only,
    "requires": [Requires-Dist lines], "python": Requires-Python, "scripts": {command: target}}.
    """
    modules: dict[str, Any] = {}
    exports: dict[str, list[str]] = {}
    packages: list[str] = []
    folders: set[str] = set()  # a folder without __init__.py is a package, too
    result: dict[str, Any] = {"requires": [], "python": "", "scripts": {}}
    with zipfile.ZipFile(path) as wheel:
        for name in sorted(wheel.namelist()):
            if name.endswith(".dist-info/METADATA"):
                headers = HeaderParser().parsestr(wheel.read(name).decode("utf-8", "replace"))
                result["requires"] = sorted(headers.get_all("Requires-Dist") or [])
                result["python"] = headers.get("Requires-Python") or ""
            elif name.endswith(".dist-info/entry_points.txt"):
                result["scripts"] = _console_scripts(wheel.read(name).decode())
            elif name.startswith(f"{package}/") and name.endswith(".py"):
                dotted = name.removesuffix(".py").replace("/", ".")
                if dotted.endswith(".__init__"):
                    dotted = dotted.removesuffix(".__init__")
                    packages.append(dotted)
                parts = dotted.split(".")
                folders.update(".".join(parts[:size]) for size in range(1, len(parts)))
                if any(part in f"/{name}" for part in _LEFT_OUT):
                    exports[dotted] = []  # it exists; what is in it is not told
                    continue
                text = wheel.read(name)
                if name.startswith(_EXPORTS_ONLY) and not name.startswith(_READ_WHOLE):
                    if not name.endswith("__init__.py"):
                        exports[dotted] = records.get(text, exports_only=True)
                    continue
                try:
                    modules[dotted] = records.get(text, exports_only=False)
                except SyntaxError:  # a template or a broken file: there, but not told
                    exports[dotted] = []
    packages += sorted(folders - set(packages))
    return result | {"modules": modules, "packages": packages, "exports": exports}


def _console_scripts(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    section = ""
    for line in text.splitlines():
        line = line.strip()
        if line.startswith("["):
            section = line.strip("[]")
        elif section == "console_scripts" and "=" in line:
            command, _, target = line.partition("=")
            found[command.strip()] = target.strip()
    return found
