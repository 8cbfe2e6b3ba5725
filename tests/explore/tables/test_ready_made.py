"""What comes embedded is looked into at once, is what the network makes, and is never mixed with something else."""

import json
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from isimed.data.cohorts.cohort import Cohort
from isimed.data.cohorts.shipped import TABLES, bring, shipped_folder, shipped_names
from isimed.data.prepared.cache import prepared
from isimed.data.prepared.crops import nearest_centres
from isimed.explore.one_scan.describe import best_checkpoint
from isimed.explore.one_scan.registered import REFERENCE
from isimed.explore.search.everywhere import locate
from isimed.explore.tables import embed as embedding
from isimed.explore.tables.embed import checkpoint_for, embed_cohort, embed_crops
from isimed.explore.tables.ready_made import bring_embedded
from isimed.explore.tables.store import read_info, table_info, tables_of
from isimed.models.checkpoint import open_checkpoint

CLOSE_MM = 0.5


def test_the_network_that_opens_first_has_its_table_already(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding, "embed_crops", lambda *_, **__: pytest.fail("embedded again"))
    for name in [name for name in shipped_names() if name != REFERENCE]:  # no network knows the trunks
        cohort = bring_embedded(name)
        checkpoint = open_checkpoint(best_checkpoint(cohort))
        table = embed_cohort(cohort, checkpoint)
        assert table.volumes == [entry.id for entry in cohort.volumes]
        assert table.info == table_info(cohort, checkpoint)
        assert table.code.shape == (len(table), 512)
        assert np.isfinite(table.tumour).all()
        assert cohort.start is not None
        assert cohort.start.volume in table.volumes
        away = np.linalg.norm(table.centre_mm[table.rows(cohort.start.volume)] - cohort.start.mm, axis=1)
        assert away.min() < 0.01  # so that the first view needs no network


def test_it_holds_what_the_network_makes_of_these_voxels() -> None:
    cohort = bring_embedded("demo-flair")
    checkpoint = checkpoint_for("brain-flair", cohort)
    table, entry = embed_cohort(cohort, checkpoint), cohort.volumes[-1]
    volume, rows = prepared(cohort, entry, checkpoint.card.preparation), table.rows(entry.id)
    some = np.arange(rows.start, rows.stop)[7::60]
    centres = nearest_centres(volume, table.centre_mm[some], checkpoint.card.crop_size)
    _, codes = embed_crops(checkpoint, volume, centres)
    assert np.linalg.norm(codes - table.code[some], axis=1).max() < CLOSE_MM
    np.testing.assert_allclose(volume.position(table.centre_mm[some]), table.position[some], atol=1e-2)


def test_a_scan_that_changed_does_not_get_the_table_of_the_old_one() -> None:
    scan = bring("demo-flair").parent / "images" / "BRATS_462.nii.gz"
    image = nib.load(scan)
    nib.Nifti1Image(np.asarray(image.dataobj) + 1, image.affine).to_filename(scan)
    bring_embedded("demo-flair")
    assert tables_of("demo-flair") == []


def test_a_table_that_lost_a_file_is_made_whole() -> None:
    cohort = bring_embedded("demo-flair")
    table = embed_cohort(cohort, open_checkpoint("brain-flair"))
    table.files[3].unlink()
    bring_embedded("demo-flair")
    shipped = shipped_folder("demo-flair") / TABLES / "brain-flair" / table.files[3].name
    assert table.files[3].read_bytes() == shipped.read_bytes()
    assert read_info(table.folder) == table.info


@pytest.mark.slow
def test_one_new_scan_alone_finds_its_place_in_those_that_came(tmp_path: Path) -> None:
    scan = shipped_folder("demo-flair") / "images" / "BRATS_484.nii.gz"
    shutil.copyfile(scan, tmp_path / "patient.nii.gz")
    manifest = {"name": "one", "modality": "MRI", "volumes": [{"subject": "me", "image": "patient.nii.gz"}]}
    (tmp_path / "dataset.json").write_text(json.dumps(manifest))
    start = Cohort.load(shipped_folder("demo-flair")).start
    assert start is not None
    found = locate(Cohort.load(tmp_path), "brain-flair", "patient", start.mm, refine=False)
    assert {one.volume.split("/")[0] for one in found} == {"demo-flair"}
    assert len(found) == 7
    assert "demo-flair/BRATS_484" not in {one.volume for one in found}  # that is this very scan, under another name
