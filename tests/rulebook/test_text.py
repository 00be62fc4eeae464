"""Placeholders in the texts of rules."""

from __future__ import annotations

from ftdoctor.rulebook.text import fill, placeholders, prose


def test_known_names_are_filled_and_others_left() -> None:
    text = "awk '{print}' of {name} in {place}: {names}"
    assert fill(text, {"name": "a", "names": ["b", "c"]}) == "awk '{print}' of a in {place}: b, c"
    assert placeholders(text) == {"name", "names", "place", "print"}


def test_prose_leaves_out_what_is_not_known() -> None:
    text = "It cannot run (found {found}: so it is). Then {thing} fails. It {end}."
    assert prose(text, {"end": "stops"}) == "It cannot run. It stops."
    assert prose("Only {a_b}", {}) == "Only a b"
    assert prose("All {x}", {"x": 1}) == "All 1"
