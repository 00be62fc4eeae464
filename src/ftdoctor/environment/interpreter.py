"""The Python environment that a training started here would use, read from its files alone.

That need not be the one ftdoctor runs in (pipx, `uv tool`). In order: the active virtual or conda
environment, `.venv` beside the job where uv runs it, the first `python` on PATH, this interpreter.
"""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING

from ftdoctor.records import dataclass, field

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Installed:
    """What one environment has. `prefix` is its folder, `python` its minor version ("3.11").

    `packages` maps normalised names to versions, torch's with the label of its build when its
    files state one ("2.10.0+cu128"). `cuda` and `hip` are torch's own ("12.8"), "" for none.
    """

    prefix: str
    python: str = ""
    packages: dict[str, str] = field(default_factory=dict, hash=False)
    cuda: str = ""
    hip: str = ""


def installed(folder: str = "") -> Installed:
    """Return the environment in which `python` in `folder` runs. About a millisecond."""
    prefix = _prefix(folder)
    folders = list(_folders(prefix))
    packages: dict[str, str] = {}
    for path in folders:
        for name, version in _listed(path):
            packages.setdefault(name, version)
    version, cuda, hip = next(filter(None, map(_torch, folders)), ("", "", ""))
    if version and packages.get("torch", "").split("+")[0] == version.split("+")[0]:
        packages["torch"] = version if "+" in version else version + _label(cuda, hip)
    return Installed(prefix, _minor(prefix, folders), packages, cuda, hip)


def _prefix(folder: str) -> str:
    for name in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        path = os.environ.get(name, "")
        if path and os.path.isdir(path):
            return path
    own = os.path.join(folder, ".venv")
    if os.path.isfile(os.path.join(own, "pyvenv.cfg")):
        return os.path.abspath(own)
    import shutil

    for name in ("python", "python3"):
        path = shutil.which(name) or ""
        if path and os.sep + "shims" + os.sep not in path:
            return _prefix_of(path)
    return sys.prefix


def _prefix_of(python: str) -> str:
    """Return the folder of the environment of an interpreter, links followed outside of venvs."""
    above = os.path.dirname(os.path.dirname(os.path.abspath(python)))
    if os.path.isfile(os.path.join(above, "pyvenv.cfg")):
        return above
    return os.path.dirname(os.path.dirname(os.path.realpath(python)))


def _folders(prefix: str) -> Iterator[str]:
    """Yield the folders from which an environment imports, the first that counts first."""
    if os.path.realpath(prefix) == os.path.realpath(sys.prefix):
        yield from (p for p in sys.path if p.endswith(("site-packages", "dist-packages")))
        return
    alone = False
    try:
        with open(os.path.join(prefix, "pyvenv.cfg"), encoding="utf-8") as file:
            alone = "include-system-site-packages = true" not in file.read().lower()
    except OSError:
        pass
    yield from _site(prefix)
    if not alone:
        for base in (os.path.join(prefix, "local"), os.path.expanduser("~/.local")):
            yield from _site(base)


def _site(prefix: str) -> Iterator[str]:
    windows = os.path.join(prefix, "Lib", "site-packages")
    if sys.platform == "win32" and os.path.isdir(windows):
        yield windows
    for lib in ("lib", "lib64"):
        root = os.path.join(prefix, lib)
        if lib == "lib64" and os.path.islink(root):
            continue
        for name in sorted(_names(root), reverse=True):
            if re.fullmatch(r"python3(\.\d+)?", name):
                for kind in ("site-packages", "dist-packages"):
                    path = os.path.join(root, name, kind)
                    if os.path.isdir(path):
                        yield path


def _names(path: str) -> list[str]:
    try:
        return os.listdir(path)
    except OSError:
        return []


def _listed(folder: str) -> Iterator[tuple[str, str]]:
    """Yield (name, version) of every package by the name of its metadata folder."""
    for entry in _names(folder):
        if entry.endswith((".dist-info", ".egg-info")):
            name, dash, version = entry.rpartition(".")[0].partition("-")
            if dash and version[:1].isdigit():
                yield re.sub(r"[-_.]+", "-", name).lower(), version.split("-py")[0]


def _torch(folder: str) -> tuple[str, str, str] | None:
    """Return (version, CUDA, HIP) that `torch/version.py` states, None without one."""
    try:
        with open(os.path.join(folder, "torch", "version.py"), encoding="utf-8") as file:
            text = file.read(4000)
    except (OSError, UnicodeDecodeError):
        return None
    found = {}
    for name in ("__version__", "cuda", "hip"):
        match = re.search(rf"^{name}(?:\s*:[^=\n]+)?\s*=\s*['\"]([^'\"]*)['\"]", text, re.M)
        found[name] = match[1] if match else ""
    return (found["__version__"], found["cuda"], found["hip"]) if found["__version__"] else None


def _label(cuda: str, hip: str) -> str:
    """Return the label of a torch build whose version has none ("+cu128"), as its index names it.

    Wheels for macOS use Apple's GPUs without any such library, so they get none.
    """
    if cuda:
        return "+cu" + cuda.replace(".", "")
    if hip:
        return "+rocm" + ".".join(hip.split(".")[:2])
    return "" if sys.platform == "darwin" else "+cpu"


def _minor(prefix: str, folders: list[str]) -> str:
    """Return "3.11" by pyvenv.cfg or the folders' names, "" when neither says it."""
    try:
        with open(os.path.join(prefix, "pyvenv.cfg"), encoding="utf-8") as file:
            match = re.search(r"^version(?:_info)?\s*=\s*(3\.\d+)", file.read(), re.M)
            if match:
                return match[1]
    except OSError:
        pass
    for path in folders:
        match = re.search(r"python(3\.\d+)", path)
        if match:
            return match[1]
    return ""
