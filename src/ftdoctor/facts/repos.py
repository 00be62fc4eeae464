"""Which repositories of the Hub a job names, at which revision, and which files of them.

Only what is written as an id is taken; a text that may as well be a path of the machine is either
left out or marked `soft`, so that nothing hangs on its absence from the Hub.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

from ftdoctor.job.value import get
from ftdoctor.lazy import lazy
from ftdoctor.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftdoctor.job.model import Dataset, Job, Training
    from ftdoctor.job.source import Place
    from ftdoctor.job.value import Value

#: Letters, digits, `-`, `_`, `.`; huggingface_hub 2.4.0 utils/_validators.py REPO_ID_REGEX.
_HUB_ID = lazy(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9_][\w.-]{0,95}\Z")
_PLACEHOLDER = lazy(r"(?i)\A(?:your[-_]?|user\b|username)|/your[-_]|placeholder")
#: First parts of a path that people use for folders, and that no one means as an owner.
_FOLDERS = frozenset(
    "models model data dataset datasets output outputs results result checkpoints checkpoint ckpt "
    "ckpts runs saved saves merged tmp mnt gcs workspace content home root work logs artifacts "
    "adapters lora weights cache src scripts".split()
)
#: load_dataset names that are builders of local files, not data sets.
_BUILDERS = frozenset("json csv parquet text arrow imagefolder audiofolder webdataset sql".split())
#: At most this many repositories are asked about for one job.
_MOST = 12
_MODEL_OPTION = lazy(
    r"--?(?:(?:base|pretrained)[-_])?model(?:[-_](?:id|name|name[-_]or[-_]path))?\Z"
)
_DATA_OPTION = lazy(r"--?dataset(?:[-_](?:id|name))?\Z")


@dataclass(frozen=True)
class Wanted:
    """A repository that the job reads.

    `files` are names or patterns of which each must match a file; `subfolder` is where the
    weights are looked for. `soft` is True when the text may be a path as well. `loads` is "full"
    when transformers loads the whole model from it, "" when that is not known.
    """

    repo: str
    repo_type: str
    place: Place | None = None
    revision: str = ""
    revision_place: Place | None = None
    files: tuple[tuple[str, Place | None], ...] = ()
    subfolder: str = ""
    variant: str = ""
    soft: bool = False
    loads: str = ""
    #: The adapter that this model is the base of, when the job names only the adapter.
    base_of: str = ""

    @property
    def key(self) -> str:
        """The part of a fact's name that stands for this repository at this revision."""
        return f"{self.repo_type}:{self.repo}@{self.revision}"


def hub_id(text: object) -> bool:
    """Whether a text can be a Hub id (owner/name) rather than a path or a placeholder."""
    return (
        isinstance(text, str)
        and bool(_HUB_ID.match(text))
        and not _PLACEHOLDER.search(text)
        and text.split("/")[0].lower() not in _FOLDERS
        and not os.path.isdir(text)
    )


def wanted(job: Job) -> list[Wanted]:
    """Return the repositories that a job reads, each once, at most twelve."""
    found: dict[tuple[str, str], Wanted] = {}
    for item in _all(job):
        kept = found.setdefault((item.repo_type, item.repo), item)
        if kept.soft and not item.soft:
            found[item.repo_type, item.repo] = item
    return list(found.values())[:_MOST]


def _all(job: Job) -> Iterator[Wanted]:
    made = _made(job)
    for training in job.trainings:
        yield from _model(training)
        for dataset in training.datasets:
            yield from _dataset(dataset)
        for value in (training.tokenizer, *training.loads):
            name = get(value)
            if isinstance(name, str) and hub_id(name) and not any(_below(name, m) for m in made):
                yield Wanted(name, "model", value.place if value else None, soft=True)
        rewards = training.trainer_kwargs.get("reward_funcs")
        for name in _texts(get(rewards)):
            if rewards is not None and hub_id(name):  # trl loads a reward model by its id
                yield Wanted(name, "model", rewards.place, soft=True)
    yield from _arguments(job)


def _texts(value: object) -> list[str]:
    items = value if isinstance(value, (list, tuple)) else [value]
    return [item for item in items if isinstance(item, str)]


def _below(name: str, folder: str) -> bool:
    return name == folder or name.startswith(folder.rstrip("/") + "/")


def _made(job: Job) -> list[str]:
    """Return the folders and repositories that the job itself writes."""
    made = [get(t.arguments.get("output_dir")) for t in job.trainings]
    made += [get(t.arguments.get("hub_model_id")) for t in job.trainings]
    made += [get(v) for t in job.trainings for v in [*t.saves, *t.pushes]]
    return [m for m in made if isinstance(m, str) and m]


def _known(value: Value[Any] | None) -> str:
    found = get(value)
    return found if isinstance(found, str) else ""


def _model(training: Training) -> Iterator[Wanted]:
    name = get(training.model)
    if name is None or not hub_id(name):
        return
    kwargs, revision = training.model_kwargs, training.model_revision
    named = kwargs.get("gguf_file")
    files = ((_known(named), named.place),) if named is not None and _known(named) else ()
    unread = any(
        value is not None and get(value) is None and value.unknown
        for value in (kwargs.get("gguf_file"), kwargs.get("subfolder"), revision)
    )
    yield Wanted(
        name,
        "model",
        training.model.place if training.model else None,
        _known(revision),
        revision.place if revision else None,
        files,
        _known(kwargs.get("subfolder")).strip("/"),
        _known(kwargs.get("variant")),
        loads="" if unread or training.method == "other" or files else "full",
    )


def _dataset(dataset: Dataset) -> Iterator[Wanted]:
    name = get(dataset.id)
    if name is None or name in _BUILDERS or not hub_id(name):
        return
    files = tuple((f, dataset.data_files.place) for f in _names(dataset)) if (
        dataset.data_files is not None
    ) else ()  # fmt: skip
    revision = dataset.revision
    yield Wanted(
        name, "dataset", dataset.id.place, _known(revision),
        revision.place if revision else None, files,
    )  # fmt: skip


def _names(dataset: Dataset) -> Iterator[str]:
    """Yield the file names of `data_files`: a text, a list of them, or one of both by split."""
    stack = [get(dataset.data_files)]
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            stack.extend(item.values())
        elif isinstance(item, (list, tuple)):
            stack.extend(item)
        elif isinstance(item, str) and item and not re.match(r"[a-z0-9]+:|/|~", item):
            yield item.removeprefix("./")


def _arguments(job: Job) -> Iterator[Wanted]:
    """Yield the ids that the container's arguments give to options named like a model's."""
    for pool in job.pools:
        words = [*pool.command, *pool.args]
        for index, word in enumerate(words):
            written = get(word)
            name, equals, inline = (written or "").partition("=")
            for option, kind in ((_MODEL_OPTION, "model"), (_DATA_OPTION, "dataset")):
                if not option.match(name):
                    continue
                text = inline if equals else get(words[index + 1]) if index + 1 < len(words) else ""
                if hub_id(text):
                    yield Wanted(str(text), kind, word.place, soft=True)


def outputs(job: Job) -> dict[str, bool]:
    """Return the repositories that the job pushes to, as far as they are named with an owner.

    True stands for one that is a model's for sure (hub_model_id); what another call pushes may as
    well be a data set.
    """
    found: dict[str, bool] = {}
    for training in job.trainings:
        push = training.arguments.get("push_to_hub")
        named = get(training.arguments.get("hub_model_id"))
        if isinstance(named, str) and (push is None or get(push) is not False):
            found[named] = True
        for name in map(get, training.pushes):
            if isinstance(name, str):
                found.setdefault(name, False)
    return {name: sure for name, sure in found.items() if hub_id(name)}


def spaces(job: Job) -> list[str]:
    """Return the Spaces that Trackio fills, as far as they are named with their owner."""
    found = [get(t.arguments.get("trackio_space_id")) for t in job.trainings]
    return [name for name in dict.fromkeys(found) if isinstance(name, str) and hub_id(name)][:2]


def mounts(job: Job) -> list[Wanted]:
    """Return the repositories that a job mounts as volumes (`-v hf://[datasets/]OWNER/NAME:/path`).

    They are read as the account that starts the job, whatever token the job is given
    (https://huggingface.co/docs/hub/jobs-configuration). Buckets are left out.
    """
    found = []
    for value in job.volumes:
        match = re.match(
            r"hf://(?:(models|datasets)/)?([^/:@]+/[^/:@]+)(?:@[^/:]+)?(?:/[^:]*)?:",
            get(value) or "",
        )
        if match and hub_id(match[2]) and match[2].split("/")[0] != "buckets":
            kind = "dataset" if match[1] == "datasets" else "model"
            found.append(Wanted(match[2], kind, value.place))
    return found[:_MOST]
