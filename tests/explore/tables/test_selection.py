"""Selections and exports: what is chosen is what is kept and what is read again."""

import io
import zipfile

import numpy as np
import pandas as pd
import pytest

from isimed.core.errors import InputError
from isimed.explore.maps.export import as_csv, as_parquet, as_projector, crop_frame
from isimed.explore.maps.map_points import open_points
from isimed.explore.maps.pca import open_map
from isimed.explore.tables import selection as selections
from isimed.explore.tables.store import open_table
from tests.tables import info, made_table


@pytest.fixture
def table():
    return made_table(info(), patients=3, rows=50)


def test_rows_are_sorted_once_and_of_this_table(table):
    chosen = selections.select(table, [7, 3, 3, -1, 10_000])
    assert chosen.rows.tolist() == [3, 7]
    assert chosen.of(table) is chosen
    assert chosen.of(made_table(info(fingerprint="2"), rows=50)) is None
    assert selections.select(table, []).of(table) is None


def test_a_box_in_a_scan_lights_its_crops(table):
    low, high = np.array([-20, -20, -20]), np.array([40, 30, 50])
    rows = selections.rows_in_box(table, "P1", high, low)
    inside = ((table.centre_mm >= low) & (table.centre_mm <= high)).all(axis=1) & (table.volume == "P1")
    assert np.array_equal(rows, np.flatnonzero(inside))
    assert len(rows)


def test_counts_add_up(table):
    rows = np.arange(40, 110)
    found = selections.counts(table, rows, {1: "left_ear"})
    assert found["patient"]["crops"].sum() == found["organ"]["crops"].sum() == 70
    assert set(found["organ"]["organ"]) == {"left ear", "no organ"}
    assert dict(found["patient"].to_numpy()) == {"S0": 10, "S1": 50, "S2": 10}


def test_kept_by_name_and_found_again_when_the_table_grows(table):
    first = selections.keep(table, selections.select(table, [0, 60, 149]), "Left / hippocampus?")
    selections.keep(table, selections.select(table, [1]), "other")
    assert first.name == "Left / hippocampus?"
    again = selections.kept(table)
    assert again["Left / hippocampus?"].rows.tolist() == [0, 60, 149]
    reordered = open_table(table.info, ["P2", "P0", "P1"])
    found = selections.kept(reordered)["Left / hippocampus?"].rows
    assert np.array_equal(np.sort(reordered.centre_mm[found], axis=0), np.sort(table.centre_mm[[0, 60, 149]], axis=0))
    selections.forget(table, "other")
    assert list(selections.kept(table)) == ["Left / hippocampus?"]
    with pytest.raises(InputError, match="name"):
        selections.keep(table, first, "  ")


def test_damaged_files_are_passed_over(table):
    selections.keep(table, selections.select(table, [1]), "good")
    for number, text in enumerate(["", "[]", '{"name": "x", "crops": 3}', '{"crops": {}}']):
        (table.folder / "_selections" / f"bad{number}.json").write_text(text)
    assert list(selections.kept(table)) == ["good"]


def test_exports_say_the_same_as_the_table(table):
    points = open_points(table, open_map(table))
    umap = np.random.default_rng(0).random((len(table), 2)).astype(np.float32)
    rows = np.array([3, 77, 120])
    frame = crop_frame(table, points, rows=rows, organs={1: "left_ear"}, umap=umap)
    for again in (pd.read_csv(io.BytesIO(as_csv(frame))), pd.read_parquet(io.BytesIO(as_parquet(frame)))):
        assert again["row"].tolist() == rows.tolist()
        assert again["volume"].tolist() == table.volume[rows].tolist()
        assert np.allclose(again[["sagittal_mm", "coronal_mm", "axial_mm"]], table.position[rows], rtol=1e-4)
        assert np.allclose(again[["x_mm", "y_mm", "z_mm"]], table.centre_mm[rows], rtol=1e-4)
        assert np.allclose(again[["pc1", "pc2", "pc3"]], points.pcs[rows, :3], rtol=1e-4)
        assert np.allclose(again[["umap1", "umap2"]], umap[rows], rtol=1e-4)
    assert len(crop_frame(table, points)) == len(table)


def test_the_projector_pair_has_a_line_a_crop(table):
    points = open_points(table, open_map(table))
    frame = crop_frame(table, points, rows=np.arange(20, 60))
    with zipfile.ZipFile(io.BytesIO(as_projector(frame, points.pcs))) as archive:
        vectors = np.loadtxt(archive.open("vectors.tsv"), delimiter="\t")
        metadata = pd.read_csv(archive.open("metadata.tsv"), sep="\t")
    assert np.allclose(vectors, points.pcs[20:60], rtol=1e-3, atol=1e-3)
    assert metadata["row"].tolist() == list(range(20, 60))
