"""The output projection and the loss on the byte-counting tape, by implementation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftdoctor.memory import layers, ops, static
from ftdoctor.memory.ops import Weight
from ftdoctor.memory.settings import DTYPE_BYTES
from ftdoctor.memory.tape import Meter, Node, Param, Tape, Var

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftdoctor.memory.families import Family
    from ftdoctor.memory.settings import TrainingSettings
    from ftdoctor.memory.tape import Buf

#: trl 1.16.0 trainer/utils.py:1484 and kernels/chunked_logprob.py:31
VOCAB_TILE = 32768
TOKEN_TILE = 4096
#: trl 1.4 to 1.14 trainer/sft_trainer.py
CHUNK = 256


def run(s: TrainingSettings, family: Family, half: int, item: int) -> Meter:
    """Run final norm, head and loss, forwards and backwards; return the meter with the peak."""
    t = Tape()
    t.meter.tag = "logits_and_loss"
    n = s.tokens * s.shape.hidden
    x = Var(t.new(0, 1), n, item)
    root = Node((), lambda _: ())
    t.nodes.append(root)
    x.node = root
    weight_item = 4 if s.kbit_prepare else DTYPE_BYTES[s.dtype]
    norm_item = 4 if s.norms_float32 else weight_item
    x = layers.norm(t, x, s.shape.hidden, family.norm, s.method == "full", norm_item, half)
    head_trains = s.method == "full" or "lm_head" in s.modules_to_save
    head = Weight(
        s.shape.hidden,
        s.shape.vocab,
        static.saved_item(s) if "lm_head" in s.modules_to_save else weight_item,
        trainable=head_trains,
    )
    if s.loss == "nll":
        _nll(t, x, head, s, family, half)
    elif s.loss == "fused":
        _fused(t, x, head, half)
    else:
        _chunked(t, x, head, half, wide=s.loss_head_float32)
    return t.meter


def _nll(t: Tape, x: Var, head: Weight, s: TrainingSettings, family: Family, half: int) -> None:
    """transformers' ForCausalLMLoss: float32 logits, log-softmax and two gradients."""
    logits = ops.product(t, x, head, half)
    del x
    if family.logit_softcap:
        logits = ops.scale(t, logits)
        logits = ops.activation(t, logits)
        logits = ops.scale(t, logits)
    elif family.logit_scale:
        logits = ops.scale(t, logits)
    wide = ops.cast(t, logits, 4)
    n = wide.n
    log_p = Var(t.new(n, 4), n, 4)
    t.record(log_p, (wide.node,), lambda _g: (t.new(n, 4),), log_p.buf)
    loss = Var(t.new(1, 4), 1, 4)
    t.record(loss, (log_p.node,), lambda _g: (t.new(n, 4),))
    del wide, log_p
    if half and s.trainer != "loop":
        # accelerate's convert_outputs_to_fp32 (utils/operations.py)
        logits = Var(t.new(n, 4), n, 4) if logits.item < 4 else logits
    if not s.keeps_outputs:
        del logits
    t.backward(loss, t.new(1, 4))


def _fused(t: Tape, x: Var, head: Weight, half: int) -> None:
    """Tiles of [4096 tokens, 32768 words], gradients of the hidden states in float32."""
    n, item = x.n, x.item
    kind = half or item
    rows = n / head.n_in
    packed = Var(t.new(n, item), n, item)
    t.record(packed, (x.node,), lambda _g: (t.new(n, item),))
    del x
    tile_rows = min(rows, TOKEN_TILE)

    columns = min(head.n_out, VOCAB_TILE)

    def tiles() -> None:
        tile = t.new(tile_rows * VOCAB_TILE, kind)
        chunk = t.new(tile_rows * head.n_in, kind) if kind != item else None
        part = t.new(columns * head.n_in, kind) if kind != head.item else None
        del tile, chunk, part

    tiles()
    param = Param() if head.trainable else None
    size = head.n_in * head.n_out

    def back(_g: Buf) -> Sequence[Buf | None]:
        wide = t.new(n, 4)
        wide_weight = t.new(size, 4) if param is not None else None
        tiles()
        gx = t.new(n, item) if item != 4 else wide
        gw = wide_weight
        if gw is not None and head.item != 4:
            gw = t.new(size, head.item)
        del wide
        return (gx, gw)

    out = t.record(Var(t.new(rows, 4), rows, 4), (packed.node, param), back, packed.buf)
    del packed
    t.backward(out, t.new(rows, 4))


def _chunked(t: Tape, x: Var, head: Weight, half: int, *, wide: bool) -> None:
    """256 tokens at a time; each chunk is recomputed in the backward pass."""
    n, item = x.n, x.item
    rows = min(n / head.n_in, CHUNK)
    size = head.n_in * head.n_out
    ordered = Var(t.new(n, item), n, item)
    t.record(ordered, (x.node,), lambda _g: (t.new(n, item),))
    gathered = (t.new(n, item), t.new(n, item))
    target = half or (4 if wide else item)
    first = size * 4 if wide and head.item != 4 else 0
    second = size * target if target != (4 if first else head.item) else 0
    chunk = rows * head.n_out * 4
    # Forwards: the copies of the head with the logits, then logits, log-softmax, its exponential
    # and their product. Backwards: the copy that is saved, log-softmax and two gradients.
    with_copies = t.new(first + second + chunk * target / 4, 1, "weight_casts")
    del with_copies
    forwards = t.new(4 * chunk, 1)
    del forwards
    saved = t.new(second or first, 1, "weight_casts") if first or second else None
    gradient = t.new(size, head.item, "gradients") if head.trainable else None
    backwards = t.new(3 * chunk, 1)
    del backwards, saved, gradient, gathered, ordered
    t.nodes.clear()
