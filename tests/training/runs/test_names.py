"""A run is meant by its id, or by its name where that means one."""

import pytest

from isimed.core import paths
from isimed.core.errors import InputError
from isimed.models.card import CARD, find_checkpoint
from isimed.training.runs.folder import Run


def begun(run_id: str) -> None:
    best = paths.runs_dir() / run_id / "checkpoints" / "best"
    best.mkdir(parents=True)
    (best / CARD).write_text("{}")
    (paths.runs_dir() / run_id / "config.yaml").write_text("")


def test_a_run_is_found_by_its_name_too() -> None:
    begun("20261128-045929-lungs")
    begun("20261128-045929-lungs-of-mice")
    assert Run.find("lungs").id == Run.find("20261128-045929-lungs").id == "20261128-045929-lungs"
    assert find_checkpoint("lungs") == find_checkpoint("20261128-045929-lungs")


@pytest.mark.parametrize("second", ["20261129-101112-lungs", "20261128-045929-lungs-2"])
def test_a_name_of_several_runs_is_not_guessed(second: str) -> None:
    begun("20261128-045929-lungs")
    begun(second)
    for find in (Run.find, find_checkpoint):
        with pytest.raises(InputError, match=f"2 runs are called lungs: give the id of one, .*{second}"):
            find("lungs")
    assert find_checkpoint(second).parts[-3:-1] == (second, "checkpoints")


def test_a_checkpoint_goes_before_runs_of_its_name() -> None:
    before = find_checkpoint("demo-brain")
    begun("20261128-045929-demo-brain")
    begun("20261129-045929-demo-brain")
    assert find_checkpoint("demo-brain") == before


@pytest.mark.parametrize("name", ["ungs", "lungs-2", "045929-lungs", "*", "..", "lungs/.."])
def test_no_other_name_means_a_run(name: str) -> None:
    begun("20261128-045929-lungs")
    with pytest.raises(InputError, match="There is no run"):
        Run.find(name)
    if name != "..":
        with pytest.raises(InputError, match="There is no checkpoint"):
            find_checkpoint(name)
