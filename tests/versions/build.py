"""Jobs made by hand, for tests of what will be installed."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from ftdoctor.job.model import Job, Requirement, Script, Step, WorkerPool
from ftdoctor.job.requirements import parse_requirement
from ftdoctor.job.source import Place, Source
from ftdoctor.job.value import known
from ftdoctor.job.versions import resolve_job

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DLC = (
    "us-docker.pkg.dev/deeplearning-platform-release/gcr.io/huggingface-pytorch-training-"
    "cu121.2-3.transformers.4-48.ubuntu2204.py311"
)
PREBUILT = "us-docker.pkg.dev/vertex-ai/training/pytorch-gpu.2-4.py310:latest"


def step(text: str, line: int) -> Step:
    """Return one command of the container, each word with its place."""
    words = shlex.split(text)
    place = Place("job.yaml", line, 1, line, len(text) + 1)
    argv = [known(word, Place("job.yaml", line, text.find(word) + 1)) for word in words]
    return Step(argv, place, "&&", True, {}, "container", text)


def job(
    *commands: str,
    image: str = "",
    header: Sequence[str] = (),
    script: str = "",
    machine: str = "g2-standard-12",
    accelerator: str = "NVIDIA_L4",
    files: Mapping[str, Sequence[str]] | None = None,
    with_: Mapping[str, str] | None = None,
) -> Job:
    """Return a resolved job: Vertex AI with an image, or Hugging Face Jobs with a header."""
    place = Place("job.yaml", 1, 1)
    uv = bool(header) or not image
    made = Job(
        "hf-jobs" if uv else "vertex",
        "hf-jobs-cli" if uv else "vertex-yaml",
        place,
        Source("job.yaml", "\n"),
    )
    pool = WorkerPool(place=place)
    if image:
        pool.image = known(image, place)
    if not uv:
        pool.machine_type = known(machine, place)
        if accelerator:
            pool.accelerator_type = known(accelerator, place)
            pool.accelerator_count = known(1, place)
    made.pools = [pool]
    for number, text in enumerate(commands, 10):
        made.steps.append(step(text, number))
        _installs(made, text, number)
    for item in header:
        found = parse_requirement(item, "pep723", Place("train.py", 2, 1))
        assert found is not None
        made.requirements.append(found)
    for path, lines in (files or {}).items():
        for line, item in enumerate(lines, 1):
            found = parse_requirement(item, "requirements", Place(path, line, 1))
            assert found is not None
            made.requirements.append(found)
    text = "".join(["# /// script\n", *(f"# {h}\n" for h in header), "# ///\n"]) if header else ""
    if script or header:
        made.scripts.append(Script(Source("train.py", text + script)))
    resolve_job(made, with_ or {})
    return made


def _installs(made: Job, text: str, line: int) -> None:
    words = shlex.split(text)
    if "install" not in words:
        return
    for word in words[words.index("install") + 1 :]:
        if word.startswith(("-", "http", ".")) or word.endswith(".txt"):
            continue
        found = parse_requirement(word, "step", Place("job.yaml", line, text.find(word) + 1))
        if isinstance(found, Requirement):
            made.requirements.append(found)
