"""Write the committed or staged version of files below a folder, without touching the checkout."""

from __future__ import annotations

import os

from ftdoctor.hook.git import git, names

#: What a job, its script or its requirements may be written in.
SUFFIXES = frozenset(
    (
        ".py .ipynb .yaml .yml .json .sh .bash .zsh .md .markdown .rst .toml .txt .lock .cfg "
        ".tf .ps1 .mk"
    ).split()
)
NAMES = frozenset({"Dockerfile", "Makefile", "Pipfile", "Pipfile.lock"})
#: Bytes; a larger blob is not a job.
LARGEST = 5_000_000


def may_matter(path: str) -> bool:
    """Whether a file can be part of a job, by its name."""
    name = path.rpartition("/")[2]
    suffix = name[name.rfind(".") :].lower() if "." in name else ""
    return suffix in SUFFIXES or name in NAMES or name.startswith("Dockerfile")


def blobs(tree: str, paths: list[str]) -> dict[str, bytes]:
    """Return the content of files in a tree ("" for the index, or a commit), in one git process."""
    wanted = [path for path in paths if "\n" not in path]
    if not wanted:
        return {}
    query = "".join(f"{tree}:{path}\n" for path in wanted)
    output = git("cat-file", "--batch", stdin=query.encode("utf-8", "surrogateescape"))
    found: dict[str, bytes] = {}
    position = 0
    for path in wanted:
        end = output.index(b"\n", position)
        header = output[position:end].rsplit(b" ", 2)
        position = end + 1
        if len(header) != 3 or not header[2].isdigit():
            continue  # "... missing": a submodule or a deleted file
        size = int(header[2])
        if header[1] == b"blob" and size <= LARGEST:
            found[path] = output[position : position + size]
        position += size + 1
    return found


def companions(tree: str, changed: list[str]) -> list[str]:
    """Return the files beside the changed ones (same folder or below, at most 400): a job's script,
    its requirements, its Dockerfile."""
    specs = sorted({path.rpartition("/")[0] or "." for path in changed})
    if tree:
        listed = names(git("ls-tree", "-r", "-z", "--name-only", tree, "--", *specs))
    else:
        listed = names(git("ls-files", "-z", "--cached", "--", *specs))
    return [path for path in listed if may_matter(path)][:400]


def write(tree: str, changed: list[str], folder: str) -> None:
    """Write the changed files and their companions, as they are in the tree, below a folder."""
    for path, content in blobs(tree, sorted({*companions(tree, changed), *changed})).items():
        parts = path.split("/")
        if os.pardir in parts:
            continue
        target = os.path.join(folder, *parts)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with open(target, "wb") as file:
            file.write(content)
