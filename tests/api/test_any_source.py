"""No source makes the lint fail, and no edit breaks one."""

from __future__ import annotations

import ast

from hypothesis import given, settings
from hypothesis import strategies as st

from ftdoctor.api.lint import examine
from ftdoctor.api.text import Text

VERSIONS = {"trl": "1.16.0", "transformers": "5.23.0", "peft": "0.21.2", "datasets": "5.2.0"}

names = st.sampled_from(
    "SFTTrainer SFTConfig TrainingArguments LoraConfig AutoModelForCausalLM model args x".split()
)
keywords = st.sampled_from(
    "tokenizer max_seq_length packing args load_in_4bit bnb_4bit_quant_type use_auth_token "
    "evaluation_strategy group_by_length torch_dtype model_init_kwargs optim foo".split()
)
values = st.sampled_from(
    [
        "1",
        "True",
        "'é'",
        "x",
        "{'load_in_4bit': True, 'torch_dtype': 'auto'}",
        "dict(load_in_4bit=True)",
        "SFTConfig('o')",
        "[*x]",
        "lambda: x",
    ]
)
layouts = st.sampled_from([", ", ",\n    ", " ,", ",  # why\n    "])


@st.composite
def calls(draw: st.DrawFn) -> str:
    name = draw(names)
    attribute = draw(st.sampled_from(["", "", ".from_pretrained"]))
    items = [f"{k}={draw(values)}" for k in draw(st.lists(keywords, max_size=5, unique=True))]
    if draw(st.booleans()):
        items.insert(0, draw(values))
    if draw(st.integers(0, 5)) == 0:
        items.append(f"**{draw(st.sampled_from(['x', 'args', '{}', 'dict(tokenizer=1)']))}")
    glue = draw(layouts)
    body = glue.join(items)
    end = draw(st.sampled_from(["", ",", ",\n", "\n"])) if items else ""
    return f"{name}{attribute}({body}{end})"


@st.composite
def scripts(draw: st.DrawFn) -> str:
    lines = [
        draw(
            st.sampled_from(
                [
                    "from trl import SFTTrainer, SFTConfig, ORPOTrainer",
                    "from trl import (\n    SFTTrainer,\n    SFTConfig,\n)",
                    "from trl import *",
                    "import trl as SFTConfig",
                    "",
                ]
            )
        ),
        "from transformers import AutoModelForCausalLM, TrainingArguments",
        "from peft import LoraConfig",
    ]
    for call in draw(st.lists(calls(), max_size=5)):
        form = draw(
            st.sampled_from(
                [
                    "{}",
                    "args = {}",
                    "x = {}",
                    "if x: y = {}",
                    "def f(model, *a, **k):\n    return {}",
                    "class C(SFTTrainer):\n    y = {}",
                    "try: {}\nexcept TypeError: pass",
                ]
            )
        )
        indent = "\n    " if form.startswith(("def", "class")) else "\n"
        lines.append(form.format(call.replace("\n", indent)))
    return "\n".join(lines) + draw(st.sampled_from(["", "\n"]))


@settings(max_examples=300, deadline=None)
@given(scripts())
def test_scripts(source: str) -> None:
    report = examine(source, "x.py", VERSIONS)
    for finding in report.findings:
        assert 1 <= finding.line <= finding.end_line <= source.count("\n") + 1
        if finding.edit is not None:
            edited = Text(source).applied(finding.edit.changes)
            assert edited is not None
            ast.parse(edited)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200))
def test_any_text(source: str) -> None:
    examine(source, "x.py", VERSIONS)
