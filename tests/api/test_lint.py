"""What the lint finds, and above all what it leaves alone."""

from __future__ import annotations

import textwrap

import pytest

from ftdoctor.api.lint import examine, lint

NEW = {"trl": "1.16.0", "transformers": "5.23.0", "peft": "0.21.2", "huggingface_hub": "2.4.0"}
MIDDLE = {"trl": "0.19.1", "transformers": "4.53.3", "peft": "0.16.0"}
OLD = {"trl": "0.12.2", "transformers": "4.46.3", "peft": "0.13.2"}


def found(source: str, versions: dict[str, str | None] | dict[str, str]) -> set[tuple[str, str]]:
    report = examine(textwrap.dedent(source), "train.py", versions)
    assert not report.broken
    return {(f.symbol, f.parameter) for f in report.findings if f.severity == "error"}


@pytest.mark.parametrize(
    ("call", "versions", "expected"),
    [
        ("SFTTrainer(model, tokenizer=t)", NEW, ("trl.SFTTrainer", "tokenizer")),
        ("SFTTrainer(model, tokenizer=t)", OLD, None),
        ("SFTTrainer(model, processing_class=t)", NEW, None),
        ("SFTTrainer(model, max_seq_length=9)", MIDDLE, ("trl.SFTTrainer", "max_seq_length")),
        ("SFTConfig(max_seq_length=9)", MIDDLE, None),
        ("SFTConfig(max_seq_length=9)", NEW, ("trl.SFTConfig", "max_seq_length")),
        ("SFTConfig(max_length=9)", OLD, ("trl.SFTConfig", "max_length")),
        # A field of the base class in another package, at that package's version.
        ("SFTConfig(evaluation_strategy='no')", OLD, None),
        ("SFTConfig(evaluation_strategy='no')", NEW, ("trl.SFTConfig", "evaluation_strategy")),
        ("DPOTrainer(model, beta=0.1)", OLD, None),
        ("DPOTrainer(model, beta=0.1)", MIDDLE, ("trl.DPOTrainer", "beta")),
        ("GRPOConfig(max_prompt_length=4)", MIDDLE, None),
        ("GRPOConfig(max_prompt_length=4)", NEW, ("trl.GRPOConfig", "max_prompt_length")),
    ],
)
def test_keywords_of_the_release_that_runs(
    call: str, versions: dict[str, str], expected: tuple[str, str] | None
) -> None:
    source = f"from trl import *\nmodel = t = None\n{call}\n"
    assert found(source, versions) == ({expected} if expected else set())


@pytest.mark.parametrize(
    ("statement", "versions", "expected"),
    [
        ("from trl import setup_chat_format", NEW, "setup_chat_format"),
        ("from trl import setup_chat_format", MIDDLE, None),
        ("from trl import GRPOTrainer", OLD, "GRPOTrainer"),
        ("from trl.experimental.orpo import ORPOTrainer", NEW, None),
        ("from trl.trainer.utils import ConstantLengthDataset", NEW, "ConstantLengthDataset"),
        ("import trl.core", NEW, "core"),
        ("from transformers import AdamW", NEW, "AdamW"),
        ("from transformers import LlamaTokenizerFast", NEW, None),
        ("from transformers.tokenization_utils import PreTrainedTokenizer", NEW, None),
        ("from huggingface_hub import HfFolder", NEW, "HfFolder"),
    ],
)
def test_imports(statement: str, versions: dict[str, str], expected: str | None) -> None:
    names = {name for _, name in found(statement, versions)}
    assert names == ({expected} if expected else set())


def test_boundaries_are_exact_releases() -> None:
    source = "from trl import SFTConfig\nSFTConfig(max_seq_length=1)\n"
    (finding,) = lint(source, "x.py", NEW)
    assert (finding.last_ok, finding.first_bad) == ("0.19.1", "0.20.0")
    assert finding.replacement == "max_length"
    assert (finding.line, finding.column) == (2, 11)


def test_columns_count_characters() -> None:
    source = "from trl import SFTConfig\nx = 'éé'; SFTConfig(max_seq_length=1)\n"
    (finding,) = lint(source, "x.py", NEW)
    assert finding.column == len("x = 'éé'; SFTConfig(") + 1


def test_unknown_version_says_nothing_and_why() -> None:
    source = "from peft import LoraConfig\nLoraConfig(lora_droput=1)\n"
    report = examine(source, "x.py", {"peft": None})
    assert not report.findings
    assert report.skipped == ["the version of peft that will run is not known"]


def test_newer_than_the_table_says_nothing() -> None:
    source = "from trl import SFTConfig\nSFTConfig(max_seq_length=1)\n"
    report = examine(source, "x.py", {"trl": "99.0.0"})
    assert not report.findings
    assert "not in the table" in report.skipped[0]


def test_what_no_allowed_transformers_takes_is_certain_without_its_version() -> None:
    # trl 0.19.1 requires transformers >= 4.51, and 4.51.0 dropped evaluation_strategy.
    source = "from trl import SFTConfig\nSFTConfig(evaluation_strategy='no', warmup_ratio=0.1)\n"
    assert found(source, {"trl": "0.19.1"}) == {("trl.SFTConfig", "evaluation_strategy")}


LEFT_ALONE = {
    "version guard not taken": """
        import trl
        from packaging import version
        from trl import SFTTrainer
        if version.parse(trl.__version__) >= version.parse("0.12.0"):
            SFTTrainer("m", processing_class=1)
        else:
            SFTTrainer("m", tokenizer=1)
    """,
    "tuple of numbers": """
        import trl
        from trl import SFTTrainer
        NEW = tuple(int(x) for x in trl.__version__.split(".")[:2]) >= (0, 12)
        if not NEW:
            SFTTrainer("m", tokenizer=1)
    """,
    "early return": """
        import trl
        from packaging.version import Version
        from trl import SFTTrainer
        def make():
            if Version(trl.__version__) >= Version("0.16"):
                return SFTTrainer("m", processing_class=1)
            return SFTTrainer("m", tokenizer=1)
    """,
    "metadata": """
        from importlib.metadata import version
        from trl import SFTTrainer
        if version("trl") < "0.16":
            SFTTrainer("m", tokenizer=1)
    """,
    "signature": """
        import inspect
        from trl import SFTTrainer
        parameters = inspect.signature(SFTTrainer.__init__).parameters
        key = "tokenizer" if "tokenizer" in parameters else "processing_class"
        if "tokenizer" in parameters:
            SFTTrainer("m", tokenizer=1)
    """,
    "except TypeError": """
        from trl import SFTTrainer
        try:
            trainer = SFTTrainer("m", tokenizer=1)
        except TypeError:
            trainer = SFTTrainer("m", processing_class=1)
    """,
    "except ImportError": """
        try:
            from trl import DataCollatorForCompletionOnlyLM
        except ImportError:
            DataCollatorForCompletionOnlyLM = None
    """,
    "suppress": """
        from contextlib import suppress
        with suppress(ImportError):
            from trl import DataCollatorForCompletionOnlyLM
    """,
    "dict that cannot be followed": """
        from trl import SFTTrainer
        def make(options):
            return SFTTrainer("m", **options)
    """,
    "dict changed under a condition": """
        import inspect
        from trl import SFTTrainer
        options = {"args": None}
        if "tokenizer" in inspect.signature(SFTTrainer).parameters:
            options["tokenizer"] = 1
        SFTTrainer("m", **options)
    """,
    "another SFTTrainer": """
        from mine import SFTTrainer
        SFTTrainer("m", tokenizer=1)
    """,
    "a class of the script": """
        class SFTTrainer:
            def __init__(self, model, tokenizer):
                pass
        SFTTrainer("m", tokenizer=1)
    """,
    "a parameter of that name": """
        from trl import SFTConfig
        def make(SFTConfig):
            return SFTConfig(max_seq_length=1)
    """,
    "a subclass that takes it": """
        from dataclasses import dataclass
        from trl import SFTConfig
        @dataclass
        class Settings(SFTConfig):
            max_seq_length: int = 1
        Settings(max_seq_length=2)
    """,
    "a subclass that eats it": """
        from trl import SFTTrainer
        class Mine(SFTTrainer):
            def __init__(self, *args, tokenizer=None, **kwargs):
                super().__init__(*args, processing_class=tokenizer, **kwargs)
        Mine("m", tokenizer=1)
    """,
    "a subclass that changes the keywords": """
        from trl import SFTTrainer
        class Mine(SFTTrainer):
            def __init__(self, *args, **kwargs):
                kwargs.pop("tokenizer")
                super().__init__(*args, **kwargs)
        Mine("m", tokenizer=1)
    """,
    "type checking": """
        from typing import TYPE_CHECKING
        if TYPE_CHECKING:
            from trl import DataCollatorForCompletionOnlyLM
    """,
    "from_pretrained with a key of the configuration": """
        from transformers import AutoModelForCausalLM
        AutoModelForCausalLM.from_pretrained("m", use_cache=False, torch_dtype="auto")
    """,
    "the tokenizer takes anything": """
        from transformers import AutoTokenizer
        AutoTokenizer.from_pretrained("m", use_auth_token=True, load_in_4bit=True)
    """,
    "a compute_loss that takes more": """
        from transformers import Trainer
        class Mine(Trainer):
            def compute_loss(self, model, inputs, return_outputs=False, **kwargs):
                return model(**inputs).loss
    """,
    "an enum value that a variable holds": """
        import os
        from transformers import TrainingArguments
        TrainingArguments("x", optim=os.environ["OPTIM"])
    """,
}


@pytest.mark.parametrize("name", LEFT_ALONE)
def test_left_alone(name: str) -> None:
    assert found(LEFT_ALONE[name], NEW) == set()


FOUND = {
    "module alias": ("import trl as t\nt.SFTTrainer('m', tokenizer=1)\n", "tokenizer"),
    "submodule": ("import trl.trainer\ntrl.trainer.SFTTrainer('m', tokenizer=1)\n", "tokenizer"),
    "name alias": ("from trl import SFTTrainer as S\nS('m', tokenizer=1)\n", "tokenizer"),
    "assigned": ("import trl\nS = trl.SFTTrainer\nS('m', tokenizer=1)\n", "tokenizer"),
    "dict": (
        "from trl import SFTTrainer\nd = {'tokenizer': 1}\nSFTTrainer('m', **d)\n",
        "tokenizer",
    ),
    "dict()": ("from trl import SFTTrainer\nSFTTrainer('m', **dict(tokenizer=1))\n", "tokenizer"),
    "grown dict": (
        "from trl import SFTTrainer\nd = {}\nd['tokenizer'] = 1\nSFTTrainer('m', **d)\n",
        "tokenizer",
    ),
    "partial": (
        "from functools import partial\nfrom trl import SFTTrainer\npartial(SFTTrainer, tokenizer=1)\n",
        "tokenizer",
    ),
    "subclass": (
        "from trl import SFTTrainer\nclass M(SFTTrainer):\n    pass\nM('m', tokenizer=1)\n",
        "tokenizer",
    ),
    "super": (
        "from trl import SFTTrainer\nclass M(SFTTrainer):\n    def __init__(self, m, t):\n"
        "        super().__init__(m, tokenizer=t)\n",
        "tokenizer",
    ),
    "handler that gives up": (
        "from trl import SFTTrainer\ntry:\n    SFTTrainer('m', tokenizer=1)\n"
        "except Exception as error:\n    print(error)\n    raise\n",
        "tokenizer",
    ),
    "not imported in this cell": ("SFTTrainer('m', tokenizer=1)\n", "tokenizer"),
    "notebook line": ("!pip install trl\nSFTTrainer('m', tokenizer=1)\n", "tokenizer"),
    "notebook lines": (
        "!pip install \\\n    trl \\\n    peft\n%env A=1\nSFTTrainer('m', tokenizer=1)\n",
        "tokenizer",
    ),
    "documentation's ellipsis": (
        "SFTTrainer(\n    model='m',\n    tokenizer=1,\n    ...\n)\n",
        "tokenizer",
    ),
    "ellipsis in the line": ("SFTTrainer(tokenizer=1, ...)\n", "tokenizer"),
    "method": ("from trl import SFTTrainer\nt = SFTTrainer('m')\nt.train(resume=True)\n", "resume"),
    "loader": (
        "from transformers import LlamaForCausalLM\n"
        "LlamaForCausalLM.from_pretrained('m', load_in_8bit=True)\n",
        "load_in_8bit",
    ),
    "enum": ("from trl import SFTConfig\nSFTConfig(optim='adamw_hf')\n", "optim"),
}


@pytest.mark.parametrize("name", FOUND)
def test_found(name: str) -> None:
    source, parameter = FOUND[name]
    assert parameter in {p for _, p in found(source, NEW)}


def test_unsloth_lowers_the_severity() -> None:
    source = "import unsloth\nfrom trl import SFTTrainer\nSFTTrainer('m', tokenizer=1)\n"
    (finding,) = lint(source, "x.py", NEW)
    assert finding.severity == "warning"


def test_a_note_says_why_something_was_left_alone() -> None:
    report = examine(textwrap.dedent(LEFT_ALONE["except TypeError"]), "x.py", NEW)
    assert [note.line for note in report.left_alone] == [4]
    assert "catches" in report.left_alone[0].reason


def test_broken_source_is_told_not_raised() -> None:
    assert "not Python" in examine("def f(:\n", "x.py", NEW).broken


TRAPS = {
    "torch_dtype": (
        "SFTTrainer('acme/m-7B', args=SFTConfig('o', model_init_kwargs={'torch_dtype': 'auto'}))",
        ("api-torch-dtype-ignored", "warning"),
    ),
    "string": (
        "SFTTrainer('acme/m-7B', args=SFTConfig('o'))",
        ("api-string-model-float32", "warning"),
    ),
    "small": (
        "SFTTrainer('acme/m-0.5B', args=SFTConfig('o'))",
        ("api-string-model-float32", "note"),
    ),
    "dtype": (
        "SFTTrainer('acme/m-7B', args=SFTConfig('o', model_init_kwargs={'dtype': 'auto'}))",
        None,
    ),
    "loaded": ("SFTTrainer(load('acme/m-7B'), args=SFTConfig('o'))", None),
    "settings from elsewhere": ("SFTTrainer('acme/m-7B', args=settings())", None),
    "quantised": ("SFTTrainer('m-7B', args=SFTConfig('o'), quantization_config=q)", None),
    "misspelt": (
        "BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_type='nf4')",
        ("api-keyword-ignored", "warning"),
    ),
    "kbit": ("prepare_model_for_kbit_training(m)", ("api-kbit-float32", "warning")),
}


@pytest.mark.parametrize("name", TRAPS)
def test_silent_traps(name: str) -> None:
    call, expected = TRAPS[name]
    source = (
        "from transformers import BitsAndBytesConfig\nfrom trl import SFTConfig, SFTTrainer\n"
        f"from peft import prepare_model_for_kbit_training\n{call}\n"
    )
    got = [(f.rule, f.severity) for f in lint(source, "x.py", NEW)]
    assert got == ([expected] if expected else [])


def test_a_string_model_was_fine_before() -> None:
    source = "from trl import SFTConfig, SFTTrainer\nSFTTrainer('m-7B', args=SFTConfig('o'))\n"
    assert not lint(source, "x.py", {"trl": "0.26.2", "transformers": "4.57.6"})
    (finding,) = lint(source, "x.py", {"trl": "0.27.0", "transformers": "4.57.6"})
    assert "28 GB instead of 14 GB" in finding.message


def test_a_peft_model_that_is_made_after_the_training_is_another_matter() -> None:
    source = """\
from peft import LoraConfig, PeftModel
from transformers import AutoModelForCausalLM
from trl import SFTTrainer

model = AutoModelForCausalLM.from_pretrained("m/x")
trainer = SFTTrainer(model=model, peft_config=LoraConfig())
trainer.train()
model = PeftModel.from_pretrained(model, "out")
"""
    assert not [f for f in lint(source, "t.py", NEW) if f.kind == "combination"]
    before = source.replace('("m/x")\n', '("m/x")\nmodel = PeftModel.from_pretrained(model, "o")\n')
    assert [f for f in lint(before, "t.py", NEW) if f.kind == "combination"]
