"""What a person reads needs no tooltip."""

import pytest

from isimed.explore.search.locate import Location
from isimed.ui.viewer.words import match_details, match_line, midline_line, organ_line


def place(spread: float, note: str = "") -> Location:
    return Location("S", "V", (1.0, 2.0, 3.0), 4.7, spread, note=note)


def test_a_match_says_in_one_line_how_sure_it_is():
    assert match_line(place(3.2)) == "fits well, ±3 mm"
    assert match_line(place(17.4)) == "unsure, ±17 mm"
    assert match_line(place(3.2, "lies above this scan")) == "not in this scan: lies above it"


def test_nothing_is_promised_to_be_nearer_than_a_millimetre():
    assert match_line(place(0.2)) == "fits well, ±1 mm"


def test_the_true_error_is_said_where_it_is_known():
    assert match_line(place(3.2), 2.14) == "fits well, ±3 mm · error 2.1 mm"


def test_details_have_units_where_there_are_any():
    assert match_details(place(3.2), in_mm=True).startswith("latent distance 4.7 mm · ")
    assert match_details(place(3.2), in_mm=False).startswith("latent distance 4.7 · ")


def test_an_organ_says_whose_word_it_is():
    assert organ_line({3: 7}, {3: "left_putamen"}) == "left putamen (7 of 7 labelled patients)"
    assert organ_line({3: 4, 0: 3}, {3: "left_putamen"}) == "left putamen (4 of 7 labelled patients)"
    assert organ_line({0: 1}, {3: "left_putamen"}) == "no organ near (1 of 1 labelled patient)"
    assert organ_line({}, {}) == ""


def test_a_tie_prefers_an_organ_over_none():
    assert organ_line({0: 2, 3: 2}, {3: "liver"}).startswith("liver")


@pytest.mark.parametrize(
    ("right_mm", "organ", "said"),
    [
        (-24.3, "left putamen", "24 mm left of the midline"),
        (86.3, "", "86 mm right of the midline"),
        (-26.5, "", "27 mm left of the midline"),
        (26.499999999, "", "27 mm right of the midline"),
        (-3.0, "left_thalamus", "near the midline: the side is uncertain"),
        (3.0, "brainstem", "near the midline"),
    ],
)
def test_sides_are_the_body_s_and_uncertain_near_its_middle(right_mm, organ, said):
    assert midline_line(right_mm, organ) == said
