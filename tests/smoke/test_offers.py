"""Names of GPUs, prices and the ceiling."""

from __future__ import annotations

import io

import pytest

from ftdoctor.errors import UsageError
from ftdoctor.smoke.offers import choose, offers
from ftdoctor.smoke.run_remote import Options, agree, ceiling, offer_for


@pytest.mark.parametrize(
    ("name", "machine"),
    [
        ("t4", "t4-small"),
        ("L4", "l4x1"),
        ("a10g", "a10g-small"),
        ("a100", "a100-large"),
        ("a100-80gb", "a100-large"),
        ("NVIDIA_L4", "l4x1"),
        ("rtx-pro-6000", "rtx-pro-6000"),
        ("4xl4", "l4x4"),
        ("2xa10g", "a10g-largex2"),
        ("a10g-large", "a10g-large"),
        ("cpu", "cpu-basic"),
    ],
)
def test_hf_jobs_gives_the_cheapest_flavor(name: str, machine: str) -> None:
    offer = choose(name, "hf-jobs")
    assert offer.machine == machine
    same = [o for o in offers("hf-jobs") if (o.gpu, o.count) == (offer.gpu, offer.count)]
    if name != "a10g-large":
        assert offer.usd_per_hour == min(o.usd_per_hour or 0 for o in same)


@pytest.mark.parametrize(
    ("name", "machine", "accelerator"),
    [
        ("l4", "g2-standard-4", "NVIDIA_L4"),
        ("a100", "a2-highgpu-1g", "NVIDIA_TESLA_A100"),
        ("a100-80gb", "a2-ultragpu-1g", "NVIDIA_A100_80GB"),
        ("h100", "a3-highgpu-1g", "NVIDIA_H100_80GB"),
        ("t4", "n1-standard-4", "NVIDIA_TESLA_T4"),
        ("4xl4", "g2-standard-48", "NVIDIA_L4"),
    ],
)
def test_vertex_gives_the_smallest_machine(name: str, machine: str, accelerator: str) -> None:
    offer = choose(name, "vertex", "us-central1")
    assert (offer.machine, offer.accelerator) == (machine, accelerator)


def test_an_unknown_name_lists_what_there_is() -> None:
    with pytest.raises(UsageError) as caught:
        choose("h100", "hf-jobs")
    assert caught.value.exit_code == 2
    text = str(caught.value)
    assert "l4x1" in text
    assert "24 GB" in text
    assert "$0.80 an hour" in text


def test_a_region_has_only_its_own() -> None:
    assert choose("t4", "vertex", "asia-east2").machine == "n1-standard-4"
    with pytest.raises(UsageError, match="has no GPU 'l4'"):
        choose("l4", "vertex", "asia-east2")
    with pytest.raises(UsageError, match="No Vertex AI region"):
        choose("l4", "vertex", "nowhere-1")


def test_several_gpus_are_refused_with_the_single_one() -> None:
    with pytest.raises(UsageError, match="one GPU") as caught:
        offer_for("4xl4", "hf-jobs")
    assert "--gpu l4" in str(caught.value)


def test_the_ceiling_is_price_times_time_in_whole_minutes() -> None:
    assert ceiling(0.8, 1200) == pytest.approx(0.8 / 3)
    assert ceiling(0.6, 61) == pytest.approx(0.02)


def test_over_the_ceiling_is_refused_and_yes_needs_one(monkeypatch: pytest.MonkeyPatch) -> None:
    offer = choose("l4", "hf-jobs")
    with pytest.raises(UsageError, match="more than --max-cost"):
        agree(offer, Options("l4", yes=True, max_cost=0.1), 0.27)
    with pytest.raises(UsageError, match="--yes needs --max-cost"):
        agree(offer, Options("l4", yes=True), 0.27)
    agree(offer, Options("l4", yes=True, max_cost=0.27), 0.27)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    with pytest.raises(UsageError, match="nobody to ask"):
        agree(offer, Options("l4"), 0.27)
