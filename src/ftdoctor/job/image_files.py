"""What a Dockerfile puts into the image from the folder of its build."""

from __future__ import annotations

import os
import posixpath
import re
from typing import TYPE_CHECKING

from ftdoctor.job.value import get
from ftdoctor.lazy import lazy

if TYPE_CHECKING:
    from ftdoctor.job.dockerfile import Dockerfile

#: What may bring or make files besides COPY and ADD.
_MAKES = lazy(
    r"\b(?:git|wget|curl|tar|unzip|gsutil|gcloud|aws|cp|mv|ln|rsync|tee|install|hf|huggingface-cli|"
    r"python[\d.]*\s+(?:-m\s+(?!pip\b)|-c|\S+\.py)|mkdir\s+\S+\s*&&\s*cd)\b|>|<<"
)
#: A pip install of a folder or an address is no file of ours, but a project may bring scripts.
_INSTALLS = lazy(
    r"\bpip3?\s+install\b[^&|;]*|\buv\s+(?:pip\s+install|sync)\b[^&|;]*|\bapt-get\b[^&|;]*"
)
#: A folder with more files is not listed: a snapshot of a checkout may be cut there.
_MOST = 300


def image_files(dockerfile: Dockerfile) -> tuple[set[str], str] | None:
    """Return (the job's files in the image, its working folder), None when they are not certain.

    The folder of the Dockerfile is taken for the build's; a source that is not there speaks
    against it, and then nothing is certain.
    """
    from ftdoctor.job.attached import is_public

    base = get(dockerfile.base)
    if not base or not is_public(base) or dockerfile.copied_stages:
        return None
    place = dockerfile.base.place if dockerfile.base else None
    context = os.path.dirname(place.path) if place else ""
    workdir = "/"
    files: set[str] = set()
    for item in dockerfile.instructions:
        text = item.text
        if item.name == "WORKDIR":
            name = text.strip("\"' ")
            if "$" in name:
                return None
            workdir = posixpath.join(workdir, name)
        elif item.name == "RUN":
            if _MAKES.search(_INSTALLS.sub("", text)):
                return None
        elif item.name in ("COPY", "ADD"):
            added = _copied(text, context, workdir)
            if added is None:
                return None
            files |= added
        elif item.name in ("ONBUILD", "VOLUME"):
            return None
    return (files, workdir) if any(f.endswith(".py") for f in files) else None


def _copied(text: str, context: str, workdir: str) -> set[str] | None:
    words = text.replace("[", " ").replace("]", " ").replace('"', " ").replace(",", " ").split()
    words = [word for word in words if not word.startswith(("--chown", "--chmod", "--link"))]
    if len(words) < 2 or any(re.search(r"[$*?<]|://|^--|\.(?:tar|tgz|zip|gz)$", w) for w in words):
        return None
    *sources, target = words
    into = target.endswith("/") or target in (".", "./") or len(sources) > 1
    base = posixpath.normpath(posixpath.join(workdir, target))
    found: set[str] = set()
    for source in sources:
        local = os.path.join(context, source.lstrip("/"))
        if os.path.isdir(local):
            listed = _walk(local)
            if listed is None:
                return None
            found |= {posixpath.join(base, name) for name in listed}
        elif os.path.isfile(local):
            found.add(posixpath.join(base, posixpath.basename(source)) if into else base)
            # A target without a slash may be a folder that is there already.
            found.add(posixpath.join(base, posixpath.basename(source)))
        else:
            return None  # the build has another context than the Dockerfile's folder
    return found


def _walk(folder: str) -> list[str] | None:
    """Return the files below a folder, with "/"; None when there are too many to be sure."""
    found: list[str] = []
    for here, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in (".git", "node_modules", ".venv")]
        rel = os.path.relpath(here, folder).replace(os.sep, "/")
        found += [name if rel == "." else f"{rel}/{name}" for name in names]
        if len(found) > _MOST:
            return None
    return found
