"""The moments of a training step in which its peak can lie, as named bytes.

The layers of a model are alike: one is run on the byte-counting tape, the others are multiples.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftdoctor.memory import losses_form, sharding, static
from ftdoctor.memory.layers import Layer
from ftdoctor.memory.ops import Weight
from ftdoctor.memory.settings import DTYPE_BYTES, MIB
from ftdoctor.memory.tape import Node, Tape, Var

if TYPE_CHECKING:
    from ftdoctor.memory.families import Family
    from ftdoctor.memory.settings import TrainingSettings
    from ftdoctor.memory.shapes import Shape

#: cuBLAS keeps a workspace for each handle, and the backward pass runs in a thread with a handle of
#: its own: 2 x 8.125 MiB (":4096:2:16:8"), on Hopper 2 x 32 MiB. aten/src/ATen/cuda/
#: CublasHandlePool.cpp `getChosenWorkspaceSize`, `parseChosenWorkspaceSize`.
WORKSPACE = 2 * 8_519_680
WORKSPACE_HOPPER = 2 * 32 * MIB


class Moments:
    """The moments of one step, each as named bytes above what always stays."""

    def __init__(self, settings: TrainingSettings, family: Family) -> None:
        self.s = settings
        self.family = family
        self.half = 2 if settings.autocast else 0
        self.item = settings.stream_bytes
        if settings.norms_float32 and family.norm != "llama":
            # Only Llama's norm gives what its weight times 16 bits gives; others cast back.
            self.item = DTYPE_BYTES[settings.dtype]
        if settings.method == "qlora" and self.half and family.norm == "layer":
            # LayerNorm gives float32 under autocast and packed layers return what they get.
            self.item = 4

    def static_parts(self, hopper: bool) -> dict[str, int]:
        """What stays through the step, after sharding."""
        s = self.s
        states, _ = static.optimizer_bytes(s)
        trained = static.trained(s)
        parts = {
            "weights": static.weight_bytes(s),
            "adapters": sum(g.params * g.item for g in trained if g.name != "weights"),
            "optimizer_states": states,
            "workspace": WORKSPACE_HOPPER if hopper else WORKSPACE,
        }
        if s.reference_model:
            parts["reference_model"] = parts["weights"]
        if s.accumulation > 1:
            parts["gradients"] = sum(g.params * g.item for g in trained)
        return sharding.static(parts, s, trained)

    def phases(self) -> list[tuple[str, dict[str, int]]]:
        """Return (name, bytes above what stays) of each moment."""
        out = [("forward and loss", self._loss_phase())]
        s = self.s
        if s.method == "full" and self.half and s.gradient_checkpointing and s.dtype == "float32":
            # Autocast keeps the 16-bit copies of trained weights until the forward pass ends.
            linear = sum(x.params for x in s.shape.linears if x.part == "text")
            parts = self._loss_phase(forward=True)
            copies = (linear + s.shape.head_params) * self.half
            parts["weight_casts"] = sharding.states(copies, s)
            out.append(("forward and loss", parts))
        out += self._layer_phases()
        out.append(("optimizer step", self._step_phase()))
        if self.s.method == "full":
            out.append(("backward of the embedding", self._embedding_phase()))
        return out

    def _grads(self, share: float) -> int:
        if self.s.accumulation > 1:
            return 0
        total = sum(g.params * g.item for g in static.trained(self.s))
        return int(sharding.gradients(total, self.s) * share)

    def _grads_before(self, layer: Layer) -> int:
        """Gradients that exist when the backward pass comes to the first layer."""
        s = self.s
        total = self._grads(1.0)
        if s.method != "full" or not total:
            return total
        later = sum(w.n_in * w.n_out for w in layer.weights.values())
        later += s.shape.counts.get("experts", 0) // max(1, s.shape.layers)
        if not s.shape.tied:
            later += s.shape.counts.get("embedding_text", 0)
        later = int(sharding.gradients(later * DTYPE_BYTES[s.dtype], s))
        return max(0, total - later)

    def _step_phase(self) -> dict[str, int]:
        _, temporary = static.optimizer_bytes(self.s)
        return {
            "gradients": self._grads(1.0),
            "optimizer_temporaries": sharding.states(temporary, self.s),
            "logits_and_loss": self._kept(),
        }

    def _embedding_phase(self) -> dict[str, int]:
        """The dense gradient of the embedding, beside that of a tied head."""
        s = self.s
        table = s.shape.vocab * s.shape.hidden * DTYPE_BYTES[s.dtype]
        return {
            "gradients": self._grads(1.0),
            "temporaries": (table if s.shape.tied else 0) + s.tokens * s.shape.hidden * self.item,
            "logits_and_loss": self._kept(),
        }

    def _kept(self) -> int:
        """Logits that a hand-written loop holds until its next forward pass."""
        s = self.s
        if not s.keeps_outputs or s.loss != "nll":
            return 0
        item = self.half or (4 if s.kbit_prepare else DTYPE_BYTES[s.dtype])
        return s.tokens * s.shape.vocab * item

    def _kinds(self) -> list[tuple[Layer, int]]:
        """Return the kinds of layers with their numbers, the most frequent first."""
        s, shape = self.s, self.s.shape
        window = shape.sliding_window
        local = 0
        if window and s.seq_len >= window and s.attention == "sdpa":
            local = sum(
                n for k, n in shape.layer_types.items() if k in {"sliding_attention", "sliding"}
            )
            if not shape.layer_types and shape.model_type in {"mistral", "phi3", "starcoder2"}:
                local = shape.layers
        kinds = []
        if local:
            kinds.append((self._layer(mask=True), local))
        if shape.layers - local:
            kinds.append((self._layer(mask=s.padding_mask), shape.layers - local))
        return sorted(kinds, key=lambda x: -x[1])

    def _layer(self, *, mask: bool) -> Layer:
        s, shape = self.s, self.s.shape
        item = DTYPE_BYTES[s.dtype] if not s.kbit_prepare else 4
        weights = {
            name: self._weight(name, size) for name, size in _sizes(self.family, s.shape).items()
        }
        attention: str = s.attention
        if attention == "sdpa" and self.family.eager_only:
            attention = "eager"
        if attention == "sdpa":
            attention = self._sdpa(mask)
        return Layer(
            family=self.family,
            rows=s.rows,
            seq=s.seq_len,
            hidden=shape.hidden,
            heads=shape.heads,
            kv_heads=shape.kv_heads,
            head_dim=shape.head_dim,
            weights=weights,
            norm_item=4 if s.norms_float32 else item,
            norm_trains=s.method == "full",
            half=self.half,
            compute=2,
            attention=attention,
            mask=mask and attention != "flash",
            attention_half=2 if (self.half or attention == "flash") else 0,
            experts=shape.experts if shape.counts.get("experts") else 0,
            active=shape.active_experts,
            expert_ffn=shape.expert_ffn or shape.ffn,
            expert_item=item,
        )

    def _sdpa(self, mask: bool) -> str:
        """Which kernel torch takes on CUDA (see simulate/attention.py)."""
        shape = self.s.shape
        half = self.half == 2 or self.item == 2
        groups = shape.heads // max(1, shape.kv_heads)
        if half and not mask and shape.head_dim <= 256:
            return "flash"
        if groups > 1 and not mask and shape.head_dim <= 256:
            return "math"
        return "efficient"

    def _weight(self, name: str, size: tuple[int, int]) -> Weight:
        s = self.s
        meets = s.lora_targets == ("all-linear",) or name in s.lora_targets
        rank = s.lora_rank if s.method != "full" and meets else 0
        return Weight(
            n_in=size[0],
            n_out=size[1],
            item=DTYPE_BYTES[s.dtype] if not s.kbit_prepare else 4,
            trainable=s.method == "full",
            packed=s.method == "qlora",
            rank=rank,
            adapter_item=DTYPE_BYTES[s.adapter_dtype],
            dropout=s.lora_dropout,
            dora=s.dora,
        )

    def _waiting(self) -> tuple[int, list[tuple[Layer, int]]]:
        """Bytes that wait for the backward pass over all layers, and the kinds of layers."""
        s = self.s
        kinds = self._kinds()
        stream = s.tokens * s.shape.hidden * self.item
        if s.gradient_checkpointing:
            return stream * s.shape.layers, kinds
        total = sum(saved_by(layer, self.item) * n for layer, n in kinds)
        return total, kinds

    def _loss_phase(self, *, forward: bool = False) -> dict[str, int]:
        waiting, kinds = self._waiting()
        meter = losses_form.run(self.s, self.family, self.half, self.item)
        return {
            "saved_activations": waiting + self._masks(kinds),
            **(meter.forward_parts if forward else meter.peak_parts),
        }

    def _masks(self, kinds: list[tuple[Layer, int]]) -> int:
        """Masks built once for all layers: one byte for each pair of positions."""
        s = self.s
        square = s.rows * s.seq_len * s.seq_len
        return sum(square for layer, _ in kinds if layer.mask)

    def _layer_phases(self) -> list[tuple[str, dict[str, int]]]:
        s = self.s
        waiting, kinds = self._waiting()
        masks = self._masks(kinds)
        out = []
        for layer, _ in kinds:
            tape, own = backward_of(layer, self.item, checkpoint=s.gradient_checkpointing)
            transient = dict(tape.meter.peak_parts)
            saved = transient.pop("saved_activations", 0) + waiting - own + masks
            transient["logits_and_loss"] = self._kept()
            early = {**transient, "saved_activations": max(0, saved)}
            out.append(("backward of the last layer", early))
            if s.method == "full" or s.modules_to_save:
                late = {**transient, "saved_activations": own + masks}
                late["gradients"] = late.get("gradients", 0) + self._grads_before(layer)
                out.append(("backward of the first layer", late))
        return out


def saved_by(layer: Layer, item: int) -> int:
    """Bytes that one layer keeps for the backward pass, its output included."""
    t = Tape()
    n = layer.tokens * layer.hidden
    x = Var(t.new(n, item), n, item)
    x.node = _root(t)
    before = t.meter.live
    x = layer.run(t, x)
    saved = t.meter.live - before
    t.nodes.clear()
    return saved


def _root(t: Tape) -> Node:
    node = Node((), lambda _: ())
    t.nodes.append(node)
    return node


def backward_of(layer: Layer, item: int, *, checkpoint: bool) -> tuple[Tape, int]:
    """Run (or recompute) one layer and its backward pass; return the tape and its own input."""
    t = Tape()
    n = layer.tokens * layer.hidden
    t.meter.tag = "saved_activations"
    x = Var(t.new(n, item), n, item)
    x.node = _root(t)
    t.meter.tag = "temporaries"
    grad = t.new(n, item)
    if not checkpoint:
        t.meter.tag = "saved_activations"
    # A packed last projection without adapter saves nothing, so its gradient is there already when
    # the first saved tensor is asked for and the layer is run again.
    last = layer.weights[layer.family.mlp_names[-1]]
    ahead = None
    if checkpoint and last.packed and not last.rank and layer.family.block == "pre":
        ahead = t.new(layer.tokens * last.n_in, item)
    out = layer.run(t, x)
    del ahead
    own = x.buf.nbytes if checkpoint else t.meter.live - grad.nbytes - x.buf.nbytes
    t.meter.tag = "temporaries"
    if not checkpoint:
        t.meter.peak, t.meter.peak_parts = t.meter.live, t.meter.by_tag.copy()
    out.buf = x.buf
    head = Var(out.buf, n, item, out.node)
    del x, out
    t.backward(head, grad)
    return t, own


def _sizes(family: Family, shape: Shape) -> dict[str, tuple[int, int]]:
    """Return the text part's linear layers that a decoder layer of this family has."""
    wanted = {*family.attention_names, *family.mlp_names}
    out: dict[str, tuple[int, int]] = {}
    for x in shape.linears:
        if x.part == "text" and x.name in wanted and x.name not in out:
            out[x.name] = (x.n_in, x.n_out)
    q_dim = shape.heads * shape.head_dim
    kv_dim = shape.kv_heads * shape.head_dim
    hidden, ffn = shape.hidden, shape.ffn
    guess = dict(zip(("q_proj", "k_proj", "v_proj"), (q_dim, kv_dim, kv_dim), strict=True))
    for name in wanted - out.keys():
        if name in guess:
            out[name] = (hidden, guess[name])
        elif name == family.attention_names[-1]:
            out[name] = (q_dim, hidden)
        elif name == family.attention_names[0]:
            out[name] = (hidden, q_dim + 2 * kv_dim)
        elif name == family.mlp_names[-1]:
            out[name] = (ffn, hidden)
        else:
            out[name] = (hidden, ffn)
    return out
