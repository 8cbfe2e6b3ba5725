"""Embedding tables: resumable, never mixed, the same one by one as in a batch."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

import isimed
from isimed.core.errors import InputError
from isimed.data.cohorts.cohort import Cohort
from isimed.data.cohorts.importing import import_cohort
from isimed.data.cohorts.suspicions import modalities
from isimed.data.prepared.cache import prepared
from isimed.data.prepared.crops import crop_centre_mm, cut_crops, grid_centres
from isimed.data.prepared.preprocess import Preparation
from isimed.explore.search.retrieve import code_at, code_in
from isimed.explore.tables import embed as embedding
from isimed.explore.tables.components import codes_of
from isimed.explore.tables.embed import checkpoint_for, embed_cohort, embed_crops, modality_fits, tumour_share
from isimed.explore.tables.filters import Filter
from isimed.explore.tables.store import table_info, tables_of, volume_file
from isimed.models.card import Card
from isimed.models.checkpoint import Checkpoint, untrained

STEP = 60.0


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    return untrained(Preparation(spacing_mm=4.0), modality="MRI")


def test_table_has_one_row_a_crop_and_reads_back(cohort: Cohort, checkpoint: Checkpoint) -> None:
    seen: list[tuple[int, int]] = []
    table = embed_cohort(cohort, checkpoint, step_mm=STEP, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (len(table), len(table))
    assert table.embedding.shape == (len(table), 1024)
    assert table.code.shape == (len(table), 512)
    assert table.embedding.dtype == table.code.dtype == np.float16
    assert table.volumes == ["P0", "P1", "P2"]
    assert set(table.subject) == {"S0", "S1", "S2"}
    first = table.rows("P1")
    volume = prepared(cohort, cohort.entry("P1"), checkpoint.card.preparation)
    centres = crop_centre_mm(volume, grid_centres(volume, STEP))
    np.testing.assert_allclose(table.centre_mm[first], centres, atol=1e-4)
    np.testing.assert_allclose(table.position[first], centres - volume.box_centre_mm, atol=1e-4)
    assert [info.checkpoint for info in tables_of("small")] == ["untrained"]
    columns = pq.read_schema(table.files[0]).names
    assert columns[:3] == ["cohort", "subject", "volume"]


def test_codes_to_compute_with_are_the_stored_ones_and_the_only_copy(cohort: Cohort, checkpoint: Checkpoint) -> None:
    table = embed_cohort(cohort, checkpoint, step_mm=STEP)
    wide = codes_of(table)
    assert wide.dtype == np.float32
    assert "code" not in table._columns
    np.testing.assert_array_equal(wide, table.code.astype(np.float32))
    np.testing.assert_array_equal(table.wide_code(), wide)


def test_positions_of_moved_patients_agree(cohort: Cohort, checkpoint: Checkpoint) -> None:
    table = embed_cohort(cohort, checkpoint, step_mm=STEP)
    a, b = table.rows("P0"), table.rows("P2")
    assert np.abs(table.centre_mm[a].mean(0) - table.centre_mm[b].mean(0)).max() > 5
    np.testing.assert_allclose(table.position[a], table.position[b], atol=1e-3)


def test_embedding_goes_on_where_it_stopped(
    cohort: Cohort, checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    real = embedding.embed_crops

    def counting(*arguments, **options):
        if len(calls) == 1:
            raise KeyboardInterrupt
        calls.append(1)
        return real(*arguments, **options)

    monkeypatch.setattr(embedding, "embed_crops", counting)
    with pytest.raises(KeyboardInterrupt):
        embed_cohort(cohort, checkpoint, step_mm=STEP)
    monkeypatch.setattr(embedding, "embed_crops", real)
    info = table_info(cohort, checkpoint, STEP)
    before = volume_file(info, "P0").stat().st_mtime_ns
    assert not volume_file(info, "P1").exists()
    assert embed_cohort(cohort, checkpoint, step_mm=STEP).volumes == ["P0", "P1", "P2"]
    assert volume_file(info, "P0").stat().st_mtime_ns == before


def test_a_changed_cohort_gets_another_table(cohort: Cohort, checkpoint: Checkpoint) -> None:
    old = table_info(cohort, checkpoint, STEP)
    path = cohort.path("P0.nii.gz")
    image = nib.load(path)
    nib.Nifti1Image(np.asarray(image.dataobj) + 1, image.affine).to_filename(path)
    assert table_info(Cohort.load(cohort.root), checkpoint, STEP) != old


def test_batch_equals_one_by_one(cohort: Cohort, checkpoint: Checkpoint) -> None:
    volume = prepared(cohort, cohort.entry("P0"), checkpoint.card.preparation)
    centres = grid_centres(volume, STEP)[:3]
    together = embed_crops(checkpoint, volume, centres)[1]
    alone = np.concatenate([embed_crops(checkpoint, volume, centre)[1] for centre in centres])
    np.testing.assert_allclose(together, alone, rtol=1e-3, atol=1e-3)


def test_a_crop_of_the_table_needs_no_network(cohort: Cohort, checkpoint: Checkpoint) -> None:
    table = embed_cohort(cohort, checkpoint, step_mm=STEP)
    volume = prepared(cohort, cohort.entry("P1"), checkpoint.card.preparation)
    places = table.centre_mm[table.rows("P1")]
    for place in places[:: max(1, len(places) // 3)]:
        near = place + 0.3 * checkpoint.card.preparation.spacing_mm
        kept, computed = code_in(table, "P1", volume, near), code_at(checkpoint, volume, near)
        np.testing.assert_allclose(kept, computed, rtol=2e-3, atol=2e-3 * np.abs(computed).max())
        assert code_in(table, "P1", volume, place + 2 * checkpoint.card.preparation.spacing_mm) is None
    assert code_in(table, "not embedded yet", volume, places[0]) is None


def test_threads_side_by_side_give_the_same_in_the_same_order(
    cohort: Cohort, checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    volume = prepared(cohort, cohort.entry("P0"), checkpoint.card.preparation)
    centres, before, finished = grid_centres(volume, STEP)[:7], torch.get_num_threads(), []
    together = embed_crops(checkpoint, volume, centres)[1]
    monkeypatch.setattr(embedding, "SMALL_BATCH", 2)
    apart = embed_crops(checkpoint, volume, centres, on_batch=finished.append)[1]
    assert finished == [2, 2, 2, 1]
    np.testing.assert_allclose(apart, together, rtol=1e-3, atol=1e-3)
    assert torch.get_num_threads() == before


def test_tumour_share_counts_voxels(cohort: Cohort, checkpoint: Checkpoint) -> None:
    volume = prepared(cohort, cohort.entry("P0"), checkpoint.card.preparation)
    centres = np.argwhere(volume.labels["tumour"] > 0)[::40]
    centres = np.concatenate([centres, [[0, 0, 0]], np.array([volume.image.shape]) - 1])
    tumour = np.asarray(volume.labels["tumour"]) > 0
    as_image = type(volume)(tumour.astype(np.float16), volume.body, {}, volume.affine, volume.box_centre_mm, 0.0)
    expected = cut_crops(as_image, centres, 8).mean(axis=(1, 2, 3, 4))
    np.testing.assert_allclose(tumour_share(volume, centres, 8), expected, atol=1e-6)


def test_one_line_embeds_one_scan(cohort: Cohort, checkpoint: Checkpoint) -> None:
    path = cohort.path("P1.nii.gz")
    table = isimed.embed(path, checkpoint=checkpoint, step_mm=STEP)
    expected = embed_cohort(cohort, checkpoint, step_mm=STEP)
    rows = expected.rows("P1")
    np.testing.assert_allclose(table.centre_mm, expected.centre_mm[rows], atol=1e-4)
    np.testing.assert_allclose(table.code, expected.code[rows].astype(np.float32), atol=1e-1)


def test_wrong_modality_is_refused(cohort: Cohort) -> None:
    ct = untrained(Preparation.for_modality("CT"), modality="CT")
    with pytest.raises(InputError, match="trained on CT"):
        embed_cohort(cohort, ct, step_mm=STEP)


def test_untrained_takes_the_preparation_of_another(cohort: Cohort, checkpoint: Checkpoint) -> None:
    assert checkpoint_for("untrained", cohort, like=checkpoint).card.preparation.spacing_mm == 4.0
    assert checkpoint_for("untrained", cohort).card.preparation.intensity == "percentile"


@pytest.mark.parametrize(
    ("point", "said"),
    [
        ((1000, 10, 60), "lies outside the scan"),
        ((0, 0, -400), "lies outside the scan"),
        ((float("nan"), 0, 0), "three finite numbers"),
        ((0, float("inf"), 0), "three finite numbers"),
        ((0, 0), "three finite numbers"),
    ],
)
def test_a_place_that_the_scan_does_not_show_is_refused(
    cohort: Cohort, checkpoint: Checkpoint, point: tuple, said: str
) -> None:
    volume = prepared(cohort, cohort.entry("P0"), checkpoint.card.preparation)
    with pytest.raises(InputError, match=said):
        code_at(checkpoint, volume, point)


@pytest.mark.parametrize("step", [0, -3, float("nan"), float("inf")])
def test_a_step_that_is_no_length_is_refused(cohort: Cohort, checkpoint: Checkpoint, step: float) -> None:
    with pytest.raises(InputError, match="between crops is not a length"):
        embed_cohort(cohort, checkpoint, step_mm=step)
    with pytest.raises(InputError, match="between crops is not a length"):
        isimed.embed(cohort.path("P0.nii.gz"), checkpoint=checkpoint, step_mm=step)


def without_maps(cohort: Cohort, volume: str) -> Cohort:
    """The same cohort, where one patient's tumour map was never drawn."""
    said = json.loads((cohort.root / "dataset.json").read_text())
    for entry in said["volumes"]:
        if entry["image"].startswith(volume):
            del entry["tumour"]
    (cohort.root / "dataset.json").write_text(json.dumps(said))
    return Cohort.load(cohort.root)


def test_unknown_is_not_none(cohort: Cohort, checkpoint: Checkpoint) -> None:
    table = embed_cohort(without_maps(cohort, "P1"), checkpoint, step_mm=STEP)
    drawn, not_drawn = (table.tumour[table.rows(volume)] for volume in ("P0", "P1"))
    assert np.isfinite(drawn).all()
    assert np.isnan(not_drawn).all()
    assert (table.organ == -1).all()  # this cohort has no organ maps
    filtered = Filter(min_tumour=0.0).mask(table)
    assert filtered[table.rows("P0")].all()
    assert not filtered[table.rows("P1")].any()
    one = isimed.embed(cohort.path("P0.nii.gz"), checkpoint=checkpoint, step_mm=STEP)
    assert np.isnan(one.tumour).all()
    assert (one.organ == -1).all()


def test_a_table_of_an_older_version_learns_what_it_did_not_know(cohort: Cohort, checkpoint: Checkpoint) -> None:
    partly = without_maps(cohort, "P1")
    embed_cohort(partly, checkpoint, step_mm=STEP)
    info = table_info(partly, checkpoint, STEP)
    for name in ("P0", "P1"):
        file = volume_file(info, name)
        new = pq.read_table(file)
        for column, nothing in (("organ", pa.int32()), ("tumour", pa.float32())):
            values = new.column(column).fill_null(0).cast(nothing)
            new = new.set_column(new.schema.get_field_index(column), column, values)
        pq.write_table(new, file, compression="none")
    table = embed_cohort(partly, checkpoint, step_mm=STEP)
    assert np.isfinite(table.tumour[table.rows("P0")]).all()
    assert np.isnan(table.tumour[table.rows("P1")]).all()
    assert (table.organ == -1).all()
    assert np.isfinite(table.wide_code()).all()


def test_a_scan_smaller_than_a_crop_is_named(tmp_path: Path, checkpoint: Checkpoint) -> None:
    for name, slices in (("thin", 4), ("whole", 40)):
        values = np.zeros((40, 40, slices), np.int16)
        values[5:35, 5:35, :] = 500 + np.arange(slices)
        nib.Nifti1Image(values, np.diag([4.0, 4.0, 4.0, 1.0])).to_filename(tmp_path / f"{name}_t1.nii.gz")
    said: list[str] = []
    cohort = Cohort.load(import_cohort(tmp_path, name="mixed"))
    embed_cohort(cohort, checkpoint, step_mm=STEP, say=said.append)
    assert [text.partition(", so")[0] for text in said] == ["thin_t1: smaller than a crop of untrained (128 mm)"]


def test_pet_fits_pet_whichever_of_its_names_it_has(cohort: Cohort) -> None:
    for card, cohorts, fits in (("PT", "PET", True), ("PET", "PT", True), ("PET", "CT", False), ("MR", "MRI T1", True)):
        about = Card(name="x", method="isimed", modality=card)
        assert modality_fits(cohort.model_copy(update={"modality": cohorts}), about) is fits
    volumes = [cohort.volumes[n].model_copy(update={"modality": name}) for n, name in enumerate(("PT", "PET"))]
    assert modalities(cohort.model_copy(update={"volumes": volumes})) == {"PET": 2}
