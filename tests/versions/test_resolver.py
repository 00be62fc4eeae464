from __future__ import annotations

import itertools
import os
import subprocess
import sys

import pytest

from ftdoctor.job.pep440 import matches, newer
from ftdoctor.job.releases import candidates, find, needs, newest, parse_need, releases
from ftdoctor.job.resolver import Ask, resolve
from ftdoctor.job.torch_build import build_of, offered, runs_on

TABLES = (
    "accelerate bitsandbytes datasets huggingface-hub numpy peft tokenizers torch torchvision "
    "transformers trl unsloth vllm xformers"
).split()


@pytest.mark.parametrize("name", TABLES)
def test_tables_are_in_order_and_complete(name: str) -> None:
    rows = releases(name)
    assert len(rows) >= 10
    for older, younger in itertools.pairwise(rows):
        assert newer(younger.version, older.version), (older.version, younger.version)
        assert younger.date


def test_python_decides_what_is_newest() -> None:
    assert newest("trl", "", "3.10").version == "1.14.2"  # type: ignore[union-attr]
    assert newest("trl", "", "3.12").version == "1.16.0"  # type: ignore[union-attr]
    assert newest("torch", "", "3.10").version == "2.14.1"  # type: ignore[union-attr]
    assert newest("trl", "<0.13", "3.12").version == "0.12.2"  # type: ignore[union-attr]
    assert newest("trl", ">99", "3.12") is None


def test_yanked_releases_are_not_offered_but_found() -> None:
    assert "4.57.0" not in {r.version for r in candidates("transformers", "3.12")}
    assert find("transformers", "4.57.0") is not None


@pytest.mark.parametrize(
    ("line", "python", "arch", "there"),
    [
        ('triton>=3; "linux" in sys_platform', "3.12", "x86_64", True),
        ('triton-windows; sys_platform == "win32"', "3.12", "x86_64", False),
        (
            'torch<2.15; sys_platform != "darwin" or platform_machine != "arm64"',
            "3.12",
            "x86_64",
            True,
        ),
        ('x>=1; python_version < "3.11"', "3.10", "x86_64", True),
        ('x>=1; python_version < "3.11"', "3.12", "x86_64", False),
        ('x; platform_machine == "aarch64"', "3.12", "aarch64", True),
        ('peft>=0.13; extra == "peft"', "3.12", "x86_64", True),
    ],
)
def test_markers(line: str, python: str, arch: str, there: bool) -> None:
    assert (parse_need(line, python, arch) is not None) is there


def test_a_fresh_environment_gets_the_newest_that_fit_together() -> None:
    plan = resolve([Ask("trl"), Ask("transformers", "<5"), Ask("datasets")], {}, "3.12")
    assert plan.conflict is None
    assert plan.versions["transformers"] == "4.57.6"
    assert plan.versions["huggingface-hub"] == "0.36.2"
    assert plan.versions["datasets"] == "5.0.1"


def test_every_plan_satisfies_what_its_packages_require() -> None:
    sets = [["trl"], ["unsloth"], ["vllm", "trl"], ["transformers==4.46.3", "trl", "peft"]]
    for names in sets:
        asks = [
            Ask(n.partition("==")[0], f"=={n.split('==')[1]}" if "==" in n else "") for n in names
        ]
        plan = resolve(asks, {}, "3.12")
        assert plan.conflict is None, names
        for name, version in plan.versions.items():
            for need in needs(name, version or "", "3.12"):
                other = plan.versions.get(need.name)
                if not need.extra and other:
                    assert matches(other, need.specifier), (name, need.name, other)


def test_what_is_installed_stays_when_it_satisfies() -> None:
    here = {"torch": "2.6.0+cu124", "transformers": "4.48.0", "huggingface-hub": "0.27.0"}
    plan = resolve([Ask("transformers")], here, "3.11")
    assert plan.versions == here
    plan = resolve([Ask("transformers", upgrade=True)], here, "3.11")
    assert plan.versions["transformers"] == "5.23.0"
    assert plan.versions["torch"] == "2.6.0+cu124"
    assert plan.versions["huggingface-hub"] == "2.4.0"


def test_an_installed_package_is_replaced_when_something_needs_newer() -> None:
    plan = resolve([Ask("bitsandbytes", upgrade=True)], {"torch": "2.3.1+cu121"}, "3.11")
    assert plan.versions["torch"] == "2.15.0"
    assert plan.asked_by["torch"] == "bitsandbytes 0.50.2"


def test_a_present_package_of_unknown_version_stays() -> None:
    plan = resolve([Ask("trl")], {"huggingface-hub": None, "transformers": None}, "3.12")
    assert plan.versions["huggingface-hub"] is None
    assert plan.versions["transformers"] is None
    assert resolve([Ask("torch", "==2.6.0")], {"torch": None}, "3.12").versions["torch"] == "2.6.0"


def test_contradictions_name_both_sides() -> None:
    plan = resolve([Ask("trl", "==0.25.1"), Ask("transformers", "==4.48.0")], {}, "3.12")
    assert plan.conflict is not None
    assert plan.conflict.package == "transformers"
    assert dict(plan.conflict.wants) == {"the job": "==4.48.0", "trl 0.25.1": ">=4.56.1"}
    plan = resolve([Ask("transformers", "==4.57.6"), Ask("datasets", "==5.2.0")], {}, "3.12")
    assert plan.conflict is not None
    assert plan.conflict.package == "huggingface-hub"


def test_pins_older_or_newer_than_the_tables_are_believed() -> None:
    assert (
        resolve([Ask("transformers", "==4.20.1")], {}, "3.9").versions["transformers"] == "4.20.1"
    )
    assert resolve([Ask("trl", "==2.0.0")], {}, "3.12").conflict is None
    assert resolve([Ask("transformers", "==4.57.99")], {}, "3.12").conflict is not None


def test_no_deps_brings_nothing() -> None:
    assert set(resolve([Ask("trl", no_deps=True)], {}, "3.12").versions) == {"trl"}


def test_extras_bring_theirs() -> None:
    plain = resolve([Ask("trl")], {}, "3.12").versions
    with_extra = resolve([Ask("trl", extras=("peft", "quantization"))], {}, "3.12").versions
    assert "peft" not in plain
    assert {"peft", "bitsandbytes"} <= set(with_extra)


def test_builds_of_torch() -> None:
    default = build_of("2.15.0")
    assert default is not None
    assert (default.cuda, default.label, default.default) == ("13.2", "cu132", True)
    assert build_of("2.10.0+cu126").cuda == "12.6"  # type: ignore[union-attr]
    assert not build_of("2.6.0+cpu").has_cuda  # type: ignore[union-attr]
    assert not build_of("2.9.0", "aarch64").has_cuda  # type: ignore[union-attr]
    assert build_of("2.11.0", "aarch64").has_cuda  # type: ignore[union-attr]
    assert build_of("9.9.9") is None
    assert offered("cu121", "3.11")[0] == "2.5.1+cu121"
    assert offered("cu126", "3.12")[0] == "2.15.0+cu126"


@pytest.mark.parametrize(
    ("archs", "capability", "runs"),
    [
        (("sm_80", "sm_86"), "8.9", True),
        (("sm_86",), "8.0", False),
        (("sm_75", "sm_80"), "7.0", False),
        (("sm_60",), "6.1", True),
        (("sm_90", "compute_90"), "10.0", False),
        (("sm_100", "sm_120"), "10.3", True),
        (("sm_120",), "12.1", True),
    ],
)
def test_machine_code_runs_within_its_major(
    archs: tuple[str, ...], capability: str, runs: bool
) -> None:
    assert runs_on(archs, capability) is runs


@pytest.mark.slow
@pytest.mark.skipif(
    not os.environ.get("FTDOCTOR_TEST_INDEX"),
    reason="asks a package index for minutes; FTDOCTOR_TEST_INDEX=1 runs it",
)
@pytest.mark.parametrize("request_", ["trl", "transformers<5 datasets trl"])
def test_pip_chooses_the_same(request_: str, tmp_path: object) -> None:
    """What pip's own resolver would take today, where an index can be asked."""
    import json
    from pathlib import Path

    report = Path(str(tmp_path)) / "report.json"
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--dry-run",
            "--ignore-installed",
            "--quiet",
            "--report",
            str(report),
            *request_.split(),
        ],
        capture_output=True,
        check=False,
    )
    if done.returncode:
        pytest.skip("no package index can be asked here")
    chosen = {
        i["metadata"]["name"].lower().replace("_", "-"): i["metadata"]["version"]
        for i in json.loads(report.read_text())["install"]
    }
    asks = []
    for item in request_.split():
        name, _, bound = item.partition("<")
        asks.append(Ask(name, f"<{bound}" if bound else ""))
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    plan = resolve(asks, {}, python)
    ours = {n: v for n, v in plan.versions.items() if v and n in chosen}
    # The index moves on after the day of our tables: what is newer there is no difference.
    different = {
        n: (v, chosen[n]) for n, v in ours.items() if chosen[n] != v and not newer(chosen[n], v)
    }
    assert not different


def test_a_freeze_of_a_whole_environment_is_taken_as_it_stands() -> None:
    asks = [Ask(f"package-{number}", f"=={number}.0") for number in range(3000)]
    asks += [Ask("transformers", "==4.57.6"), Ask("trl", "==0.25.1")]
    plan = resolve(asks, {}, "3.12")
    assert plan.versions["package-2999"] == "2999.0"
    assert plan.versions["trl"] == "0.25.1"
    loose = [Ask(f"package-{number}") for number in range(3000)]
    assert resolve(loose, {}, "3.12").versions["package-7"] is None


def test_an_old_trl_beside_packages_with_many_releases_is_resolved() -> None:
    """The clash lies between two packages chosen far apart: the search has to jump back."""
    asks = [Ask("trl", "==0.12.2"), Ask("trackio"), Ask("kernels")]
    plan = resolve(asks, {}, "3.12")
    assert not plan.gave_up
    assert plan.conflict is None
    assert {"torch", "datasets", "transformers"} <= plan.versions.keys()
    for name, version in plan.versions.items():
        for need in needs(name, version, "3.12") if version else ():
            there = plan.versions.get(need.name)
            assert need.extra or not there or matches(there, need.specifier), (name, need)


def test_a_search_that_gives_up_says_nothing_of_what_is_absent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from ftdoctor.job.read import read_text

    monkeypatch.setattr("ftdoctor.job.resolver._STEPS", 2)
    text = '# /// script\n# dependencies = ["trl", "kernels"]\n# ///\nimport torch\n'
    job = read_text(text, "x.py").jobs[0]
    from ftdoctor.job.versions import resolve_job

    resolve_job(job, {"trl": "0.12.2"})
    assert job.environment is not None
    assert not job.environment.whole
    assert job.environment.open_reason
