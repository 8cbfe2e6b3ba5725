"""A saved table says what it is, and pandas, DuckDB and polars read the same numbers from it."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

import isimed
from isimed.core.errors import InputError
from isimed.data.cohorts.cohort import Cohort
from isimed.explore.tables.columns import MEANING
from isimed.explore.tables.store import Table
from isimed.models.checkpoint import load_checkpoint


@pytest.fixture
def table(cohort: Cohort) -> Table:
    return isimed.embed_cohort(cohort, load_checkpoint("untrained"), step_mm=60)


def test_pandas_duckdb_and_polars_read_the_same(table: Table, tmp_path: Path) -> None:
    duckdb, polars = pytest.importorskip("duckdb"), pytest.importorskip("polars")
    for file in (table.save(tmp_path / "one.parquet"), *table.files[:1]):
        rows = pq.read_metadata(file).num_rows
        frame, other = pd.read_parquet(file), polars.read_parquet(file)
        assert len(frame) == len(other) == rows
        code, centre = np.stack(frame["code"].to_numpy()), np.stack(frame["centre_mm"].to_numpy())
        np.testing.assert_array_equal(other["code"].to_numpy(), code)
        np.testing.assert_array_equal(code, table.code[:rows])
        (mean,) = duckdb.sql(f"select avg(centre_mm[3]), count(*), count(organ) from '{file}'").fetchall()
        assert mean == pytest.approx((centre[:, 2].mean(), rows, 0), rel=1e-5)


def test_a_file_says_what_its_columns_mean_and_in_which_unit(table: Table, tmp_path: Path) -> None:
    for file in (table.save(tmp_path / "one.parquet"), table.files[0]):
        schema = pq.read_schema(file)
        meaning = json.loads(schema.metadata[b"isimed.columns"])
        assert list(meaning) == list(MEANING) == schema.names
        assert meaning["centre_mm"]["unit"] == "mm"
        assert schema.field("centre_mm").metadata[b"unit"] == b"mm"
        assert json.loads(schema.metadata[b"isimed"])["checkpoint"] == "untrained"


def test_a_table_says_what_it_is_and_goes_to_pandas(table: Table, tmp_path: Path) -> None:
    assert f"{len(table)} crops of 3 volumes of small by untrained, 60 mm apart" in repr(table)
    frame = table.to_pandas()
    assert frame["organ"].isna().all()
    np.testing.assert_array_equal(np.stack(frame["position"].to_numpy()), table.position)
    rows = pd.read_csv(table.save(tmp_path / "one.csv"))
    np.testing.assert_allclose(rows[["centre_mm_x", "centre_mm_y", "centre_mm_z"]], table.centre_mm, rtol=1e-5)
    assert {"position_sagittal", "code_511", "embedding_1023", "tumour"} <= set(rows.columns)
    with pytest.raises(InputError, match=r"\.parquet or \.csv"):
        table.save(tmp_path / "one.xlsx")


def test_one_scan_takes_label_maps_and_says_that_it_is_small(cohort: Cohort, tmp_path: Path) -> None:
    scan, tumour = cohort.root / "P0.nii.gz", cohort.root / "P0-tumour.nii.gz"
    one = isimed.embed(scan, checkpoint="untrained", step_mm=40, tumour=tumour, organs=tumour)
    assert one.tumour.max() > 0
    assert set(np.unique(one.organ)) <= {0, 1}
    assert "one scan" in repr(one)
    away = np.eye(4)
    away[:3, 3] = 900
    far = isimed.cohort_of("far", [(np.ones((4, 4, 4), np.uint8), away)], modality="MRI")
    with pytest.raises(InputError, match="does not overlap"):
        isimed.embed(scan, checkpoint="untrained", tumour=far.root / "scan-0001.nii.gz")
    ramp = np.linspace(1, 99, 12**3).reshape(12, 12, 12)
    small = isimed.cohort_of("tiny", [(ramp, np.diag([3.0, 3, 3, 1]))], modality="MRI")
    with pytest.warns(UserWarning, match="smaller than a crop of untrained"):
        isimed.embed(small.root / "scan-0001.nii.gz", checkpoint="untrained", step_mm=20)
