"""What the command line asks of a plan beyond the job itself."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Wish:
    """`processes` a machine on `nodes` machines; `timeout` in seconds bounds what is downloaded.

    `hub` says whether tokenizer, configuration, data and weights come from the Hub: None means
    where there is a GPU. `push` pushes the tiny adapter to the job's output repository.
    """

    shape_only: bool = False
    hub: bool | None = None
    processes: int = 1
    nodes: int = 1
    push: bool = False
    timeout: float = 600.0
