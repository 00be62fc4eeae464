from __future__ import annotations

import json

import pytest

from ftdoctor.errors import UsageError
from ftdoctor.memory import from_config, shapes
from ftdoctor.tables import table

ROWS = table("models")["models"]
COUNTABLE = [row for row in ROWS if row["model_type"] in from_config.COUNTED and "counts" in row]


def test_every_id_is_found_in_any_case() -> None:
    for row in ROWS:
        for name in row["ids"]:
            found = shapes.find(name.upper())
            if "counts" in row:
                assert found is not None, name
                assert found.key == row["key"]


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("unsloth/gemma-3-12b-it-bnb-4bit", "gemma-3-12b"),
        ("unsloth/Meta-Llama-3.1-8B-Instruct-unsloth-bnb-4bit", "llama-3.1-8b"),
        ("Qwen/Qwen2.5-7B-Instruct-AWQ", "qwen2.5-7b"),
        ("google/gemma-3-1b-it", "gemma-3-1b"),
    ],
)
def test_mirrors_and_quantised_copies(name: str, key: str) -> None:
    found = shapes.find(name)
    assert found is not None
    assert found.key == key


@pytest.mark.parametrize("name", ["", "nobody/some-private-tune", "gemma", "qwen/qwen2.5-7", "/"])
def test_what_is_not_known_is_not_guessed(name: str) -> None:
    assert shapes.find(name) is None


def test_table_adds_up() -> None:
    for row in ROWS:
        if "counts" not in row or row["key"] == "llama-guard-3-1b":
            continue
        assert row["counts"]["total"] == row["params_resident"], row["key"]
        linear = sum(n_in * n_out * n for _, n_in, n_out, n, *_ in row["linears"])
        rest = sum(v for k, v in row["counts"].items() if k != "total")
        assert linear + rest == row["counts"]["total"], row["key"]


@pytest.mark.parametrize("row", COUNTABLE, ids=[row["key"] for row in COUNTABLE])
def test_counted_from_its_config(row: dict[str, object]) -> None:
    config = {**row["config"], "model_type": row["model_type"]}  # type: ignore[dict-item]
    # Not by looking it up: by adding it up.
    shape = from_config._Counter(config, str(row["model_type"]), "config.json").shape()
    known = shapes.find(str(row["key"]))
    assert known is not None
    assert shape.params == known.params
    assert shape.tied == known.tied
    assert {(x.name, x.n_in, x.n_out, x.count) for x in shape.linears} == {
        (x.name, x.n_in, x.n_out, x.count) for x in known.linears
    }


def test_a_fine_tune_of_any_known_model_is_known() -> None:
    for row in ROWS:
        if (
            "counts" not in row
            or not row["config"]
            or row["config"].get("num_hidden_layers") is None
        ):
            continue
        config = {**row["config"], "model_type": row["model_type"], "_name_or_path": "me/tune"}
        shape = from_config.shape_from_config(config)
        assert shape.params == row["counts"]["total"], row["key"]


def test_vision_language_models_by_their_text_part() -> None:
    row = next(r for r in ROWS if r["key"] == "gemma-3-12b")
    shape = from_config.shape_from_config({**row["config"], "model_type": "gemma3"})
    assert shape.params == row["params_resident"]
    changed = {**row["config"]["text_config"], "hidden_size": 4096}
    with pytest.raises(UsageError):
        from_config.shape_from_config({"model_type": "gemma3", "text_config": changed})


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"model_type": "nosuchtype", "hidden_size": 8},
        {"model_type": "llama"},
        {"model_type": "llama", "hidden_size": -1, "num_hidden_layers": 2},
        {"model_type": "llama", "hidden_size": "many", "num_hidden_layers": 2},
        {"model_type": "gemma3", "text_config": {"hidden_size": 8}},
    ],
)
def test_a_config_that_says_too_little_is_told(config: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        from_config.shape_from_config(config)


def test_config_file_errors(tmp_path) -> None:  # type: ignore[no-untyped-def]
    for name, text in (("a.json", "{"), ("b.json", "[1]"), ("c.json", "\x00\xff")):
        path = tmp_path / name
        path.write_text(text, encoding="latin-1")
        with pytest.raises(UsageError):
            from_config.shape_from_file(path)


def test_config_in_the_hub_cache(tmp_path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    assert from_config.shape_from_cache("me/tune") is None
    folder = tmp_path / "models--me--tune" / "snapshots" / "abc"
    folder.mkdir(parents=True)
    base = next(row for row in ROWS if row["key"] == "qwen3-0.6b")
    (folder / "config.json").write_text(json.dumps({**base["config"], "model_type": "qwen3"}))
    shape = from_config.shape_from_cache("me/tune")
    assert shape is not None
    assert shape.params == base["params_resident"]


def test_experts_are_not_linear_layers() -> None:
    shape = shapes.find("mistralai/Mixtral-8x7B-v0.1")
    assert shape is not None
    assert shape.counts["experts"] > 0.95 * shape.params
    assert shape.linear_params(packed=True) < 0.04 * shape.params
