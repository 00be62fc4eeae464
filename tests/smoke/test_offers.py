"""Names of GPUs, prices and the ceiling."""

from __future__ import annotations

import io

import pytest

from ftdoctor.errors import UsageError
from ftdoctor.smoke.money import agree, ceiling
from ftdoctor.smoke.offers import choose, offers
from ftdoctor.smoke.vertex_prices import hourly
from ftdoctor.tables import table


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


def test_the_table_of_regions_is_advisory() -> None:
    # A machine that is named is believed, a region of the right form may be new; neither has a price.
    for region in ("asia-east2", "us-south9"):
        offer = choose("g2-standard-4", "vertex", region)
        assert (offer.accelerator, offer.usd_per_hour) == ("NVIDIA_L4", None)
    assert choose("l4", "vertex", "us-south9").machine == "g2-standard-4"


def test_the_ceiling_is_price_times_time_in_whole_minutes() -> None:
    assert ceiling(0.8, 1200) == pytest.approx(0.8 / 3)
    assert ceiling(0.6, 61) == pytest.approx(0.02)


def test_over_the_ceiling_is_refused_and_yes_needs_one(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="more than --max-cost"):
        agree(0.27, yes=True, max_cost=0.1)
    with pytest.raises(UsageError, match="--yes needs --max-cost"):
        agree(0.27, yes=True, max_cost=None)
    agree(0.267, yes=True, max_cost=0.27)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    with pytest.raises(UsageError, match="nobody to ask"):
        agree(0.27, yes=False, max_cost=None)


def test_vertex_prices_hold_the_fee_and_the_disk() -> None:
    # 0.21849885 is Vertex AI's own figure for n1-standard-4 in us-central1; 100 GB of disk on top.
    offer = choose("cpu", "vertex", "us-central1")
    assert offer.usd_per_hour == pytest.approx(0.21849885 + 0.02678, abs=1e-3)
    # Eight H100 by SKU, with the machine: 90.1282656 + 6.0991216 + 4.7799648 (no local SSD).
    eight = choose("8xh100", "vertex", "us-central1")
    assert eight.usd_per_hour == pytest.approx(101.007, rel=0.01)
    assert eight.usd_per_hour >= 101.007


def test_a_price_that_is_not_in_the_table_is_not_made_up() -> None:
    assert choose("8xb200", "vertex", "us-central1").usd_per_hour is None
    assert choose("l4", "vertex").usd_per_hour is None
    far, near = (choose("l4", "vertex", r).usd_per_hour for r in ("me-central2", "us-central1"))
    assert far is not None
    assert near is not None
    assert far > near


def test_spot_costs_less_and_keeps_the_whole_fee() -> None:
    price = hourly("a3-highgpu-1g", "NVIDIA_H100_80GB", 1, "us-central1")
    assert price is not None
    assert price.spot is not None
    assert price.spot < price.on_demand
    assert price.spot > price.on_demand * 0.15


def test_every_price_belongs_to_a_machine_and_a_region() -> None:
    prices, regions = table("vertex_prices"), table("regions")["regions"]
    machines = {row["machine_type"] for row in table("machines")["machines"]}
    for machine, places in prices["machines"].items():
        assert machine in machines
        for region, (usual, spot) in places.items():
            assert region in regions
            assert 0 < spot < usual
