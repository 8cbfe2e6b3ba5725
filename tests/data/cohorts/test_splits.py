"""Splits by patient, and uploads."""

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from isimed.core.errors import InputError
from isimed.data.cohorts.cohort import Cohort
from isimed.data.cohorts.importing import import_cohort, plan_import
from isimed.data.cohorts.splits import draw_split, read_parts, read_split, split_path, split_subjects, write_split
from isimed.data.cohorts.suspicions import refuse_unfit
from isimed.data.cohorts.uploads import store_uploads
from tests.data.make import blob, write_nifti


def test_split_is_kept_and_read_back(cohort: Cohort) -> None:
    assert set(read_split(cohort).values()) == {"train"}
    parts = draw_split(cohort, validation=0.34, test=0.34, seed=3)
    assert sorted(parts.values()) == ["test", "train", "validation"]
    assert draw_split(cohort, validation=0.34, test=0.34, seed=3) == parts
    write_split(cohort, parts)
    assert read_split(cohort) == parts
    stored = json.loads(split_path(cohort).read_text())
    assert sum(len(stored[part]) for part in ("train", "validation", "test")) == len(cohort.subjects)


def test_a_stored_split_without_a_part_is_read_and_others_train(cohort: Cohort) -> None:
    split_path(cohort).parent.mkdir(parents=True)
    split_path(cohort).write_text('{"train": [], "validation": ["S1"]}')
    assert read_split(cohort) == {"S0": "train", "S1": "validation", "S2": "train"}


@pytest.mark.parametrize(
    "content", ["{", "[]", "{}", '{"train": "S0", "test": []}', '{"train": ["S0"], "test": ["S0"]}', '{"test": [1]}']
)
def test_a_damaged_split_is_never_taken_for_everybody_trains(cohort: Cohort, content: str) -> None:
    split_path(cohort).parent.mkdir(parents=True)
    split_path(cohort).write_text(content)
    with pytest.raises(InputError, match=r"splits/small\.json"):
        read_split(cohort)


def test_split_refuses_nonsense(cohort: Cohort) -> None:
    with pytest.raises(InputError, match="too few"):
        draw_split(cohort, validation=0.5, test=0.5)
    with pytest.raises(InputError, match="no part"):
        write_split(cohort, {"S0": "holdout"})
    with pytest.raises(InputError, match="Nobody"):
        write_split(cohort, dict.fromkeys(cohort.subjects, "test"))


def upload(name: str, content: bytes) -> io.BytesIO:
    file = io.BytesIO(content)
    file.name = name
    return file


def test_uploaded_zip_and_file_import(tmp_path) -> None:
    path = write_nifti(tmp_path / "scan.nii.gz")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.write(path, "inner/other.nii.gz")
    folder = store_uploads([upload("deep/scan.nii.gz", path.read_bytes()), upload("more.zip", packed.getvalue())])
    cohort = Cohort.load(import_cohort(folder, name="up"))
    assert len(cohort.volumes) == 2
    np.testing.assert_array_equal(cohort.read(cohort.volumes[0]).voxels, blob())


def test_upload_may_not_leave_its_folder() -> None:
    with pytest.raises(InputError, match="outside"):
        store_uploads([upload("../evil.nii", b"x")])


def test_uploads_of_one_name_are_all_kept(tmp_path: Path) -> None:
    """A browser sends names without their folders."""
    contents = [write_nifti(tmp_path / f"{n}.nii.gz", blob(seed=n)).read_bytes() for n in range(3)]
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("in.nii.gz", contents[2])
    zips = [upload("scan.zip", packed.getvalue())] * 2
    folder = store_uploads([upload("ct.nii.gz", contents[0]), upload("ct.nii.gz", contents[1]), *zips])
    stored = {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    assert stored == {
        "ct.nii.gz": contents[0], "2/ct.nii.gz": contents[1],
        "scan/in.nii.gz": contents[2], "2/scan/in.nii.gz": contents[2],
    }  # fmt: skip


def test_a_patient_is_not_called_after_the_folder_of_an_upload(tmp_path: Path) -> None:
    content = write_nifti(tmp_path / "scan.nii.gz", blob()).read_bytes()
    folder = store_uploads([upload("T1.nii.gz", content), upload("T2.nii.gz", content)])
    assert {item.patient for item in plan_import(folder).items} == {"patient"}


def test_an_upload_that_fails_leaves_nothing(home: Path) -> None:
    with pytest.raises(InputError, match="cannot be unpacked"):
        store_uploads([upload("good.nii.gz", b"x"), upload("bad.zip", b"no zip")])
    assert not list((home / "uploads").iterdir())


def fake(subjects: list[str], **more: object) -> Cohort:
    volumes = [{"subject": name, "image": f"{number}.nii"} for number, name in enumerate(subjects)]
    return Cohort.model_validate({"name": "fake", "volumes": volumes, **more})


@pytest.mark.parametrize("seed", range(8))
def test_names_that_may_be_one_patients_are_never_parted(seed: int) -> None:
    subjects = [f"P{number}" for number in range(8)] + ["p3", "P-5", "P6-b", "p 5"]
    train, held = split_subjects(subjects, validation=0.4, seed=seed)
    assert sorted(train + held) == sorted(subjects)
    for pair in ({"P3", "p3"}, {"P-5", "p 5"}, {"P6", "P6-b"}):
        assert pair <= set(train) or pair <= set(held)
    parts = draw_split(fake(subjects), validation=0.2, test=0.3, seed=seed)
    assert parts["P6"] == parts["P6-b"]
    assert set(parts.values()) == {"train", "validation", "test"}


def test_a_split_is_drawn_as_before_where_no_names_are_alike() -> None:
    """The same seed gave these before names were compared."""
    subjects = [f"S{number:02d}" for number in range(10)]
    order = np.random.default_rng(3).permutation(10)
    train, held = split_subjects(subjects, validation=0.25, seed=3)
    assert set(held) == {subjects[place] for place in order[:3]}
    assert train == [name for name in subjects if name not in held]


def test_a_split_that_parts_the_same_voxels_or_names_is_refused() -> None:
    parts = {"training": ["a", "PAT01"], "validation": ["b", "c"]}
    refuse_unfit(fake(["a", "b", "c", "PAT01"]), parts, {"0": "x", "1": "y", "2": "z", "3": "w"})
    with pytest.raises(InputError, match=r"a \(training\) and b \(validation\) .* the same voxels"):
        refuse_unfit(fake(["a", "b", "c", "PAT01"]), parts, {"0": "x", "1": "x", "2": "z", "3": "w"})
    with pytest.raises(InputError, match=r"PAT01 \(training\) and pat01 \(validation\)"):
        refuse_unfit(fake(["PAT01", "pat01"]), {"training": ["PAT01"], "validation": ["pat01"]})
    refuse_unfit(fake(["PAT01", "pat01", "c"]), {"training": ["PAT01", "pat01"], "validation": ["c"]})
    mixed = fake(["a", "b"], modality="CT")
    mixed.volumes[1] = mixed.volumes[1].model_copy(update={"modality": "MRI T2"})
    with pytest.raises(InputError, match="mixes modalities"):
        refuse_unfit(mixed, {})


@pytest.mark.parametrize("content", ["[1]", '{"train": "all"}', '{"train": ["a"]}', "{"])
def test_a_file_that_is_no_split_is_one_sentence(tmp_path: Path, content: str) -> None:
    (tmp_path / "s.json").write_text(content)
    with pytest.raises(InputError, match=r"s\.json"):
        read_parts(tmp_path / "s.json", ("train", "validation"))
    (tmp_path / "s.json").write_text('{"train": ["a"], "validation": ["b", "a"]}')
    with pytest.raises(InputError, match="a patient belongs to one"):
        read_parts(tmp_path / "s.json", ("train", "validation"))
