"""Operators of decoder layers for the byte-counting tape."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftdoctor.memory.tape import Buf, Param, Var
from ftdoctor.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftdoctor.memory.tape import Tape


def cast(t: Tape, x: Var, item: int) -> Var:
    """x.to(dtype)."""
    if x.item == item:
        return x
    n, source = x.n, x.item
    return t.record(Var(t.new(n, item), n, item), (x.node,), lambda g: (t.new(n, source),))


def add(t: Tape, x: Var, y: Var) -> Var:
    """x + y: both branches get the same gradient tensor (cast where dtypes differ)."""
    item = max(x.item, y.item)
    n = max(x.n, y.n)
    xi, yi = x.item, y.item

    def back(g: Buf) -> Sequence[Buf | None]:
        return (
            g if xi == item else t.new(n, xi),
            g if yi == item else t.new(n, yi),
        )

    return t.record(Var(t.new(n, item), n, item), (x.node, y.node), back)


def scale(t: Tape, x: Var) -> Var:
    """x * python number."""
    n, item = x.n, x.item
    return t.record(Var(t.new(n, item), n, item), (x.node,), lambda g: (t.new(n, item),))


def mul(t: Tape, x: Var, y: Var) -> Var:
    """x * y, same shapes: each saves the other."""
    n, item = x.n, max(x.item, y.item)
    sx = x.buf if y.node is not None else None
    sy = y.buf if x.node is not None else None
    wants = (x.node is not None, y.node is not None)

    def back(g: Buf) -> Sequence[Buf | None]:
        return tuple(t.new(n, item) if w else None for w in wants)

    return t.record(Var(t.new(n, item), n, item), (x.node, y.node), back, sx, sy)


def activation(t: Tape, x: Var) -> Var:
    """One fused kernel that saves its input: silu, gelu, relu."""
    n, item = x.n, x.item
    out = Var(t.new(n, item), n, item)
    return t.record(out, (x.node,), lambda g: (t.new(n, item),), x.buf)


def gelu_new(t: Tape, x: Var) -> Var:
    """0.5 * x * (1 + tanh(c * (x + 0.044715 * x ** 3))), operator by operator."""
    n, item = x.n, x.item
    cube = t.record(Var(t.new(n, item), n, item), (x.node,), lambda g: (t.new(n, item),), x.buf)
    inner = scale(t, add(t, x, scale(t, cube)))
    del cube
    tanh = Var(t.new(n, item), n, item)
    t.record(tanh, (inner.node,), lambda g: (t.new(n, item),), tanh.buf)
    del inner
    return mul(t, scale(t, x), scale(t, tanh))


@dataclass(frozen=True, slots=True)
class Weight:
    """A linear layer: sizes, bytes of an element, and how it takes part."""

    n_in: int
    n_out: int
    item: int
    trainable: bool = False
    packed: bool = False
    #: LoRA rank, 0 for none; bytes of an adapter element.
    rank: int = 0
    adapter_item: int = 4
    dropout: bool = False
    dora: bool = False
    #: How many such matrices lie in one parameter (experts).
    copies: int = 1


def product(t: Tape, x: Var, w: Weight, half: int, param: Param | None = None) -> Var:
    """A plain linear layer. `half` is the item size of autocast, 0 without it."""
    rows = x.n / w.n_in
    item = half or w.item
    x = cast(t, x, item) if half else x
    size = w.n_in * w.n_out * w.copies
    wide: Buf | None = None
    if half and w.item != half:
        wide = t.new(size, half, "weight_casts")
    saved_x = x.buf if w.trainable else None
    param = param if param is not None else (Param() if w.trainable else None)
    want_x = x.node is not None
    keep = wide if want_x else None
    del wide
    n, source = x.n, w.item
    out = Var(t.new(rows * w.n_out, item), rows * w.n_out, item)

    def back(g: Buf) -> Sequence[Buf | None]:
        gx = t.new(n, item) if want_x else None
        gw = t.new(size, item) if param is not None else None
        if gw is not None and item != source:
            gw = t.new(size, source)
        return (gx, gw)

    return t.record(out, (x.node, param), back, saved_x, keep)


def packed(t: Tape, x: Var, w: Weight, half: int, compute: int) -> Var:
    """A bitsandbytes layer: the weight is unpacked for the time of the product, twice."""
    rows, kind = x.n / w.n_in, x.item
    x = cast(t, x, compute)
    size = w.n_in * w.n_out
    unpacked = t.new(size, compute, "dequantised_weights")
    out = Var(t.new(rows * w.n_out, compute), rows * w.n_out, compute)
    del unpacked
    n = x.n

    def back(g: Buf) -> Sequence[Buf | None]:
        whole = t.new(size, compute, "dequantised_weights")
        gx = t.new(n, compute)
        del whole
        return (gx,)

    out = t.record(out, (x.node,), back)
    return cast(t, out, kind)


def linear(t: Tape, x: Var, w: Weight, half: int, compute: int = 2) -> Var:
    """A linear layer with whatever adapter it carries (peft 0.21 tuners/lora/layer.py, bnb.py)."""
    base = packed(t, x, w, half, compute) if w.packed else product(t, x, w, half)
    if not w.rank:
        return base
    result, kind = base, base.item
    del base
    if w.packed:
        n, item = result.n, result.item
        result = t.record(Var(t.new(n, item), n, item), (result.node,), lambda g: (g,))
    y = cast(t, x, w.adapter_item) if not (w.packed and half) else x
    if w.dropout:
        y = drop(t, y)
    held = dora_weights(t, w) if w.dora else ()
    a = product(t, y, Weight(w.n_in, w.rank, w.adapter_item, trainable=True), half)
    b = product(t, a, Weight(w.rank, w.n_out, w.adapter_item, trainable=True), half)
    del a
    if w.dora:
        magnitude = Param()
        scaled = scale_rows(t, result, magnitude)
        b = scale(t, scale_rows(t, b, magnitude))
        extra = add(t, scaled, b)
        del scaled, held
        return cast(t, add(t, result, extra), kind)
    b = scale(t, b)
    if w.packed:
        b = b if half else cast(t, b, kind)
        return add(t, result, b)
    return cast(t, add(t, result, b), kind)


def dora_weights(t: Tape, w: Weight) -> tuple[Buf, Buf]:
    """The weight and its change written out, for DoRA's norm (peft tuners/lora/dora.py)."""
    size = w.n_in * w.n_out
    identity = t.new(w.n_in * w.n_in, w.adapter_item, "dequantised_weights")
    change = t.new(size, w.adapter_item, "dequantised_weights")
    del identity
    whole = t.new(size, w.adapter_item, "dequantised_weights")
    scaled = t.new(size, w.adapter_item, "dequantised_weights")
    total = t.new(size, w.adapter_item, "dequantised_weights")
    del scaled, total
    return change, whole


def scale_rows(t: Tape, x: Var, param: Param) -> Var:
    """x times a trained float32 vector along the last dimension."""
    n, source = x.n, x.item
    item = max(4, source)
    want = x.node is not None

    def back(g: Buf) -> Sequence[Buf | None]:
        gx = t.new(n, item) if want else None
        if gx is not None and source != item:
            gx = t.new(n, source)
        whole = t.new(n, item)
        gw = t.new(1, 4)
        del whole
        return (gx, gw)

    return t.record(Var(t.new(n, item), n, item), (x.node, param), back, x.buf)


def drop(t: Tape, x: Var) -> Var:
    """Dropout: keeps a byte mask."""
    n, item = x.n, x.item
    mask = t.new(n, 1)

    out = Var(t.new(n, item), n, item)
    return t.record(out, (x.node,), lambda g: (t.new(n, item),), mask)


def rms_norm(t: Tape, x: Var, width: int, kind: str, trainable: bool, item_w: int) -> Var:
    """RMSNorm written out in float32: "llama" scales after the cast back, "gemma" before."""
    source, n, rows = x.item, x.n, x.n / width
    wide = cast(t, x, 4)
    del x
    temporary = t.new(n, 4)
    del temporary
    statistics = t.new(rows, 4)
    wants = wide.node is not None
    saved = wide.buf if wants else None

    def back(g: Buf) -> Sequence[Buf | None]:
        gx = t.new(n, 4)
        gs = t.new(n, 4)
        del gs
        mean = t.new(n, 4)
        power = t.new(n, 4)
        power = t.new(n, 4)
        part = t.new(n, 4)
        del mean, power, part
        return (gx,)

    out = t.record(Var(t.new(n, 4), n, 4), (wide.node,), back, saved, statistics)
    del wide, saved, statistics
    if kind == "llama":
        out = cast(t, out, source)
        item = max(source, item_w)
    else:
        item = 4
    param = Param() if trainable else None
    kept = out.buf if trainable else None
    inner = out.item

    def back_weight(g: Buf) -> Sequence[Buf | None]:
        gx = t.new(n, item)
        gw = None
        if param is not None:
            full = t.new(n, item)
            gw = t.new(width, item_w)
            del full
        if item != inner:
            gx = t.new(n, inner)
        return (gx, gw)

    out = t.record(Var(t.new(n, item), n, item), (out.node, param), back_weight, kept)
    return cast(t, out, source) if kind != "llama" else out


def layer_norm(t: Tape, x: Var, width: int, trainable: bool, half: int) -> Var:
    """F.layer_norm: one kernel; autocast runs it in float32."""
    x = cast(t, x, 4) if half else x
    n, item = x.n, x.item
    rows = x.n / width
    statistics = (t.new(rows, 4), t.new(rows, 4))
    param = Param() if trainable else None

    def back(g: Buf) -> Sequence[Buf | None]:
        return (t.new(n, item), t.new(2 * width, item) if param is not None else None)

    return t.record(Var(t.new(n, item), n, item), (x.node, param), back, x.buf, *statistics)


def rotate(t: Tape, x: Var) -> Var:
    """(x * cos) + (rotate_half(x) * sin)."""
    n, item = x.n, x.item

    def back_rotated(g: Buf) -> Sequence[Buf | None]:
        wide = t.new(n, item)
        first = t.new(n, item)
        second = t.new(n / 2, item)
        third = t.new(n, item)
        del wide, second, third
        return (first,)

    straight = t.record(Var(t.new(n, item), n, item), (x.node,), lambda g: (t.new(n, item),))
    half = t.new(n / 2, item)
    joined = t.new(n, item)
    del half
    turned = t.record(Var(t.new(n, item), n, item), (x.node,), back_rotated)
    del joined
    return add(t, straight, turned)
