"""Provoke failures with the real libraries and keep their logs.

    python tools/provoke/run.py [AREA_*.py ...] [--only NAME] [--out DIR]
    python tools/provoke/run.py tools/provoke/HUB_answers.py

Each case is a function that fails the way a training script would. It runs here, with whatever
versions this interpreter has; its output and traceback go to `fires-NAME-STACK.log` in the folder
of its rule. Paths of this machine are replaced, so that a log can be committed as a fixture. Run it
with the interpreters of several environments to see how the wording changed between releases.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import re
import sys
import sysconfig
import tempfile
import traceback
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HERE = Path(__file__).resolve().parent
FIXTURES = HERE.parent.parent / "fixtures" / "after"
LIBRARIES = "transformers trl peft accelerate datasets huggingface_hub torch".split()


def versions() -> str:
    """Return "transformers 5.23.0, trl 1.16.0, ..." of this interpreter."""
    found = []
    for name in LIBRARIES:
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    return ", ".join(found)


def stack() -> str:
    """Return a short name for this environment, for file names: "transformers-5.23.0"."""
    try:
        return f"transformers-{metadata.version('transformers')}"
    except metadata.PackageNotFoundError:
        return "plain"


@contextmanager
def captured(path: Path) -> Iterator[None]:
    """Send stdout and stderr (the file descriptors, so C code too) to a file."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = os.dup(1), os.dup(2)
    with path.open("wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        try:
            yield
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os.dup2(kept[0], 1)
            os.dup2(kept[1], 2)
            os.close(kept[0])
            os.close(kept[1])


def neutral(text: str, folder: Path) -> str:
    """Take the paths and names of this machine out of a log."""
    library = sysconfig.get_path("purelib")
    text = re.sub(r"(?:/[\w.+-]+)+/site-packages", "/usr/local/lib/python3.11/site-packages", text)
    text = text.replace(library, "/usr/local/lib/python3.11/site-packages")
    text = text.replace(sysconfig.get_path("stdlib"), "/usr/local/lib/python3.11")
    text = re.sub(rf"{re.escape(str(HERE))}/[\w.]+\.py", "/app/train.py", text)
    text = text.replace(str(folder), "/app").replace(str(Path.home()), "/root")
    text = re.sub(r"http://(?:127\.0\.0\.1|localhost):\d+", "https://huggingface.co", text)
    return re.sub(r"(?:/tmp|/var/tmp)/[\w./-]+", "/tmp/work", text)


def cases(paths: list[Path]) -> Iterator[tuple[str, Callable[[], object]]]:
    """(rule code, function) of every case in some files."""
    for path in paths:
        spec = importlib.util.spec_from_file_location(path.stem, path)
        if spec is None or spec.loader is None:
            continue
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        for value in list(vars(module).values()):
            code = getattr(value, "provokes", None)
            if code and callable(value):
                yield code, value


def provoke(function: Callable[[], object], folder: Path) -> str:
    """Run one case in a fresh folder; return its log."""
    log = folder / "log.txt"
    work = folder / "job"
    work.mkdir()
    before = os.getcwd()
    os.chdir(work)
    try:
        with captured(log):
            try:
                function()
            except BaseException:
                kind, error, trace = sys.exc_info()
                # Leave out the frame of this runner.
                traceback.print_exception(kind, error, trace.tb_next if trace else None)
    finally:
        os.chdir(before)
    return neutral(log.read_text(encoding="utf-8", errors="replace"), work)


def main() -> int:
    """Run the cases asked for and write their logs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="*", type=Path, help="AREA_*.py (all of them by default)")
    parser.add_argument("--only", default="", help="part of a function's name")
    parser.add_argument("--out", type=Path, default=FIXTURES, help="where CODE/fires-*.log go")
    options = parser.parse_args()
    sys.path.insert(0, str(HERE))
    files = [path.resolve() for path in options.files]
    if not files:
        # The file that stands in for the Hub has to run alone.
        files = sorted(path for path in HERE.glob("[A-Z]*_*.py") if path.stem != "HUB_answers")
    print(versions())
    for code, function in cases(files):
        if options.only not in function.__name__:
            continue
        with tempfile.TemporaryDirectory() as folder:
            log = provoke(function, Path(folder))
        if "Traceback" not in log and not getattr(function, "quiet", False):
            print(f"{code} {function.__name__}: no failure with these versions")
            continue
        target = options.out / code / f"fires-{function.__name__.replace('_', '-')}-{stack()}.log"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(log, encoding="utf-8")
        last = [line for line in log.splitlines() if line.strip()][-1]
        print(f"{code} {function.__name__}: {last[:100]}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
