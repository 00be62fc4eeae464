"""Functions that a script hands to a trainer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftdoctor.job.read import read_text

if TYPE_CHECKING:
    from ftdoctor.job.model import Training


def _training(code: str) -> Training:
    (job,) = read_text(f"from trl import GRPOTrainer, SFTTrainer\n{code}", "train.py").jobs
    (training,) = job.trainings
    return training


@pytest.mark.parametrize(
    ("body", "returns"),
    [
        ('return f"{x}"', "text"),
        ('return "a" + x["b"]', "text"),
        ('return "{}".format(x)', "text"),
        ('text = f"{x}"\n    return text', "text"),
        ("return [y for y in x]", "list"),
        ("out = []\n    for y in x:\n        out.append(y)\n    return out", "list"),
        ('return {"text": x}', "dict"),
        ("return make(x)", ""),
        ('if x:\n        return [x]\n    return "a"', ""),
        ("yield x", ""),
        ("out = []\n    out = x\n    return out", ""),
    ],
)
def test_what_formatting_func_returns(body: str, returns: str) -> None:
    training = _training(
        f'def form(x):\n    {body}\n\nSFTTrainer(model="a/b", formatting_func=form)\n'
    )
    assert training.formatting_returns == returns


def test_reward_functions_are_those_that_stand_in_the_script() -> None:
    training = _training(
        "from rewards import elsewhere\n"
        "def short(completions, *, factor=2):\n    return completions\n"
        "def rest(completions, **kwargs):\n    return completions\n"
        "@cached\ndef wrapped(completions):\n    return completions\n"
        "class Judge:\n    def __call__(self, completions):\n        return completions\n"
        'GRPOTrainer(model="a/b", reward_funcs=[short, rest, wrapped, elsewhere, Judge(), "c/d"])\n'
    )
    found = [(f.name, f.parameters, f.open) for f in training.reward_functions]
    assert found == [
        ("short", ("completions", "factor"), False),
        ("rest", ("completions",), True),
    ]


def test_one_reward_function_needs_no_list() -> None:
    training = _training('GRPOTrainer(model="a/b", reward_funcs=lambda completions: [0.0])\n')
    assert [f.parameters for f in training.reward_functions] == [("completions",)]
