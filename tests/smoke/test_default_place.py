"""Where a run goes when nothing is said: a GPU that is here, else the CPU."""

from __future__ import annotations

import json

import pytest

from ftdoctor.cli import run
from ftdoctor.environment import nvidia as module
from ftdoctor.environment.nvidia import Gpu, Nvidia

CARD = Nvidia("580.95", "13.0", (Gpu("NVIDIA L4", 24 << 30, 23 << 30, (8, 9)),))


@pytest.mark.parametrize(
    ("found", "options", "device"),
    [
        (CARD, [], "cuda"),
        (CARD, ["--on", "local"], "cuda"),
        (CARD, ["--gpu", "cpu"], "cpu"),
        (Nvidia(state="absent"), [], "cpu"),
        (Nvidia("580.95", state="unknown", problem="no answer"), [], "cpu"),
    ],
)
def test_device(
    found: Nvidia,
    options: list[str],
    device: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(module, "nvidia", lambda: found)
    assert run(["smoke", "--dry-run", *options]) == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out)["device"] == device
    assert ("NVIDIA L4" in shown.err) is (device == "cuda")
