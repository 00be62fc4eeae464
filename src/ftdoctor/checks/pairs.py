"""Pairs of releases that install together and do not work together (table `pairs`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftdoctor.checks.installed import imported, place_of, said, shown, text, version
from ftdoctor.checks.suggestion import for_packages
from ftdoctor.job.pep440 import at_least, matches, public
from ftdoctor.job.releases import canonical, needs
from ftdoctor.rulebook.model import Hit
from ftdoctor.tables import table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftdoctor.checks.context import Context
    from ftdoctor.job.model import Job


def known_bad(context: Context, rule: str) -> Iterator[Hit]:
    """Two installed releases of which one imports or calls what the other does not have."""
    job = context.job
    for row in table("pairs")["pairs"]:
        if row["rule"] != rule:
            continue
        ours, theirs = version(job, row["package"]), version(job, row["other"])
        if not ours or not theirs or not _decided(job, row):
            continue
        if not matches(public(ours), row["range"]) or not matches(
            public(theirs), row["other_range"]
        ):
            continue
        if not _used(job, row["when"], theirs) or _rescued(job, row):
            continue
        yield Hit(
            place_of(job, *_newest_first(job, row["package"], row["other"])),
            {
                "package": row["package"],
                "version": ours,
                "other": row["other"],
                "other_version": theirs,
                "cure": row["cure"],
                **row.get("captures", {}),
            },
            {
                "why": row["breaks"],
                "package_from": said(job, row["package"]),
                "other_from": said(job, row["other"]),
            },
            summary=f"{shown(job, row['package'])} does not work with {row['other']} {theirs}: "
            f"{row['breaks']}",
            advice=for_packages(job, row["package"], row["other"], when=row["when"]),
        )
        return


def _decided(job: Job, row: dict[str, Any]) -> bool:
    """Whether both versions are what the job gets, not what it might get on an unknown image."""
    both = (job.packages[canonical(row[key])] for key in ("package", "other"))
    return all(not r.reason and not (r.floating and r.source == "image") for r in both)


def _newest_first(job: Job, *names: str) -> list[str]:
    """Order packages so that the one that the job asks for by itself comes first."""
    return sorted(names, key=lambda name: job.packages[canonical(name)].place is None)


def _rescued(job: Job, row: dict[str, Any]) -> bool:
    """Whether a trl that mends the pair (trl/_compat.py) is imported before the broken package."""
    bound = row.get("unless_trl")
    trl = version(job, "trl")
    if not bound or not trl or not matches(public(trl), bound):
        return False
    for script in job.scripts:
        if script.role == "submit":
            continue
        order = [name.split(".")[0] for name in script.imports]
        if "peft" in order and ("trl" not in order or order.index("peft") < order.index("trl")):
            return False
    return True


def _used(job: Job, when: str, other_version: str = "") -> bool:
    """Whether the job does what breaks; `other_version` is that of transformers."""
    trainers = [text(t.trainer) for t in job.trainings if t.trainer is not None]
    cli = any(t.written_as == "trl-cli" for t in job.trainings)
    trl = cli or imported(job, "trl") is not None or any(t.startswith("trl.") for t in trainers)
    if when.startswith("trl") and imported(job, "unsloth") is not None:
        return False  # Unsloth puts its own trainers in the place of those of trl
    if when == "trl":
        return trl
    if when == "peft":
        # The Trainer of transformers imports peft by itself from 4.33 on.
        alone = bool(trainers) and (not other_version or at_least(other_version, "4.33"))
        return trl or imported(job, "peft") is not None or alone
    if when == "trainer":
        return cli or bool(trainers)
    if when == "datasets":
        return trl or imported(job, "datasets") is not None
    if when == "trl-training-arguments":
        return any(
            text(t.trainer) in ("trl.SFTTrainer", "trl.DPOTrainer")
            and text(t.config_class).split(".")[-1] == "TrainingArguments"
            for t in job.trainings
        )
    return False


def trl_too_new(context: Context, rule: str) -> Iterator[Hit]:
    """trl needs a newer transformers than the one that another step leaves (or a known pair)."""
    hits = list(known_bad(context, rule))
    if hits:
        yield from hits
        return
    job = context.job
    environment = job.environment
    trl, transformers = version(job, "trl"), version(job, "transformers")
    if environment is None or not trl or not transformers or environment.conflicts:
        return
    if any(job.packages[name].reason for name in ("trl", "transformers")) or not _used(job, "trl"):
        return
    for need in needs("trl", trl, environment.python, environment.arch):
        if need.name != "transformers" or need.extra or matches(transformers, need.specifier):
            continue
        yield Hit(
            place_of(job, *_newest_first(job, "trl", "transformers")),
            {
                "package": "trl",
                "version": trl,
                "other": "transformers",
                "other_version": transformers,
                "cure": f"transformers{need.specifier}",
            },
            severity="warning",
            summary=f"trl {trl} requires transformers{need.specifier}, and "
            f"{shown(job, 'transformers')} will be there",
            advice=for_packages(job, "trl", "transformers"),
        )
        return
