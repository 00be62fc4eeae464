"""What the calls of a script say besides the trainer: data sets, downloads, pushes, saves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftdoctor.job import py_model
from ftdoctor.job.model import Dataset
from ftdoctor.job.py_abstract import Abstract, Const, Obj, Seq
from ftdoctor.job.py_values import place_of, text, value
from ftdoctor.job.value import Value, known, unknown

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ftdoctor.job.model import Training
    from ftdoctor.job.py_run import Run


def collect(run: Run, training: Training) -> None:
    """Fill what any call of the script may say: data sets, other downloads, pushes, saves."""
    seen: set[int] = set()
    for call in run.calls:
        if call.fallback:
            continue
        dataset = _dataset(call)
        if dataset is not None and not any(d.place == dataset.place for d in training.datasets):
            training.datasets.append(dataset)
        if call.name == "from_pretrained":
            _other_loads(call, training)
        elif call.name in (
            "hf_hub_download",
            "snapshot_download",
            "pipeline",
            "LLM",
            "SentenceTransformer",
        ):
            _download(call, training)
        elif call.name.startswith("push_to_hub") or call.name in ("upload_folder", "upload_file"):
            training.pushes.append(_push(call, training))
        elif call.name in ("save_model", "save_pretrained", "save_pretrained_merged", "save_state"):
            target = call.arg("output_dir", 0) or call.arg("save_directory", 0)
            saved = text(target) if target is not None else training.arguments.get("output_dir")
            if saved is not None:
                training.saves.append(saved)
        elif call.callee in ("torch.save", "shutil.copytree", "shutil.copy", "joblib.dump"):
            if len(call.args) > 1:
                training.saves.append(text(call.args[1]))
        elif call.name in ("upload_from_filename", "upload_from_file"):
            training.saves.append(unknown("it is a blob of Cloud Storage", place_of(call), "gs://"))
        for item in _bucket_words(call, seen):
            training.saves.append(item)


def _bucket_words(call: Obj, seen: set[int]) -> Iterable[Value[str]]:
    """Yield the buckets that a copy command in the script names."""
    if call.callee.split(".")[0] not in ("subprocess", "os"):
        return
    for arg in call.args[:1]:
        words = list(arg.items) if isinstance(arg, Seq) else [arg]
        joined = " ".join(str(w.value) for w in words if isinstance(w, Const))
        if "gsutil" in joined or "gcloud storage" in joined or "aws s3" in joined:
            for word in words[-1:]:
                if id(word) not in seen:
                    seen.add(id(word))
                    yield text(word)


def _other_loads(call: Obj, training: Training) -> None:
    identifier = py_model.id_of(call)
    if identifier is None:
        return
    found = text(identifier)
    if found.unknown or (training.model is not None and found.value == training.model.value):
        return
    if training.tokenizer is None and "Tokenizer" in call.callee:
        training.tokenizer = found
    if not any(known_load.value == found.value for known_load in training.loads):
        training.loads.append(found)


def _download(call: Obj, training: Training) -> None:
    identifier = call.arg("repo_id") or call.arg("model")
    kind = call.arg("repo_type")
    if kind is not None and not (isinstance(kind, Const) and kind.value in (None, "model")):
        return
    if identifier is None:
        position = 1 if call.name == "pipeline" else 0
        identifier = call.args[position] if position < len(call.args) else None
    if identifier is None or isinstance(identifier, Obj):
        return
    found = text(identifier)
    if not found.unknown and not any(load.value == found.value for load in training.loads):
        training.loads.append(found)


def _push(call: Obj, training: Training) -> Value[str]:
    target = call.arg("repo_id")
    if target is None and call.name not in ("upload_folder", "upload_file"):
        receiver = call.receiver
        is_trainer = isinstance(receiver, Obj) and receiver.name.endswith("Trainer")
        position = -1 if is_trainer else (2 if "gguf" in call.name else 0)
        target = call.arg("repo_name", position)
        if target is None and is_trainer:
            named = training.arguments.get("hub_model_id")
            if named is not None:
                return named
    if target is not None:
        return text(target)
    return unknown("no repository is named; it is called like output_dir", place_of(call))


def _dataset(call: Obj) -> Dataset | None:
    if call.name == "load_dataset":
        identifier = call.arg("path", 0)
        if identifier is None:
            return None
        split, config = call.arg("split"), call.arg("name", 1)
        revision = call.arg("revision")
        files = call.arg("data_files") or call.arg("data_dir")
        return Dataset(
            text(identifier),
            text(split) if split is not None else None,
            text(config) if config is not None and not _is_none(config) else None,
            value(files) if files is not None else None,
            place_of(call),
            revision=text(revision) if revision is not None and not _is_none(revision) else None,
        )
    builder = _BUILDERS.get(call.name)
    homes = ("datasets.", "pandas.", "Dataset.", "pd.", "load_from_disk")
    if builder is None or not call.callee.startswith(homes):
        return None
    target = call.arg("path_or_paths", 0) or call.arg("dataset_path", 0)
    if target is None:
        target = call.arg("filepath_or_buffer") or call.arg("path_or_buf")
    if target is None:
        return None
    return Dataset(
        known(builder or "disk", place_of(call)), None, None, value(target), place_of(call)
    )


_BUILDERS = {
    "from_json": "json",
    "from_csv": "csv",
    "from_parquet": "parquet",
    "from_text": "text",
    "read_csv": "csv",
    "read_json": "json",
    "read_parquet": "parquet",
    "load_from_disk": "disk",
}


def _is_none(found: Abstract) -> bool:
    return isinstance(found, Const) and found.value is None
