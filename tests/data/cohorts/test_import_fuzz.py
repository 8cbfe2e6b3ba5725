"""Random folder trees: every file has a role or is left out with a reason, none counts twice, no wrapper is a patient.

``ISIMED_FUZZ=2000`` runs as many examples of each test.
"""

import os
import zipfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isimed.core.errors import InputError
from isimed.data.cohorts.importing import forget_plan, plan_import
from isimed.data.cohorts.plan import IMAGE, LABELS, METADATA, ROLES, Plan
from isimed.data.formats.walk import walk_files
from tests.data.make import blob, write_nifti

CASES = int(os.environ.get("ISIMED_FUZZ", "60"))
fuzz = settings(max_examples=CASES, deadline=60_000)  # none hangs
SMALL = (7, 6, 5)
WRAPPERS = (
    "hospital-A",
    "export 2024",
    "study_7",
    "data",
    "Training Batch 1",
    "train",
    "test",
    "val",
    "images",
    "nifti",
)
SPLITS = ("", "train", "test", "validation", "imagesTr")
PATIENTS = ("P007", "anna", "Doe, Jane", "pat 12", "山田", "MR-X9", "case_3", "b%20b")
LABEL_NAMES = ("{}_seg", "{}-label", "{}_mask", "{}.gt", "{} segmentation", "{}_tumour", "Segmentation {}")
LABEL_FOLDERS = ("labels", "labelsTr", "masks", "Segmentations", "tumour", "GT", "ground_truth")
JUNK = (
    "notes.txt",
    "table.csv",
    "brain.mgz",
    "old.zip",
    "thing",
    "voxels.raw",
    "pair.hdr",
    "pair.img",
    "README",
    "a.npz",
)


@dataclass(frozen=True)
class Tree:
    """A made-up data set: wrappers, then patients as folders or files, and label maps in a usual place."""

    wrappers: tuple[str, ...]
    patients: tuple[str, ...]
    splits: tuple[str, ...]
    as_folders: bool
    label: str
    label_folder: str
    labelled: int
    junk: tuple[tuple[str, str], ...]

    def files(self) -> dict[str, str]:
        """Path -> ``image``, ``label`` or ``junk``, of whose patient."""
        found = {}
        for number, patient in enumerate(self.patients):
            split = self.splits[number % len(self.splits)]
            top = [*self.wrappers, *([split] if split else [])]
            image, label = ("ct", "ct") if self.as_folders else (patient, patient)
            lead = [*top, patient] if self.as_folders else top
            found["/".join([*lead, f"{image}.nii.gz"])] = f"image:{patient}"
            if number < self.labelled:
                name = label if self.label_folder else self.label.format(label)
                folder = [self.label_folder] if self.label_folder else []
                found["/".join([*lead, *folder, f"{name}.nii.gz"])] = f"label:{patient}"
        return found


trees = st.builds(
    Tree,
    wrappers=st.lists(st.sampled_from(WRAPPERS), max_size=3, unique=True).map(tuple),
    patients=st.lists(st.sampled_from(PATIENTS), min_size=2, max_size=5, unique=True).map(tuple),
    splits=st.lists(st.sampled_from(SPLITS), min_size=1, max_size=3, unique=True).map(tuple),
    as_folders=st.booleans(),
    label=st.sampled_from(LABEL_NAMES),
    label_folder=st.sampled_from(("", *LABEL_FOLDERS)),
    labelled=st.integers(0, 5),
    junk=st.lists(st.tuples(st.sampled_from(("", "deep/er", "labels")), st.sampled_from(JUNK)), max_size=4).map(tuple),
)


@pytest.fixture(scope="module")
def voxels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("voxels")
    image = write_nifti(folder / "image.nii.gz", blob(SMALL))
    label = write_nifti(folder / "label.nii.gz", (blob(SMALL) > 40).astype(np.uint8))
    return {"image": image.read_bytes(), "label": label.read_bytes(), "junk": b"junk"}


def put(root: Path, files: dict[str, str], voxels: dict[str, bytes]) -> None:
    for name, what in files.items():
        target = root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(voxels[what.split(":")[0]])


def whole(plan: Plan, root: Path) -> None:
    """Every file stands in the plan once, in a known role, and what is not taken says why."""
    counted = Counter(part for item in plan.items for part in item.parts)
    assert set(counted) == set(walk_files(root))
    assert max(counted.values()) == 1
    assert {item.role for item in plan.items} <= set(ROLES)
    assert all(item.why for item in plan.items if item.role not in (IMAGE, *LABELS, METADATA))
    volumes = plan.volumes()
    names = {volume["name"] for volume in volumes}
    assert len(names) == len(volumes) == len(plan.images)
    assert {item.volume for item in plan.items if item.role in LABELS} <= names


@fuzz
@given(tree=trees, zipped=st.booleans())
def test_patients_and_label_maps_of_any_tree(tmp_path_factory, voxels, tree: Tree, zipped: bool) -> None:
    root = tmp_path_factory.mktemp("tree") / "given"
    files = tree.files()
    put(root, files, voxels)
    put(root, {f"{folder}/{name}".lstrip("/"): "junk" for folder, name in tree.junk}, voxels)
    given_path = root
    if zipped:
        given_path = root.with_suffix(".zip")
        with zipfile.ZipFile(given_path, "w") as archive:
            for file in walk_files(root):
                archive.write(file, file.relative_to(root))
    plan = plan_import(given_path)
    try:
        whole(plan, plan.root)
        assert {item.patient for item in plan.images} == set(tree.patients)
        belongs = {item.volume: item.patient for item in plan.images}
        for item in plan.items:
            what = files.get(item.path.relative_to(plan.root).as_posix(), "")
            if what.startswith("image"):
                assert (item.role, item.patient) == (IMAGE, what.split(":")[1])
            if what.startswith("label"):
                assert item.role in LABELS, item
                assert belongs[item.volume] == what.split(":")[1]
    finally:
        forget_plan(plan)


parts = st.sampled_from(
    [
        *WRAPPERS,
        *PATIENTS,
        *LABEL_FOLDERS,
        "derivatives",
        "sub-01",
        "ses-1",
        "anat",
        "func",
        "imagesTs",
        "segmentations",
    ]
)
stems = st.sampled_from(
    ["ct", "T1", "a_0000", "a_0001", "seg", "x_mask", "sub-01_T1w", "sub-01_desc-brain_mask", "BraTS2021_00001_t1",
     "BraTS2021_00001_seg", "CTres", "SEG", "CHUM-001__PT", "CHUM-001", "volume-0", "segmentation-0", "OAS1_0001_MR1",
     "label", "scan1", "amos_0600", "patient001_frame01", "patient001_frame01_gt", "liver", "heart"]
)  # fmt: skip
endings = st.sampled_from([".nii.gz"] * 6 + [".nii", ".mgz", ".txt", ".raw", ".dcm", "", ".nrrd", ".seg.nrrd"])
contents = st.sampled_from(["image", "image", "label", "junk"])


@fuzz
@given(files=st.lists(st.tuples(st.lists(parts, max_size=4), stems, endings, contents), min_size=1, max_size=12))
def test_every_file_of_any_heap_has_a_role(tmp_path_factory, voxels, files) -> None:
    """Whatever lies together: a plan that holds every file once, or one sentence."""
    root = tmp_path_factory.mktemp("heap") / "given"
    put(root, {"/".join([*folders, stem + ending]): what for folders, stem, ending, what in files}, voxels)
    try:
        plan = plan_import(root)
    except InputError as error:
        message = str(error)
    else:
        message = "."
        whole(plan, root)
        assert not {item.patient for item in plan.images} & {"train", "test", "val", "images", "labels", "derivatives"}
    assert message.endswith(".")
    assert "\n" not in message
