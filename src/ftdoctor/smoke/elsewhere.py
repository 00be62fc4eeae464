"""What a run says of a job whose packages or network are not those that it ran with.

A keyword that trl 1.16 refuses says nothing of a job that pins trl 0.19. Such a failure is no
verdict, unless `check`, which knows the job's versions, sees the same fault.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftdoctor.smoke.confirm import still_seen

if TYPE_CHECKING:
    from ftdoctor.job.model import Job
    from ftdoctor.rulebook.load import Rulebook
    from ftdoctor.smoke.verdict import Verdict

#: Packages whose releases decide what a trainer takes and does.
STACK = ("trl", "transformers", "peft")
#: Stages in which they are at work.
_WITH_PACKAGES = frozenset("imports tokenizer template model train checkpoint resume".split())


def weighed(verdict: Verdict, job: Job, book: Rulebook) -> Verdict:
    """Return the verdict of a run on this machine as it stands for the job.

    A failure of another stack, or of this machine's network for a job that runs on a platform, is
    no verdict. A pass of another stack stays one and says so.
    """
    others = [d for d in verdict.evidence.get("version_differences") or () if _decides(d)]
    if verdict.word == "works" and others:
        verdict.reason = f"with {_named(others)}: that is not the stack of the job"
    if verdict.word != "fails":
        return verdict
    failed = next((s["stage"] for s in verdict.stages if not s.get("ok", True)), "")
    code = str((verdict.cause or {}).get("code") or "")
    remote = job.platform in ("hf-jobs", "vertex")
    if remote and code.startswith("FT-NET-") and not _seen(code, job, book):
        return _none(verdict, "the network of this machine is not that of the job")
    if others and failed in _WITH_PACKAGES and not _seen(code, job, book):
        return _none(verdict, f"it ran with {_named(others)}; run it where the job runs (--on)")
    return verdict


def _decides(difference: dict[str, Any]) -> bool:
    return difference["package"] in STACK


def _named(differences: list[dict[str, Any]]) -> str:
    return ", ".join(
        f"{d['package']} {d['installed']} (the job: {d['expected']})" for d in differences
    )


def _seen(code: str, job: Job, book: Rulebook) -> bool:
    """Whether `check` sees the same fault in the job, with the job's own versions."""
    return code in book.by_code and bool(still_seen(job, book.rule(code)))


def _none(verdict: Verdict, why: str) -> Verdict:
    cause = verdict.cause
    named = f" ({cause['code']} {cause['name']})" if cause else ""
    verdict.word = "none"
    verdict.reason = f"it fails here{named}, which says nothing of the job: {why}"
    return verdict
