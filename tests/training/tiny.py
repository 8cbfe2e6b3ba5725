"""The smallest training that still has epochs, steps and held-out patients."""

from typing import Any

from isimed.data.cohorts.cohort import Cohort
from isimed.training.optimise.config import TrainConfig
from isimed.training.runs import jobs
from isimed.training.runs.folder import Run
from tests.eventually import until


def tiny(cohort: Cohort, **changes: Any) -> TrainConfig:
    """Two steps of one volume an epoch on a cohort of three patients."""
    options = {
        "cohort": str(cohort.root),
        "epochs": 2,
        "crops_per_volume": 3,
        "volumes_per_step": 1,
        "spacing_mm": 5.0,
        "validation": 0.3,
        "validate_every": 1,
        "threads": 1,
    }
    return TrainConfig(**(options | changes))


def until_step(run: Run, step: int) -> None:
    """Wait until a run that is at work has made a step."""

    def made() -> bool:
        now = jobs.status(run)
        assert now.active or now.step >= step, (now, run.log_tail())
        return now.step >= step

    until(made, otherwise=lambda: (jobs.status(run), run.log_tail()))
