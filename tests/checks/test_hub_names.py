"""Our reading of repository names against the library's own."""

from __future__ import annotations

import random

from huggingface_hub.utils import HFValidationError, validate_repo_id

from ftdoctor.checks.hub_names import refusal


def test_the_same_names_are_refused_as_by_the_library() -> None:
    rng = random.Random(3)
    names = ["a", "a/b", "a/b/c", "-a", "a.", "a--b", "a..b", "a.git", "a b", "x" * 97, "/a"]
    names += ["".join(rng.choices("ab-_./ +", k=rng.randrange(1, 9))) for _ in range(3000)]
    for name in names:
        try:
            validate_repo_id(name)
        except HFValidationError:
            assert refusal(name), name
        else:
            assert not refusal(name), name
