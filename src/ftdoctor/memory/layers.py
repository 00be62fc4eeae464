"""One decoder layer and the output projection on the byte-counting tape."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftdoctor.memory import ops
from ftdoctor.memory.ops import Weight
from ftdoctor.memory.tape import Buf, Tape, Var
from ftdoctor.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftdoctor.memory.families import Family


@dataclass(frozen=True, slots=True)
class Layer:
    """Sizes and ways of one decoder layer in one regime."""

    family: Family
    rows: int
    seq: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    #: Linear layers by name, as the family names them.
    weights: dict[str, Weight]
    #: Bytes of a norm weight, and whether norms are trained.
    norm_item: int
    norm_trains: bool
    #: Item size of autocast, 0 without.
    half: int
    compute: int
    #: "flash", "efficient", "math", "eager"
    attention: str
    #: A mask of [rows, 1, seq, seq] reaches the kernel.
    mask: bool
    attention_half: int = 0
    #: Mixture of experts: number, how many a token goes to, their width; 0 for none.
    experts: int = 0
    active: int = 0
    expert_ffn: int = 0
    expert_item: int = 2

    @property
    def tokens(self) -> int:
        """Tokens of the micro-batch."""
        return self.rows * self.seq

    def run(self, t: Tape, x: Var) -> Var:
        """Run the layer forward and return its output."""
        block = self.family.block
        if block == "parallel":
            return self._parallel(t, x)
        first = x if block == "post" else self._norm(t, x)
        out = self._attention(t, first)
        del first
        if block in {"sandwich", "post"}:
            out = self._norm(t, out)
        out = self._branch_end(t, out)
        x = ops.add(t, x, out)
        del out
        second = x if block == "post" else self._norm(t, x)
        out = self._mlp(t, second)
        del second
        if block in {"sandwich", "post"}:
            out = self._norm(t, out)
        return ops.add(t, x, self._branch_end(t, out))

    def _branch_end(self, t: Tape, out: Var) -> Var:
        if self.family.residual_scale:
            return ops.scale(t, out)
        return ops.drop(t, out) if self.family.residual_dropout else out

    def _parallel(self, t: Tape, x: Var) -> Var:
        normed = self._norm(t, x)
        attended = self._attention(t, normed)
        out = self._mlp(t, normed)
        del normed
        return ops.add(t, ops.add(t, x, attended), out)

    def _norm(self, t: Tape, x: Var) -> Var:
        return norm(
            t, x, self.hidden, self.family.norm, self.norm_trains, self.norm_item, self.half
        )

    def _linear(self, t: Tape, x: Var, name: str) -> Var:
        return ops.linear(t, x, self.weights[name], self.half, self.compute)

    def _attention(self, t: Tape, x: Var) -> Var:
        names = self.family.attention_names
        q_dim, kv_dim = self.heads * self.head_dim, self.kv_heads * self.head_dim
        if self.family.fused_qkv:
            whole = self._linear(t, x, names[0])
            q, k, v = split(t, whole, (q_dim, kv_dim, kv_dim))
            del whole
        else:
            q, k, v = (self._linear(t, x, name) for name in names[:3])
        del x
        if self.family.qk_norm:
            q = self._head_norm(t, q)
            k = self._head_norm(t, k)
        if self.family.rotary:
            q, k = ops.rotate(t, q), ops.rotate(t, k)
        out = attend(t, q, k, v, self)
        del q, k, v
        return self._linear(t, out, names[-1])

    def _head_norm(self, t: Tape, x: Var) -> Var:
        kind = "llama" if self.family.norm == "llama" else "gemma"
        return norm(t, x, self.head_dim, kind, self.norm_trains, self.norm_item, self.half)

    def _moe(self, t: Tape, x: Var) -> Var:
        """Experts as grouped products (transformers integrations/moe.py, `grouped_mm`)."""
        item = self.half or x.item
        rows = self.tokens * self.active
        n, own = rows * self.hidden, x.n
        gathered = Var(t.new(n, item), n, item)
        t.record(gathered, (x.node,), lambda g: (t.new(own, item),))
        first = self._experts_weight(self.hidden, 2 * self.expert_ffn)
        both = ops.product(t, gathered, first, self.half)
        del gathered
        gate, up = split(t, both, (self.expert_ffn, self.expert_ffn))
        inner = ops.mul(t, ops.activation(t, gate), up)
        del gate, up
        out = ops.product(t, inner, self._experts_weight(self.expert_ffn, self.hidden), self.half)
        del both, inner
        # Times the router's weights, which want a gradient: the product is saved.
        weighted = Var(t.new(n, item), n, item)
        t.record(weighted, (out.node,), lambda g: (t.new(n, item),), out.buf)
        del out
        total = Var(t.new(own, item), own, item)
        return t.record(total, (weighted.node,), lambda g: (t.new(n, item),))

    def _experts_weight(self, n_in: int, n_out: int) -> Weight:
        return Weight(
            n_in, n_out, self.expert_item, trainable=self.norm_trains, copies=self.experts
        )

    def _mlp(self, t: Tape, x: Var) -> Var:
        if self.experts:
            return self._moe(t, x)
        names = self.family.mlp_names
        if not self.family.gated:
            inner = self._linear(t, x, names[0])
            act = ops.gelu_new if self.family.activation == "gelu_new" else ops.activation
            inner = act(t, inner)
            return self._linear(t, inner, names[1])
        if self.family.fused_gate_up:
            both = self._linear(t, x, names[0])
            width = self.weights[names[0]].n_out // 2
            gate, up = split(t, both, (width, width), views=True)
            inner = ops.mul(t, up, ops.activation(t, gate))
            del gate, up
            out = self._linear(t, inner, names[1])
            del both
            return out
        gate = ops.activation(t, self._linear(t, x, names[0]))
        up = self._linear(t, x, names[1])
        inner = ops.mul(t, gate, up)
        del gate, up
        return self._linear(t, inner, names[2])


def norm(t: Tape, x: Var, width: int, kind: str, trains: bool, item: int, half: int) -> Var:
    """Any of the four norms."""
    if kind.startswith("layer"):
        return ops.layer_norm(t, x, width, trains, half if kind == "layer" else 0)
    return ops.rms_norm(t, x, width, "llama" if kind == "llama" else "gemma", trains, item)


def split(t: Tape, x: Var, widths: Sequence[int], *, views: bool = True) -> list[Var]:
    """Cut a tensor along its last dimension: views; the gradients are put together again."""
    total = sum(widths)
    rows = x.n / total
    n, item = x.n, x.item
    whole = t.record(Var(x.buf, n, item), (x.node,), lambda g: (g,))
    parts = []
    for width in widths:
        part = Var(x.buf, rows * width, item)
        t.record(part, (whole.node,), lambda g: (t.new(n, item),))
        parts.append(part)
    return parts


def attend(t: Tape, q: Var, k: Var, v: Var, layer: Layer) -> Var:
    """scaled_dot_product_attention or its eager form, by the kernel that CUDA would choose."""
    if layer.attention_half and q.item != layer.attention_half:
        q, k, v = (ops.cast(t, x, layer.attention_half) for x in (q, k, v))
    kind = layer.attention
    groups = layer.heads // max(1, layer.kv_heads)
    if groups > 1 and kind != "flash":
        k, v = repeat(t, k, groups), repeat(t, v, groups)
    if kind in {"flash", "efficient"}:
        return _kernel(t, q, k, v, layer)
    return _written_out(t, q, k, v, layer)


def repeat(t: Tape, x: Var, groups: int) -> Var:
    """repeat_kv: a copy for every query head; the gradient is summed."""
    n, item = x.n, x.item
    return t.record(
        Var(t.new(n * groups, item), n * groups, item), (x.node,), lambda g: (t.new(n, item),)
    )


def _kernel(t: Tape, q: Var, k: Var, v: Var, layer: Layer) -> Var:
    item, flash = q.item, layer.attention == "flash"
    sequences = layer.rows * layer.heads
    padded = -(-layer.seq // 128) * 128
    wide = -(-layer.head_dim // 32) * 32
    out = Var(t.new(q.n, item), q.n, item)
    mask = t.new(layer.rows * layer.seq * layer.seq, item) if layer.mask and not flash else None
    saved = (q.buf, k.buf, v.buf, out.buf, t.new(sequences * layer.seq, 4), mask)
    qn, kn, vn = q.n, k.n, v.n

    def back(g: Buf) -> Sequence[Buf | None]:
        gq, gk, gv = t.new(qn, item), t.new(kn, item), t.new(vn, item)
        dots = t.new(sequences * padded, 4)
        if flash:
            work = [t.new(sequences * padded * wide, 4)]
            if kn != qn:
                work += [t.new(qn, item), t.new(qn, item)]
        else:
            work = [t.new(qn, 4)] if item < 4 else []
        del dots, work
        return (gq, gk, gv)

    return t.record(out, (q.node, k.node, v.node), back, *saved)


def _written_out(t: Tape, q: Var, k: Var, v: Var, layer: Layer) -> Var:
    """Scores of [rows, heads, seq, seq] in memory: the math kernel and eager attention."""
    square = layer.rows * layer.heads * layer.seq * layer.seq
    eager = layer.attention == "eager"
    item = q.item if eager else max(4, q.item)
    tag, t.meter.tag = t.meter.tag, "attention_scores"
    try:
        if not eager:
            q, k = ops.scale(t, ops.cast(t, q, item)), ops.scale(t, ops.cast(t, k, item))
            v = ops.cast(t, v, item)
        scores = matmul(t, q, k, square)
        if eager:
            scores = ops.scale(t, scores)
        if layer.family.attention_softcap:
            capped = ops.scale(t, scores)
            del scores
            tanh = Var(t.new(square, item), square, item)
            t.record(tanh, (capped.node,), lambda g: (t.new(square, item),), tanh.buf)
            del capped
            scores = ops.scale(t, tanh)
            del tanh
        bias = t.new(layer.seq * layer.seq * (layer.rows if layer.mask else 1), item)
        masked = (
            t.record(Var(t.new(square, item), square, item), (scores.node,), lambda g: (g,))
            if eager
            else scores
        )
        del scores
        weights = softmax(t, masked, square, item, safe=not eager)
        del masked, bias
        out = matmul(t, weights, v, q.n)
        del weights
        out = t.record(Var(t.new(q.n, out.item), q.n, out.item), (out.node,), lambda g: (g,))
        return ops.cast(t, out, layer.attention_half or q.item) if eager else out
    finally:
        t.meter.tag = tag


def matmul(t: Tape, a: Var, b: Var, n: float) -> Var:
    """A batched product of two activations: each saves the other."""
    item = max(a.item, b.item)
    an, bn = a.n, b.n

    def back(g: Buf) -> Sequence[Buf | None]:
        return (t.new(an, item), t.new(bn, item))

    return t.record(Var(t.new(n, item), n, item), (a.node, b.node), back, a.buf, b.buf)


def softmax(t: Tape, x: Var, n: float, item: int, *, safe: bool) -> Var:
    """softmax in float32; the math kernel's safe form takes a copy and a mask for a moment."""
    out = Var(t.new(n, 4), n, 4)
    spare = (t.new(n, 4), t.new(n, 1)) if safe else None
    del spare

    def back(g: Buf) -> Sequence[Buf | None]:
        gx = t.new(n, 4)
        return (gx if item == 4 else t.new(n, item),)

    out = t.record(out, (x.node,), back, out.buf)
    return ops.cast(t, out, item)
