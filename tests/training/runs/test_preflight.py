"""What cannot work is refused before a run is made: no failed run is left behind."""

import json
import shutil
from pathlib import Path
from typing import Any

import nibabel as nib
import pytest

import isimed
from isimed.__main__ import main
from isimed.core.errors import InputError
from isimed.data.cohorts.cohort import Cohort
from isimed.training.runs import jobs
from isimed.training.runs.folder import Run
from isimed.training.runs.preflight import preflight
from isimed.training.runs.status import Status
from isimed.training.runs.worker import train
from tests.small import write_cohort
from tests.training.tiny import tiny


def changed(cohort: Cohort, folder: Path, *entries: dict[str, Any], **about: Any) -> Cohort:
    """The cohort with more said of each volume, in a folder of its own."""
    shutil.copytree(cohort.root, folder)
    manifest = json.loads((folder / "dataset.json").read_text()) | about
    manifest["volumes"] = [one | more for one, more in zip(manifest["volumes"], entries, strict=False)]
    (folder / "dataset.json").write_text(json.dumps(manifest))
    return Cohort.load(folder)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"method": "magic"}, "no method magic"),
        ({"split": "none.json"}, "none.json is not a split"),
        ({"pairs": "across"}, "no common frame"),
        ({"device": "mps"}, "no mps device"),
    ],
)
def test_a_refused_training_leaves_no_run(cohort: Cohort, options: dict[str, Any], said: str) -> None:
    for start in (train, jobs.submit):
        with pytest.raises(InputError, match=said):
            start(tiny(cohort, **options))
    assert not Run.all()


def test_a_run_that_cannot_be_started_is_not_left_either(cohort: Cohort, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/no/such/python")
    with pytest.raises(InputError, match="could not be started"):
        jobs.submit(tiny(cohort))
    assert not Run.all()


def test_what_counts_for_nothing_is_said(
    cohort: Cohort, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    split = tmp_path / "split.json"
    split.write_text('{"train": ["S0", "S1", "S9"], "validation": ["S2", "s0"]}')
    monkeypatch.setattr("isimed.training.runs.worker.execute", lambda *_, **__: Status())
    asked = ["--split", str(split), "--validation", "0.5", "--method", "simclr", "--penalty", "huber", "--gpus", "2"]
    assert main(["train", str(cohort.root), *asked, "--window-low-hu", "-900", "--epochs", "1"]) == 0
    said = capsys.readouterr().err
    assert "names 2 patients that small does not have (S9, s0): left out." in said
    assert "--validation counts for nothing: the split says who is held out." in said
    assert "--penalty counts for nothing: it has no part in simclr." in said
    assert "--gpus counts for nothing: it is for --on slurm." in said
    assert "--window-low-hu counts for nothing: scans of MRI are scaled by percentile here, see --scaling." in said
    assert said.count("counts for nothing") == 4
    assert main(["train", str(cohort.root), "--preset", "paper", "--epochs", "1"]) == 0
    assert "counts for nothing" not in capsys.readouterr().err
    with pytest.warns(UserWarning, match="penalty counts for nothing: it has no part in simclr"):
        isimed.train(cohort, method="simclr", penalty="huber", epochs=1)


def test_modalities_that_no_one_preparation_fits_are_refused(
    cohort: Cohort, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    mixed = changed(cohort, tmp_path / "mixed", {"modality": "CT"}, {"modality": "MRI"}, {"modality": "MRI"})
    assert main(["train", str(mixed.root)]) == 2
    assert "small mixes modalities (1 CT, 2 MRI)" in capsys.readouterr().err
    assert not Run.all()
    kinds = changed(cohort, tmp_path / "kinds", {"sequence": "T1"}, {"sequence": "FLAIR"}, {"sequence": "T1"})
    assert preflight(tiny(kinds)).warnings == [
        "small mixes FLAIR and T1: the network may learn them apart from places."
    ]
    assert not preflight(tiny(cohort)).warnings


def test_a_frame_that_volumes_do_not_share_is_refused(cohort: Cohort, tmp_path: Path) -> None:
    framed = changed(cohort, tmp_path / "framed", {}, {}, {}, frame="MNI")
    assert train(tiny(framed, pairs="across", epochs=1)).metrics()
    apart = write_cohort(tmp_path / "apart", name="apart").parent
    image = nib.load(apart / "P1.nii.gz")
    affine = image.affine.copy()
    affine[2, 3] += 300
    nib.Nifti1Image(image.get_fdata().astype("float32"), affine).to_filename(apart / "P1.nii.gz")
    nib.Nifti1Image((image.get_fdata() > 120).astype("uint8"), affine).to_filename(apart / "P1-tumour.nii.gz")
    manifest = json.loads((apart / "dataset.json").read_text()) | {"frame": "MNI"}
    (apart / "dataset.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match=r'P1 of apart lies \d{3} mm from .*"MNI": register it, or use --pairs within'):
        train(tiny(Cohort.load(apart), pairs="across", epochs=1, validation=0.0))
