"""Maps: true geometry in, true geometry out; the same tomorrow; a new patient moves nobody."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.manifold import trustworthiness

from isimed.core.errors import InputError
from isimed.explore.maps.axes import axis_correlation, body_correlation, fit_axes, match_axes
from isimed.explore.maps.map_points import open_points, open_umap
from isimed.explore.maps.map_quality import map_qualities, map_quality
from isimed.explore.maps.pca import default_source, fit_map, open_map, project, read_map, sample_rows
from isimed.explore.maps.umap_layout import Layout, UmapParameters, fit_layout
from isimed.explore.tables.store import Table, open_table
from tests.tables import SPREAD, columns, info, made_table

ROOT = Path(__file__).resolve().parents[3]


def test_components_are_those_of_scikit_learn():
    table = made_table(info())
    fitted = open_map(table)
    reference = PCA(10, svd_solver="full").fit(table.code.astype(np.float64))
    assert np.allclose(np.abs(np.sum(fitted.components[:10] * reference.components_, axis=1))[:3], 1, atol=1e-4)
    assert np.allclose(fitted.info.explained[:10], reference.explained_variance_ratio_, rtol=1e-3)


def test_each_component_points_along_its_axis():
    table = made_table(info())
    points = open_points(table, open_map(table))
    matched = match_axes(points.r)
    assert sorted(matched) == [0, 1, 2]
    assert (points.r[matched, [0, 1, 2]] > 0.95).all()
    assert list(matched) == [2, 1, 0]  # the axis along which the crops spread most is PC1


def test_matching_uses_each_component_once():
    r = np.array([[0.9, 0.1, 0.8], [0.2, 0.1, 0.7], [0.0, -0.6, 0.0]])
    assert list(match_axes(r)) == [0, 2, 1]


def test_a_constant_column_correlates_with_nothing():
    assert np.array_equal(axis_correlation(np.zeros((5, 2)), np.random.default_rng(0).random((5, 3))), np.zeros((2, 3)))


def test_true_positions_show_how_far_a_perfect_space_is_turned():
    position = np.random.default_rng(0).normal(0, SPREAD, (4000, 3))
    r = body_correlation(position)
    assert np.allclose(r[match_axes(r), [0, 1, 2]], 1, atol=0.02)  # nothing is correlated: PCs are the axes
    assert list(match_axes(r)) == [2, 1, 0]
    leaning = position + position[:, [2]] * [0.0, 0.9, 0.0]  # the neck leans forward
    turned = body_correlation(leaning)
    assert turned[match_axes(turned), [0, 1, 2]].min() < 0.9
    assert np.allclose(np.square(turned).sum(axis=0), 1)  # three PCs together say all
    table = Table(info(), columns(0, 400, noise=0.01))
    assert np.allclose(open_points(table, open_map(table)).r, body_correlation(table.position), atol=0.01)


def test_turned_axes_read_millimetres_and_know_their_error():
    table = made_table(info(), noise=2.0)
    points = open_points(table, open_map(table))
    assert (points.axes.r2 > 0.95).all()
    assert np.allclose(points.axes.angles, 90, atol=5)
    assert np.allclose(points.axes.scale, 1, atol=0.05)
    assert np.median(points.error_mm) < 10
    assert np.abs(points.turned - table.position).mean() < 5


def test_turned_axes_are_judged_on_other_patients():
    rng = np.random.default_rng(0)
    subject = np.repeat(["a", "b", "c", "d"], 30)
    components, position = rng.normal(size=(120, 20)), rng.normal(0, SPREAD, (120, 3))
    axes, held_out = fit_axes(components, position, subject)
    assert (axes.r2 < 0.1).all()  # noise says nothing about another patient
    position[subject == "a"] += 1000
    assert np.array_equal(fit_axes(components, position, subject)[1][subject == "a"], held_out[subject == "a"])


def test_one_patient_has_no_held_out_figures():
    table = made_table(info(), patients=1)
    points = open_points(table, open_map(table))
    assert np.isnan(points.axes.r2).all()
    assert np.isnan(points.error_mm).all()


@pytest.mark.slow
def test_a_second_process_gets_the_same_coordinates(home, tmp_path):
    table = made_table(info(), rows=80)
    fitted = open_map(table)
    points = open_points(table, fitted)
    here = {"pcs": points.pcs, "umap": open_umap(table, fitted, points, UmapParameters()).places}
    script = tmp_path / "again.py"
    script.write_text(
        "import sys, numpy as np\n"
        "from tests.tables import info, made_table\n"
        "from isimed.explore.maps.umap_layout import UmapParameters\n"
        "from isimed.explore.maps.map_points import open_points, open_umap\n"
        "from isimed.explore.maps.pca import open_map\n"
        "table = made_table(info(), rows=80)\n"
        "fitted = open_map(table)\n"
        "points = open_points(table, fitted)\n"
        "np.savez(sys.argv[1], pcs=points.pcs, umap=open_umap(table, fitted, points, UmapParameters()).places)\n"
    )  # in a fresh home: fitted again, not read back
    environment = os.environ | {"ISIMED_HOME": str(tmp_path / "other"), "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, str(script), str(tmp_path / "there.npz")], env=environment, check=True)
    there = np.load(tmp_path / "there.npz")
    for name, coordinates in here.items():
        assert np.array_equal(coordinates, there[name])


def test_what_is_kept_is_what_was_made():
    table = made_table(info(), rows=60)
    fitted = open_map(table)
    made, umap = open_points(table, fitted), None
    umap = open_umap(table, fitted, made, UmapParameters())
    read = read_map(fitted.folder)
    again = open_points(table, read)
    assert np.array_equal(made.pcs, again.pcs)
    assert np.array_equal(made.turned, again.turned)
    assert np.array_equal(made.axes.weights, again.axes.weights)
    assert made.quality == again.quality
    assert np.array_equal(open_umap(table, read, again, UmapParameters()).places, umap.places)


def test_a_new_patient_is_placed_and_nobody_moves():
    small = made_table(info(), patients=3, rows=80)
    fitted = open_map(small)
    before = open_points(small, fitted)
    umap = open_umap(small, fitted, before, UmapParameters())
    grown = made_table(info(fingerprint="2"), patients=4, rows=80)  # another cohort fingerprint: another table
    taken = open_map(grown)
    after = open_points(grown, taken)
    assert taken.info == fitted.info
    assert taken.folder != fitted.folder
    assert np.array_equal(after.pcs[: len(small)], before.pcs)
    assert np.array_equal(after.turned[: len(small)], before.turned)
    placed = open_umap(grown, taken, after, UmapParameters()).places
    assert np.array_equal(placed[: len(small)], umap.places)
    new = placed[len(small) :]
    assert (new >= umap.places.min(axis=0)).all()
    assert (new <= umap.places.max(axis=0)).all()


def test_a_map_of_another_network_or_of_lost_patients_is_not_taken_over():
    fitted = open_map(made_table(info(), patients=3, rows=40))
    other = open_map(made_table(info(checkpoint="d"), patients=3, rows=40))
    fewer = open_map(made_table(info(fingerprint="2"), patients=2, rows=40))
    assert other.info.created != fitted.info.created
    assert fewer.info.reference_volumes == ["P0", "P1"]


def test_a_map_can_be_fitted_on_stated_patients():
    table = made_table(info(), patients=3, rows=40)
    open_map(table)
    fitted = fit_map(table, source="code", subjects=["S1", "S2"])
    assert fitted.info.reference_subjects == ["S1", "S2"]
    assert open_map(table).info == fitted.info  # it stands in the old one's place
    assert len(open_points(table, fitted).pcs) == len(table)


def test_a_damaged_map_is_made_anew():
    table = made_table(info(), rows=40)
    folder = open_map(table).folder
    (folder / "pca.safetensors").write_bytes(b"no")
    assert read_map(folder) is None
    assert read_map(open_map(table).folder) is not None


def test_a_table_in_memory_has_a_map_that_is_not_kept(home):
    table = Table(info(), columns(0, 50))
    fitted = open_map(table)
    assert fitted.folder is None
    assert open_points(table, fitted).pcs.shape == (50, 49)
    assert not list(home.rglob("map.json"))


def test_code_by_default_where_it_is_in_mm():
    assert default_source(info(in_mm=True)) == "code"
    assert default_source(info(in_mm=False)) == "embedding"
    table = made_table(info(), rows=40)
    assert open_map(table, source="embedding").mean.shape == (1024,)


def test_too_few_crops_say_so():
    with pytest.raises(InputError, match="at least 4"):
        open_map(Table(info(), columns(0, 3)))
    with pytest.raises(InputError, match="at least 10"):
        fit_layout(np.zeros((5, 3)), UmapParameters())


def test_progress_ends_where_it_should():
    table, seen, said = made_table(info(), rows=60), [], []
    fitted = open_map(table, progress=lambda done, total: seen.append(done / total), say=said.append)
    points = open_points(table, fitted, progress=lambda done, total: seen.append(done / total), say=said.append)
    assert seen[-1] == 1
    laying = []
    open_umap(
        table, fitted, points, UmapParameters(), say=said.append, progress=lambda *now: laying.append(now[0] / now[1])
    )
    assert ["Fitting PCA" in said, "Laying out the UMAP" in said, said[-1]] == [True, True, "Measuring the UMAP"]
    assert laying == sorted(laying)
    assert 0 <= laying[0] < laying[-1] <= 1


def test_trustworthiness_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    high = rng.normal(size=(200, 10)).astype(np.float32)
    low = high[:, :2]
    figures = map_quality(high, low, neighbours=7)
    assert figures.trustworthiness == pytest.approx(trustworthiness(high, low, n_neighbors=7), abs=1e-6)
    assert figures.continuity == pytest.approx(trustworthiness(low, high, n_neighbors=7), abs=1e-6)
    assert map_quality(high, high).trustworthiness == 1
    several = map_qualities(high, {"a": low, "b": high[:, 5:8]}, neighbours=7)
    assert several == {"a": figures, "b": map_quality(high, high[:, 5:8], neighbours=7)}


def test_a_sample_gives_every_volume_its_share():
    volume = np.repeat(["a", "b", "c"], [700, 290, 10])
    rows = sample_rows(volume, 100)
    kept = dict(zip(*np.unique(volume[rows], return_counts=True), strict=True))
    assert len(rows) == 100
    assert kept["a"] == pytest.approx(70, abs=2)
    assert kept["c"] >= 1
    assert np.array_equal(rows, np.sort(rows))
    assert np.array_equal(rows, sample_rows(volume, 100))
    assert np.array_equal(sample_rows(volume, 5000), np.arange(1000))


def test_projection_of_a_volume_does_not_depend_on_the_others():
    table = made_table(info(), patients=3, rows=70)
    fitted = open_map(table)
    alone = open_table(table.info, ["P1"])
    assert np.array_equal(project(alone, fitted), project(table, fitted)[:, table.rows("P1")])


def test_rows_know_their_volume_and_patient():
    table = made_table(info(), patients=3, rows=5)
    assert table.subjects == ["S0", "S1", "S2"]
    assert np.array_equal(np.array(table.volumes)[table.group], table.volume)


def test_reference_crops_lie_where_they_lay_whoever_is_placed_with_them():
    rng = np.random.default_rng(0)
    reference = (1000 + rng.normal(0, 0.01, (400, 20))).astype(np.float32)  # near each other, far from the origin
    layout = Layout(UmapParameters(), reference, rng.normal(size=(400, 2)).astype(np.float32))
    assert np.array_equal(layout.place(reference), layout.places)
    others = (1000 + rng.normal(0, 0.01, (50, 20))).astype(np.float32)
    together = layout.place(np.concatenate([others, reference[::-1]]))
    assert np.array_equal(together[50:], layout.places[::-1])
    assert np.array_equal(together[:50], layout.place(others))
