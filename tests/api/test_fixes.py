"""Edits: what they write, that nothing else changes, and that the result is clean."""

from __future__ import annotations

import ast
import textwrap

import pytest

from ftdoctor.api.lint import lint
from ftdoctor.api.migrate import migrate
from ftdoctor.api.text import Text

NEW = {"trl": "1.16.0", "transformers": "5.23.0", "peft": "0.21.2"}
OLD = {"trl": "0.12.2", "transformers": "4.46.3", "peft": "0.13.2"}


def mended(source: str) -> str:
    return migrate(textwrap.dedent(source).lstrip("\n"), "train.py", OLD, NEW).edited


def check(source: str, expected: str) -> None:
    result = mended(source)
    assert result == textwrap.dedent(expected).lstrip("\n")
    ast.parse(result)
    assert not [f for f in lint(result, "train.py", NEW) if f.severity == "error"]


def test_rename_keeps_comments_and_layout() -> None:
    check(
        """
        from trl import SFTTrainer
        trainer = SFTTrainer(
            "m",
            tokenizer = tok,  # the tokenizer
        )
        """,
        """
        from trl import SFTTrainer
        trainer = SFTTrainer(
            "m",
            processing_class = tok,  # the tokenizer
        )
        """,
    )


def test_keywords_move_into_the_existing_config() -> None:
    check(
        """
        from trl import SFTConfig, SFTTrainer
        LENGTH = 512
        settings = SFTConfig(
            output_dir="out",
            max_steps=2,
        )
        trainer = SFTTrainer(
            "m",
            args=settings,
            max_seq_length=LENGTH,
            packing=True,
        )
        """,
        """
        from trl import SFTConfig, SFTTrainer
        LENGTH = 512
        settings = SFTConfig(
            output_dir="out",
            max_steps=2,
            max_length=LENGTH,
            packing=True,
        )
        trainer = SFTTrainer(
            "m",
            args=settings,
        )
        """,
    )


def test_plain_arguments_become_the_config_with_its_import() -> None:
    check(
        """
        from transformers import TrainingArguments
        from trl import SFTTrainer
        args = TrainingArguments("out")
        trainer = SFTTrainer("m", args, dataset_text_field="text")
        """,
        """
        from transformers import TrainingArguments
        from trl import SFTConfig, SFTTrainer
        args = SFTConfig("out", dataset_text_field="text")
        trainer = SFTTrainer("m", args)
        """,
    )


def test_a_config_is_made_when_there_is_none() -> None:
    check(
        """
        import trl
        trainer = trl.SFTTrainer("m", max_seq_length=8, tokenizer=t)
        """,
        """
        import trl
        trainer = trl.SFTTrainer("m", args=trl.SFTConfig(max_length=8), processing_class=t)
        """,
    )


def test_a_value_made_after_the_config_is_not_moved() -> None:
    source = textwrap.dedent(
        """
        from trl import SFTConfig, SFTTrainer
        settings = SFTConfig("out")
        length = compute()
        trainer = SFTTrainer("m", args=settings, max_seq_length=length)
        """
    )
    (finding,) = [f for f in lint(source, "x.py", NEW) if f.severity == "error"]
    assert finding.edit is None
    assert "SFTConfig" in finding.message


def test_a_keyword_that_the_config_has_already_is_only_dropped() -> None:
    check(
        """
        from trl import SFTConfig, SFTTrainer
        settings = SFTConfig("out", packing=True)
        trainer = SFTTrainer("m", args=settings, packing=True)
        """,
        """
        from trl import SFTConfig, SFTTrainer
        settings = SFTConfig("out", packing=True)
        trainer = SFTTrainer("m", args=settings)
        """,
    )


def test_dropped_and_replaced_settings() -> None:
    check(
        """
        from transformers import TrainingArguments
        args = TrainingArguments(
            output_dir="out",
            overwrite_output_dir=True,
            evaluation_strategy="no",
            group_by_length=True,
            warmup_ratio=0.1,
            no_cuda=True
        )
        """,
        """
        from transformers import TrainingArguments
        args = TrainingArguments(
            output_dir="out",
            eval_strategy="no",
            train_sampling_strategy="group_by_length",
            warmup_steps=0.1,
            use_cpu=True
        )
        """,
    )


def test_group_by_length_off_is_left_out() -> None:
    check(
        """
        from transformers import TrainingArguments
        args = TrainingArguments("out", group_by_length=False)
        """,
        """
        from transformers import TrainingArguments
        args = TrainingArguments("out")
        """,
    )


def test_four_bit_in_from_pretrained() -> None:
    check(
        """
        from transformers import AutoModelForCausalLM
        model = AutoModelForCausalLM.from_pretrained(
            "m", load_in_4bit=True, bnb_4bit_quant_type="nf4", device_map="auto"
        )
        """,
        """
        from transformers import AutoModelForCausalLM, BitsAndBytesConfig
        model = AutoModelForCausalLM.from_pretrained(
            "m", quantization_config=BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4"), device_map="auto"
        )
        """,
    )


def test_four_bit_in_model_init_kwargs() -> None:
    check(
        """
        from trl import SFTConfig
        settings = SFTConfig(
            "out",
            model_init_kwargs={
                "load_in_4bit": True,
                "device_map": "auto",
                "bnb_4bit_use_double_quant": True,
            },
        )
        """,
        """
        from trl import SFTConfig
        from transformers import BitsAndBytesConfig
        settings = SFTConfig(
            "out",
            model_init_kwargs={
                "quantization_config": BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_use_double_quant=True),
                "device_map": "auto",
            },
        )
        """,
    )


def test_four_bit_beside_a_quantization_config_is_dropped() -> None:
    check(
        """
        from transformers import AutoModelForCausalLM, BitsAndBytesConfig
        bnb = BitsAndBytesConfig(load_in_4bit=True)
        model = AutoModelForCausalLM.from_pretrained("m", load_in_4bit=True, quantization_config=bnb)
        """,
        """
        from transformers import AutoModelForCausalLM, BitsAndBytesConfig
        bnb = BitsAndBytesConfig(load_in_4bit=True)
        model = AutoModelForCausalLM.from_pretrained("m", quantization_config=bnb)
        """,
    )


def test_four_bit_by_a_variable_is_not_edited() -> None:
    source = (
        "from transformers import AutoModelForCausalLM\n"
        "AutoModelForCausalLM.from_pretrained('m', load_in_4bit=options.four_bit)\n"
    )
    (finding,) = lint(source, "x.py", NEW)
    assert finding.edit is None


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            "from trl import ORPOTrainer\n",
            "from trl.experimental.orpo import ORPOTrainer\n",
        ),
        (
            "from trl import SFTTrainer, ORPOTrainer as O, SFTConfig\n",
            "from trl import SFTTrainer, SFTConfig\nfrom trl.experimental.orpo import ORPOTrainer as O\n",
        ),
        (
            "from transformers import AutoModelForVision2Seq\n",
            "from transformers import AutoModelForImageTextToText as AutoModelForVision2Seq\n",
        ),
    ],
)
def test_imports(before: str, after: str) -> None:
    assert mended(before) == after


def test_windows_line_ends_are_kept() -> None:
    source = "from trl import SFTTrainer\r\nSFTTrainer('m', tokenizer=1)\r\n"
    result = migrate(source, "x.py", OLD, NEW).edited
    assert result == "from trl import SFTTrainer\r\nSFTTrainer('m', processing_class=1)\r\n"


def test_overlapping_changes_are_refused() -> None:
    text = Text("abcdef\n")
    one = text.replace((1, 1), (1, 4), "x")
    two = text.replace((1, 3), (1, 5), "y")
    assert text.applied((one, two)) is None
    assert text.applied((one,)) == "xdef\n"


def test_migrate_tells_changed_defaults() -> None:
    source = "from trl import GRPOConfig\nGRPOConfig(output_dir='out')\n"
    old = {"trl": "0.18.2", "transformers": "4.52.4"}
    changes = {c.parameter: (c.old, c.new) for c in migrate(source, "x.py", old, NEW).defaults}
    assert changes["beta"] == ("0.04", "0.0")
    assert "num_generations" not in changes
