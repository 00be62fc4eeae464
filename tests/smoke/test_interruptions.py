"""Interruptions at any moment: never more than one job for one command, none left running."""

from __future__ import annotations

import json
import os
import random
import signal
import time

import pytest
from tests.smoke import hf_bench, vertex_bench
from tests.smoke.hf_bench import AGREED, wait_for

hub = hf_bench.bench
vertex = vertex_bench.bench

#: 200 take minutes on each platform; CI takes a sample, FTDOCTOR_INTERRUPTIONS=200 takes them all.
MANY = int(os.environ.get("FTDOCTOR_INTERRUPTIONS", "12"))


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("times", [6, pytest.param(MANY, marks=pytest.mark.slow)])
def test_random_interruptions_on_hf_jobs(hub: hf_bench.Bench, times: int) -> None:
    chance = random.Random(7)
    hub.hub.stages, hub.hub.slow = ["SCHEDULING", "RUNNING"], 0.2
    for turn in range(times):
        before = len(hub.hub.submitted)
        process = hub.start(*AGREED)
        if turn % 2:
            time.sleep(chance.uniform(0.2, 1.6))
        else:  # not before there is something to end, however slow this machine is
            wait_for(lambda: len(hub.hub.submitted) > before)  # noqa: B023
            time.sleep(chance.uniform(0.0, 0.8))
        process.send_signal(chance.choice([signal.SIGINT, signal.SIGTERM]))
        _, err = process.communicate(timeout=60)
        assert "Traceback" not in err or "KeyboardInterrupt" in err  # Python was starting
        assert len(hub.hub.submitted) - before <= 1
        assert hub.hub.alive() == []
        assert not hub.state.exists()
    assert hub.hub.submitted


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("times", [4, pytest.param(MANY, marks=pytest.mark.slow)])
def test_random_interruptions_on_vertex(vertex: vertex_bench.Bench, times: int) -> None:
    chance = random.Random(7)
    vertex.vertex.states, vertex.vertex.slow = ["QUEUED", "PENDING", "RUNNING"], 0.2
    for turn in range(times):
        before = len(vertex.vertex.submitted)
        process = vertex.start(*AGREED)
        if turn % 2:
            time.sleep(chance.uniform(0.3, 3.0))
        else:  # not before there is something to end, however slow this machine is
            end = time.monotonic() + 60
            while len(vertex.vertex.submitted) == before and time.monotonic() < end:
                time.sleep(0.01)
            time.sleep(chance.uniform(0.0, 1.0))
        process.send_signal(chance.choice([signal.SIGINT, signal.SIGTERM, signal.SIGHUP]))
        _, err = process.communicate(timeout=90)
        assert "Traceback" not in err or "KeyboardInterrupt" in err  # Python was starting
        assert len(vertex.vertex.submitted) - before <= 1
        assert vertex.vertex.alive() == []
        assert not vertex.state.exists()
    assert vertex.vertex.submitted


def test_a_process_killed_before_the_answer_is_found_on_hf_jobs(hub: hf_bench.Bench) -> None:
    hub.hub.slow, hub.hub.stages = 5.0, ["RUNNING"]
    process = hub.start(*AGREED)
    wait_for(lambda: hub.hub.submitted)
    process.kill()
    process.communicate()
    code, _, err = hub.run("--cancel", gpu="")
    assert code == 0, err
    assert hub.hub.alive() == []
    assert not hub.state.exists()


@pytest.mark.parametrize("word", ["--cancel", "--resume"])
def test_a_process_killed_before_the_answer_is_found_on_vertex(
    vertex: vertex_bench.Bench, word: str
) -> None:
    vertex.vertex.slow = 5.0
    vertex.vertex.states = ["RUNNING"] if word == "--cancel" else ["RUNNING", "SUCCEEDED"]
    process = vertex.start(*AGREED)
    end = time.monotonic() + 60
    while not vertex.vertex.submitted:
        assert time.monotonic() < end
        time.sleep(0.02)
    process.kill()
    process.communicate()
    assert json.loads(vertex.state.read_text())["id"] == ""
    code, _, err = vertex.run(word, gpu="")
    assert code == 0, err
    assert len(vertex.vertex.submitted) == 1
    assert vertex.vertex.alive() == []
    assert bool(vertex.vertex.cancels) is (word == "--cancel")
    assert not vertex.state.exists()
