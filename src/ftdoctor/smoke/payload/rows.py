"""Rows: the job's own first ones where they can be had, and rows that fill the length.

The longest batch decides what memory is needed, so training is on rows that fill `max_length`
exactly, made in the form of the job's own. The job's own rows go to the trainer as its evaluation
set: it prepares them in the same way, which is where a row of the wrong form fails.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from .telling import world
from .tokenizer import cut, text_of

if TYPE_CHECKING:
    from .state import Run

#: Methods that compare two answers, and those that sample their own.
PAIRS, SAMPLED = ("dpo", "reward"), ("grpo", "rloo")


def data(run: Run) -> dict[str, Any]:
    """Take the job's own first rows, and make those that are trained on."""
    plan = run.plan
    facts: dict[str, Any] = {}
    if plan.get("total_rows"):
        facts["total_rows"] = plan["total_rows"]
    source = "made here"
    if plan.get("rows"):
        run.own_rows, source = list(plan["rows"]), "the job's file"
    elif plan.get("dataset"):
        start = time.monotonic()
        run.own_rows, total = first_rows(plan["dataset"])
        if total is not None:
            facts["total_rows"] = total
        source = str(plan["dataset"]["id"])
        facts["first_rows_seconds"] = round(time.monotonic() - start, 2)
    if run.own_rows:
        facts["columns"] = sorted(run.own_rows[0])
        form = form_of(run.own_rows[0], str(plan.get("text_field") or "text"))
        if not fits(form, method(run)) or not plan.get("own_rows_train", True):
            if plan.get("rows_as_they_are"):
                run.rows = run.own_rows
                return {**facts, "rows": len(run.rows), "source": source, "form": form}
            facts["stands_for"] = f"{source}: the job's own code makes its rows"
            run.own_rows, source = [], "made here"
    run.rows = filled(run)
    facts.setdefault("columns", sorted(run.rows[0]))
    form = form_of(run.rows[0], str(plan.get("text_field") or "text"))
    return {**facts, "rows": len(run.own_rows) or len(run.rows), "source": source, "form": form}


def method(run: Run) -> str:
    """Return sft | dpo | grpo | rloo | kto | reward | trainer ..."""
    return str(run.plan.get("method") or "sft")


def first_rows(spec: dict[str, Any], count: int = 8) -> tuple[list[dict[str, Any]], int | None]:
    """Return the first rows of a data set of the Hub, streamed, and how many it has if it says."""
    from itertools import islice

    from datasets import load_dataset

    # A slice ("train[:10%]") is not for streams; neither are several splits.
    asked = str(spec.get("split") or "train")
    split = asked.split("[")[0].split("+")[0]
    keywords = {n: spec[n] for n in ("data_files", "data_dir", "revision") if spec.get(n)}
    stream = load_dataset(spec["id"], spec.get("config"), split=split, streaming=True, **keywords)
    found = [dict(row) for row in islice(stream, count)]
    if not found:
        raise RuntimeError(f"{spec['id']} has no rows in split {split}")
    known = (getattr(stream.info, "splits", None) or {}).get(split)
    total = getattr(known, "num_examples", None) if asked == split else None
    return found, total or None


def form_of(row: dict[str, Any], text_field: str) -> str:
    """Return what kind of row it is, by its columns (trl's data set formats)."""
    names = set(row)
    if names & {"images", "image", "pixel_values", "audio"}:
        return "multimodal"
    for form, needed in (
        ("messages", {"messages"}),
        ("conversations", {"conversations"}),
        ("preference", {"chosen", "rejected"}),
        ("unpaired", {"prompt", "completion", "label"}),
        ("prompt-completion", {"prompt", "completion"}),
        ("tokens", {"input_ids"}),
        ("text", {text_field}),
        ("prompt", {"prompt"}),
    ):
        if needed <= names:
            return form
    return "other"


def fits(form: str, name: str) -> bool:
    """Whether a trainer takes rows of this form as they are."""
    if name in PAIRS:
        return form == "preference"
    if name == "kto":
        return form in ("unpaired", "preference")
    if name in SAMPLED:
        return form in ("prompt", "prompt-completion")
    if name == "trainer":
        return form in ("text", "tokens")
    return form in ("messages", "conversations", "prompt-completion", "text", "tokens")


def filled(run: Run) -> list[dict[str, Any]]:
    """Return enough rows for all steps, each at least as long as the plan's length."""
    plan = run.plan
    steps = int(plan.get("steps", 3)) + 2
    accumulation = int((plan.get("arguments") or {}).get("gradient_accumulation_steps") or 1)
    needed = int(plan["batch"]) * steps * world() * max(accumulation, 1)
    if plan.get("packs"):  # a pack is cut from several rows: a few more than one for one
        needed += needed // 2 + 2
    sample = run.own_rows[0] if run.own_rows else None
    rows = [one(run, sample, number) for number in range(min(needed, 8))]
    return [dict(rows[i % len(rows)]) for i in range(needed)]


def one(run: Run, sample: dict[str, Any] | None, number: int) -> dict[str, Any]:
    """Return one long row of the method's form, in the way of `sample` where there is one."""
    plan, name = run.plan, method(run)
    length = int(plan["max_length"])
    field = str(plan.get("text_field") or "text")
    chat = _talks(sample) if sample else bool(plan.get("conversational"))
    question = f"question {number} : what does a model learn ?"
    if name in SAMPLED:
        # Nothing cuts a prompt: it is made to measure.
        text = cut(run, text_of(run, length, question), length)
        return {"prompt": [{"role": "user", "content": text}] if chat else text}
    long = text_of(run, length, f"answer {number} :")
    if not plan.get("truncates", True):  # nothing of the trainer cuts: rows are made to measure
        long = cut(run, long, length)
    if name in PAIRS or name == "kto":
        # The trainer may keep the end of both: they must differ there too, or nothing is learnt.
        other = text_of(run, length, "no :", step=3)
        if name == "reward":  # its trainer leaves out what is longer, instead of cutting it
            starts = (("yes :", 1), ("no :", 3))
            long, other = (_fitting(run, question, s, n, length, chat) for s, n in starts)
        ask, good, bad = _said(question, long, other, chat)
        if name == "kto":
            kept = number % 2 == 0
            return {"prompt": ask, "completion": good if kept else bad, "label": kept}
        return {"prompt": ask, "chosen": good, "rejected": bad}
    if name == "trainer":
        ids = run.tokenizer(long, truncation=True, max_length=length)["input_ids"][:length]
        return {"input_ids": ids, "attention_mask": [1] * len(ids)}
    form = form_of(sample, field) if sample else str(plan.get("row_form") or "text")
    if form == "tokens":
        return {"input_ids": run.tokenizer(long)["input_ids"][:length]}
    if form == "conversations":
        return {
            "conversations": [{"from": "human", "value": question}, {"from": "gpt", "value": long}]
        }
    if form == "messages":
        return {"messages": _lengthened(sample, question, long)}
    if form == "prompt-completion":
        ask, good, _ = _said(question, long, long, chat)
        return {"prompt": ask, "completion": good}
    return {field: long}


def _fitting(run: Run, question: str, start: str, step: int, length: int, chat: bool) -> str:
    """Return an answer with which the whole row, its end mark counted, is `length` tokens long."""
    tokens = length
    while tokens > 1:
        text = cut(run, text_of(run, tokens, start, step), tokens)
        ask, good, _ = _said(question, text, "", chat)
        whole = (
            run.tokenizer.apply_chat_template(ask + good, tokenize=False) if chat else ask + good
        )
        over = len(run.tokenizer(whole)["input_ids"]) + 1 - length
        if over <= 0:
            break
        tokens -= over
    return text


def _said(question: str, good: str, bad: str, chat: bool) -> tuple[Any, Any, Any]:
    if not chat:
        return question, " " + good, " " + bad
    answers = [[{"role": "assistant", "content": text}] for text in (good, bad)]
    return [{"role": "user", "content": question}], answers[0], answers[1]


def _talks(sample: dict[str, Any]) -> bool:
    """Whether a row holds messages rather than texts."""
    value = sample.get("prompt", sample.get("chosen"))
    return isinstance(value, list)


def _lengthened(sample: dict[str, Any] | None, question: str, long: str) -> list[dict[str, Any]]:
    """Return the sample's conversation with a long last answer, so that roles stay as they are."""
    messages = (sample or {}).get("messages")
    if isinstance(messages, list) and messages:
        last = messages[-1]
        if isinstance(last, dict) and last.get("role") == "assistant":
            return [*messages[:-1], {**last, "content": long}]
    return [{"role": "user", "content": question}, {"role": "assistant", "content": long}]
