"""Data that load_dataset cannot read, and splits and configurations that are not there."""

from __future__ import annotations

from pathlib import Path

from tiny import (
    TEXTS,
    case,
    write_lines,
)


@case("FT-DATA-010")
def broken_line() -> None:
    from datasets import load_dataset

    rows: list[object] = [{"text": text} for text in TEXTS] + ['{"text": "cut off', {"text": "end"}]
    load_dataset("json", data_files=write_lines("data/train.jsonl", rows), split="train")


@case("FT-DATA-010")
def trailing_comma() -> None:
    from datasets import load_dataset

    rows: list[object] = ['{"text": "a",}', '{"text": "b"}']
    load_dataset("json", data_files=write_lines("data/train.jsonl", rows), split="train")


@case("FT-DATA-011")
def type_changes() -> None:
    from datasets import load_dataset

    rows: list[object] = [{"answer": "a"}] * 3 + [{"answer": ["a", "b"]}]
    load_dataset("json", data_files=write_lines("data/train.jsonl", rows), split="train")


@case("FT-DATA-011")
def another_column_in_second_file() -> None:
    from datasets import load_dataset

    first = write_lines("data/a.jsonl", [{"text": "a"}])
    second = write_lines("data/b.jsonl", [{"text": "b", "source": "web"}])
    load_dataset("json", data_files=[first, second], split="train")


@case("FT-DATA-011")
def object_becomes_text() -> None:
    from datasets import load_dataset

    rows: list[object] = [{"text": "a", "meta": {"id": n}} for n in range(12)] + [
        {"text": "b", "meta": "x"}
    ]
    load_dataset("json", data_files=write_lines("data/train.jsonl", rows), split="train")


@case("FT-DATA-014")
def loading_script() -> None:
    from datasets import load_dataset

    Path("my_words.py").write_text("class MyWords:\n    pass\n")
    load_dataset("./my_words.py", split="train")


@case("FT-DATA-015")
def no_such_split() -> None:
    from datasets import load_dataset

    path = write_lines("data/train.jsonl", [{"text": text} for text in TEXTS])
    load_dataset("json", data_files=path, split="validation")


@case("FT-DATA-015")
def no_such_key() -> None:
    from datasets import load_dataset

    path = write_lines("data/train.jsonl", [{"text": text} for text in TEXTS])
    print(load_dataset("json", data_files=path)["test"])


@case("FT-DATA-017")
def no_such_config() -> None:
    from datasets import load_dataset

    write_lines("corpus/train.jsonl", [{"text": text} for text in TEXTS])
    load_dataset("corpus", "polite", split="train")


@case("FT-DATA-016")
def config_not_named() -> None:
    from datasets import load_dataset

    write_lines("corpus/a.jsonl", [{"text": text} for text in TEXTS])
    write_lines("corpus/b.jsonl", [{"text": text} for text in TEXTS])
    Path("corpus/README.md").write_text(
        "---\nconfigs:\n- config_name: first\n  data_files: a.jsonl\n"
        "- config_name: second\n  data_files: b.jsonl\n---\n"
    )
    load_dataset("./corpus", split="train")


@case("FT-DATA-018")
def folder_that_is_not_there() -> None:
    from datasets import load_dataset

    load_dataset("./data/nothing_here", split="train")


@case("FT-DATA-018")
def empty_folder() -> None:
    from datasets import load_dataset

    Path("corpus").mkdir()
    load_dataset("./corpus", split="train")


@case("FT-DATA-205")
def empty_file() -> None:
    from datasets import load_dataset

    load_dataset("json", data_files=write_lines("data/train.jsonl", [""]), split="train")


@case("FT-DATA-010")
def single_quotes() -> None:
    from datasets import load_dataset

    rows: list[object] = ["{'text': 'a'}", "{'text': 'b'}"]
    load_dataset("json", data_files=write_lines("data/train.jsonl", rows), split="train")
