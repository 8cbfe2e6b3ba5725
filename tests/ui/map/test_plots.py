"""Figures: what is given is what is drawn."""

import importlib.util
import re
import shutil

import numpy as np
import pytest

from isimed.explore.maps.axes import match_axes
from isimed.explore.maps.map_points import open_points
from isimed.explore.maps.pca import open_map
from isimed.explore.tables.selection import select
from isimed.explore.tables.store import Table
from isimed.ui.map import colours, plots
from isimed.ui.map.map_view import COLOURS, SIDE_BY_SIDE, View, colour_of, drawn_rows, filtered_rows, panels_of
from isimed.ui.map.map_words import said_of
from tests.small import write_cohort
from tests.tables import info, table_in_memory


@pytest.fixture(scope="module")
def table() -> Table:
    return table_in_memory(info())


@pytest.fixture(scope="module")
def fitted(table):
    return open_map(table)


@pytest.fixture(scope="module")
def points(table, fitted):
    return open_points(table, fitted)


def figure_of(table: Table, colour, **options):
    panel = plots.Panel(table.position[:, :2], ("x, mm", "y, mm"), colour)
    return plots.map_figure([panel], names=table.subject, position=table.position, **options)


def hexes(colour: colours.Colour) -> list[str]:
    """What plotly draws: the step of the scale in which each value lies."""
    share = (colour.values - colour.low) / (colour.high - colour.low)
    return [next(shade for stop, shade in colour.scale[1::2] if value <= stop) for value in share]


def test_points_lie_where_they_should_with_a_legend_in_mm(table):
    figure = figure_of(table, colours.axis_colour(table, "axial"))
    trace = figure.data[0]
    assert np.allclose(trace.x, table.position[:, 0])
    assert np.allclose(trace.marker.color, table.position[:, 2])
    assert trace.marker.colorbar.title.text == "feet  ←  Axial position, mm  →  head"
    assert trace.marker.cmin < 0 < trace.marker.cmax
    assert figure.layout.xaxis.title.text == "x, mm"
    assert figure.layout.yaxis.scaleanchor == "x"


def test_the_colour_scale_is_perceptually_even():
    rgb = np.array([[int(v) for v in c[4:-1].split(",")] for c in colours.SCALE]) / 255
    linear = np.where(rgb > 0.04045, ((rgb + 0.055) / 1.055) ** 2.4, rgb / 12.92)
    luminance = linear @ [0.2126, 0.7152, 0.0722]
    lightness = 116 * np.cbrt(luminance) - 16
    assert (np.diff(lightness) > 0).all()
    assert np.diff(lightness).std() < 0.2 * np.diff(lightness).mean()


def test_unselected_points_turn_grey_and_stay(table):
    figure = figure_of(table, colours.patient_colour(table), selected=[4, 9])
    trace = figure.data[0]
    assert list(trace.selectedpoints) == [4, 9]
    assert trace.unselected.marker.color == plots.DARK.grey
    assert len(trace.x) == len(table)
    assert figure_of(table, colours.patient_colour(table)).data[0].selectedpoints is None


def test_categories_have_names_and_colours(table):
    colour = colours.patient_colour(table)
    shades = dict(colour.legend)
    assert [shades[name] for name in table.subject] == hexes(colour)
    assert {trace.name for trace in figure_of(table, colour).data[1:]} == {"S0", "S1", "S2"}
    organs = colours.organ_colour(table, {1: "left_ear"})
    assert dict(organs.legend)["no organ"] == colours.NONE
    assert "left ear" in dict(organs.legend)


def test_what_nobody_knows_is_grey_and_not_the_colour_of_none(table):
    tumour, organ = table.tumour.copy(), table.organ.copy()
    tumour[:5], organ[:5], tumour[5:10], organ[5:10] = np.nan, -1, 0.0, 0
    partly = Table(table.info, {"tumour": tumour, "organ": organ})
    shares = colours.tumour_colour(partly)
    assert "grey: not known" in shares.title
    grey_from, grey_to = ((shares.scale[n][0] * (shares.high - shares.low) + shares.low) for n in (0, 1))
    assert [shade for _, shade in shares.scale].count(colours.NONE) == 2
    assert (shares.values[:5] == grey_from).all()
    assert grey_from < grey_to == pytest.approx(0)  # none, and all that is more, has the colours of shares
    assert (shares.values[5:10] == 0).all()
    assert "not known" in dict(colours.organ_colour(partly, {1: "left_ear"}).legend)
    assert "not known" not in colours.tumour_colour(table).title


def test_many_patients_do_not_flood_the_legend(table):
    each = Table(table.info, {"subject": np.array([f"S{n}" for n in range(len(table))])})
    legend = colours.patient_colour(each).legend
    assert len(legend) == colours.LEGEND_LIMIT + 1
    assert legend[-1][0] == f"and {len(table) - colours.LEGEND_LIMIT} more"


def test_all_three_axes_as_colour(table):
    shades = hexes(colours.rgb_colour(table))
    red = np.array([int(h[1:3], 16) for h in shades])
    blue = np.array([int(h[5:7], 16) for h in shades])
    assert np.corrcoef(red, table.position[:, 0])[0, 1] > 0.95
    assert np.corrcoef(blue, table.position[:, 2])[0, 1] > 0.95


@pytest.mark.parametrize("kind", ["pca", "turned"])
def test_side_by_side_shows_each_axis_along_its_component(table, points, tmp_path, kind):
    from isimed.data.cohorts.cohort import Cohort

    cohort = Cohort.load(write_cohort(tmp_path / "c"))
    view = View(kind, SIDE_BY_SIDE, "matched", np.arange(len(table)))
    panels = panels_of(view, np.arange(len(table)), cohort, table, points, None, unit=", mm")
    assert [panel.title.split(":")[0] for panel in panels] == ["Sagittal", "Coronal", "Axial"]
    for axis, panel in enumerate(panels):
        along = panel.places[:, 1 if axis == 2 else 0]
        assert abs(np.corrcoef(along, table.position[:, axis])[0, 1]) > 0.95
        assert "mm" in panel.labels[0]
    figure = plots.map_figure(panels, names=table.subject, position=table.position)
    assert len(figure.data) == 3
    assert len({tuple(trace.marker.color[:5]) for trace in figure.data}) == 3


@pytest.mark.parametrize("name", COLOURS)
def test_every_colouring_has_a_colour_for_every_point(table, points, tmp_path, name):
    from isimed.data.cohorts.cohort import Cohort

    colour = colour_of(name, Cohort.load(write_cohort(tmp_path / "c")), table, points, np.arange(len(table)))
    assert len(colour.values) == len(table)
    assert colour.title
    cloud = plots.cloud_figure(
        points.pcs[:, :3], ("a", "b", "c"), colour, names=table.subject, position=table.position, selected=[1, 2]
    )
    assert {trace.type for trace in cloud.data} == {"scatter3d"}  # a flat trace would bring flat axes
    assert sum(len(trace.x) for trace in cloud.data if trace.x[0] is not None) == len(table)


def test_the_matrix_and_the_nine_panels(table, points):
    matched = match_axes(points.r)
    matrix = plots.matrix_figure(points.r, matched)
    assert np.allclose(matrix.data[0].z, np.abs(points.r))
    assert len(matrix.layout.shapes) == 3
    nine = plots.axes_figure(points.pcs[:, :3], table.position, points.r, matched)
    assert len(nine.data) == 9
    assert nine.layout.annotations[0].text == f"r = {points.r[0, 0]:+.2f}"


def test_filters_hold_together(table):
    rows = filtered_rows(table, subjects=["S1"], organs=[1], region=[(-10.0, 20.0)])
    assert (table.subject[rows] == "S1").all()
    assert (table.organ[rows] == 1).all()
    assert (np.abs(table.position[rows, 0] - 5) <= 15).all()
    assert len(filtered_rows(table)) == len(table)


def test_what_is_chosen_is_drawn_however_few_points_are(table):
    rows = np.arange(0, len(table), 2)
    plain = drawn_rows(table, rows, None, 30)
    assert len(plain) == 30
    chosen = select(table, [3, 4, 100, 150, 152])
    drawn = drawn_rows(table, rows, chosen, 30)
    assert {4, 100, 150, 152} <= set(drawn.tolist()) <= set(rows.tolist())  # 3 does not pass the filter
    assert 26 <= len(drawn) <= 30
    assert set(drawn.tolist()) - set(chosen.rows.tolist()) <= set(plain.tolist())  # the others stay where they are
    assert len(drawn_rows(table, rows, select(table, rows), 30)) == 30
    assert np.array_equal(drawn_rows(table, rows, chosen, 1000), rows)


def test_words_name_the_vectors_the_quality_and_what_is_not_drawn(table, fitted, points):
    said = " ".join(said_of("pca", table, fitted, points, None, rows=180, shown=100))
    assert "180 crops of 3 patients, from their codes (512 numbers whose distances are mm)" in said
    assert "Trustworthiness of PC1-2: 0.9" in said
    assert "Variance: PC1" in said
    assert "Drawn: 100 of 180" in said
    turned = " ".join(said_of("turned", table, fitted, points, None, rows=180, shown=180))
    assert "R² on patients left out: sagittal 1.00" in turned
    assert "°" in turned
    assert "Trustworthiness of the three axes together: 1.0" in turned


def test_files_need_no_network(table):
    figure = figure_of(table, colours.axis_colour(table, "axial"))
    html = plots.figure_file(figure, "html").decode()
    assert "Plotly.newPlot" in html
    assert not re.search(r"<script[^>]*\ssrc=", html)


@pytest.mark.skipif(
    not (shutil.which("chromium") and importlib.util.find_spec("kaleido")), reason="no Chromium on this machine"
)
def test_a_figure_as_svg(table):
    svg = plots.figure_file(figure_of(table, colours.axis_colour(table, "axial")), "svg")
    assert svg.startswith(b"<svg")
    assert b"<image" not in svg[: len(svg) // 2]
