"""From a log's text to the releases that have the name."""

from __future__ import annotations

from ftdoctor.api.explain import explain_missing_import, explain_unexpected_keyword


def test_keyword_with_a_known_version() -> None:
    found = explain_unexpected_keyword("SFTTrainer.__init__()", "tokenizer", {"trl": "1.16.0"})
    assert found is not None
    assert (found.symbol, found.package) == ("trl.SFTTrainer", "trl")
    assert (found.last_ok, found.first_bad) == ("0.15.2", "0.16.0")
    assert found.replacement == "processing_class"


def test_keyword_without_a_version_claims_no_boundary() -> None:
    found = explain_unexpected_keyword("SFTTrainer.__init__()", "tokenizer", {})
    assert found is not None
    assert found.accepted == (("0.4.2", "0.15.2"),)
    assert (found.last_ok, found.first_bad) == ("", "")


def test_model_class_means_from_pretrained() -> None:
    found = explain_unexpected_keyword(
        "LlamaForCausalLM.__init__()", "load_in_4bit", {"transformers": "5.23.0"}
    )
    assert found is not None
    assert found.symbol == "transformers.PreTrainedModel.from_pretrained"
    assert found.first_bad == "5.0.0"


def test_field_of_a_base_class() -> None:
    found = explain_unexpected_keyword("SFTConfig.__init__()", "evaluation_strategy", {})
    assert found is not None
    assert (found.package, found.accepted[-1][1]) == ("transformers", "4.50.3")


def test_unknown_things_are_not_explained() -> None:
    assert explain_unexpected_keyword("Mine.__init__()", "x", {}) is None
    assert explain_unexpected_keyword("SFTTrainer.__init__()", "never_there", {}) is None
    assert explain_missing_import("trl", "NeverThere", {}) is None


def test_import() -> None:
    found = explain_missing_import("trl", "ORPOTrainer", {"trl": "1.16.0"})
    assert found is not None
    assert (found.last_ok, found.first_bad) == ("0.28.0", "0.29.0")
    assert found.replacement == "trl.experimental.orpo.ORPOTrainer"
