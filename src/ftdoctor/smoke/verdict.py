"""From the log of a smoke run to its verdict: WORKS, FAILS (with the rule) or NO VERDICT."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from typing import Any

from ftdoctor.smoke.killed import line_of, line_of_limit

MARK = "FTDOCTOR "
WORDS = {"works": "WORKS", "fails": "FAILS", "none": "NO VERDICT"}
EXITS = {"works": 0, "fails": 1, "none": 4}


@dataclass
class Verdict:
    """The result. `cause` is the one that `explain` names, None when it works or is not known."""

    word: str
    stages: list[dict[str, Any]] = field(default_factory=list)
    cause: dict[str, Any] | None = None
    block: str = ""
    reason: str = ""
    #: What `evidence.gather` found.
    evidence: dict[str, Any] = field(default_factory=dict)
    #: What `confirm.outcome` says, None for a whole run.
    confirm: dict[str, Any] | None = None

    @property
    def exit_code(self) -> int:
        """0 works, 1 fails, 4 no verdict."""
        return EXITS[self.word]

    def document(self, plan: dict[str, Any]) -> dict[str, Any]:
        """Return the JSON form, redacted."""
        from ftdoctor.redact import redact_tree

        data: Any = redact_tree(
            {
                "schema_version": 1,
                "verdict": WORDS[self.word],
                "reason": self.reason,
                "stages": self.stages,
                "cause": self.cause,
                "error_block": self.block,
                "evidence": self.evidence,
                "confirm": self.confirm,
                "plan": {k: v for k, v in plan.items() if k not in ("rows", "folder")},
            }
        )
        document: dict[str, Any] = data
        return document


def stages_of(log: str) -> list[dict[str, Any]]:
    """Return the stage lines of a log, in order."""
    found = []
    for line in log.splitlines():
        _, mark, rest = line.partition(MARK)
        if mark and rest.startswith("{"):
            try:
                stage = json.loads(rest)
            except ValueError:
                continue
            if isinstance(stage, dict) and "stage" in stage:
                found.append(stage)
    return found


def judge(
    log: str,
    *,
    exit_code: int | None,
    ended: str = "",
    out_of_memory: bool = False,
    memory_gib: float = 0.0,
) -> Verdict:
    """Return the verdict on a run's log.

    `ended` says why we ended it ourselves (time limit). `out_of_memory`: the kernel ended a process
    for want of memory while the run was on (`killed.oom_kills`), which a log does not show.
    `memory_gib` is the limit that the run was given, 0 for none.
    """
    stages = stages_of(log)
    if not ended:
        limited = line_of_limit(log, exit_code, memory_gib)
        log += limited or line_of(exit_code, out_of_memory=out_of_memory)
    if stages and stages[-1].get("stage") == "end" and stages[-1].get("ok"):
        return Verdict("works", stages)
    if not stages and ended:
        return Verdict("none", stages, reason=ended)
    explained = _explain(log)
    cause = explained.get("cause")
    failed = next((s for s in stages if not s.get("ok", True)), None)
    if failed is None and not stages and cause is None:
        return Verdict(
            "none",
            stages,
            block=explained.get("error_block", ""),
            reason=ended or "it did not start",
        )
    reason = (
        f"the stage {failed['stage']} failed with {failed.get('error', '')}" if failed else ended
    )
    if not reason:
        reason = f"the process ended with exit code {exit_code}"
    return Verdict("fails", stages, cause, explained.get("error_block", ""), reason)


def _explain(log: str) -> dict[str, Any]:
    from ftdoctor.logs.explain import explain_log
    from ftdoctor.logs.patterns import load_patterns
    from ftdoctor.logs.reading import RawLog

    text = "\n".join(line for line in log.splitlines() if not line.startswith(MARK))
    raw = RawLog("smoke", io.BytesIO(text.encode("utf-8", "replace")))
    document: dict[str, Any] = explain_log(raw, load_patterns(), failed=True).document()
    return document
