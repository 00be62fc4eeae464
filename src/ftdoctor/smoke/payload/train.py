"""Three steps of the job's trainer, and what must be true of them."""

from __future__ import annotations

import math
import time
import zlib
from typing import TYPE_CHECKING, Any

from . import arguments, proofs
from .model import load, settings
from .processes import gather
from .rows import method
from .telling import rank

if TYPE_CHECKING:
    from .state import Run

#: Parameters that are compared before and after.
COMPARED = 64


def train(run: Run) -> dict[str, Any]:
    """Train; loss finite, gradients there, every process's adapter changed, layers quantised."""
    import torch

    trainer = make(run)
    run.trainer = trainer
    trainable = {n: p for n, p in trainer.model.named_parameters() if p.requires_grad}
    if not trainable:
        raise RuntimeError("no parameter is trainable")
    before = {n: proofs.sample(p) for n, p in list(trainable.items())[:COMPARED]}
    facts = {"trainable": sum(p.numel() for p in trainable.values())}
    facts["dtypes"] = sorted({str(p.dtype).replace("torch.", "") for p in trainable.values()})
    facts.update(proofs.quantized(run, trainer.model))
    seen, clock = _Lengths(trainer.model), _clock(trainer)
    if not run.cpu:
        facts["loaded_bytes"] = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
    trainer.train()
    seen.leave()
    facts.update(proofs.history(trainer))
    facts.update(seen.facts(run))
    facts.update(_pace(run, clock.seconds, int(trainer.args.gradient_accumulation_steps)))
    mine: dict[str, Any] = {"rank": rank()}
    if not run.cpu:  # before anything else takes memory
        mine["peak_allocated_bytes"] = torch.cuda.max_memory_allocated()
        mine["peak_reserved_bytes"] = torch.cuda.max_memory_reserved()
    if not run.kind or run.kind == "ddp":
        changed = sum(proofs.differs(trainable[n], old) for n, old in before.items())
        mine["changed"] = changed
        if trainer.args.fp16 and not changed:
            del mine["changed"]  # every step may have been left out
        mine["sum"] = float(sum(proofs.sample(trainable[n]).double().sum().item() for n in before))
    facts.update(proofs.agree(gather(mine)))
    facts.update(proofs.shared(run, trainer))
    run.checkpoint = _written(trainer)
    return facts


def make(run: Run) -> Any:
    """Return the trainer as the job makes it."""
    from datasets import Dataset

    plan = run.plan
    trainer_class, config_class = arguments.classes(run)
    # Only a trainer of trl loads a model that is named by a string.
    named = bool(plan.get("model_as_string")) and run.weights != "shape"
    named = named and method(run) != "trainer"
    init: dict[str, Any] | None = None
    if named and "model_init_kwargs" in arguments.accepted(config_class):
        init = settings(run)
    config = arguments.build(run, config_class, init)
    model: Any = run.model_path if init is not None else load(run)
    keywords = arguments.trainer_keywords(run, trainer_class)
    adapter = _adapter(run)
    if plan.get("kbit_prepare") and init is None:
        from peft import prepare_model_for_kbit_training

        model = prepare_model_for_kbit_training(
            model, use_gradient_checkpointing=bool(config.gradient_checkpointing)
        )
    if adapter is not None and "peft_config" in arguments.accepted(trainer_class):
        keywords["peft_config"] = adapter
    elif adapter is not None:
        from peft import get_peft_model

        if config.gradient_checkpointing:
            model.enable_input_require_grads()
        model = get_peft_model(model, adapter)
    if method(run) in ("grpo", "rloo"):
        keywords["reward_funcs"] = spread_rewards
    if method(run) == "trainer":
        from transformers import DataCollatorForLanguageModeling

        if run.tokenizer.pad_token is None:
            run.tokenizer.pad_token = run.tokenizer.eos_token
        keywords["data_collator"] = DataCollatorForLanguageModeling(run.tokenizer, mlm=False)
    if run.own_rows and run.own_rows is not run.rows and method(run) != "trainer":
        keywords["eval_dataset"] = Dataset.from_list(run.own_rows)
    return trainer_class(
        model=model, args=config, train_dataset=Dataset.from_list(run.rows), **keywords
    )


def spread_rewards(completions: list[Any], **_: Any) -> list[float]:
    """Stand for the job's reward: answers differ in it, so that there is a gradient."""
    return [zlib.crc32(repr(one).encode()) % 1000 / 1000 for one in completions]


def _adapter(run: Run) -> Any:
    values = run.plan.get("lora")
    if values is None:
        return None
    import peft

    kept = dict(values)
    if method(run) == "reward":
        kept["task_type"] = "SEQ_CLS"
    return getattr(peft, run.plan.get("adapter") or "LoraConfig")(**kept)


def _pace(run: Run, seconds: list[float], accumulation: int) -> dict[str, Any]:
    """Return the seconds of a step of the job: one that accumulates as often as the job does.

    The first step compiles kernels and warms caches; the rest tell what a step takes.
    """
    job = int(run.plan.get("job_accumulation") or accumulation)
    each = [s * job / max(accumulation, 1) for s in seconds]
    rest = sorted(each[1:] or each) or [0.0]
    facts: dict[str, Any] = {
        "seconds_per_step": round(rest[len(rest) // 2], 3),
        "step_seconds": [round(s, 3) for s in each],
        "accumulation": accumulation,
    }
    if job != accumulation:
        facts["scaled_to_accumulation"] = job
    return facts


def _written(trainer: Any) -> str:
    """Return the folder of the checkpoint that the trainer wrote, or ""."""
    from transformers.trainer_utils import get_last_checkpoint

    return get_last_checkpoint(trainer.args.output_dir) or ""


class _Lengths:
    """The largest batch that the model was given, as its embedding saw it."""

    def __init__(self, model: Any) -> None:
        self.longest: tuple[int, ...] = ()
        embedding = model.get_input_embeddings()
        self._handle = embedding.register_forward_pre_hook(self._look)

    def _look(self, _: Any, given: tuple[Any, ...]) -> None:
        if given and hasattr(given[0], "shape"):
            shape = tuple(int(n) for n in given[0].shape)
            if math.prod(shape) > math.prod(self.longest or (0,)):
                self.longest = shape

    def leave(self) -> None:
        """Stop looking."""
        self._handle.remove()

    def facts(self, run: Run) -> dict[str, Any]:
        """Return rows and tokens of the largest batch."""
        if not self.longest:
            return {}
        return {"batch": list(self.longest), "length": self.longest[-1]}


def _clock(trainer: Any) -> Any:
    """Return a callback of the trainer that takes the seconds of each step."""
    from transformers import TrainerCallback

    class Clock(TrainerCallback):  # type: ignore[misc,unused-ignore]
        def __init__(self) -> None:
            self.seconds: list[float] = []
            self._start = 0.0

        def on_step_begin(self, *_: Any, **__: Any) -> None:
            self._start = time.monotonic()

        def on_step_end(self, *_: Any, **__: Any) -> None:
            self.seconds.append(time.monotonic() - self._start)

    clock = Clock()
    trainer.add_callback(clock)
    return clock
