"""What the library says of options is said of fields on a page."""

import pytest

from isimed.ui.errors import of_the_page


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("lower --learning-rate; the last is kept.", "lower “Learning rate”; the last is kept."),
        ("change --gpus, --nodes or --hours.", "change “GPUs a node”, “Nodes” or “Time limit, h”."),
        ("CT was taken: choose another --channel.", "CT was taken: choose another “Image or channel”."),
        ("left out: PET (choose with --channel).", "left out: PET (choose with “Image or channel”)."),
        ("--layout bids is not known.", "“Layout” bids is not known."),
        ("a file scan--t1.nii stays as it is", "a file scan--t1.nii stays as it is"),
        ("run `isimed train --help` to see them", "run `isimed train --help` to see them"),
    ],
)
def test_an_option_is_called_as_its_field(said: str, shown: str) -> None:
    assert of_the_page(said) == shown
