"""A tiny autograd that counts bytes: what torch keeps and frees, without torch.

Operators are written as torch writes them (what is saved for the backward pass, what the backward
pass allocates), and the lifetime of a buffer is the lifetime of the Python object, as in torch.
One decoder layer is some hundred operators, so that a prediction takes about a millisecond.
Derivative formulas: torch 2.13 tools/autograd/derivatives.yaml, torch/csrc/autograd/
FunctionsManual.cpp.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Grads = "list[Buf | None]"


class Meter:
    """Bytes alive now, the highest value so far, and what that was made of."""

    __slots__ = ("by_tag", "forward_parts", "live", "peak", "peak_parts", "tag")

    def __init__(self) -> None:
        self.live = 0
        self.peak = 0
        self.tag = "temporaries"
        self.by_tag: dict[str, int] = {}
        self.peak_parts: dict[str, int] = {}
        #: What the highest value before the backward pass was made of.
        self.forward_parts: dict[str, int] = {}

    def change(self, nbytes: int, tag: str) -> None:
        """Add (or take away) bytes of one group."""
        self.live += nbytes
        self.by_tag[tag] = self.by_tag.get(tag, 0) + nbytes
        if self.live > self.peak:
            self.peak = self.live
            self.peak_parts = self.by_tag.copy()


class Buf:
    """A storage. It is freed when the last reference goes."""

    __slots__ = ("_meter", "nbytes", "tag")

    def __init__(self, meter: Meter, nbytes: float, tag: str = "") -> None:
        size = max(512, (int(nbytes) + 511) // 512 * 512)
        self.nbytes = size
        self._meter = meter
        self.tag = tag or meter.tag
        meter.change(size, self.tag)

    def __del__(self) -> None:
        self._meter.change(-self.nbytes, self.tag)


class Param:
    """A trainable leaf; its gradient stays after the backward pass."""

    __slots__ = ("grad",)

    def __init__(self) -> None:
        self.grad: Buf | None = None


class Node:
    """A recorded operator: where its gradient goes, and how."""

    __slots__ = ("back", "grad", "inputs", "saved")

    def __init__(
        self,
        inputs: Sequence[Node | Param | None],
        back: Callable[[Buf], Sequence[Buf | None]],
        saved: tuple[Buf | None, ...] = (),
    ) -> None:
        self.inputs = inputs
        self.saved = saved
        self.back: Callable[[Buf], Sequence[Buf | None]] | None = back
        self.grad: Buf | None = None


class Var:
    """A tensor: a storage seen as `n` elements of `item` bytes."""

    __slots__ = ("buf", "item", "n", "node")

    def __init__(self, buf: Buf, n: float, item: int, node: Node | Param | None = None) -> None:
        self.buf = buf
        self.n = n
        self.item = item
        self.node = node


class Tape:
    """Runs operators, records them, and runs them backwards."""

    def __init__(self) -> None:
        self.meter = Meter()
        self.nodes: list[Node] = []
        self.recording = True

    def new(self, n: float, item: int, tag: str = "") -> Buf:
        """Allocate `n` elements of `item` bytes."""
        return Buf(self.meter, n * item, tag)

    def record(
        self,
        out: Var,
        inputs: Sequence[Node | Param | None],
        back: Callable[[Buf], Sequence[Buf | None]],
        *saved: Buf | None,
    ) -> Var:
        """Attach a backward function to `out` if any input wants a gradient.

        `saved` is held until the function has run; `back` must not capture buffers itself.
        """
        if self.recording and any(x is not None for x in inputs):
            out.node = Node(inputs, back, saved)
            self.nodes.append(out.node)
        return out

    def backward(self, out: Var, grad: Buf) -> None:
        """Run everything recorded, last first, from the gradient of `out`."""
        self.meter.forward_parts = dict(self.meter.peak_parts)
        if isinstance(out.node, Node):
            out.node.grad = grad
        del out, grad
        while self.nodes:
            node = self.nodes.pop()
            if node.grad is None or node.back is None:
                node.back, node.saved = None, ()
                continue
            grad = node.grad
            node.grad = None
            results = node.back(grad)
            node.back, node.saved = None, ()
            del grad
            for target, result in zip(node.inputs, results, strict=True):
                if target is not None and result is not None:
                    self._accumulate(target, result)
            results = ()
            result = None

    def _accumulate(self, target: Node | Param, grad: Buf) -> None:
        if target.grad is None:
            if isinstance(target, Param):
                self.meter.change(-grad.nbytes, grad.tag)
                grad.tag = "gradients"
                self.meter.change(grad.nbytes, grad.tag)
            target.grad = grad
        elif sys.getrefcount(target.grad) > 2:
            # Shared with another branch: torch adds into a new tensor.
            target.grad = Buf(self.meter, target.grad.nbytes, target.grad.tag)
