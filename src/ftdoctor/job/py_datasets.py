"""What a script does with the splits of its data.

`load_dataset` without a split gives a DatasetDict: a dict of data sets (datasets 5.2.0 load.py,
`load_dataset`: "if split is None, return all splits"). Facts only; nothing here judges.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftdoctor.job.model import SplitUse
from ftdoctor.job.py_abstract import Abstract, Const, Map, Obj
from ftdoctor.job.py_values import place_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftdoctor.job.py_run import Run
    from ftdoctor.job.source import Place

#: Methods of DatasetDict that give a DatasetDict with the same splits (datasets 5.2.0
#: dataset_dict.py).
_SAME = frozenset(
    "map filter shuffle sort cast cast_column flatten rename_column rename_columns remove_columns "
    "select_columns with_format with_transform class_encode_column align_labels_with_mapping "
    "flatten_indices".split()
)
#: Methods of Dataset that DatasetDict does not have (the same file).
_NOT_THERE = frozenset("select train_test_split take skip shard add_column to_pandas".split())
#: Builders of plain files: without names for splits, all goes into "train".
_FILES = frozenset("json csv parquet text arrow xml".split())
#: What the steps of a chain lead through at most.
_DEEP = 12

#: None: not a DatasetDict, or not known to be one. The second part: its splits when known.
Splits = tuple[bool, tuple[str, ...] | None]
_NO: Splits = (False, None)


def splits(item: Abstract | None, depth: int = 0) -> Splits:
    """Return (whether this is surely a DatasetDict, its splits if they are known)."""
    if not isinstance(item, Obj) or depth > _DEEP or any(isinstance(k, str) for k in item.cells):
        return _NO
    if item.derived:
        return _NO
    if item.receiver is None:
        return _made(item)
    owner = item.receiver
    if item.name == "train_test_split" and not splits(owner, depth + 1)[0]:
        return (True, ("train", "test")) if _is_data(owner, depth) else _NO
    return splits(owner, depth + 1) if item.name in _SAME else _NO


def _is_data(owner: Abstract | None, depth: int) -> bool:
    """Whether a chain starts at load_dataset or at Dataset.from_...: only that is understood."""
    for _ in range(_DEEP):
        if not isinstance(owner, Obj):
            return False
        if owner.receiver is None:
            return owner.name == "load_dataset" or owner.callee.startswith("datasets.Dataset.from_")
        owner = owner.receiver
    return False


def _made(call: Obj) -> Splits:
    if call.callee in ("datasets.DatasetDict", "DatasetDict"):
        given = call.args[0] if call.args else None
        return True, _keys(given)
    if call.callee not in _LOADS or call.open:
        return _NO
    split = call.arg("split", 4)
    if split is not None and not (isinstance(split, Const) and split.value is None):
        return _NO
    files, path = call.arg("data_files", 3), call.arg("path", 0)
    if not isinstance(path, Const) or path.value not in _FILES or files is None:
        return True, None
    if isinstance(files, Map):
        return True, _keys(files)
    return True, ("train",) if isinstance(files, Const) and isinstance(files.value, str) else None


def _keys(given: Abstract | None) -> tuple[str, ...] | None:
    if not isinstance(given, Map) or given.now.open:
        return None
    return tuple(str(key) for key in given.data)


def streamed(item: Abstract | None) -> bool:
    """Whether a data set is surely an IterableDataset, which has no length."""
    for _ in range(_DEEP):
        if not isinstance(item, Obj):
            return False
        if item.receiver is None:
            asked = item.arg("streaming")
            loads = item.callee in _LOADS
            return loads and isinstance(asked, Const) and asked.value is True
        if item.name == "to_iterable_dataset" and not item.derived:
            return True
        if not item.derived and item.name not in _SAME | {"take", "skip"}:
            return False
        item = item.receiver
    return False


#: Methods that leave the columns as they are, and rows only out.
_KEEPS = frozenset("shuffle select train_test_split take skip shard sort flatten_indices".split())


def fed_by(item: Abstract | None) -> Place | None:
    """Return where the rows that a trainer gets are loaded, if nothing changes their columns."""
    for _ in range(_DEEP):
        if not isinstance(item, Obj) or any(isinstance(k, str) for k in item.cells):
            return None
        if item.receiver is None:
            return place_of(item) if item.callee in _LOADS else None
        if not item.derived and item.name not in _KEEPS:
            return None
        item = item.receiver
    return None


_LOADS = ("datasets.load_dataset", "load_dataset")


def uses(run: Run, trainer: Obj) -> Iterator[SplitUse]:
    """Yield what is done with a DatasetDict: handed to a trainer, an item taken, a call made."""
    handed = trainer.kwargs.get("train_dataset")
    sure, names = splits(handed)
    if sure:
        place = trainer.kw_at["train_dataset"].place if "train_dataset" in trainer.kw_at else None
        yield SplitUse("passed", "train_dataset", names, place or place_of(handed))
    seen: set[int] = set()
    for call in run.calls:
        if call.fallback or call.condition:
            continue
        for item in (call.receiver, *call.args, *call.kwargs.values()):
            yield from _items(item, seen)
        if call.name in _NOT_THERE and call.receiver is not None:
            sure, names = splits(call.receiver)
            if sure:
                yield SplitUse("call", call.name, names, place_of(call))


def _items(item: Abstract | None, seen: set[int]) -> Iterator[SplitUse]:
    """Yield `data["name"]` where the splits are known and this is none of them."""
    for _ in range(_DEEP):
        if not isinstance(item, Obj) or id(item) in seen:
            return
        seen.add(id(item))
        if item.derived and item.callee.endswith("']"):
            sure, names = splits(item.receiver)
            name = item.callee.rsplit("['", 1)[-1][:-2]
            if sure and names is not None:
                yield SplitUse("item", name, names, place_of(item))
        item = item.receiver
