"""Which of many matches is the cause: ranks, wrappers, attempts, survivors."""

from __future__ import annotations

import io
from typing import Any

from ftdoctor.logs.explain import Explanation, explain_log
from ftdoctor.logs.patterns import Patterns
from ftdoctor.logs.reading import RawLog
from ftdoctor.logs.table import build


def rule(name: str, any_: str, **more: Any) -> dict[str, Any]:
    after = {
        "any": [any_],
        **{k: v for k, v in more.items() if k in ("role", "unless", "near", "decide")},
    }
    number = sum(map(ord, name)) % 900 + 100
    return {
        "code": f"FT-{more.get('area', 'TEST')}-{number}",
        "name": name,
        "parent": more.get("parent", ""),
        "severity": "error",
        "summary": f"It is {name}.",
        "explain": "Because.",
        "after": after,
        **({"before": {"check": "a.b"}} if more.get("before") else {}),
    }


ROWS = [
    rule("root", "the teeth are broken", before=True),
    rule("parent-cause", "wheel of \\w+ stopped", parent=""),
    rule("child-cause", "wheel of iron stopped", parent="parent-cause"),
    rule("follows", "Watchdog caught collective", role="consequence"),
    rule("wraps", "ChildFailedError", role="wrapper"),
    rule("vetoed", "the belt slipped", unless=["belt was changed"]),
    rule("near-only", "spring is loose", near=["in fit_spring"]),
    rule("net", "server answered badly", area="NET"),
    rule("stockout", "Resources are insufficient in region", area="GCP"),
    rule("oom-batch-or-activations", "CUDA out of memory", decide="oom", area="MEM"),
    *(
        rule(f"oom-{child}", f"never seen {child} text", parent="", area="MEM")
        for child in (
            "eval-logits-accumulation",
            "fragmentation",
            "fsdp-full-state-dict-gather",
            "logits-vocab-x-seq",
            "optimizer-states",
            "other-process-on-gpu",
        )
    ),
    rule("loss-nan", "'(?:loss|grad_norm)': '?(?:nan|0\\.0|0)\\b", decide="loss", area="TRAIN"),
    rule("all-labels-masked", "never seen masked text", area="DATA"),
    rule("process-sigkilled", "exitcode: -9|exit code 137", decide="sigkill", area="JOB"),
    rule("host-ram-oom-kill", "never seen kill text", area="MEM"),
]
TABLE = Patterns(build(ROWS), ROWS)


def look(log: str, **more: Any) -> Explanation:
    return explain_log(RawLog("log", io.BytesIO(log.encode())), TABLE, engine="plain", **more)


def name(log: str) -> str:
    found = look(log)
    return str(found.cause["name"]) if found.cause else found.outcome


def traceback(message: str, frame: str = "f") -> str:
    return (
        "Traceback (most recent call last):\n"
        f'  File "train.py", line 3, in {frame}\n    go()\n{message}\n'
    )


def test_the_first_fatal_beats_what_follows_from_it() -> None:
    log = (
        "".join(
            f"[rank1]: {row}\n"
            for row in traceback("RuntimeError: the teeth are broken").splitlines()
        )
        + "[rank0]:[E ProcessGroupNCCL.cpp:616] Watchdog caught collective operation timeout\n"
        + traceback("torch.distributed.elastic.multiprocessing.errors.ChildFailedError:")
    )
    found = look(log)
    assert found.cause is not None
    assert found.cause["name"] == "root"
    assert found.cause["confidence"] == "high"
    assert found.cause["evidence"][0]["line"] == 4
    assert found.cause["would_have_been_stopped_by_check"] is True
    assert {seen["name"]: seen["role"] for seen in found.also} == {
        "follows": "consequence",
        "wraps": "wrapper",
    }


def test_only_consequences_are_named_with_low_confidence() -> None:
    found = look(traceback("x.ChildFailedError:"))
    assert found.cause is not None
    assert (found.cause["name"], found.cause["confidence"]) == ("wraps", "low")


def test_the_inner_cause_of_a_chain_beats_the_outer_one() -> None:
    log = (
        traceback("ValueError: the teeth are broken")
        + "\nThe above exception was the direct cause of the following exception:\n\n"
        + traceback("OSError: wheel of wood stopped")
    )
    assert name(log) == "root"


def test_a_child_beats_its_parent() -> None:
    assert name(traceback("RuntimeError: wheel of wood stopped")) == "parent-cause"
    assert name(traceback("RuntimeError: wheel of iron stopped")) == "child-cause"


def test_unless_and_near() -> None:
    assert name(traceback("RuntimeError: the belt slipped")) == "vetoed"
    assert (
        name("the belt was changed\n" + traceback("RuntimeError: the belt slipped"))
        == "unrecognised"
    )
    assert name(traceback("RuntimeError: spring is loose", "fit_spring")) == "near-only"
    assert name(traceback("RuntimeError: spring is loose", "other")) == "unrecognised"


def test_a_launcher_does_not_veto() -> None:
    log = traceback("RuntimeError: the belt slipped") + traceback(
        "subprocess.CalledProcessError: Command 'belt was changed' returned 1"
    )
    assert name(log) == "vetoed"


def test_the_network_is_not_blamed_for_a_request_that_was_tried_again() -> None:
    log = "the server answered badly\n" + traceback("RuntimeError: the teeth are broken")
    assert name(log) == "root"


def test_a_caught_exception_of_a_run_that_went_on_is_no_cause() -> None:
    steps = "".join(f"{{'loss': 1.{i}, 'grad_norm': 0.5, 'epoch': 0.{i}}}\n" for i in range(5))
    found = look(
        traceback("RuntimeError: the teeth are broken") + steps + "{'train_runtime': 3.0}\n"
    )
    assert found.outcome == "healthy"
    assert [seen["name"] for seen in found.also] == ["root"]


def test_the_platform_comes_first() -> None:
    log = (
        "ERROR\t2026-05-10 02:24:33 +0000\tworkerpool0-0\tRuntimeError: the teeth are broken\n"
        "ERROR\t2026-05-10 02:25:33 +0000\tservice\tResources are insufficient in region: x.\n"
    )
    assert name(log) == "stockout"


def test_the_last_attempt_counts() -> None:
    first = "===== Job started at 1 =====\nloading\n" + traceback(
        "RuntimeError: the teeth are broken"
    )
    second = "===== Job started at 2 =====\nloading\n" + traceback(
        "RuntimeError: wheel of iron stopped"
    )
    found = look(first + second)
    assert found.cause is not None
    assert (found.cause["name"], found.attempts) == ("child-cause", 2)
    assert [seen["name"] for seen in found.earlier] == ["root"]


def test_a_banner_that_returns_after_a_failure_starts_an_attempt() -> None:
    banner = "Starting the trainer 1.2\nReading the configuration file\nUsing 8 workers now\n"
    log = (
        banner
        + traceback("RuntimeError: the teeth are broken")
        + banner
        + "some more words here\n" * 4
        + traceback("RuntimeError: wheel of iron stopped")
    )
    found = look(log)
    assert found.cause is not None
    assert (found.cause["name"], found.attempts) == ("child-cause", 2)


def test_an_attempt_that_ends_well_makes_the_log_healthy() -> None:
    log = (
        "===== Job started at 1 =====\nloading\n"
        + traceback("RuntimeError: the teeth are broken")
        + "===== Job started at 2 =====\nloading\nstep 1\nTraining completed\n"
    )
    assert look(log).outcome == "healthy"


def test_a_failure_that_the_platform_tells_and_the_log_does_not() -> None:
    found = look("all is well\n", failed=True)
    assert (found.outcome, found.exit_code) == ("unrecognised", 3)
    assert "all is well" in found.block


def test_no_secret_leaves_with_the_evidence() -> None:
    token = "hf_" + "abcdefghijklmnopqrstuvwxyzABCDEFGH"
    found = look(traceback(f"RuntimeError: the teeth are broken for {token}"))
    assert token not in str(found.document())
    found = look(traceback(f"RuntimeError: unheard of, with {token}"))
    assert found.outcome == "unrecognised"
    assert token not in str(found.document())


# -- deciders --------------------------------------------------------------------------------------

NEW = (
    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate {tried}. GPU 0 has a total "
    "capacity of 79.18 GiB of which {free} is free. Including non-PyTorch memory, this process has "
    "{own} memory in use. Of the allocated memory {allocated} is allocated by PyTorch, and {waste} "
    "is reserved by PyTorch but unallocated."
)
FULL = {"free": "0.2 GiB", "own": "78.90 GiB", "allocated": "77.00 GiB", "waste": "300.00 MiB"}


def oom(frame: str, **numbers: str) -> str:
    message = NEW.format(**{"tried": "512.00 MiB", **FULL, **numbers})
    return name(f"Traceback (most recent call last):\n{frame}{message}\n")


FORWARD = '  File "/x/torch/nn/modules/linear.py", line 1, in forward\n    return F.linear(x)\n'
LOSS = '  File "/x/torch/nn/functional.py", line 1, in cross_entropy\n    return nll(logits)\n'
ADAM = '  File "/x/torch/optim/adamw.py", line 9, in _init_group\n    state["exp_avg"] = zeros\n'
EVAL = (
    '  File "/x/transformers/trainer.py", line 1, in evaluation_loop\n    all_preds.add(logits)\n'
    '  File "/x/transformers/trainer_pt_utils.py", line 2, in nested_concat\n    return cat()\n'
)
EVAL_STEP = (
    '  File "/x/transformers/trainer.py", line 1, in evaluation_loop\n    self.prediction_step()\n'
    '  File "/x/transformers/trainer.py", line 2, in prediction_step\n    self.compute_loss()\n'
) + FORWARD


def test_out_of_memory_is_read_in_numbers_and_frames() -> None:
    assert oom(FORWARD) == "oom-batch-or-activations"
    assert oom(LOSS, tried="7.50 GiB") == "oom-logits-vocab-x-seq"
    assert oom(LOSS, tried="20.00 MiB") == "oom-batch-or-activations"
    assert oom(ADAM) == "oom-optimizer-states"
    assert oom(EVAL) == "oom-eval-logits-accumulation"
    assert oom(EVAL_STEP) == "oom-batch-or-activations"
    assert oom(FORWARD, own="30.00 GiB", allocated="28.00 GiB") == "oom-other-process-on-gpu"
    assert oom(FORWARD, waste="9.00 GiB", tried="4.00 GiB") == "oom-fragmentation"
    old = (
        "RuntimeError: CUDA out of memory. Tried to allocate 20.00 MiB (GPU 0; 23.69 GiB total "
        "capacity; 3.10 GiB already allocated; 12.00 MiB free; 3.40 GiB reserved in total by PyTorch)"
    )
    assert name(old) == "oom-other-process-on-gpu"


def steps(*pairs: tuple[str, str]) -> str:
    rows = [f"{{'loss': {loss}, 'grad_norm': {grad}, 'epoch': 0.1}}" for loss, grad in pairs]
    return "\n".join([*rows, "{'train_runtime': 3.0, 'epoch': 1.0}", ""])


def test_losses_are_read_as_a_series() -> None:
    assert name(steps(("0.0", "0.0"), ("0.0", "0.0"), ("0.0", "0.0"))) == "all-labels-masked"
    assert name(steps(("2.1", "1.0"), ("0.0", "nan"), ("0.0", "nan"))) == "loss-nan"
    assert name(steps(("nan", "nan"), ("nan", "nan"))) == "loss-nan"
    assert name(steps(("2.1", "1.0"), ("1.9", "nan"), ("1.8", "0.9"), ("1.7", "0.8"))) == "healthy"
    assert name(steps(("2.1", "1.0"), ("1.2", "0.4"), ("0.0", "0.0"))) == "healthy"


def test_who_killed_it() -> None:
    killed = "failed (exitcode: -9) local_rank: 1 (pid: 1189) of binary: /opt/venv/bin/python\n"
    assert name(killed) == "process-sigkilled"
    assert name("Memory cgroup out of memory: Killed process 7\n" + killed) == "host-ram-oom-kill"


BARS = "".join(f" {i}0%|███   | {i}/10 [00:0{i}<00:09,  1.00it/s]\n" for i in range(1, 5))
STEPS = "".join(f"{{'loss': 1.{i}, 'grad_norm': 0.5, 'epoch': 0.{i}}}\n" for i in range(1, 5))


def test_losses_that_were_held_back_do_not_hide_a_failure() -> None:
    """Standard output is buffered in a container: it comes after the traceback of its own end."""
    assert name(BARS + traceback("RuntimeError: the teeth are broken") + STEPS) == "root"


def test_a_bar_that_moves_on_shows_that_the_run_went_on() -> None:
    more = BARS.replace("/10", "/20").replace("| 1/", "| 11/").replace("| 4/", "| 14/")
    log = BARS + traceback("RuntimeError: the teeth are broken") + more + STEPS
    assert name(log) == "healthy"


def test_the_platforms_word_counts() -> None:
    log = traceback("RuntimeError: the teeth are broken") + "Task completed. Exit code (0)\n"
    assert name(log) == "healthy"
