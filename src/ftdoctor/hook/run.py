"""`ftdoctor hook run`: check the staged (pre-commit) or pushed (pre-push) content.

Most commits hold no job. So the names, then the bytes of the changed files are looked at first,
and nothing that reads jobs is imported until one of them can be one.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from ftdoctor.hook.git import git, names
from ftdoctor.hook.snapshot import blobs, may_matter

if TYPE_CHECKING:
    from collections.abc import Iterator

_ZERO = "0" * 40


def changes(kind: str, stdin: str) -> Iterator[tuple[str, list[str]]]:
    """Yield (tree, changed paths): the index for pre-commit, each pushed commit for pre-push."""
    if kind == "pre-commit":
        yield (
            "",
            names(
                git("diff", "--cached", "--name-only", "-z", "--diff-filter=ACMR", "--no-renames")
            ),
        )
        return
    from_ref, to_ref = os.environ.get("PRE_COMMIT_FROM_REF"), os.environ.get("PRE_COMMIT_TO_REF")
    if to_ref and not stdin.strip():  # the pre-commit framework took stdin and says it this way
        stdin = f"HEAD {to_ref} HEAD {from_ref or _ZERO}"
    for line in stdin.splitlines():
        parts = line.split()
        if len(parts) != 4 or not parts[1].strip("0"):
            continue  # a deleted branch
        local, remote = parts[1], parts[3]
        if remote.strip("0") and _known(remote):
            listed = git("diff", "--name-only", "-z", "--diff-filter=ACMR", remote, local)
            yield local, names(listed)
        else:
            commits = git("rev-list", local, "--not", "--remotes").decode().split()
            if commits:
                listed = git(
                    "diff-tree", "--stdin", "-r", "-z", "--root", "-m", "--name-only",
                    "--no-commit-id", "--diff-filter=ACMR", stdin="\n".join(commits).encode(),
                )  # fmt: skip
                yield local, sorted(set(names(listed)))


def _known(commit: str) -> bool:
    from ftdoctor.errors import UsageError

    try:
        git("cat-file", "-e", f"{commit}^{{commit}}")
    except UsageError:
        return False
    return True


def _jobs(tree: str, paths: list[str]) -> list[str]:
    """Return the changed files that can hold a job, by name and then by their bytes."""
    candidates = [path for path in paths if may_matter(path)]
    if not candidates:
        return []
    from ftdoctor.job.kinds import worth_reading

    found = blobs(tree, candidates)
    return [path for path, content in found.items() if worth_reading(path, content)]


def nothing_staged() -> bool:
    """Whether the index changes no file that can hold a job. False on any doubt."""
    try:
        return not any(_jobs(tree, paths) for tree, paths in changes("pre-commit", ""))
    except Exception:
        return False  # the command itself will say what is wrong


def run(kind: str, stdin: str = "") -> int:
    """Check what the hook guards; 1 blocks. What cannot be told prints a line and lets it pass."""
    os.chdir(git("rev-parse", "--show-toplevel").decode("utf-8", "surrogateescape").rstrip("\n"))
    code = 0
    for tree, paths in changes(kind, stdin):
        jobs = _jobs(tree, paths)
        if jobs:
            code = max(code, _check(tree, jobs))
    return code


def _check(tree: str, paths: list[str]) -> int:
    """Check the given files as they are in the tree; returns 1 to block, else 0."""
    import tempfile
    from pathlib import Path

    from ftdoctor.checking import inspect_paths
    from ftdoctor.config import find
    from ftdoctor.hook.snapshot import write
    from ftdoctor.records import replace
    from ftdoctor.report import render
    from ftdoctor.report.style import emit

    config = replace(find(), offline=True)
    here = os.getcwd()
    with tempfile.TemporaryDirectory(prefix="ftdoctor-hook-") as folder:
        write(tree, paths, folder)
        os.chdir(folder)
        try:
            inspection = inspect_paths(
                [Path(p) for p in paths if os.path.isfile(p)], config, {"home": here}
            )
        finally:
            os.chdir(here)
    code = inspection.exit_code()
    if code == 1:
        emit(render(inspection, "terminal"))
        print(
            "ftdoctor: this would fail. Mend it, or ignore a rule with a reason "
            "(# ftdoctor: ignore[CODE] why); --no-verify skips all hooks.",
            file=sys.stderr,
        )
        return 1
    if code == 4:
        print(
            "ftdoctor: not all could be told about the job; run `ftdoctor check`.", file=sys.stderr
        )
    elif inspection.findings():
        number = len(inspection.findings())
        print(
            f"ftdoctor: {number} finding(s) below --fail-on; run `ftdoctor check`.", file=sys.stderr
        )
    return 0
