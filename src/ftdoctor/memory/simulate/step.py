"""Run one training step of a model without data, and record what it allocates."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from ftdoctor.memory.simulate import build, losses, optimizers
from ftdoctor.memory.simulate.tracker import Tracker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftdoctor.memory.settings import TrainingSettings


class Recording:
    """What one step allocates, with names for points in time and groups of storages."""

    def __init__(self, tracker: Tracker, groups: dict[int, str], loaded: int) -> None:
        self.tracker = tracker
        self.groups = groups
        #: Number of events before the step: weights, adapters and optimizer states.
        self.loaded = loaded
        #: Storages that hold gradients of parameters.
        self.gradients: set[int] = set()

    @property
    def peak(self) -> int:
        """Peak allocated bytes."""
        return self.tracker.peak


@contextlib.contextmanager
def _as_on_cuda(settings: TrainingSettings) -> Iterator[None]:
    """Settle what transformers and PEFT would read from data or from a CUDA device."""
    real = torch.is_autocast_enabled

    def enabled(device: str | None = None) -> bool:
        return bool(real("cpu") if device in (None, "cuda", "cpu") else real(device))

    with contextlib.ExitStack() as stack:
        stack.enter_context(patch("torch.is_autocast_enabled", enabled))
        plain = torch.nn.functional.layer_norm

        def layer_norm(x: Any, *args: Any, **kwargs: Any) -> Any:
            # In CUDA's autocast list of float32 operators, not in the CPU's.
            if not real("cpu"):
                return plain(x, *args, **kwargs)
            wide = [a.float() if isinstance(a, torch.Tensor) else a for a in args]
            wide_kw = {
                k: a.float() if isinstance(a, torch.Tensor) else a for k, a in kwargs.items()
            }
            return plain(x.float(), *wide, **wide_kw)

        stack.enter_context(patch("torch.nn.functional.layer_norm", layer_norm))

        def dropout(x: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
            # CUDA keeps a mask of one byte (native_dropout); the CPU one of the input's dtype.
            return losses.Dropout.apply(x) if training and 0 < p < 1 else x

        stack.enter_context(patch("torch.nn.functional.dropout", dropout))
        stack.enter_context(build.unpacked_for_dora())
        masks = "transformers.masking_utils"
        skip = not settings.padding_mask

        def ignore(_mask: Any, *args: Any, **kwargs: Any) -> bool:
            local = kwargs.get("local_attention_size", args[4] if len(args) > 4 else None)
            length = args[1] if len(args) > 1 else kwargs.get("kv_length", 0)
            return skip and not (local is not None and length >= local)

        stack.enter_context(patch(f"{masks}._ignore_causal_mask_sdpa", ignore))
        for name in ("find_packed_sequence_indices", "_preprocess_mask_arguments"):
            if name == "find_packed_sequence_indices":
                with contextlib.suppress(AttributeError):
                    stack.enter_context(patch(f"{masks}.{name}", lambda *_, **__: None))
        yield


def head_of(model: nn.Module) -> torch.Tensor:
    """Return the weight of the output projection."""
    return model.get_output_embeddings().weight


def backbone_of(model: nn.Module) -> nn.Module:
    """Return what computes the last hidden state, below the output projection."""
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    return inner.base_model if inner.base_model is not inner else inner.model


def loss_of(model: nn.Module, settings: TrainingSettings, batch: dict[str, Any]) -> tuple[Any, Any]:
    """Forward pass to the loss; return it with the outputs that the caller keeps."""
    autocast = (
        torch.autocast("cpu", dtype=build.DTYPES[settings.autocast])
        if settings.autocast
        else contextlib.nullcontext()
    )
    extra = {k: v for k, v in batch.items() if k not in {"input_ids", "labels"}}
    if settings.loss == "nll":
        with autocast:
            out = model(**batch)
        if settings.autocast and settings.trainer != "loop" and out.logits.dtype != torch.float32:
            out.logits = out.logits.float()
        return out.loss, out
    with autocast:
        hidden = backbone_of(model)(input_ids=batch["input_ids"], **extra).last_hidden_state
        head = head_of(model)
        if settings.loss == "fused":
            return losses.fused(hidden, head), None
        return losses.chunked(
            hidden, head, batch["labels"], float32=settings.loss_head_float32
        ), None


def run(settings: TrainingSettings, peft_config: Any = None, *, shapes: bool = True) -> Recording:
    """Simulate one training step of these settings.

    Raises:
        ValueError: transformers cannot build the model, or it cannot run without data.
    """
    model = build.base_model(settings)
    if settings.method != "full":
        model = build.with_adapters(model, settings, peft_config)
    model.train()
    if settings.gradient_checkpointing:
        inner = model.get_base_model() if hasattr(model, "get_base_model") else model
        if settings.method != "full":
            inner.enable_input_require_grads()
        inner.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    fake = FakeTensorMode(allow_non_fake_inputs=True)
    groups_by_key = build.materialise(model, fake)
    tracker = Tracker()
    tracker.keep_shapes = shapes
    groups: dict[int, str] = {}
    for tensor in [*model.parameters(), *model.buffers()]:
        before = len(tracker.events)
        tracker.watch(tensor, "load")
        if len(tracker.events) > before:
            number = tracker.events[-1][0]
            groups[number] = groups_by_key.get(tensor.untyped_storage()._cdata, "weights")
    trainable = [p for p in model.parameters() if p.requires_grad]
    try:
        with _as_on_cuda(settings), fake, tracker:
            optimizer = optimizers.make(settings.optimizer, trainable)
            first = len(tracker.events)
            optimizer.allocate()
            groups |= {e[0]: "optimizer_states" for e in tracker.events[first:] if e[1] > 0}
            loaded = len(tracker.events)
            tracker.mark("forward")
            loss, kept = loss_of(model, settings, _batch(settings))
            if not settings.keeps_outputs:
                kept = None
            tracker.mark("backward")
            loss.backward()
            tracker.mark("step")
            gradients = {tracker.number_of(p.grad) for p in trainable if p.grad is not None}
            _clip(trainable)
            optimizer.step()
            del kept, loss
            for param in trainable:
                param.grad = None
            tracker.mark("end")
    except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError) as exc:
        first_line = str(exc).strip().splitlines()[0] if str(exc).strip() else type(exc).__name__
        raise ValueError(
            f"{settings.shape.model_type!r} does not run without data: {first_line}"
        ) from exc
    recording = Recording(tracker, groups, loaded)
    recording.gradients = gradients
    return recording


def _batch(settings: TrainingSettings) -> dict[str, Any]:
    size = (settings.rows, settings.seq_len)
    ids = torch.empty(size, dtype=torch.long)
    batch = {"input_ids": ids, "labels": torch.empty(size, dtype=torch.long)}
    if settings.padding_mask:
        batch["attention_mask"] = torch.empty(size, dtype=torch.long)
    if settings.shape.model_type in {"gemma3"}:
        batch["token_type_ids"] = torch.empty(size, dtype=torch.long)
    return batch


def _clip(params: list[nn.Parameter]) -> None:
    """clip_grad_norm_: one small norm for each gradient; scaling happens in place."""
    norms = [torch.empty((), dtype=torch.float32) for p in params if p.grad is not None]
    del norms
