"""Two processes of torchrun give what one gives on the same global batch."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from isimed.data.cohorts.cohort import Cohort
from isimed.training.runs import jobs
from isimed.training.runs.folder import Run
from isimed.training.runs.worker import execute
from tests.small import write_cohort
from tests.training.tiny import tiny


@pytest.mark.parametrize("method", ["isimed-bt", "simclr", "vicreg", "dino", "isimed-dense"])
@pytest.mark.slow
def test_two_processes_equal_one(tmp_path: Path, method: str) -> None:
    cohort = Cohort.load(write_cohort(tmp_path / "four", patients=4))
    changes = {
        "method": method,
        "epochs": 2,
        "volumes_per_step": 3,
        "validation": 0.25,
        "invariance_weight": 0.1,
        "largest_window": 32,
    }
    config = tiny(cohort, **changes, noise=0.02)
    alone, together = Run.create(config), Run.create(config)
    execute(alone)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command += ["-m", "isimed.training.runs.worker", str(together.folder)]
    done = subprocess.run(
        command,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert jobs.status(together).state == "finished"
    assert together.job["processes"] == 2
    ones, others = alone.metrics(), together.metrics()
    assert len(ones) == len(others) == 4
    first, its_first = ones[0], others[0]
    assert its_first["terms"] == pytest.approx(first["terms"], rel=1e-4)
    assert its_first["gradient_norm"] == pytest.approx(first["gradient_norm"], rel=1e-3)
    for one, other in zip(ones, others, strict=True):  # AdamW makes much of gradients that are nearly zero
        values, its = (line.get("terms") or line["validation"] for line in (one, other))
        assert its == pytest.approx(values, rel=0.03)
