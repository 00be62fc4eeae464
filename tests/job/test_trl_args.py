"""`trl sft ...` command lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftdoctor.job.readenv import ReadEnv
from ftdoctor.job.source import Place
from ftdoctor.job.trl_args import read_trl
from ftdoctor.job.value import known, unknown

if TYPE_CHECKING:
    from ftdoctor.job.model import Training


def trl(line: str, env: ReadEnv | None = None) -> Training:
    return read_trl([known(word) for word in line.split()], Place("job.sh", 1), env)


def test_all_kinds_of_options() -> None:
    found = trl(
        "trl sft --model_name_or_path org/m --torch_dtype=bfloat16 --dataset_name org/d "
        "--dataset_train_split train[:1%] --learning_rate 2e-4 --packing --bf16 true "
        "--use_peft --lora_r 16 --lora_target_modules q_proj v_proj --load_in_4bit "
        "--num_processes 4 --mixed_precision=bf16 --report_to none --eval_strategy no"
    )
    assert found.method == "sft"
    assert found.model is not None
    assert found.model.value == "org/m"
    assert found.model_as_string
    assert found.model_kwargs["torch_dtype"].value == "bfloat16"
    assert found.datasets[0].id.value == "org/d"
    assert found.arguments["learning_rate"].value == 2e-4
    assert found.arguments["bf16"].value is True
    assert found.arguments["report_to"].value == "none"
    assert found.packing is not None
    assert found.packing.value is True
    assert found.lora is not None
    assert found.lora["target_modules"].value == ["q_proj", "v_proj"]
    assert found.quantization is not None
    assert found.quantization["load_in_4bit"].value is True
    assert found.launch["num_processes"].value == 4
    assert found.arguments["eval_strategy"].value == "no"
    assert set(found.arguments) == {
        "learning_rate",
        "packing",
        "bf16",
        "report_to",
        "eval_strategy",
    }


def test_lora_options_without_use_peft_make_no_adapter() -> None:
    assert trl("dpo --model_name_or_path m --lora_r 8").lora is None


def test_yaml_beside_and_command_line_over_it(tmp_path: Any) -> None:
    (tmp_path / "c.yaml").write_text(
        "model_name_or_path: org/y\nlearning_rate: 1e-5\nmax_length: 10\n"
        "datasets:\n  - path: org/a\n    split: train\n  - path: json\n    data_files: x.jsonl\n"
    )
    env = ReadEnv.beside(str(tmp_path / "job.sh"))
    found = trl("trl sft --config c.yaml --max_length 20", env)
    assert found.model is not None
    assert found.model.value == "org/y"
    assert found.arguments["learning_rate"].value == 1e-5
    assert found.arguments["max_length"].value == 20
    assert [d.id.value for d in found.datasets] == ["org/a", "json"]
    assert found.open == ""
    assert trl("sft --config missing.yaml", env).open


def test_unknown_words_keep_their_option() -> None:
    place = Place("job.sh", 1)
    argv = [
        known("sft"),
        unknown("it is a variable", place, "--learning_rate=${LR}", "--learning_rate=1"),
    ]
    found = read_trl(argv, place, None)
    assert not found.arguments["learning_rate"].known
    assert found.arguments["learning_rate"].raw == "${LR}"
    rest = read_trl([known("sft"), unknown("it is a variable", place, "$ARGS")], place, None)
    assert rest.open


def test_place_of_a_value_behind_an_equals_sign() -> None:
    word = "--max_length=64"
    place = Place("job.sh", 3, 5, 3, 5 + len(word))
    found = read_trl([known("sft"), known(word, place)], place, None)
    inner = found.arguments["max_length"].place
    assert inner is not None
    assert (inner.column, inner.end_column) == (18, 20)
