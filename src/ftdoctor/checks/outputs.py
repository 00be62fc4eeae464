"""Where results go, and whether they outlive the container."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftdoctor.checks.about import (
    argument,
    code,
    code_gap,
    launched,
    remote,
    softer,
    trains,
    words,
)
from ftdoctor.checks.token_uses import node_place
from ftdoctor.job.value import get
from ftdoctor.lazy import lazy, lazy_module
from ftdoctor.rulebook.model import Edit, Hit, TextEdit

if TYPE_CHECKING:
    import ast
    from collections.abc import Iterator

    from ftdoctor.checks.context import Context
    from ftdoctor.job.model import Job, Training
else:
    ast = lazy_module("ast")

#: Anything in code or commands that may carry results out of the container.
_CARRIES = lazy(
    r"""push_to_hub | hub_model_id | upload_folder | upload_file | upload_large_folder
    | create_commit | HfFileSystem
    | hf\s+upload | huggingface-cli\s+upload | hf://
    | gsutil | gcloud\s+storage | gs:// | /gcs/ | gcsfs | storage\.Client
    | from_uri | blob\. | upload_from_ | tf\.io\.gfile
    | AIP_ | BUCKET | bucket | s3:// | boto3 | aws\s+s3 | azcopy | rclone
    | rsync | scp\s | /mnt/ | fsspec
    | log_artifact | log_model | wandb\.save | WANDB_LOG_MODEL
    | wandb\.Artifact | Artifact\( | mlflow | comet | neptune | clearml
    | save_pretrained_gguf | drive | google\.colab | ftp | curl\s.*-T
    | requests\.(?:put|post) | upload""",
    re.X | re.I,
)


#: Written out, and not done.
_OFF = lazy(r"(?:push_to_hub|hub_model_id)[\"']?\s*[=:]\s*(?:False|None|false|no)\b")


def _kept(job: Job, training: Training) -> bool:
    """Whether anything read may carry the results out."""
    if argument(training, "push_to_hub") is True or training.pushes:
        return True
    flag = training.arguments.get("push_to_hub")
    if flag is not None and not flag.known:
        return True
    if job.volumes or _CARRIES.search(_OFF.sub("", code(job))):
        return True
    texts = [get(v) or v.raw for pool in job.pools for v in pool.env.values()]
    return any(re.search(r"gs://|/gcs/|s3://|hf://", text or "") for text in texts)


def lost(context: Context, **_: object) -> Iterator[Hit]:
    """Results are written to the container's own disk and nothing carries them out."""
    job = context.job
    if not launched(job) or not remote(job) or code_gap(job):
        return
    for training in job.trainings:
        if training.method == "other" and not training.saves:
            continue
        folder = training.arguments.get("output_dir")
        if folder is not None and not folder.known:
            return
        where = get(folder)
        if _kept(job, training) or (isinstance(where, str) and _outside(where)):
            return
        if (
            job.platform == "vertex"
            and (folder is None or not isinstance(where, str))
            and training.written_as == "trl-cli"
        ):
            continue  # the arguments may be cut short; nothing is claimed without a folder
        if _one_of_many(job):
            return
        spot = folder.place if folder is not None and folder.place else job.place
        values = {"folder": where or "the default folder"}
        yield Hit(spot, values, {"output_dir": where}, severity=softer(spot))
        return


def _outside(folder: str) -> bool:
    return bool(re.match(r"/gcs/|/mnt/|gs://|s3://|hf://|/data\b", folder)) or "$" in folder


def _one_of_many(job: Job) -> bool:
    """Whether the run only proves that it starts: a smoke test keeps nothing on purpose."""
    return any((argument(t, "max_steps") or 999) in range(1, 6) for t in job.trainings)


def bucket_as_folder(context: Context, **_: object) -> Iterator[Hit]:
    """A gs:// address where a path is needed: it becomes a local folder, and is lost."""
    job = context.job
    for training in job.trainings:
        for name in ("output_dir", "logging_dir"):
            value = training.arguments.get(name)
            text = get(value)
            if isinstance(text, str) and text.startswith("gs://") and value is not None:
                yield _gcs_hit(job, value.place, name, text)
        model = get(training.model)
        if isinstance(model, str) and model.startswith("gs://") and training.model is not None:
            yield _gcs_hit(job, training.model.place, "the model", model)


def _gcs_hit(job: Job, place: object, name: str, text: str) -> Hit:
    from ftdoctor.job.source import Place

    right = "/gcs/" + text.removeprefix("gs://")
    edits = {}
    spot = place if isinstance(place, Place) else None
    if spot is not None and spot.end_line and job.platform == "vertex":
        edits["replace"] = Edit(f"Write {right}", (TextEdit(spot, f"\0{right}\0"),))
    return Hit(
        spot or job.place,
        {"name": name, "uri": text, "right": right},
        {"name": name, "uri": text},
        edits,
    )


#: Functions that know paths of a file system only.
_PATHS_ONLY = lazy(
    r"(?:open|os\.(?:makedirs|mkdir|listdir|path\.(?:exists|isdir|isfile|getsize))"
    r"|torch\.(?:save|load)|(?:\w+\.)*(?:save_pretrained|save_model)|(?:pathlib\.)?Path)\Z"
)


def bucket_in_open(context: Context, **_: object) -> Iterator[Hit]:
    """A gs:// address given to open(), os or torch.save, which only know paths."""
    for script in context.job.scripts:
        text = script.source.text
        if script.role == "submit" or "gs://" not in text or script.tree is None:
            continue
        if _FILE_SYSTEMS.search(text):
            continue
        for node in ast.walk(script.tree):
            if not isinstance(node, ast.Call) or not _PATHS_ONLY.match(ast.unparse(node.func)):
                continue
            for value in node.args:
                if isinstance(value, ast.Constant) and str(value.value).startswith("gs://"):
                    uri = str(value.value)
                    values = {"uri": uri, "right": "/gcs/" + uri.removeprefix("gs://")}
                    yield Hit(node_place(script.source, value), values, {"uri": uri})


#: Libraries that make some of these functions take addresses.
_FILE_SYSTEMS = lazy(
    r"import\s+(?:gcsfs|fsspec|tensorflow)|from\s+(?:gcsfs|fsspec|cloudpathlib|smart_open|etils)|tf\.io"
)


def copied_from_elsewhere(context: Context, **_: object) -> Iterator[Hit]:
    """The folder that is copied out is not the one that the training writes."""
    job = context.job
    if not launched(job) or code_gap(job):
        return
    folders = [get(t.arguments.get("output_dir")) for t in job.trainings]
    known = [f.rstrip("/").removeprefix("./") for f in folders if isinstance(f, str)]
    if len(known) != 1 or len(job.trainings) != 1 or _outside(known[0]) or known[0].startswith("/"):
        return
    seen = False
    for step in job.steps:
        seen = seen or trains(step)
        argv = words(step)
        if (
            not seen
            or argv[:1] not in (["gsutil"], ["gcloud"])
            or not any(w in argv for w in ("cp", "rsync"))
        ):
            continue
        sources = [
            w
            for w in argv[1:-1]
            if w and not w.startswith(("-", "gs://")) and w not in ("cp", "rsync", "storage")
        ]
        if (
            len(sources) != 1
            or not argv[-1].startswith("gs://")
            or re.search(r"[*$/]", sources[0].rstrip("/").removeprefix("./"))
        ):
            continue
        source = sources[0].rstrip("/").removeprefix("./")
        if (
            source
            and source != "."
            and not known[0].startswith(source + "/")
            and source != known[0]
        ):
            if source in code(job).replace(" ".join(argv), ""):
                continue
            yield Hit(
                step.place,
                {"copied": source, "written": known[0]},
                {"copied": source, "written": known[0]},
            )
            return
