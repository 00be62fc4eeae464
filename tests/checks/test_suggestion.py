"""The set of versions that a fix names has no finding of its own."""

from __future__ import annotations

import re

import pytest

from ftdoctor.checks import conflicts, pairs
from ftdoctor.checks.context import Context
from ftdoctor.job.pep440 import matches
from ftdoctor.job.read import read_text
from ftdoctor.job.releases import candidates, needs
from ftdoctor.job.resolver import Ask, resolve
from ftdoctor.job.suggest import clashes, suggest
from ftdoctor.job.versions import resolve_job
from ftdoctor.rulebook.load import load
from ftdoctor.rulebook.model import Hit
from ftdoctor.tables import table

SETS = [
    {"peft": "0.17.1", "transformers": "5.3.0"},
    {"trl": "0.25.1", "transformers": "4.48.0"},
    {"trl": "1.16.0", "transformers": "4.46.3"},
    {"trl": "0.12.2", "transformers": "4.44.2"},
    {"trl": "0.7.11", "transformers": "4.40.0", "accelerate": "0.28.0"},
    {"accelerate": "1.1.0", "transformers": "4.36.0"},
    {"huggingface-hub": "1.0.0", "datasets": "2.14.0"},
    {"trl": "0.29.0", "transformers": "4.51.0", "peft": "0.11.1", "bitsandbytes": "0.42.0"},
]


@pytest.mark.parametrize("asked", SETS, ids=lambda s: "-".join(f"{k}{v}" for k, v in s.items()))
def test_a_suggested_set_satisfies_everything(asked: dict[str, str]) -> None:
    found = suggest(asked, "3.11")
    assert found is not None
    assert asked.keys() <= found.keys()
    assert found != asked
    assert any(found[name] == version for name, version in asked.items())
    plan = resolve([Ask(n, f"=={v}") for n, v in found.items()], {}, "3.11")
    assert plan.conflict is None
    assert not list(clashes(plan.versions, {"trl-training-arguments"}))
    for name, version in plan.versions.items():
        for need in needs(name, version, "3.11") if version else ():
            there = plan.versions.get(need.name)
            assert need.extra or not there or matches(there, need.specifier), (name, need)


def test_a_good_set_is_left_alone_and_a_pin_stays_before_a_floating_one() -> None:
    good = {"trl": "1.16.0", "transformers": "5.23.0"}
    assert suggest(good, "3.12") == good
    asked = {"peft": "0.17.1", "transformers": "5.3.0"}
    kept = suggest(asked, "3.11", loose=["transformers"])
    moved = suggest(asked, "3.11", loose=["peft"])
    assert kept is not None
    assert moved is not None
    assert kept["peft"] == "0.17.1"
    assert moved["transformers"] == "5.3.0"


def test_no_set_is_better_than_a_wrong_one() -> None:
    assert suggest(
        {"trl": "1.16.0", "transformers": "5.23.0"}, "3.12", beside={"torch": "1.13.0"}
    ) in (
        None,
        {"trl": "1.16.0", "transformers": "5.23.0"},
    )
    assert suggest({"torch": "2.4.0", "vllm": "0.11.0"}, "3.12") is None


def _hits(script: str) -> list[Hit]:
    (job,) = read_text(script, "train.py").jobs
    resolve_job(job, {})
    context = Context(job)
    found = list(conflicts.contradiction(context))
    for rule in load().with_before():
        assert rule.before is not None
        if rule.before.check in ("pairs.known_bad", "pairs.trl_too_new"):
            check = getattr(pairs, rule.before.check.split(".")[1])
            found += [hit for hit in check(context, **rule.before.params) if isinstance(hit, Hit)]
    return found


def _script(requirements: list[str]) -> str:
    listed = "".join(f'#     "{line}",\n' for line in requirements)
    return (
        '# /// script\n# requires-python = "==3.11.*"\n# dependencies = [\n' + listed + "# ]\n"
        "# ///\nimport datasets\nimport peft\nfrom transformers import TrainingArguments\n"
        'from trl import SFTTrainer\n\ntrainer = SFTTrainer(model="Qwen/Qwen2.5-0.5B", '
        'args=TrainingArguments(output_dir="out"))\ntrainer.train()\n'
    )


def _newest(name: str, specifier: str) -> str:
    return next(r.version for r in candidates(name, "3.11") if matches(r.version, specifier))


@pytest.mark.parametrize("row", table("pairs")["pairs"], ids=lambda r: f"{r['rule']}{r['range']}")
def test_the_fix_of_each_known_pair_is_clean(row: dict[str, str]) -> None:
    pins = [
        f"{row[name]}=={_newest(row[name], row[span])}"
        for name, span in (("package", "range"), ("other", "other_range"))
    ]
    hits = _hits(_script([*pins, "trl", "peft", "datasets"]))
    advised = [fix for hit in hits for fix in hit.advice]
    if not advised:
        pytest.skip("another set is resolved beside this pair, or nothing near it is good")
    for fix in advised:
        named = re.findall(r'"([\w-]+==[^"]+)"', fix.command)
        rest = {"trl", "peft", "datasets"} - {line.split("==")[0] for line in named}
        assert not _hits(_script([*named, *sorted(rest)])), fix.command
