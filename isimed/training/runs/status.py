"""How far a run is, as it says itself."""

import time
from dataclasses import dataclass, field

ACTIVE = ("starting", "queued", "preparing", "running", "stopping")
RESUMABLE = ("stopped", "failed", "dead")


@dataclass
class Status:
    """How far a run is.

    ``state``: starting, queued, preparing, running, stopping, finished, stopped or failed; `jobs.status`
    adds dead, which no run can say of itself.
    """

    state: str = "starting"
    step: int = 0
    total_steps: int = 0
    epoch: int = 0
    seconds_left: float | None = None
    message: str = ""
    best: dict[str, float] = field(default_factory=dict)
    device: str = ""
    updated: float = field(default_factory=time.time)

    @property
    def active(self) -> bool:
        return self.state in ACTIVE

    @property
    def resumable(self) -> bool:
        return self.state in RESUMABLE
