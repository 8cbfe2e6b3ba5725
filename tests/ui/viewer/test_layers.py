"""Labels that lie over a scan have the names that the cohort gives them."""

import pytest

from isimed.data.cohorts.cohort import Cohort
from isimed.data.cohorts.shipped import shipped_folder
from isimed.ui.viewer.layers import tumour_names


@pytest.mark.parametrize(
    ("said", "names"),
    [
        ("1 = synthetic lesion", {1: "synthetic lesion"}),
        ("1 = core, 4 = enhancing rim; all > 0 is tumour", {1: "core", 4: "enhancing rim"}),
        ("the gross tumour with margins", {}),
        ("", {}),
    ],
)
def test_names_of_tumour_labels_are_those_of_the_manifest(said: str, names: dict[int, str]) -> None:
    assert tumour_names(said) == names


def test_the_real_brains_tell_oedema_from_tumour() -> None:
    said = Cohort.load(shipped_folder("demo-flair")).tumour
    assert said is not None
    assert tumour_names(said) == {1: "oedema", 2: "non-enhancing tumour", 3: "enhancing tumour"}
