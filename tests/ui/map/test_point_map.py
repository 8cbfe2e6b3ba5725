"""What the browser is told about a flat map, and what it may say back."""

import numpy as np
import pytest

from isimed.ui.map import colours
from isimed.ui.map.point_map import choice_from, shades_of
from tests.tables import info, table_in_memory


@pytest.fixture(scope="module")
def table():
    return table_in_memory(info())


def test_chosen_points_count_once_and_only_those_that_are_shown():
    event = {"url": "here", "indices": [7, 3, 3, 99, -1, "4"]}
    found = choice_from(event, "here", 10)
    assert found is not None
    assert found.tolist() == [3, 7]
    nothing = choice_from({"url": "here", "indices": []}, "here", 10)
    assert nothing is not None
    assert not len(nothing)


@pytest.mark.parametrize("event", [None, {}, {"url": "here"}, {"url": "other", "indices": [1]}])
def test_a_message_about_other_points_is_none(event):
    assert choice_from(event, "here", 10) is None


def test_a_continuous_colour_runs_from_end_to_end_of_its_scale(table):
    colour = colours.axis_colour(table, "axial")
    shade, shades = shades_of(colour)
    assert shades[0] != shades[-1]
    assert f"rgb{tuple(shades[-1])}" == colour.scale[-1]
    assert shade[colour.values.argmin()] == 0
    assert shade[colour.values.argmax()] == len(shades) - 1
    assert (np.diff(shade[np.argsort(colour.values)].astype(int)) >= 0).all()


@pytest.mark.parametrize("name", ["patient", "rgb"])
def test_each_category_has_the_shade_of_the_legend(table, name):
    colour = colours.patient_colour(table) if name == "patient" else colours.rgb_colour(table)
    shade, shades = shades_of(colour)
    share = (colour.values - colour.low) / (colour.high - colour.low)
    drawn = [next(hex_ for stop, hex_ in colour.scale[1::2] if value <= stop) for value in share]
    assert ["#{:02x}{:02x}{:02x}".format(*shades[n]) for n in shade] == [one.lower() for one in drawn]
