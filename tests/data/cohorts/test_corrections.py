"""Who the patient is and what a file is, where names leave it open: said, and corrected by rules."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from isimed.__main__ import main
from isimed.core.errors import InputError
from isimed.data.cohorts.cohort import Cohort
from isimed.data.cohorts.corrections import Corrections
from isimed.data.cohorts.importing import import_cohort, plan_import
from isimed.data.cohorts.plan import Plan
from tests.data.make import blob, write_nifti

MASK = (blob() > 60).astype(np.uint8)


def scans(root: Path, *names: str) -> Path:
    for number, name in enumerate(names):
        write_nifti(root / f"{name}.nii.gz", blob(seed=number))
    return root


def patients(plan: Plan) -> set[str]:
    return {item.patient for item in plan.images}


@pytest.mark.parametrize(
    ("names", "whose"),
    [
        (("Ulm/001/ses-1/T1", "Ulm/002/ses-1/T1", "Oslo/001/ses-2/T1"), {"Ulm_001", "Ulm_002", "Oslo_001"}),
        (("siteB/anna/scan", "siteB/bert/scan", "site-3/cara/scan"), {"siteB_anna", "siteB_bert", "site-3_cara"}),
        (("anna/CT/a", "anna/brain/b", "bert/CT/a"), {"anna", "bert"}),
        (("CT/anna/a", "CT/bert/a", "MR/cara/a"), {"anna", "bert", "cara"}),
        (("anna/2024-01-02/a", "anna/2024-02-02/a", "bert/2024-01-02/a"), {"anna", "bert"}),
    ],
)  # fmt: skip
def test_the_folder_of_a_patient_is_found_below_sites_and_above_sessions(tmp_path: Path, names, whose) -> None:
    plan = plan_import(scans(tmp_path, *names))
    assert patients(plan) | {item.patient for item in plan.left_out} - {""} == whose


@pytest.mark.parametrize(
    ("names", "whose"),
    [
        (("T1/a", "T1/b", "T2/a", "T2/b"), ["a", "b", "a", "b"]),
        (("T1/T1_a", "T1/T1_b", "T2/T2_a", "T2/T2_b"), ["a", "b", "a", "b"]),
        (("CT/a", "CT/b", "CT 2/c"), ["c", "a", "b"]),
        (("brain/p1", "brain/p2", "head/p3"), ["p1", "p2", "p3"]),
        (("anna/T1/scan", "anna/T2/scan"), ["anna", "anna"]),
        (("T1_case_7", "T2-case-7", "P9"), ["P9", "case_7", "case_7"]),
        (("P1_T1_post", "P1_T1_pre", "P2_preop", "P2_postop"), ["P1", "P1", "P2", "P2"]),
    ],
)
def test_folders_and_words_that_say_what_a_scan_shows_are_no_patients(tmp_path: Path, names, whose) -> None:
    plan = plan_import(scans(tmp_path, *names))
    assert [item.patient for item in sorted(plan.images, key=lambda item: str(item.path))] == whose


def test_scans_whose_names_differ_and_are_taken_for_one_patients_are_said(tmp_path: Path) -> None:
    said = plan_import(scans(tmp_path, "T1_case_7", "T2_case_7")).notices[0]
    assert said.startswith("T1_case_7.nii.gz and T2_case_7.nii.gz were taken as scans of one patient, case_7: if")
    assert "--patient-from" in said


def test_where_folders_leave_the_patient_open_the_plan_says_which_was_taken(tmp_path: Path) -> None:
    plan = plan_import(scans(tmp_path, "north/7/scan", "north/8/scan", "south/7/scan"))
    assert any(
        "north was taken as the patient of north/7/scan.nii.gz" in notice and "--patient-from" in notice
        for notice in plan.notices
    )
    assert not any("--patient-from" in notice for notice in plan_import(scans(tmp_path / "x", "a/s", "b/s")).notices)


def test_names_that_are_dates_alone_are_doubted(tmp_path: Path) -> None:
    plan = plan_import(scans(tmp_path, "2024-03-01_CT", "2024-05-01_CT"))
    assert any("say when and not of whom" in notice for notice in plan.notices)


@pytest.mark.parametrize(
    ("rule", "whose"),
    [
        ("folder:2", {"7", "8"}),
        ("folder:-1", {"7", "8"}),
        ("folder:1", {"north", "south"}),
        (r"^(\w)\w*/(?:\d)", {"n", "s"}),
        (r"\w+/\d", {"north/7", "north/8", "south/7"}),
    ],
)
def test_patients_are_named_by_rule(tmp_path: Path, rule: str, whose: set[str]) -> None:
    root = scans(tmp_path, "north/7/scan", "north/8/scan", "south/7/scan")
    assert patients(plan_import(root, corrections=Corrections(patient_from=rule))) == whose


@pytest.mark.parametrize(
    ("corrections", "said"),
    [
        (Corrections(patient_from="folder:9"), "lies in 1 folders"),
        (Corrections(patient_from="folder:0"), "lies in 1 folders"),
        (Corrections(patient_from="folder:x"), "names no folder"),
        (Corrections(patient_from="(["), "no regular expression"),
        (Corrections(patient_from="zzz"), "finds no patient in"),
        (Corrections(modality="xray"), "--modality xray is not known: give one of CT"),
        (Corrections(modality=" "), "is not known: give one of CT"),
        (Corrections(region="left toe"), "--region left toe is not known"),
        (Corrections(roles=["*.nii.gz"]), "is no rule"),
        (Corrections(roles=["*.nii.gz=label"]), "is no rule"),
        (Corrections(roles=["nothing*=skip"]), "fits no file"),
        (Corrections(roles=["*/scan.nii.gz=organs"]), "is of no image that can be told"),
    ],
)
def test_a_rule_that_cannot_be_followed_is_one_sentence(tmp_path: Path, corrections: Corrections, said: str) -> None:
    root = scans(tmp_path, "north/scan", "south/scan")
    with pytest.raises(InputError) as error:
        plan_import(root, corrections=corrections)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_modality_region_and_roles_are_those_that_were_given(tmp_path: Path, capsys) -> None:
    for patient in "ab":
        scans(tmp_path, f"{patient}/t1", f"{patient}/extra")
        write_nifti(tmp_path / patient / "t1_seg.nii.gz", MASK)
    rules = ["*_seg*=tumour", "*extra*=skip", "b/extra.nii.gz=image"]
    options = ["import", str(tmp_path), "--name", "c", "--modality", "CT", "--region", "head"]
    assert main([*options, "--role", *rules[:2], "--role", rules[2]]) == 0
    cohort = Cohort.load("c")
    assert {(entry.modality, entry.region) for entry in cohort.volumes} == {("CT", "head")}
    assert sorted(entry.id for entry in cohort.volumes) == ["a_t1", "b_extra", "b_t1"]
    assert {entry.id for entry in cohort.volumes if entry.tumour} == {"a_t1", "b_t1"}
    assert not any(entry.organs for entry in cohort.volumes)
    assert "Taken as" not in capsys.readouterr().out


def test_a_map_chosen_by_hand_takes_the_place_of_the_other(tmp_path: Path) -> None:
    scans(tmp_path, "p/ct")
    for name in ("ct_seg", "manual_mask"):
        write_nifti(tmp_path / "p" / f"{name}.nii.gz", MASK)
    chosen = Corrections(roles=["*manual*=organs"])
    cohort = Cohort.load(import_cohort(tmp_path, name="c", corrections=chosen))
    assert [Path(entry.organs or "").name for entry in cohort.volumes] == ["manual_mask.nii.gz"]


def test_a_name_with_a_line_break_stays_on_its_line(tmp_path: Path, capsys) -> None:
    scans(tmp_path, "two\nlines")
    assert main(["import", str(tmp_path), "--name", "c"]) == 0
    assert main(["check", "c", "--exit-zero"]) == 0
    assert "two\ufffdlines" in capsys.readouterr().out


@pytest.mark.parametrize("packed", [True, False])
def test_what_a_manifest_says_of_credit_frame_and_start_comes_along(tmp_path: Path, packed: bool) -> None:
    folder = scans(tmp_path / "theirs", "images/a", "images/b")
    (folder / "a.npz").write_bytes(b"warp")
    said = {"licence": "CC BY", "credit": "Dr. Doe", "frame": "atlas", "synthetic": True, "made": "by hand"}
    start = {"volume": "b", "mm": [1.0, 2.0, 3.0]}
    volumes = [
        {"subject": "A", "image": "images/a.nii.gz", "licence": "CC0", "warp": "a.npz"},
        {"subject": "B", "image": "images/b.nii.gz"},
    ]
    manifest = {"name": "theirs", "modality": "CT", **said, "start": start, "volumes": volumes}
    (folder / "dataset.json").write_text(json.dumps(manifest))
    if packed:
        given = Path(shutil.make_archive(str(tmp_path / "sent"), "zip", folder))
        cohort = Cohort.load(import_cohort(given, name="c"))
    else:
        cohort = Cohort.load(import_cohort(folder, name="c", corrections=Corrections(region="chest")))
        assert {entry.region for entry in cohort.volumes} == {"chest"}
    assert (cohort.licence, cohort.credit, cohort.frame, cohort.synthetic) == ("CC BY", "Dr. Doe", "atlas", True)
    assert cohort.model_extra is not None
    assert cohort.model_extra["made"] == "by hand"
    assert cohort.start is not None
    assert cohort.entry(cohort.start.volume).subject == "B"
    first = cohort.entry("a").model_extra or {}
    assert first["licence"] == "CC0"
    assert (cohort.root / first["warp"]).read_bytes() == b"warp"
    without = Cohort.load(import_cohort(folder, name="d", corrections=Corrections(roles=["b.nii.gz=skip"])))
    assert (without.subjects, without.start, without.credit) == (["A"], None, "Dr. Doe")
