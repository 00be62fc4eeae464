"""Which files of a model's repository `from_pretrained` downloads, and how many bytes they are."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Endings of files that hold weights in some format.
WEIGHTS = (".safetensors", ".bin", ".gguf", ".pt", ".pth", ".h5", ".msgpack", ".onnx", ".nemo")


def weight_files(
    files: Mapping[str, int | None], subfolder: str = "", variant: str = ""
) -> list[str]:
    """Return the weight files that transformers loads, [] when it would find none.

    The order is that of transformers 5.23.0 modeling_utils.py `_get_resolved_checkpoint_files`: one
    safetensors file, safetensors in parts, then the same of pytorch_model.bin. Never two formats.
    """
    folder = f"{subfolder}/" if subfolder else ""
    here = [name for name in files if name.startswith(folder) and "/" not in name[len(folder) :]]
    mark = re.escape(f".{variant}") if variant else ""
    for stem, ending in (("model", "safetensors"), ("pytorch_model", "bin")):
        one = re.compile(rf"{stem}{mark}\.{ending}")
        parts = re.compile(rf"{stem}{mark}-\d{{5}}-of-\d{{5}}\.{ending}")
        for pattern in (one, parts):
            found = [name for name in here if pattern.fullmatch(name[len(folder) :])]
            if found:
                return found
    return []


def download_bytes(
    files: Mapping[str, int | None], subfolder: str = "", variant: str = ""
) -> int | None:
    """Return the bytes of the weights that are downloaded, None when a size is not stated."""
    total = 0
    for name in weight_files(files, subfolder, variant):
        size = files[name]
        if size is None:
            return None
        total += size
    return total or None
