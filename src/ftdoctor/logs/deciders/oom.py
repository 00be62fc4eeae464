"""Which out-of-memory it is: the numbers of the message and the frames above it decide."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftdoctor.lazy import lazy
from ftdoctor.logs.blocks import HEAD
from ftdoctor.logs.deciders.oom_numbers import GIB, Oom, read_numbers, size
from ftdoctor.logs.match import surroundings

if TYPE_CHECKING:
    from ftdoctor.logs.causes import Run
    from ftdoctor.logs.lines import Line
    from ftdoctor.logs.match import Match

PLAIN = "oom-batch-or-activations"
EVAL = "oom-eval-logits-accumulation"
FRAGMENTED = "oom-fragmentation"
GATHER = "oom-fsdp-full-state-dict-gather"
LOGITS = "oom-logits-vocab-x-seq"
OPTIMIZER = "oom-optimizer-states"
OTHER = "oom-other-process-on-gpu"

_EVAL_LOOP = lazy(r"\b(?:evaluation_loop|prediction_loop)\b")
_EVAL_KEEP = lazy(
    r"\bnested_concat\b|\btorch_pad_and_concatenate\b|\bpad_across_processes\b|\bEvalLoopContainer\b"
    r"|\bnested_detach\b|\bgather_for_metrics\b|\b(?:all_preds|preds_host|all_losses|losses_host)\b"
)
#: Functions that only evaluation calls, when its loop was cut off the traceback.
_EVAL_ONLY = lazy(r"\bnested_concat\b|\btorch_pad_and_concatenate\b|\bEvalLoopContainer\b")
_EVAL_STEP = lazy(r"\bin (?:prediction_step|compute_loss|forward|_call_impl|generate)\b")
_GATHER = lazy(
    r"Failed to clone\(\) tensor with name|_full_post_state_dict_hook|\bfull_state_dict\b"
    r"|FULL_STATE_DICT|FullStateDictConfig|\b_unshard_fsdp_state|\bsave_fsdp_model\b"
    r"|_full_pre_state_dict_hook|\bget_fsdp_(?:full_)?state_dict\b|\b_gather_state_dict\b"
    r"|_iterate_state_dict|\bfull_tensor\b|\bgather_full_model\b|_consolidated_16bit_state_dict"
    r"|_zero3_consolidated"
)
_OPTIMIZER = lazy(
    r"/(?:torch|bitsandbytes|apex)/optim(?:izers)?/|\\torch\\optim\\"
    r"|/deepspeed/ops/(?:adam|lamb|lion)/|\b_init_optim_state\b|\b_?init_group\b"
    r"|\bexp_avg(?:_sq)?\b|initialize_optimizer_states|\b_(?:multi|single)_tensor_\w{0,20}adam"
    r"|\binit_state\b|\bget_state_buffer\b|\bfp32_partitioned_groups|_create_fp32_partitions\b"
)
_LOGITS = lazy(
    r"cross_entropy|\bCrossEntropyLoss\b|\blog_softmax\b|\blm_head\b|\blogits\b|\blog_probs\b"
    r"|\blogprobs\b|ForCausalLMLoss|\bentropy_from_logits\b|\bchunked_(?:ce|logprob)"
    r"|\bfused_linear"
)
#: Frames that only pass the call on.
_PASSED_ON = lazy(
    r"_call_impl|_wrapped_call_impl|torch/utils/_contextlib|operations\.py.{0,40}in forward"
    r"|\bin wrapper\b|decorate_context"
)
_FRAME = lazy(
    r'File "|^\s*\[?/\S+\.py(?:\]\(\S{1,200}\))? in |^\s*(?:Cell|File) |^\S+\.py", line \d+, in '
)


def decide(match: Match, run: Run) -> str | None:
    """Return the child that the message and its frames show, else the plain cause."""
    around = surroundings(match, run.lines)
    message = _message(match.line, around)
    numbers = read_numbers(message)
    _capture(match, numbers)
    frames = _frames(match.line, around)
    if not frames or HEAD in match.line.text:
        # A notebook names the error first and shows its frames below.
        below = [other for other in around if other.at > match.line.at]
        frames = _frames_of(below)
    last = frames[-8:]
    missing = numbers.unaccounted
    capacity = numbers.capacity or 0.0
    if missing is not None and missing > max(4 * GIB, 0.4 * capacity):
        return OTHER
    if _GATHER.search(message) or any(_GATHER.search(text) for text in frames):
        return GATHER
    if _in_eval(frames):
        return EVAL
    if any(_OPTIMIZER.search(text) for text in last):
        return OPTIMIZER
    if numbers.others > max(GIB, 0.05 * capacity):
        return OTHER
    if missing is not None and missing > max(2 * GIB, 0.1 * capacity):
        return OTHER
    if _is_logits(last, numbers):
        return LOGITS
    tried, waste = numbers.tried, numbers.unallocated
    if tried and waste and waste >= GIB and waste >= 0.8 * tried:
        return FRAGMENTED
    return PLAIN


def _message(line: Line, around: list[Line]) -> str:
    """The message whole: some loggers and terminals break it into several lines."""
    texts = [other.text.strip() for other in around if line.at <= other.at <= line.at + 6]
    return " ".join(texts)


def _frames(line: Line, around: list[Line]) -> list[str]:
    """Texts of the frames above the message, frame and source line joined."""
    return _frames_of([other for other in around if other.at < line.at])


def _frames_of(lines: list[Line]) -> list[str]:
    """Texts of the frames in some lines, frame and source line joined."""
    frames: list[str] = []
    for other in lines:
        text = other.text
        if _FRAME.search(text):
            frames.append(text.strip())
        elif frames and text.strip() and len(text) < 400:
            frames[-1] += f" | {text.strip()}"
        elif not frames and text[:1] == " " and text.strip():
            frames.append(text.strip())
    return [frame for frame in frames if not _PASSED_ON.search(frame)]


def _in_eval(frames: list[str]) -> bool:
    """Whether memory ran out while predictions were kept, not while they were made."""
    at = next((i for i, text in enumerate(frames) if _EVAL_LOOP.search(text)), None)
    if at is None:
        return any(_EVAL_ONLY.search(text) for text in frames[-8:])
    below = frames[at:]
    if any(_EVAL_KEEP.search(text) for text in below):
        return True
    return not any(_EVAL_STEP.search(text) for text in below)


def _is_logits(last: list[str], numbers: Oom) -> bool:
    """Whether one huge request comes from the loss or the head of the model."""
    if numbers.tried is not None and numbers.tried < 0.45 * GIB:
        return False
    return any(_LOGITS.search(text) for text in last[-4:])


def _capture(match: Match, numbers: Oom) -> None:
    """Give the rule's texts the numbers: {tried}, {capacity}, {free}, {own}, {allocated}, ..."""
    for name in ("tried", "capacity", "free", "own", "allocated", "unallocated"):
        value = getattr(numbers, name)
        if value is not None:
            match.captures[name] = size(value)
    missing = numbers.unaccounted
    if numbers.others or (missing is not None and missing > 0):
        match.captures["unaccounted"] = size(max(numbers.others, missing or 0.0))
