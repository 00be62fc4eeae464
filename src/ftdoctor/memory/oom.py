"""An out-of-memory message with the job that it came from: what failed, and what would have fitted.

`explain` has the numbers of the message ("Tried to allocate 4.00 GiB", the capacity of the card);
the job has the settings. A request of the size of a known tensor names that tensor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftdoctor.memory.advise import advise
from ftdoctor.memory.closed_form import predict
from ftdoctor.memory.gpus import Gpu
from ftdoctor.memory.settings import DTYPE_BYTES, GIB, MIB
from ftdoctor.records import dataclass

if TYPE_CHECKING:
    from ftdoctor.memory.advise import Change
    from ftdoctor.memory.closed_form import Prediction
    from ftdoctor.memory.settings import TrainingSettings

#: A message shows two decimals of a GiB or MiB; a request is rounded up to 2 MiB.
TOLERANCE = 0.006


@dataclass(frozen=True, slots=True)
class OutOfMemory:
    """What a message means for a step.

    `part` is a key of `parts.PART_WORDS` ("" when no tensor of that size is known), `tensor` says
    which one in words. `changes` are tried on the card of the message, best first.
    """

    part: str
    tensor: str
    prediction: Prediction
    changes: tuple[Change, ...]
    #: The prediction agrees that the step does not fit this card.
    expected: bool


def tensors(settings: TrainingSettings) -> list[tuple[str, str, int]]:
    """Return (part, words, bytes) of the large single tensors of a step, the largest first."""
    s, shape = settings, settings.shape
    tokens = s.tokens
    item = s.stream_bytes
    square = s.rows * shape.heads * s.seq_len * s.seq_len
    weight = DTYPE_BYTES[s.dtype]
    found = [
        ("logits_and_loss", "float32 logits of the whole batch", tokens * shape.vocab * 4),
        ("logits_and_loss", "logits of the whole batch in 16 bits", tokens * shape.vocab * 2),
        ("attention_scores", "float32 attention scores", square * 4),
        ("attention_scores", "attention scores in 16 bits", square * 2),
        ("temporaries", "the inner activations of one MLP", tokens * shape.ffn * item),
        ("temporaries", "the stream of one layer", tokens * shape.hidden * item),
        ("weights", "the embedding or the head", shape.head_params * weight),
        ("weight_casts", "the head in float32", shape.head_params * 4),
    ]
    for x in shape.linears:
        if x.part == "text":
            size = x.n_in * x.n_out
            found.append(("weights", f"one {x.name} weight", size * weight))
            if s.method == "qlora":
                found.append(("dequantised_weights", f"{x.name}, unpacked for a product", size * 2))
    if shape.counts.get("experts"):
        each = shape.counts["experts"] // max(1, shape.layers)
        found.append(("weights", "two thirds of the experts of one layer", each * 2 // 3 * weight))
    return sorted(found, key=lambda x: -x[2])


def part_of_request(settings: TrainingSettings, nbytes: int) -> tuple[str, str]:
    """Return (part, words) of the tensor that has the size of a request, ("", "") for none.

    Small requests say nothing: below 64 MiB many tensors look alike. Where tensors of different
    parts have this size, nothing is said.
    """
    if nbytes < 64 * MIB:
        return "", ""
    slack = max(TOLERANCE * nbytes, 2 * MIB)
    matches = [x for x in tensors(settings) if abs(x[2] - nbytes) <= slack]
    if not matches or len({part for part, _, _ in matches}) > 1:
        return "", ""
    return matches[0][0], matches[0][1]


def explain(
    settings: TrainingSettings, *, capacity: int, requested: int = 0, outside: int = 0
) -> OutOfMemory:
    """Explain an out-of-memory message of a step.

    Args:
        settings: the step, for instance of `from_job.read(job).settings`.
        capacity: "total capacity" of the message, bytes.
        requested: "Tried to allocate", bytes; 0 when the message does not say.
        outside: what other processes and the context hold, bytes; 0 for a usual context.
    """
    card = Gpu(f"{capacity / GIB:.1f} GiB card", capacity, outside or int(0.45 * GIB))
    prediction = predict(settings)
    part, tensor = part_of_request(settings, requested)
    changes = advise(settings, card)
    fitting = tuple(c for c in changes if c.verdict.word == "fits") or tuple(changes)
    return OutOfMemory(part, tensor, prediction, fitting, prediction.allocated > card.line * 0.93)
