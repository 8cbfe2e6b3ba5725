"""How far a run is, as it says itself; and writing that whole or not at all."""

import json
import os
import time
from dataclasses import dataclass, field
from pathlib import Path

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


def write_json(path: Path, value: object) -> None:
    """Whole or not at all."""
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    try:
        temporary.write_text(json.dumps(value), encoding="utf-8")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)  # on a full disk
