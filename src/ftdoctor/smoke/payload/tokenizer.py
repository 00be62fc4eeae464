"""The tokenizer: the model's own, or a small one trained on the spot; and the chat template."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .state import Run

#: ChatML, with the marks that tell the trainer what the assistant said (assistant_only_loss).
CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' }}"
    "{% if m['role'] == 'assistant' %}{% generation %}{{ m['content'] + '<|im_end|>' }}"
    "{% endgeneration %}{% else %}{{ m['content'] + '<|im_end|>' }}{% endif %}{{ '\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
WORDS = (
    "a model learns to answer from many short examples of questions and replies while the loss "
    "falls and the adapter grows better at following what a person asks of it in plain words"
).split()


def ready(run: Run) -> dict[str, Any]:
    """Load the model's tokenizer, or train a small one on the spot."""
    plan = run.plan
    if plan.get("hub"):
        from transformers import AutoTokenizer

        keywords = {"trust_remote_code": True} if plan.get("trust_remote_code") else {}
        if plan.get("revision"):
            keywords["revision"] = plan["revision"]
        run.tokenizer = AutoTokenizer.from_pretrained(
            plan.get("tokenizer") or plan["model"], **keywords
        )
    else:
        run.tokenizer = small(chat_template=plan.get("chat_template", True))
    made = run.tokenizer
    facts: dict[str, Any] = {
        "real": bool(plan.get("hub")),
        "vocabulary": len(made),
        "chat_template": bool(made.chat_template),
        "pad_token": made.pad_token,
        "eos_token": made.eos_token,
        "padding_side": made.padding_side,
    }
    if made.pad_token is not None and made.pad_token == made.eos_token:
        facts["pad_is_eos"] = True
    if 0 < made.model_max_length < 10**9:
        facts["model_max_length"] = made.model_max_length
    return facts


def small(*, chat_template: bool) -> Any:
    """Return a byte-level BPE tokenizer of a few hundred tokens."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    raw = Tokenizer(models.BPE(unk_token="<unk>"))
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    special = ["<unk>", "<s>", "</s>", "<pad>", "<|im_start|>", "<|im_end|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=384,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    raw.train_from_iterator([" ".join(WORDS)] * 4, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=raw,
        unk_token="<unk>",
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        model_input_names=["input_ids", "attention_mask"],  # no token types, as of decoders
    )
    if chat_template:
        tokenizer.chat_template = CHATML
    return tokenizer


def text_of(run: Run, tokens: int, start: str = "", step: int = 1) -> str:
    """Return a text of at least `tokens` tokens that begins with `start`.

    Texts of another `step` through the words differ everywhere, not only where they begin.
    """
    count = max(tokens, 16)
    while True:
        words = [WORDS[i * step % len(WORDS)] for i in range(count)]
        text = " ".join(([start] if start else []) + words)
        if len(run.tokenizer(text, add_special_tokens=False)["input_ids"]) >= tokens:
            return text
        count *= 2


def cut(run: Run, text: str, tokens: int) -> str:
    """Return the beginning of a text that holds about `tokens` tokens."""
    ids = run.tokenizer(text, add_special_tokens=False)["input_ids"]
    return str(run.tokenizer.decode(ids[:tokens])) if len(ids) > tokens else text


def template(run: Run) -> dict[str, Any]:
    """Apply the chat template to the job's conversations, as the trainer will."""
    rows = [r for r in (run.own_rows or run.rows) if isinstance(r.get("messages"), list)]
    if not rows:
        return {"conversations": 0}
    if not run.tokenizer.chat_template and run.plan.get("sets_template"):
        return {"conversations": len(rows), "applied": False, "why": "the job sets its own"}
    lengths = []
    for row in rows:
        text = run.tokenizer.apply_chat_template(row["messages"], tokenize=False)
        lengths.append(len(run.tokenizer(text, add_special_tokens=False)["input_ids"]))
    facts: dict[str, Any] = {
        "conversations": len(rows),
        "applied": True,
        "tokens": [min(lengths), max(lengths)],
    }
    limit = int(run.plan.get("job_max_length") or 0)
    if limit and run.plan.get("hub") and run.own_rows:
        facts["longer_than_max_length"] = sum(n > limit for n in lengths)
    return facts
