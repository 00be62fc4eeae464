"""The environment that a training would use, its packages and its limits."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from ftdoctor.environment import limits
from ftdoctor.environment.interpreter import installed

if TYPE_CHECKING:
    from pathlib import Path

VERSION = """\
from typing import Optional

__all__ = ['__version__', 'debug', 'cuda', 'git_version', 'hip']
__version__ = '{version}'
debug = False
cuda: Optional[str] = {cuda}
git_version = 'a1b2'
hip: Optional[str] = {hip}
"""


def environment(folder: Path, *, version: str = "2.10.0", cuda: str = "'12.8'") -> Path:
    site = folder / "lib" / "python3.12" / "site-packages"
    (site / "torch").mkdir(parents=True)
    (site / "torch" / "version.py").write_text(
        VERSION.format(version=version, cuda=cuda, hip="None")
    )
    for name in (f"torch-{version.split('+')[0]}", "trl-1.6.0", "Flash_Attn-2.8.3"):
        (site / f"{name}.dist-info").mkdir()
    (site / "old_style-1.2-py3.12.egg-info").mkdir()
    (folder / "pyvenv.cfg").write_text("home = /usr/bin\nversion = 3.12.4\n")
    return folder


@pytest.fixture
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("clean")
def test_active_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIRTUAL_ENV", str(environment(tmp_path / "venv")))
    found = installed()
    assert found.prefix == str(tmp_path / "venv")
    assert (found.python, found.cuda) == ("3.12", "12.8")
    assert found.packages == {
        "torch": "2.10.0+cu128",
        "trl": "1.6.0",
        "flash-attn": "2.8.3",
        "old-style": "1.2",
    }


@pytest.mark.usefixtures("clean")
def test_folder_of_uv(tmp_path: Path) -> None:
    environment(tmp_path / ".venv", version="2.10.0+cpu", cuda="None")
    found = installed(str(tmp_path))
    assert found.prefix == str(tmp_path / ".venv")
    assert found.packages["torch"] == "2.10.0+cpu"
    assert found.cuda == ""


@pytest.mark.usefixtures("clean")
def test_python_on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment(tmp_path / "venv")
    (tmp_path / "venv" / "bin").mkdir()
    python = tmp_path / "venv" / "bin" / "python"
    python.symlink_to(sys.executable)
    monkeypatch.setenv("PATH", f"{python.parent}{os.pathsep}{os.environ['PATH']}")
    # A .venv of the folder would go before it.
    assert installed(str(tmp_path)).prefix == str(tmp_path / "venv")


def test_of_this_interpreter_as_the_metadata_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """Against importlib.metadata, which reads every file where we read names of folders."""
    from importlib import metadata

    monkeypatch.setenv("VIRTUAL_ENV", sys.prefix)
    found = installed().packages
    real = {d.name.lower().replace("_", "-"): d.version for d in metadata.distributions()}
    for name in ("pytest", "click", "pyyaml"):
        assert found[name] == real[name]


def test_memory_is_that_of_the_system() -> None:
    found = limits.memory()
    assert found is not None
    if sys.platform == "linux" and not found.limited:
        assert found.total == os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert 0 < found.available <= found.total


@pytest.mark.skipif(sys.platform != "linux", reason="cgroups are of Linux")
@pytest.mark.parametrize(
    ("line", "file", "text", "limit"),
    [
        ("0::/app/job", "app/job/memory.max", "2147483648\n", 2 << 30),
        ("0::/app/job", "app/memory.max", "1073741824\n", 1 << 30),
        ("0::/../job", "memory.max", "1073741824\n", 1 << 30),
        ("0::/app", "app/memory.max", "max\n", None),
        ("5:cpu,memory:/docker/ab", "memory/memory.limit_in_bytes", "1073741824\n", 1 << 30),
        ("5:memory:/", "memory/memory.limit_in_bytes", "9223372036854771712\n", None),
        ("7:cpuset:/x", "x/memory.max", "1073741824\n", None),
    ],
)
def test_cgroup(
    line: str,
    file: str,
    text: str,
    limit: int | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    real = limits._text
    monkeypatch.setattr(limits, "_CGROUP", str(tmp_path))
    monkeypatch.setattr(limits, "_text", lambda p: line if p == "/proc/self/cgroup" else real(p))
    assert limits.cgroup_limit() == limit


def test_room_of_a_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    found = limits.room(str(tmp_path / "a" / "b"))
    assert found is not None
    assert found.path == str(tmp_path / "a" / "b")
    if sys.platform != "win32":
        df = subprocess.run(["df", "-Pk", tmp_path], capture_output=True, text=True, check=True)
        total = int(df.stdout.splitlines()[-1].split()[1]) << 10
        assert abs(found.total - total) <= 0.02 * total
    assert found.free <= found.total
