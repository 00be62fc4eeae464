"""Shapes of models outside the table, from their `config.json`.

Counts are exact for the families that `families` describes as exact and that have no tower beside
the text part; a test counts every such shape of the table again from its configuration.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftdoctor.errors import UsageError
from ftdoctor.memory.families import LLAMA, Family, family_of
from ftdoctor.memory.shapes import Linear, Shape, like
from ftdoctor.records import replace

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Tied unless the configuration says otherwise: the classes' own defaults (transformers 5.23).
_TIED = frozenset(
    ("gemma", "gemma2", "gemma3", "gemma3_text", "gpt2", "opt", "cohere", "cohere2", "starcoder2")
)
#: Types whose query, key and value projections always carry a bias.
_QKV_BIAS = frozenset(("qwen2", "qwen2_vl", "qwen2_5_vl", "gpt2", "gpt_neox", "phi", "opt"))
#: Families that this module can count to the parameter.
COUNTED = frozenset(
    (
        "llama",
        "mistral",
        "ministral",
        "qwen2",
        "qwen3",
        "gemma",
        "gemma2",
        "gemma3_text",
        "phi3",
        "granite",
        "olmo2",
        "olmo3",
        "smollm3",
        "seed_oss",
        "ernie4_5",
        "glm4",
        "exaone4",
        "internlm3",
        "mixtral",
        "qwen3_moe",
        "arcee",
    )
)


def shape_from_file(path: Path) -> Shape:
    """Return the shape that a `config.json` describes.

    Raises:
        UsageError: the file is not a model configuration that can be counted.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as exc:
        raise UsageError(f"{path} cannot be read as JSON: {exc}") from exc
    if not isinstance(data, dict):
        raise UsageError(f"{path} is not a model configuration: it is not a JSON object.")
    return shape_from_config(data, name=str(path))


def shape_from_cache(model: str) -> Shape | None:
    """Return the shape of a model whose `config.json` lies in the Hub cache, or None."""
    home = os.environ.get("HF_HOME") or os.path.expanduser("~/.cache/huggingface")
    cache = Path(os.environ.get("HF_HUB_CACHE") or Path(home) / "hub")
    folder = cache / f"models--{model.replace('/', '--')}" / "snapshots"
    try:
        found = sorted(folder.glob("*/config.json"), key=lambda p: p.stat().st_mtime)
    except OSError:
        return None
    return shape_from_file(found[-1]) if found else None


def shape_from_hub(model: str) -> Shape | None:
    """Fetch the `config.json` of a model from the Hub and return its shape; None when it is away.

    The download goes through huggingface_hub, so it is cached, uses the login of this machine and
    honours HF_ENDPOINT and HF_HUB_OFFLINE. Only a name of the form owner/name is asked for.
    """
    if model.count("/") != 1 or model.startswith((".", "/", "~")):
        return None
    from ftdoctor.facts.hub_http import reachable

    if reachable():  # the client itself would try for half a minute
        return None
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HFValidationError

    try:
        path = hf_hub_download(model, "config.json", etag_timeout=5)
    except (OSError, HFValidationError):
        return None
    except Exception as error:  # the HTTP library is another one in each major release of the hub
        if type(error).__module__.partition(".")[0] in ("httpx", "httpx2", "requests"):
            return None
        raise
    return shape_from_file(Path(path))


def shape_from_config(config: Mapping[str, Any], name: str = "config.json") -> Shape:
    """Return the shape of a configuration as the Hub stores it.

    Raises:
        UsageError: a size is missing or the model type cannot be counted.
    """
    model_type = str(config.get("model_type") or "")
    inner = config.get("text_config")
    text: Mapping[str, Any] = inner if isinstance(inner, dict) else config
    known = like(model_type, text)
    if known is not None:
        return replace(known, key=str(config.get("_name_or_path") or known.key))
    if text is not config:
        raise UsageError(
            f"{name}: a model with more than text ({model_type}) is not counted from its "
            "configuration.",
            "Take a --model id from the table, or add --simulate (with the 'simulate' extra).",
        )
    if model_type not in COUNTED:
        what = f"model_type {model_type!r}" if model_type else "a file without model_type"
        raise UsageError(
            f"{name}: {what} cannot be counted from its configuration.",
            f"Known types: {', '.join(sorted(COUNTED))}. Others: --simulate (its own extra).",
        )
    return _Counter(config, model_type, name).shape()


class _Counter:
    def __init__(self, config: Mapping[str, Any], model_type: str, name: str) -> None:
        self.c = config
        self.type = model_type
        self.name = name
        self.family: Family = family_of(model_type) or LLAMA

    def size(self, key: str, default: int | None = None) -> int:
        value = self.c.get(key, default)
        if value is None and default is not None:
            value = default
        if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
            raise UsageError(f"{self.name}: {key} is {value!r}, a positive number is needed.")
        return value

    def shape(self) -> Shape:
        hidden = self.size("hidden_size")
        layers = self.size("num_hidden_layers")
        heads = self.size("num_attention_heads")
        kv_heads = self.size("num_key_value_heads", heads)
        head_dim = self.size("head_dim", max(1, hidden // heads))
        ffn = self.size("intermediate_size")
        vocab = self.size("vocab_size")
        tied = bool(self.c.get("tie_word_embeddings", self.type in _TIED))
        q, kv = heads * head_dim, kv_heads * head_dim
        sizes = self._linears(hidden, ffn, q, kv)
        linears = tuple(Linear(n, a, b, layers) for n, (a, b) in sorted(sizes.items()))
        counts = {
            "embedding_text": vocab * hidden,
            "norm_text": layers * self._norms(hidden, head_dim, q, kv) + hidden,
        }
        experts = self._experts(hidden, ffn)
        if experts[0]:
            counts["experts"] = layers * experts[0] * 3 * hidden * experts[1]
            counts["rest_text"] = layers * experts[0] * hidden
        bias = layers * self._biases(hidden, ffn, q, kv)
        if bias:
            counts["linear_bias"] = bias
        if not tied:
            counts["head"] = vocab * hidden
        counts["total"] = sum(counts.values()) + sum(x.params for x in linears)
        kinds = self.c.get("layer_types")
        window = self.c.get("sliding_window")
        if self.c.get("use_sliding_window") is False:
            window = None
        return Shape(
            key=str(self.c.get("_name_or_path") or self.name),
            model_type=self.type,
            auto_class="AutoModelForCausalLM",
            hidden=hidden,
            ffn=ffn,
            layers=layers,
            heads=heads,
            kv_heads=kv_heads,
            head_dim=head_dim,
            vocab=vocab,
            tied=tied,
            linears=linears,
            counts=counts,
            sliding_window=window if isinstance(window, int) else None,
            layer_types=Counter(kinds) if isinstance(kinds, list) else {},
            dtype=str(self.c.get("dtype") or self.c.get("torch_dtype") or "bfloat16"),
            experts=experts[0],
            active_experts=self.size("num_experts_per_tok", 1),
            expert_ffn=experts[1],
            config={k: v for k, v in self.c.items() if k not in _NOT_ARGUMENTS},
            source="config.json",
        )

    def _linears(self, hidden: int, ffn: int, q: int, kv: int) -> dict[str, tuple[int, int]]:
        a, m = self.family.attention_names, self.family.mlp_names
        if self.family.fused_qkv:
            out = {a[0]: (hidden, q + 2 * kv), a[1]: (q, hidden)}
        else:
            out = {a[0]: (hidden, q), a[1]: (hidden, kv), a[2]: (hidden, kv), a[3]: (q, hidden)}
        if self.type in {"mixtral", "qwen3_moe"}:
            return out
        if self.family.fused_gate_up:
            out |= {m[0]: (hidden, 2 * ffn), m[1]: (ffn, hidden)}
        elif self.family.gated:
            out |= {m[0]: (hidden, ffn), m[1]: (hidden, ffn), m[2]: (ffn, hidden)}
        else:
            out |= {m[0]: (hidden, ffn), m[1]: (ffn, hidden)}
        return out

    def _experts(self, hidden: int, ffn: int) -> tuple[int, int]:
        """Number and width of the experts of one layer, (0, 0) for a dense model."""
        if self.type == "mixtral":
            return self.size("num_local_experts", 8), ffn
        if self.type == "qwen3_moe":
            return self.size("num_experts", 128), self.size("moe_intermediate_size", 768)
        return 0, 0

    def _norms(self, hidden: int, head_dim: int, q: int, kv: int) -> int:
        """Norm weights of one layer."""
        count = 4 if self.family.block == "sandwich" else 2
        total = count * hidden
        if self.family.qk_norm:
            whole = self.type in {"olmo2", "olmo3"}
            total += (q + kv) if whole else 2 * head_dim
        return total

    def _biases(self, hidden: int, ffn: int, q: int, kv: int) -> int:
        """Biases of the linear layers of one layer."""
        total = 0
        qkv = self.type in _QKV_BIAS or bool(
            self.c.get("attention_bias", self.type in {"seed_oss", "glm4"})
        )
        if qkv:
            total += q + 2 * kv
        if self.type not in _QKV_BIAS:
            out_bias = self.c.get("attention_out_bias", False)
            if self.type == "seed_oss":
                total += hidden if out_bias else 0
            elif self.type == "glm4":
                pass
            elif self.c.get("attention_bias"):
                total += hidden
        if self.c.get("mlp_bias"):
            total += 2 * ffn + hidden
        return total


_NOT_ARGUMENTS = frozenset(
    (
        "architectures",
        "transformers_version",
        "_name_or_path",
        "torch_dtype",
        "auto_map",
        "model_type",
    )
)
