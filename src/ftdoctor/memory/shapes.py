"""Shapes of models: from the table by Hub id, or from a `config.json`."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

from ftdoctor.records import dataclass, field
from ftdoctor.tables import table

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Mirrors and quantised copies keep the shape of the model that they were made from.
_SUFFIXES = re.compile(
    r"-(unsloth-bnb-4bit|bnb-4bit|bnb-8bit|4bit|8bit|unsloth|gptq(-int[48])?|awq|fp8(-dynamic)?|"
    r"gguf|bf16|qat-q4_0-unquantized)$"
)
_MIRRORS = ("unsloth/", "nousresearch/", "mlx-community/", "axolotl-ai-co/", "huggyllama/")


@dataclass(frozen=True, slots=True)
class Linear:
    """`count` linear layers of one name and size. `kept`: bitsandbytes leaves them alone."""

    name: str
    n_in: int
    n_out: int
    count: int
    part: str = "text"
    kept: bool = False

    @property
    def params(self) -> int:
        """Weights of all of them, without biases."""
        return self.n_in * self.n_out * self.count


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes of one model, as `from_pretrained` of a current transformers builds it."""

    key: str
    model_type: str
    auto_class: str
    hidden: int
    ffn: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    vocab: int
    tied: bool
    linears: tuple[Linear, ...]
    #: Parameters that are not linear weights: head, embedding_text, embedding_other, experts, ...
    counts: Mapping[str, int] = field(hash=False)
    sliding_window: int | None = None
    layer_types: Mapping[str, int] = field(default_factory=dict, hash=False)
    experts: int = 0
    active_experts: int = 0
    expert_ffn: int = 0
    dtype: str = "bfloat16"
    confidence: str = "high"
    #: Keywords for transformers' config class, for the simulation.
    config: Mapping[str, Any] = field(default_factory=dict, hash=False)
    source: str = "table"

    @property
    def params(self) -> int:
        """All resident parameters."""
        return self.counts["total"]

    @property
    def q_dim(self) -> int:
        """Width of the queries of one layer."""
        return self.heads * self.head_dim

    @property
    def kv_dim(self) -> int:
        """Width of the keys of one layer."""
        return self.kv_heads * self.head_dim

    @property
    def head_params(self) -> int:
        """Parameters of the output projection, also when it is tied."""
        return self.vocab * self.hidden

    def linear_params(self, *, packed: bool) -> int:
        """Weights in linear layers that 4-bit quantisation packs (or leaves alone)."""
        return sum(x.params for x in self.linears if x.kept is not packed)

    def targets(self, names: tuple[str, ...]) -> tuple[Linear, ...]:
        """Return the linear layers that LoRA targets of these names meet."""
        if names == ("all-linear",):
            return self.linears
        return tuple(x for x in self.linears if x.name in names)


def _shape(row: Mapping[str, Any]) -> Shape | None:
    if "counts" not in row:
        return None
    moe = row.get("moe") or {}
    types = row.get("layer_types")
    return Shape(
        key=row["key"],
        model_type=row["model_type"],
        auto_class=row["auto_class"],
        hidden=row["hidden_size"] or 0,
        ffn=row["intermediate_size"] or 4 * (row["hidden_size"] or 0),
        layers=row["num_hidden_layers"] or 0,
        heads=row["num_attention_heads"] or 0,
        kv_heads=row["num_key_value_heads"] or row["num_attention_heads"] or 0,
        head_dim=row["head_dim"] or 0,
        vocab=row["vocab_size"] or 0,
        tied=row["tied"],
        linears=tuple(Linear(*x) for x in row["linears"]),
        counts=row["counts"],
        sliding_window=row.get("sliding_window"),
        layer_types=types if isinstance(types, dict) else {},
        experts=moe.get("experts") or 0,
        active_experts=moe.get("active") or 0,
        expert_ffn=moe.get("moe_intermediate_size") or 0,
        dtype=row.get("torch_dtype") or "bfloat16",
        confidence=row.get("confidence") or "medium",
        config=row.get("config") or {},
    )


@cache
def _index() -> dict[str, int]:
    index: dict[str, int] = {}
    for number, row in enumerate(table("models")["models"]):
        for name in (row["key"], *row["ids"]):
            index[name.lower()] = number
            index.setdefault(name.lower().rpartition("/")[2], number)
    return index


def quantised_copy(model: str) -> str:
    """Return how the weights of a Hub id are stored by its name: "4bit", "other", or ""."""
    match = _SUFFIXES.search(model.strip().lower())
    if match is None or match[1] in {"unsloth", "bf16"} or match[1].startswith("qat"):
        return ""
    return "4bit" if match[1].endswith("4bit") else "other"


def normalised(model: str) -> list[str]:
    """Return the names under which a Hub id may stand in the table, best first."""
    name = model.strip().strip("/").lower()
    names = [name]
    if "/" in name:
        stripped = name
        while (shorter := _SUFFIXES.sub("", stripped)) != stripped:
            stripped = shorter
            names.append(stripped)
        owner, _, last = stripped.rpartition("/")
        if f"{owner}/" in _MIRRORS or stripped != name:
            names += [last, last.removeprefix("meta-")]
    return list(dict.fromkeys(names))


@cache
def find(model: str) -> Shape | None:
    """Return the shape of a Hub id (any case, known mirrors and -bnb-4bit copies), or None."""
    index = _index()
    for name in normalised(model):
        number = index.get(name)
        if number is not None:
            return _shape(table("models")["models"][number])
    return None


def like(model_type: str, text: Mapping[str, Any]) -> Shape | None:
    """Return the shape of the table that a configuration is a copy of, or None.

    A fine-tune keeps the sizes of its base: type, width, depth, heads, MLP width and vocabulary
    must all be the same. Ties must not contradict.
    """
    for row in table("models")["models"]:
        if row["model_type"] != model_type or "counts" not in row:
            continue
        config = row["config"].get("text_config") or row["config"]
        names = ("hidden_size", "num_hidden_layers", "vocab_size", "num_attention_heads")
        same = all(text.get(n) == config.get(n) and text.get(n) for n in names)
        optional = ("intermediate_size", "num_key_value_heads", "head_dim", "num_experts")
        for n in (*optional, "num_local_experts", "moe_intermediate_size"):
            if n in text and n in config and text[n] != config[n]:
                same = False
        if text.get("tie_word_embeddings") not in (None, row["tied"]):
            same = False
        if same:
            return _shape(row)
    return None


def known_ids() -> list[str]:
    """Return every Hub id of the table."""
    return [name for row in table("models")["models"] for name in row["ids"]]
