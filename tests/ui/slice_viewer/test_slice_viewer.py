"""The viewer's geometry (in node, as the browser runs it) and what Python sends."""

import itertools
import json
import shutil
import subprocess

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from isimed.data.formats.volume import Volume
from isimed.ui.slice_viewer import component, encoding, payload
from isimed.ui.slice_viewer.files import FILES
from isimed.ui.slice_viewer.options import NEAR_MIDLINE_MM, Field
from isimed.ui.slice_viewer.overlays import Box, HeatMap, LabelMap
from isimed.ui.viewer.slices import slice_picture
from isimed.ui.viewer.words import midline_line

AFFINE = np.array([[2.0, 0, 0, -37], [0, 1.5, 0, -21], [0, 0, 4.0, 11], [0, 0, 0, 1]])
SHAPE = (40, 50, 30)
GRID = {
    "shape": SHAPE,
    "spacing": [2.0, 1.5, 4.0],
    "affine": AFFINE.tolist(),
    "frame": [[0, 0, 0], [n - 1 for n in SHAPE]],
}


@pytest.fixture(scope="module")
def geometry(tmp_path_factory):
    """A function: JavaScript expression over geometry.js's exports (as `g`) and `grid` -> its value."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    module = tmp_path_factory.mktemp("js") / "geometry.mjs"
    module.write_bytes(FILES["geometry.js"])

    def evaluate(expression: str, **values):
        values = {"grid": GRID} | values
        script = f"import * as g from {json.dumps(str(module))};\n"
        script += "".join(f"const {name} = {json.dumps(value)};\n" for name, value in values.items())
        script += f"console.log(JSON.stringify({expression}));"
        done = subprocess.run(
            [node, "--input-type=module", "-e", script], capture_output=True, encoding="utf-8", check=True
        )
        return json.loads(done.stdout)

    return evaluate


def test_letters_say_where_the_patients_sides_are(geometry):
    cases = list(itertools.product(("axial", "coronal", "sagittal"), ("radiological", "neurological")))
    found = geometry("cases.map(([p, c]) => Object.values(g.letters(p, c)).join(''))", cases=cases)
    #                left right top bottom
    assert dict(zip(cases, found, strict=True)) == {
        ("axial", "radiological"): "RLAP",
        ("axial", "neurological"): "LRAP",
        ("coronal", "radiological"): "RLSI",
        ("coronal", "neurological"): "LRSI",
        ("sagittal", "radiological"): "APSI",
        ("sagittal", "neurological"): "APSI",
    }


def test_the_read_out_and_the_line_below_say_one_distance_from_the_midline(geometry):
    places = [0, 5.2, -7.9, 7.9999999999, -8, 8.4, 8.5, -8.5, 26.49, 26.5, -26.5, -26.499999999999996, 86.3]
    midline = {"mm": 12.5, "near": NEAR_MIDLINE_MM}
    said = geometry("places.map((x) => g.midlineText([x + 12.5], midline))", places=places, midline=midline)
    assert said == list(map(midline_line, places))
    assert geometry("g.midlineText([5], null)") == ""


@pytest.mark.parametrize("convention", ["radiological", "neurological"])
@pytest.mark.parametrize("plane", ["axial", "coronal", "sagittal"])
def test_letters_agree_with_where_voxels_are_drawn(geometry, plane, convention):
    """Walking 10 mm towards each letter on the screen moves that way in the scanner."""
    expression = """(() => {
      const view = g.planeView(plane, convention, grid, [400, 300]);
      const from = [20, 25, 15], start = g.toScreen(view, from);
      const go = ([dx, dy]) => {
        const [a, b] = [from, g.toVoxel(view, [start[0] + dx, start[1] + dy], from)].map((v) => g.toMm(grid, v));
        return b.map((v, axis) => v - a[axis]);
      };
      const mm = 10 * view.scale;
      const moves = { left: go([-mm, 0]), right: go([mm, 0]), top: go([0, -mm]), bottom: go([0, mm]) };
      return { letters: g.letters(plane, convention), moves };
    })()"""
    result = geometry(expression, plane=plane, convention=convention)
    towards = {"R": (10, 0, 0), "L": (-10, 0, 0), "A": (0, 10, 0), "P": (0, -10, 0), "S": (0, 0, 10), "I": (0, 0, -10)}
    for side, letter in result["letters"].items():
        assert result["moves"][side] == pytest.approx(towards[letter], abs=1e-9)


@pytest.mark.parametrize("convention", ["radiological", "neurological"])
@pytest.mark.parametrize("plane", ["axial", "coronal", "sagittal"])
def test_screen_to_voxel_to_screen_is_the_identity(geometry, plane, convention):
    expression = """(() => {
      const out = [];
      for (const [zoom, centre] of [[1, g.middle(grid)], [3.7, [3, 40, 22]]]) {
        const view = g.planeView(plane, convention, grid, [517, 333], { zoom, centre });
        for (const voxel of [[0, 0, 0], [39, 49, 29], [7, 31, 12]]) {
          const point = g.toScreen(view, voxel), back = g.toVoxel(view, point, voxel);
          out.push([g.holding(grid, back), voxel, g.toScreen(view, back), point]);
        }
      }
      return out;
    })()"""
    for voxel, expected, point, expected_point in geometry(expression, plane=plane, convention=convention):
        assert voxel == expected
        assert point == pytest.approx(expected_point)


def test_a_voxel_is_half_an_index_to_each_side_and_nothing_is_outside(geometry):
    found = geometry(
        "[[-0.5, 0, 0], [-0.51, 0, 0], [39.49, 49.49, 29.49], [39.5, 0, 0]].map((v) => g.holding(grid, v))"
    )
    assert found == [[0, 0, 0], None, [39, 49, 29], None]


def test_proportions_come_from_the_spacing(geometry):
    steps = geometry("g.PLANES.map((p) => { const v = g.planeView(p, 'radiological', grid, [400, 300]);"
                     " return [Math.abs(v.x.step / v.scale), Math.abs(v.y.step / v.scale)]; })")  # fmt: skip
    assert steps == [pytest.approx(pair) for pair in ([2, 1.5], [2, 4], [1.5, 4])]


def test_zooming_keeps_the_place_under_the_pointer(geometry):
    moved = geometry("""(() => {
      const size = [400, 300], point = [123, 77], state = { zoom: 1.3, centre: [10, 20, 9], cursor: [4, 6, 8] };
      const centre = g.centreForZoom("coronal", "radiological", grid, size, state, 4, point);
      const look = (how) => g.planeView("coronal", "radiological", grid, size, how);
      const before = g.toVoxel(look(state), point, [1, 2, 3]);
      const after = g.toVoxel(look({ zoom: 4, centre }), point, [1, 2, 3]);
      return [before, after, state.zoom * (20 - 6), 4 * (centre[1] - 6)];
    })()""")
    assert moved[0] == pytest.approx(moved[1])
    assert moved[2] == pytest.approx(moved[3])  # and, in the other planes, the crosshair


def test_a_box_has_its_true_size_and_only_shows_where_it_is_cut(geometry):
    cut = geometry("""(() => {
      const view = g.planeView("coronal", "neurological", grid, [400, 300]);
      const box = { centre: [10, 20, 15], half: [5, 10, 2.5] };
      return [9, 10, 30, 31].map((slice) => g.boxOnSlice(view, box, slice)).concat(view.scale);
    })()""")
    scale = cut.pop()
    assert [part is not None for part in cut] == [False, True, True, False]
    assert (cut[1]["width"] / scale, cut[1]["height"] / scale) == pytest.approx((20, 20))


def test_millimetres_follow_the_affine(geometry):
    volume = Volume(np.zeros(SHAPE, np.uint8), AFFINE)
    assert geometry("g.toMm(grid, [7, 31, 12])") == pytest.approx(volume.to_mm((7, 31, 12)).tolist())
    assert geometry("g.mmText([-12.04, 3, 100])") == "L 12.0 · A 3.0 · S 100.0"


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        (np.array([0, 255]), np.uint8),
        (np.array([-1000, 3000], np.int16), np.int16),
        (np.array([0, 65535], np.uint16), np.uint16),
        (np.array([-1024.0, 12.0], np.float32), np.int16),
    ],
)
def test_whole_numbers_are_sent_exactly(values, dtype):
    encoded = encoding.encode(np.broadcast_to(values[:, None, None], (2, 3, 4)))
    assert encoded.raw.dtype == dtype
    assert (encoded.slope, encoded.intercept) == (1, 0)
    assert np.array_equal(encoded.raw.transpose(2, 1, 0)[:, 0, 0], values)


def test_floats_are_sent_to_a_65535th_of_their_range_and_nan_as_the_smallest():
    voxels = np.random.default_rng(0).normal(size=(6, 7, 8)).astype(np.float32)
    encoded = encoding.encode(voxels)
    back = encoded.raw.transpose(2, 1, 0) * encoded.slope + encoded.intercept
    assert np.abs(back - voxels).max() <= encoded.slope
    voxels[0, 0, 0] = np.nan
    assert encoding.encode(voxels).raw[0, 0, 0] == encoding.encode(voxels).low


def test_x_is_the_fastest_axis_on_the_wire():
    voxels = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    raw = encoding.encode(voxels).raw.ravel()
    assert raw[1 + 2 * (2 + 3 * 3)] == voxels[1, 2, 3]


def test_the_frame_leaves_the_air_out():
    voxels = np.full((60, 60, 60), -1000, np.int16)
    voxels[20:40, 10:30, 5:55] = 40
    assert encoding.encode(voxels).frame == ([19, 9, 4], [40, 30, 55])


def test_heat_is_strongest_at_the_end_asked_for_and_nan_is_not_drawn():
    heat = encoding.encode_heat(np.array([0.0, 5.0, 10.0, np.nan]).reshape(4, 1, 1), 0, 10, strong_is_low=True)
    assert heat.raw.ravel().tolist() == [255, 128, 1, 0]


def test_encodings_are_cached_by_key():
    cache, calls = encoding.EncodingCache(), []
    voxels = np.zeros((2, 2, 2), np.uint8)
    made = [cache.get("scan", lambda: calls.append(1) or encoding.encode(voxels)) for _ in range(3)]
    assert len(calls) == 1
    assert made[0] is made[2]


def test_a_click_is_read_with_its_millimetres():
    volume = Volume(np.zeros(SHAPE, np.uint8), AFFINE)
    event = {"voxel": [7, 31, 12], "count": 3, "url": "u"}
    click = component.click_from(event, volume, "u")
    assert click == component.Click(voxel=(7, 31, 12), mm=(-23.0, 25.5, 59.0), count=3)


@pytest.mark.parametrize(
    "event",
    [
        None,
        "text",
        {"voxel": [7, 31, 12], "count": 3, "url": "another scan"},
        {"voxel": [40, 0, 0], "count": 1, "url": "u"},
        {"voxel": [-1, 0, 0], "count": 1, "url": "u"},
        {"voxel": [1, 2], "count": 1, "url": "u"},
        {"voxel": "abc", "count": 1, "url": "u"},
        {"url": "u"},
    ],
)
def test_what_is_no_click_on_this_volume_is_none(event):
    assert component.click_from(event, Volume(np.zeros(SHAPE, np.uint8), AFFINE), "u") is None


def test_a_box_is_sent_in_voxels_at_its_true_size():
    volume = Volume(np.zeros(SHAPE, np.uint8), AFFINE)
    box = payload.box_data(volume, Box(volume.to_mm((10, 20, 15)), 24.0))
    assert box["centre"] == pytest.approx([10, 20, 15])
    assert box["half"] == pytest.approx([6, 8, 3])


def _script():
    import numpy as np

    from isimed.data.formats.volume import Volume
    from isimed.ui.slice_viewer import HeatMap, LabelMap, Overlays, slice_viewer

    voxels = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
    labels = LabelMap((voxels > 30).astype(np.uint8), {1: "half"})
    heat = HeatMap(voxels / 60, "distance", strong="low", unit="mm")
    assert slice_viewer(Volume(voxels, np.eye(4)), key="viewer", overlays=Overlays(labels=labels, heat=heat)) is None


def test_it_mounts_in_a_script_without_a_server():
    app = AppTest.from_function(_script, default_timeout=60).run()
    assert not app.exception


def test_labels_on_another_grid_are_refused():
    with pytest.raises(ValueError, match=r"\(2, 2, 2\)"):
        component._labels(Volume(np.zeros(SHAPE, np.uint8), AFFINE), LabelMap(np.zeros((2, 2, 2), np.uint8), {}))


def test_an_unknown_window_names_the_known_ones():
    with pytest.raises(ValueError, match="Soft tissue"):
        payload.window_data(
            "kidney", encoding.presets(encoding.encode(np.zeros((2, 2, 2), np.uint8)), ct=True), ct=True
        )


def test_the_legend_puts_the_strong_end_last():
    heat = component._heat(HeatMap(np.linspace(0, 40, 8).reshape(2, 2, 2), "distance", strong="low", unit="mm"))
    assert (heat["weak"], heat["strong"]) == ("40 mm", "0 mm")


def test_a_grid_leaves_out_what_makes_a_body_wider_than_tall():
    wide = Volume(np.zeros((250, 60, 100), np.int16), np.diag([2.0, 2.0, 3.5, 1.0]))  # 500 mm wide, 350 tall
    first, last = payload.narrowed(wide, ([0, 0, 0], [249, 59, 99]), 300.0)
    assert (last[0] - first[0] + 1) * 2.0 == pytest.approx(350)
    assert first[0] == pytest.approx(249 - last[0])
    assert (first[1:], last[1:]) == ([0, 0], [59, 99])
    small = ([0, 0, 0], [99, 59, 9])
    assert payload.narrowed(wide, small, 300.0) == small  # 200 mm wide, 35 tall


@pytest.mark.parametrize(("plane", "x", "y"), [("axial", 63, 30), ("coronal", 63, 39), ("sagittal", 30, 39)])
def test_a_picture_of_a_field_shows_its_square_and_the_crops_box_in_it(plane, x, y):
    voxels = np.zeros((40, 50, 60), np.float32)
    at = np.array([8, 40, 50])
    voxels[tuple(slice(v - 1, v + 2) for v in at)] = 1
    volume = Volume(voxels, np.diag([2.0, 3.0, 1.5, 1.0]))
    field = Field(tuple(volume.to_mm(at) + [13, -20, -11]), 100.0)
    look = {"edge_mm": 20, "plane": plane, "window": (0, 1), "width": 100, "field": field, "letters": False}
    picture = slice_picture(volume, volume.to_mm(at), **look)
    grey = np.asarray(picture.convert("L"))
    assert grey.shape == (100, 100)
    rows, columns = np.nonzero(grey > 220)
    assert (columns.mean() + 0.5, rows.mean() + 0.5) == pytest.approx((x, y), abs=1)  # a pixel is a millimetre
    assert np.asarray(picture)[round(y), round(x - 10)].tolist() == pytest.approx([255, 176, 32], abs=1)  # its box


def test_the_planes_of_a_field_begin_and_end_with_it():
    volume = Volume(np.zeros((100, 60, 40), np.int8), np.diag([2.0, 3.0, 1.5, 1.0]))
    first, last = payload.frame_of(volume, Field((50.0, 90.0, 30.0), 60.0))
    assert (np.array(last) - first + 1) * volume.spacing == pytest.approx(60)
    assert volume.to_mm((np.array(first) + last) / 2) == pytest.approx((50, 90, 30))
