"""`ftdoctor smoke --confirm CODE`: just the parts of a run that prove the fix of one rule.

A rule names them in `verify:` (`ftdoctor.rulebook.verify`). The parts that they stand on are run as
well: a training needs a tokenizer, rows and a model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ftdoctor.commands.options import pins
from ftdoctor.errors import UsageError
from ftdoctor.rulebook.verify import STAGES
from ftdoctor.smoke.predicted import stage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftdoctor.job.model import Job
    from ftdoctor.rulebook.load import Rulebook
    from ftdoctor.rulebook.model import Rule
    from ftdoctor.smoke.verdict import Verdict

#: The order of a run; `template`, `weights` and `resume` go with the stage that they follow.
ORDER = (
    "imports gpu allreduce token download tokenizer data template weights model train checkpoint "
    "resume push"
).split()
#: What each stage stands on.
_NEEDS = {
    "data": ("tokenizer",),
    "model": ("imports", "tokenizer"),
    "train": ("tokenizer", "data", "template", "model"),
    "checkpoint": ("train",),
    "push": ("checkpoint",),
}
#: Packages whose release decides what a stage beyond the token proves.
_STACK = ("transformers", "trl", "peft")
#: The same, for a rule on the packages themselves.
_ALL = (*_STACK, "torch", "bitsandbytes", "accelerate", "huggingface_hub")
_OF_TRAINING = frozenset({"tokenizer", "data", "model", "train", "checkpoint"})
_WITHOUT_PACKAGES = frozenset({"token", "download", "push"})


@dataclass(frozen=True)
class Proof:
    """What proves the fix of one rule. `proving` are the stages that the rule names."""

    rule: Rule
    proving: tuple[str, ...]
    conditions: frozenset[str]

    @property
    def code(self) -> str:
        """The code of the rule."""
        return self.rule.code

    @property
    def gpu(self) -> bool:
        """Whether only a run on a GPU proves it."""
        return "gpu" in self.proving

    @property
    def image(self) -> bool:
        """Whether only a run where the job runs proves it."""
        return "image" in self.conditions


def proof_of(name: str, book: Rulebook) -> Proof:
    """Return what proves the fix of a rule, by its code or name.

    Raises:
        UsageError: there is no such rule, or no smoke run can prove its fix.
    """
    try:
        rule = book.rule(name)
    except KeyError:
        raise UsageError(
            f"There is no rule {name!r}.", "`ftdoctor rule` lists all rules."
        ) from None
    proving = tuple(word for word in STAGES if word in rule.verify)
    if not proving:
        how = "ftdoctor check JOB" if rule.before else "ftdoctor explain LOG, after the next run"
        raise UsageError(
            f"No smoke run can prove the fix of {rule.code} {rule.name}.", f"Look again with  {how}"
        )
    return Proof(rule, proving, frozenset(rule.verify) - set(proving))


def rulebook() -> Rulebook:
    """Return the rulebook with the rules of the project."""
    from ftdoctor.config import find
    from ftdoctor.rulebook.load import load

    return load(find().rules)


def target(proof: Proof, job: Job | None, gpu: str | None, where: str | None) -> tuple[str, str]:
    """Return (--gpu, --on) for a proof: what was given, else where the rule and the job say.

    Raises:
        UsageError: the rule needs the job or a GPU, and there is none.
    """
    if job is None and (proof.conditions or {"download", "data"} & set(proof.proving)):
        raise UsageError(
            f"{proof.code} is about a job, and none was given.",
            f"Name it:  ftdoctor smoke --confirm {proof.code} JOB",
        )
    remote = job is not None and job.platform in ("hf-jobs", "vertex")
    if where is None and proof.image and remote and gpu in (None, "cpu"):
        where = job.platform if job is not None else None
    if gpu is None:
        if proof.gpu or (where == "vertex"):
            gpu = own_gpu(job)
        gpu = gpu or "cpu"
    if where is None:
        where = job.platform if remote and gpu not in ("cpu", "local") and job else "local"
    if proof.gpu and gpu == "cpu":
        raise UsageError(
            f"Only a run on a GPU proves the fix of {proof.code} {proof.rule.name}.",
            "Name one: --gpu local, or --gpu l4 --on hf-jobs",
        )
    return gpu, where


def own_gpu(job: Job | None) -> str:
    """Return the name of the job's own GPU for `--gpu`, "" where it is not known."""
    from ftdoctor.job.hardware import hardware

    if job is None:
        return ""
    if job.platform in ("hf-jobs", "vertex"):
        return hardware(job).name
    return "local" if job.platform == "local" else ""


def reduced(plan: Mapping[str, Any], proof: Proof) -> dict[str, Any]:
    """Return the plan with the stages of a proof alone.

    Raises:
        UsageError: the plan lacks what a stage needs (a model on the Hub, a place to push to, ...).
    """
    wanted = set(proof.proving)
    for _ in _NEEDS:
        wanted |= {need for name in wanted for need in _NEEDS.get(name, ())}
    if "real" in proof.conditions or plan.get("hub"):
        wanted |= {"download"} if wanted & {"tokenizer", "model"} else set()
    if "model" in wanted and plan.get("weights") == "real":
        wanted.add("weights")
    if plan.get("device") != "cpu" and wanted - {"token", "download"}:
        wanted.add("gpu")
    lacking = {
        "allreduce": "allreduce" not in plan["stages"] and "several GPUs: --gpu 2xl4",
        "push": not plan.get("push") and "a repository to push to: add --push",
        "download": "/" not in str(plan.get("model") or "") and "a model on the Hub, in the job",
    }
    for name, what in lacking.items():
        if name in proof.proving and what:
            raise UsageError(f"To prove the fix of {proof.code}, the run needs {what}.")
    if "download" in wanted and lacking["download"]:
        wanted.discard("download")
    steps = [name for name in ORDER if name in wanted]
    # What stands for the model and the rows is of no interest where none is made.
    notes = list(plan.get("notes") or ()) if wanted & {"tokenizer", "data", "model"} else []
    return {**plan, "stages": steps, "notes": notes, "confirms": proof.code}


def still_seen(job: Job, rule: Rule) -> str:
    """Return what an offline check of the job still says of the rule, "" when nothing.

    A run that passes while `check` sees the fault did not come to it: a value that a CPU replaces,
    an argument without meaning for three steps, code of the job that a smoke run does not have.
    """
    measured = "shape" in rule.verify  # then the run itself says it better than the prediction
    if rule.before is None or rule.before.check.startswith("live_") or measured:
        return ""
    from ftdoctor.config import Config, find
    from ftdoctor.inspection import inspect
    from ftdoctor.job.tracked import tracked_files

    config = find()
    pinned = dict(pins(config.with_))
    only = Config(select=(rule.code,), offline=True)
    found = inspect([job], rulebook(), only, with_=pinned, tracked=tracked_files).findings()
    return str(found[0][1].place or job.place) if found else ""


def outcome(verdict: Verdict, proof: Proof, plan: Mapping[str, Any], *, seen: str = "") -> Verdict:
    """Return the verdict with what it says of the rule, in `confirm`.

    A run that passed without what the rule is about (no token reached it, a stand-in for the
    tokenizer, other releases than the job pins) proves nothing: that is no verdict. `seen` is where
    `check` still sees the fault (`still_seen`).
    """
    verdict.confirm = {
        "code": proof.code,
        "name": proof.rule.name,
        "stages": list(proof.proving),
        "outcome": "not proved",
        "told": "",
    }
    subject = f"{proof.code} {proof.rule.name}"
    parts = ", ".join(proof.proving)
    if verdict.word == "works":
        why = _unproved(verdict, proof, plan)
        if seen and not why:
            why = f"`ftdoctor check` still sees it at {seen}, and this run did not come to it"
        if why:
            verdict.word = "none"
            verdict.reason = (
                f"nothing failed, but that does not prove the fix of {proof.code}: {why}"
            )
            verdict.confirm["told"] = f"{subject} is neither seen nor excluded."
        else:
            verdict.confirm["outcome"] = "proved"
            verdict.confirm["told"] = f"The fix of {subject} is proved by: {parts}."
    elif verdict.word == "fails":
        failed = next((s["stage"] for s in verdict.stages if not s.get("ok", True)), "")
        verdict.confirm |= _failure(verdict, proof, subject, failed)
    else:
        verdict.confirm["told"] = f"{subject} is neither seen nor excluded."
    return verdict


def _failure(verdict: Verdict, proof: Proof, subject: str, failed: str) -> dict[str, str]:
    cause = verdict.cause or {}
    names = {proof.rule.name, proof.rule.parent} - {""}
    same = cause.get("code") == proof.code
    if same or cause.get("name") in names or cause.get("parent") == proof.rule.name:
        return {"outcome": "still there", "told": f"{subject} is still there."}
    other = (
        f"{cause['code']} {cause['name']}" if cause else "a cause that the rulebook does not know"
    )
    first = ORDER.index(proof.proving[0]) if proof.proving[0] in ORDER else 0
    if failed in ORDER and ORDER.index(failed) < first:
        told = f"The run failed before it came to {proof.proving[0]} ({other})."
        return {"outcome": "not reached", "told": told}
    return {"outcome": "other cause", "told": f"{subject} was not seen; it fails for {other}."}


def _own(plan: Mapping[str, Any]) -> bool:
    """Whether the plan is the job's own training: its method, and arguments that were read."""
    return "job_max_length" in plan and not plan.get("stands")


def _unproved(verdict: Verdict, proof: Proof, plan: Mapping[str, Any]) -> str:
    """Return why a run that passed proves nothing of the rule, "" when it does."""
    stages = verdict.stages
    done = {s.get("stage") for s in stages}
    missing = [name for name in proof.proving if name not in done]
    if missing:
        return f"the stage {missing[0]} was not run"
    if "job" in proof.conditions and set(proof.proving) & _OF_TRAINING and not _own(plan):
        return "the job's training could not be read whole, and a default run stood for it"
    needs_token = "token" in proof.proving
    if needs_token and stage(stages, "token").get("token") == "none":
        return "no token reached the run: set HF_TOKEN, or log in with  hf auth login"
    if "architecture" in proof.conditions and plan.get("other_architecture"):
        return "a model of another architecture stood for the job's"
    if "real" in proof.conditions and not stage(stages, "tokenizer").get("real"):
        return "a small tokenizer stood for the model's own"
    if "data" in proof.proving and stage(stages, "data").get("source") == "made here":
        return "the rows were made for the run; the job's own were not read"
    evidence = verdict.evidence
    if "shape" in proof.conditions and not (evidence.get("memory") or {}).get("own_shape"):
        told = (evidence.get("memory") or {}).get("not_of_the_job") or ["it was smaller"]
        return f"the run was not the job's own step ({told[0]})"
    if not set(proof.proving) <= _WITHOUT_PACKAGES:
        packages = _ALL if proof.image else _STACK
        for other in evidence.get("version_differences") or ():
            if other["pinned"] and other["package"] in packages:
                return (
                    f"it ran with {other['package']} {other['installed']}, and the job pins "
                    f"{other['expected']}; run it where the job runs (--on)"
                )
    return ""
