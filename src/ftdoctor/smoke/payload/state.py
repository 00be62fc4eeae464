"""What one stage hands to the next."""

from __future__ import annotations

import os
import tempfile
from typing import Any

#: Set by the launcher for the processes that it starts.
FOLDER = "FTDOCTOR_SMOKE_FOLDER"


class Run:
    """The plan (JSON, see `ftdoctor.smoke.plan`) and what the stages have made so far."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self.plan = plan
        self.device: str = plan.get("device", "cpu")
        #: Shared by the processes of one machine.
        self.folder: str = (
            plan.get("folder")
            or os.environ.get(FOLDER)
            or tempfile.mkdtemp(prefix="ftdoctor-smoke-")
        )
        self.tokenizer: Any = None
        #: Configuration of the model: made, or the real one's.
        self.config: Any = None
        #: Where the model is loaded from; "" when it is built in memory from its configuration.
        self.model_path = ""
        self.trainer: Any = None
        #: Rows of the job as they came, and those that are trained on.
        self.own_rows: list[dict[str, Any]] = []
        self.rows: list[dict[str, Any]] = []
        #: The checkpoint that the trainer wrote by itself, and the adapter that was saved.
        self.checkpoint = ""
        self.saved = ""

    @property
    def cpu(self) -> bool:
        """Whether the run is on the CPU."""
        return self.device == "cpu"

    @property
    def weights(self) -> str:
        """tiny (two random layers) | shape (random, of the real sizes) | real."""
        return str(self.plan.get("weights") or "tiny")

    @property
    def kind(self) -> str:
        """How several processes share the work: ddp | fsdp | deepspeed; "" for one process."""
        return str(self.plan.get("launch") or "")
