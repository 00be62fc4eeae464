"""What a paid run is to be, before it is agreed to: machine, request, notes, price, time limit."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ftdoctor.smoke.money import ceiling

if TYPE_CHECKING:
    from ftdoctor.smoke.offers import Offer

#: Seconds: the image is pulled and torch is installed before the first stage.
TIMEOUT = 1200.0


@dataclass(frozen=True)
class Options:
    """What the command line says. Costs in dollars, times in seconds."""

    gpu: str
    timeout: float = TIMEOUT
    namespace: str = ""
    yes: bool = False
    max_cost: float | None = None
    poll: float = 10.0
    #: hf-jobs or vertex.
    on: str = "hf-jobs"
    project: str = ""
    region: str = ""
    spot: bool = False
    #: USD an hour of one machine, where the table has none or another is agreed.
    price: float | None = None
    send_token: bool = False
    #: Secret Manager secret that holds the Hugging Face token.
    token_secret: str = ""
    #: Until a job that waits for a machine is given up; None takes the platform's.
    queue: float | None = None
    nodes: int = 1


@dataclass
class Target:
    """One run on one platform. `request` holds live secrets: show `shown` only."""

    title: str
    offer: Offer
    request: dict[str, Any]
    shown: dict[str, Any]
    usd_per_hour: float
    timeout: float
    key: str
    notes: list[str] = field(default_factory=list)
    #: How the price is told.
    price: str = ""
    owner: str = ""
    region: str = ""
    nodes: int = 1
    #: Whether a Hugging Face token goes along.
    token: bool = True
    #: The job's own machine, where it has more host memory.
    larger: str = ""
    #: Machines that may be taken away.
    spot: bool = False

    @property
    def most(self) -> float:
        """The most that the run can cost, in dollars."""
        return ceiling(self.usd_per_hour, self.timeout)

    def state(self, platform: str) -> dict[str, Any]:
        """Return what the state file keeps of it; no secret is in it."""
        return {
            "platform": platform,
            "key": self.key,
            "id": "",
            "owner": self.owner,
            "region": self.region,
            "machine": self.offer.machine,
            "usd_per_hour": self.usd_per_hour,
            "timeout": self.timeout,
            "nodes": self.nodes,
            "token": self.token,
            "larger": self.larger,
            "spot": self.spot,
        }
