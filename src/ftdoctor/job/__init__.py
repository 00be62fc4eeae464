"""The job that would run, and one reader for each form that a job is written in."""

from ftdoctor.job.model import (
    Dataset,
    Job,
    Requirement,
    Resolved,
    Script,
    Step,
    Training,
    Unread,
    WorkerPool,
)
from ftdoctor.job.source import Place, Source
from ftdoctor.job.value import Value, get, known, unknown

__all__ = [
    "Dataset",
    "Job",
    "Place",
    "Requirement",
    "Resolved",
    "Script",
    "Source",
    "Step",
    "Training",
    "Unread",
    "Value",
    "WorkerPool",
    "get",
    "known",
    "unknown",
]
