"""The package index that pip is configured for: which releases exist, and their wheels.

The address is pip's own (its configuration, or its built-in default); none is written here.
Sources: PEP 503 and PEP 691 (simple index), and the JSON that an index may offer beside it.
"""

from __future__ import annotations

import hashlib
import html
import json
import os
import re
import subprocess
import sys
import urllib.parse
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import Version

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_LINK = re.compile(r"<a\s([^>]*)>\s*([^<]+?)\s*</a>", re.S)
_ATTRIBUTE = re.compile(r"([\w-]+)\s*=\s*\"([^\"]*)\"")
_TIMEOUT = 180


@dataclass(frozen=True)
class Release:
    """One final release: the wheel to read, and what the index says of it."""

    version: str
    filename: str
    url: str
    sha256: str
    requires_python: str
    yanked: bool
    #: Day of upload, "2026-10-15"; "" when the index does not say.
    date: str


def index_url() -> str:
    """Return the simple-index address that pip would use."""
    for name in ("PIP_INDEX_URL", "UV_INDEX_URL"):
        if os.environ.get(name):
            return os.environ[name].rstrip("/")
    found = subprocess.run(
        [sys.executable, "-m", "pip", "config", "get", "global.index-url"],
        capture_output=True,
        text=True,
        check=False,
    )
    if found.returncode == 0 and found.stdout.strip():
        return found.stdout.strip().rstrip("/")
    from pip._internal.models.index import PyPI

    return str(PyPI.simple_url).rstrip("/")


def _get(url: str, accept: str = "*/*") -> tuple[bytes, str]:
    request = urllib.request.Request(url, headers={"Accept": accept})
    with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:
        return answer.read(), answer.headers.get("Content-Type", "")


def _simple_files(package: str, base: str) -> list[dict[str, Any]]:
    url = f"{base}/{canonicalize_name(package)}/"
    body, kind = _get(url, "application/vnd.pypi.simple.v1+json, text/html;q=0.5")
    if "json" in kind:
        return [
            {
                "filename": entry["filename"],
                "url": urllib.parse.urljoin(url, entry["url"]),
                "sha256": entry.get("hashes", {}).get("sha256", ""),
                "requires_python": entry.get("requires-python") or "",
                "yanked": bool(entry.get("yanked")),
                "date": (entry.get("upload-time") or "")[:10],
            }
            for entry in json.loads(body)["files"]
        ]
    files = []
    for attributes, text in _LINK.findall(body.decode()):
        found = {key: html.unescape(value) for key, value in _ATTRIBUTE.findall(attributes)}
        link, _, fragment = found.get("href", "").partition("#")
        files.append(
            {
                "filename": html.unescape(text),
                "url": urllib.parse.urljoin(url, link),
                "sha256": fragment.removeprefix("sha256="),
                "requires_python": found.get("data-requires-python", ""),
                "yanked": "data-yanked" in attributes,
                "date": "",
            }
        )
    return files


def _upload_days(package: str, base: str) -> dict[str, tuple[str, bool]]:
    """Return filename -> (day of upload, yanked) from the JSON document, or {} without one."""
    root = base.removesuffix("/simple")
    try:
        body, _ = _get(f"{root}/pypi/{canonicalize_name(package)}/json", "application/json")
        releases = json.loads(body)["releases"]
    except (OSError, ValueError, KeyError):
        return {}
    return {
        entry["filename"]: (entry["upload_time"][:10], bool(entry.get("yanked")))
        for files in releases.values()
        for entry in files
    }


def releases(package: str, floor: str) -> list[Release]:
    """Return the final releases from `floor` on that have a wheel, oldest first."""
    base = index_url()
    days = _upload_days(package, base)
    best: dict[Version, tuple[int, Release]] = {}
    for entry in _simple_files(package, base):
        try:
            _, version, _, tags = parse_wheel_filename(entry["filename"])
        except InvalidWheelFilename:
            continue
        if version.is_prerelease or version.local or version < Version(floor):
            continue
        day, yanked = days.get(entry["filename"], (entry["date"], entry["yanked"]))
        entry |= {"date": day, "yanked": yanked or entry["yanked"]}
        names = {str(tag) for tag in tags}
        rank = 2 if "py3-none-any" in names else 1 if any("x86_64" in n for n in names) else 0
        if version not in best or best[version][0] < rank:
            best[version] = (rank, Release(version=str(version), **entry))
    return [best[version][1] for version in sorted(best)]


def download(release: Release, folder: Path) -> Path:
    """Return the path of the wheel in the cache; fetch it when it is not there.

    Raises:
        OSError: the index did not answer, or the file is not the one that it promised.
    """
    target = folder / release.filename
    if target.exists():
        return target
    body, _ = _get(release.url)
    if release.sha256 and hashlib.sha256(body).hexdigest() != release.sha256:
        raise OSError(f"{release.filename}: the checksum is not the one the index gives")
    folder.mkdir(parents=True, exist_ok=True)
    part = target.with_suffix(f".part{os.getpid()}")
    part.write_bytes(body)
    part.rename(target)
    return target


def download_all(wanted: Iterable[Release], folder: Path, threads: int = 8) -> list[Path]:
    """Fetch several wheels side by side and return their paths in the same order."""
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(lambda release: download(release, folder), wanted))


def as_dict(release: Release) -> dict[str, Any]:
    """Return a release as plain data."""
    return asdict(release)
