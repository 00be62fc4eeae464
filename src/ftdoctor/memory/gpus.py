"""What a GPU has to offer: memory as torch sees it, less the CUDA context."""

from __future__ import annotations

import re
from functools import cache

from ftdoctor.memory.settings import GIB
from ftdoctor.records import dataclass
from ftdoctor.tables import table


@dataclass(frozen=True, slots=True)
class Gpu:
    """One card. `visible` and `context` are bytes; a price of 0 is not known."""

    name: str
    visible: int
    context: int
    generation: str = ""
    usd_per_hour: float = 0.0
    flavor: str = ""

    @property
    def label(self) -> str:
        """The name as people write it."""
        return self.name if "GiB" in self.name else self.name.upper()

    @property
    def line(self) -> int:
        """Bytes that torch's allocator can take at most."""
        return self.visible - self.context

    @property
    def hopper(self) -> bool:
        """Whether cuBLAS takes the larger workspaces of the Hopper generation."""
        return self.generation == "hopper"


@cache
def cards() -> tuple[Gpu, ...]:
    """Return every card of the table."""
    data = table("gpus")["memory"]
    contexts = data["context_gib"]["value"]
    return tuple(
        Gpu(
            name=row["key"],
            visible=int(row["visible_gib"] * GIB),
            context=int(contexts[row["generation"]] * GIB),
            generation=row["generation"],
            usd_per_hour=row.get("usd_per_hour", 0.0),
            flavor=row.get("flavor", ""),
        )
        for row in data["cards"]
    )


@cache
def _names() -> dict[str, int]:
    names: dict[str, int] = {}
    for number, row in enumerate(table("gpus")["memory"]["cards"]):
        for name in (row["key"], *row["aliases"]):
            names[_plain(name)] = number
    return names


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower().removeprefix("nvidia ").removeprefix("nvidia-"))


def find(name: str) -> Gpu | None:
    """Return a card by name ("l4", "A100-80GB", "NVIDIA_H100_80GB", an HF Jobs flavor), or by size.

    A size such as "24GiB" or "15.6gb" means memory visible to torch.
    """
    number = _names().get(_plain(name))
    if number is not None:
        return cards()[number]
    size = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(gib|gb|g)?\s*", name.lower())
    if size:
        return Gpu(f"{size[1]} GiB card", int(float(size[1]) * GIB), int(0.45 * GIB))
    return None


def by_table_key(key: str) -> Gpu | None:
    """Return a card by its key in the list of all GPUs ("A100-40"), or None."""
    for number, row in enumerate(table("gpus")["memory"]["cards"]):
        if row["gpu"] == key:
            return cards()[number]
    return None


def known_names() -> list[str]:
    """Return the short names that `--gpu` takes."""
    return [card.name for card in cards()]
