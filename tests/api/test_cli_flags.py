"""The command line of trl, and of scripts that parse dataclasses."""

from __future__ import annotations

import pytest

from ftdoctor.api.cli import check_command, check_flags
from ftdoctor.api.parser_args import check_script_flags


@pytest.mark.parametrize(
    ("flag", "versions", "expected"),
    [
        ("--max_seq_length", {"trl": "1.16.0", "transformers": "5.23.0"}, "max_length"),
        ("--max-seq-length", {"trl": "0.19.1", "transformers": "4.53.3"}, None),
        ("--torch_dtype=bfloat16", {"trl": "1.16.0", "transformers": "5.23.0"}, "dtype"),
        ("--evaluation_strategy", {"trl": "1.16.0", "transformers": "5.23.0"}, "eval_strategy"),
        ("--num_processes", {"trl": "1.16.0", "transformers": "5.23.0"}, None),
        ("--config", {"trl": "1.16.0", "transformers": "5.23.0"}, None),
        ("--learning_r", {"trl": "1.16.0", "transformers": "5.23.0"}, None),
        ("--no_packing", {"trl": "1.16.0", "transformers": "5.23.0"}, None),
        ("--max_seq_length", {"trl": None}, None),
    ],
)
def test_flags_of_trl_sft(flag: str, versions: dict[str, str | None], expected: str | None) -> None:
    found = check_flags("sft", [flag], versions)
    assert [f.replacement for f in found] == ([expected] if expected else [])


def test_subcommands() -> None:
    assert check_command("sft", {"trl": "1.16.0"}) is None
    assert check_command("env", {"trl": "1.16.0"}) is None
    assert check_command("vllm-serve", {"trl": "1.16.0"}) is None
    found = check_command("chat", {"trl": "1.16.0"})
    assert found is not None
    assert found.last_ok
    later = check_command("grpo", {"trl": "0.12.2"})
    assert later is not None
    assert later.first_ok
    assert check_command("nonsense", {"trl": None}) is None


PARSES = """
from dataclasses import dataclass
from transformers import HfArgumentParser
from trl import SFTConfig

@dataclass
class Choice:
    model_id: str = "m"

choice, settings = HfArgumentParser((Choice, SFTConfig)).parse_args_into_dataclasses({})
"""


@pytest.mark.parametrize(
    ("flag", "given", "expected"),
    [
        ("--max_seq_length", "", ["max_length"]),
        ("--model_id", "", []),
        ("--model-id", "", []),
        ("--model", "", []),
        ("--evaluation_strategy=no", "", ["eval_strategy"]),
        ("--never_there", "", [""]),
        ("--max_seq_length", "return_remaining_strings=True", []),
    ],
)
def test_flags_of_a_script(flag: str, given: str, expected: list[str]) -> None:
    versions = {"trl": "1.16.0", "transformers": "5.23.0"}
    found = check_script_flags(PARSES.format(given), [flag], versions)
    assert [f.replacement for f in found] == expected


def test_a_script_that_also_uses_argparse_is_left_alone() -> None:
    source = PARSES.format("") + "\nimport argparse\np = argparse.ArgumentParser()\n"
    assert not check_script_flags(source, ["--never_there"], {"trl": "1.16.0"})
