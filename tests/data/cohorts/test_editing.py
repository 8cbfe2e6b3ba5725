"""A cohort is changed in its manifest alone, and what is deleted can be brought back as it was."""

import json
from pathlib import Path

import pytest

from isimed.core import paths
from isimed.core.errors import InputError
from isimed.data.cohorts import editing, importing
from isimed.data.cohorts.cohort import Cohort, cohort_names, find_manifest, register
from isimed.data.cohorts.editing import bring_back, describe, leave_out, rename, set_aside
from isimed.data.cohorts.importing import import_cohort, plan_import, write_plan
from isimed.data.cohorts.splits import draw_split, read_split, write_split
from isimed.data.cohorts.suspicions import alike
from tests.small import write_cohort


@pytest.fixture
def source(tmp_path: Path) -> Path:
    manifest = write_cohort(tmp_path / "source", patients=3, size=8)
    content = json.loads(manifest.read_text()) | {"licence": "CC BY"}
    content["volumes"][1] |= {"modality": "PET", "sequence": "T1"}
    manifest.write_text(json.dumps(content))
    register(manifest)
    return manifest.parent


def test_what_is_said_of_a_cohort_is_changed_and_all_else_stays(source: Path) -> None:
    before = json.loads(find_manifest("small").read_text())
    describe("small", modality="CT", frame="atlas", description="mine")
    cohort = Cohort.load("small")
    assert (cohort.modality, cohort.frame, cohort.description) == ("CT", "atlas", "mine")
    assert [(entry.modality, entry.sequence) for entry in cohort.volumes] == [(None, None), (None, "T1"), (None, None)]
    after = json.loads(find_manifest("small").read_text())
    assert after["licence"] == "CC BY"
    assert [volume["image"] for volume in after["volumes"]] == [volume["image"] for volume in before["volumes"]]
    describe("small", sequence="FLAIR", frame="")
    assert {entry.sequence for entry in Cohort.load("small").volumes} == {"FLAIR"}
    assert Cohort.load("small").frame is None
    with pytest.raises(InputError, match="needs a modality"):
        describe("small", modality=" ")


def test_patients_are_left_out_and_their_files_stay(source: Path) -> None:
    leave_out("small", ["S1"])
    assert Cohort.load("small").subjects == ["S0", "S2"]
    assert (source / "P1.nii.gz").is_file()
    with pytest.raises(InputError, match="no patient S1"):
        leave_out("small", ["S1"])
    with pytest.raises(InputError, match="no patient left"):
        leave_out("small", ["S0", "S2"])
    assert Cohort.load("small").subjects == ["S0", "S2"]


def test_a_deleted_cohort_comes_back_with_its_points_and_its_split(source: Path) -> None:
    cohort = Cohort.load("small")
    write_split(cohort, draw_split(cohort, validation=0.3, test=0.3, seed=1))
    parts, manifest = read_split(cohort), find_manifest("small").read_bytes()
    point = paths.home() / "annotations" / "small" / "1.json"
    point.parent.mkdir(parents=True)
    point.write_text("{}")
    folder = set_aside("small")
    assert cohort_names() == []
    assert not point.exists()
    assert (source / "P0.nii.gz").is_file()
    assert bring_back(folder) == "small"
    assert find_manifest("small").read_bytes() == manifest
    assert read_split(Cohort.load("small")) == parts
    assert point.read_text() == "{}"
    with pytest.raises(InputError, match="no deleted cohort"):
        bring_back(folder)


def test_a_renamed_cohort_keeps_its_scans_its_points_and_its_split(source: Path) -> None:
    cohort = Cohort.load("small")
    write_split(cohort, draw_split(cohort, validation=0.3, test=0.3, seed=1))
    parts = read_split(cohort)
    point = paths.home() / "annotations" / "small" / "1.json"
    point.parent.mkdir(parents=True)
    point.write_text("{}")
    rename("small", "Lungs 2026")
    renamed = Cohort.load("Lungs 2026")
    assert cohort_names() == ["Lungs 2026"]
    assert (renamed.name, renamed.fingerprint, renamed.volumes) == ("Lungs 2026", cohort.fingerprint, cohort.volumes)
    assert read_split(renamed) == parts
    assert (paths.home() / "annotations" / "Lungs 2026" / "1.json").read_text() == "{}"


@pytest.mark.parametrize("taken", ["small", "other", "../away", ""])
def test_a_cohort_takes_no_name_that_is_taken_or_no_folders(source: Path, tmp_path: Path, taken: str) -> None:
    register(write_cohort(tmp_path / "other", patients=3, size=8, name="other"))
    with pytest.raises(InputError, match=r"already|cannot be a cohort's name"):
        rename("small", taken)
    assert cohort_names() == ["other", "small"]


def test_a_new_cohort_of_the_same_name_is_not_overwritten(source: Path) -> None:
    folder = set_aside("small")
    register(source)
    with pytest.raises(InputError, match="There is a new cohort small"):
        bring_back(folder)
    assert cohort_names() == ["small"]
    set_aside("small")
    assert bring_back(folder) == "small"


def test_only_cohorts_of_the_home_are_deleted(source: Path) -> None:
    for name in ("other", str(source), "..", "../../source"):
        with pytest.raises(InputError, match="no cohort"):
            set_aside(name)
    assert (source / "dataset.json").is_file()


def test_a_renaming_killed_at_any_moment_can_be_done_again(source: Path, home: Path, monkeypatch) -> None:
    write_split(Cohort.load("small"), {"S0": "test"})
    (home / "annotations" / "small").mkdir(parents=True)
    real = Path.rename
    for survived in range(4):

        def rename_until(self: Path, target: Path, left: list[int] = [survived]) -> Path:  # noqa: B006
            if not left[0]:
                raise KeyboardInterrupt
            left[0] -= 1
            return real(self, target)

        old, new = f"{'small' if not survived else f'new{survived - 1}'}", f"new{survived}"
        monkeypatch.setattr(Path, "rename", rename_until)
        monkeypatch.setattr(editing, "write_manifest", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            rename(old, new)
        monkeypatch.undo()
        monkeypatch.setenv("ISIMED_HOME", str(home))
        names = cohort_names()
        assert len(names) == 1
        assert Cohort.load(names[0]).name == names[0]
        if names[0] == old:
            rename(old, new)
        cohort = Cohort.load(new)
        assert (cohort.name, cohort_names()) == (new, [new])
        assert read_split(cohort)["S0"] == "test"
        assert (home / "annotations" / new).is_dir()


def test_a_deletion_killed_half_way_brings_everything_back(source: Path, home: Path, monkeypatch) -> None:
    write_split(Cohort.load("small"), {"S0": "test"})
    (home / "annotations" / "small").mkdir(parents=True)
    real, moved = Path.rename, []

    def once(self: Path, target: Path) -> Path:
        if moved:
            raise KeyboardInterrupt
        moved.append(target)
        return real(self, target)

    monkeypatch.setattr(Path, "rename", once)
    with pytest.raises(KeyboardInterrupt):
        set_aside("small")
    monkeypatch.undo()
    monkeypatch.setenv("ISIMED_HOME", str(home))
    assert not cohort_names()
    assert bring_back(moved[0].parents[1]) == "small"
    assert read_split(Cohort.load("small"))["S0"] == "test"
    assert (home / "annotations" / "small").is_dir()


def test_a_cohort_from_elsewhere_is_not_lost_to_one_of_the_same_name(source: Path, tmp_path: Path) -> None:
    before = find_manifest("small").read_bytes()
    write_cohort(tmp_path / "other", patients=2, size=8)
    for manifest in (tmp_path / "other", tmp_path / "other" / "dataset.json"):
        with pytest.raises(InputError, match=r"a cohort small already, from .*source: choose another --name"):
            import_cohort(manifest)
    assert find_manifest("small").read_bytes() == before
    assert import_cohort(tmp_path / "other", name="mine").parent.name == "mine"
    assert import_cohort(source).parent.name == "small", "the same one again"
    content = json.loads(find_manifest("small").read_text())
    del content["import"]  # as the version before wrote it
    find_manifest("small").write_text(json.dumps(content))
    assert import_cohort(source).parent.name == "small"


def test_copies_are_made_of_what_a_manifest_names_too(source: Path, home: Path) -> None:
    known = import_cohort(source, name="kept", copy=True)
    before = Cohort.load(source)
    assert Cohort.load(known).fingerprint == before.fingerprint
    for file in source.glob("*.nii.gz"):
        file.unlink()
    cohort = Cohort.load("kept")
    assert [entry.id for entry in cohort.volumes] == [entry.id for entry in before.volumes]
    assert cohort.read(cohort.volumes[0]).shape == (8, 8, 8)
    assert all(cohort.path(entry.image).is_relative_to(home) for entry in cohort.volumes)
    with pytest.raises(InputError, match="leave --channel out"):
        import_cohort(source, name="c", channel=1)


def test_an_import_that_fails_leaves_what_another_process_made(source: Path, tmp_path: Path, monkeypatch) -> None:
    plan = plan_import(source, layout="plain")

    def another_is_faster(*_: object) -> None:
        register(source, name="both")
        raise InputError("no space")

    monkeypatch.setattr(importing, "_copy", another_is_faster)
    with pytest.raises(InputError, match="no space"):
        write_plan(plan, name="both", copy=True)
    assert Cohort.load("both").subjects == ["S0", "S1", "S2"]
    monkeypatch.setattr(importing, "_copy", lambda *_: (_ for _ in ()).throw(InputError("full")))
    with pytest.raises(InputError, match="full"):
        write_plan(plan, name="alone", copy=True)
    assert not (find_manifest("both").parents[1] / "alone").exists()


def test_a_blank_frame_is_none_and_background_is_no_organ(source: Path) -> None:
    content = json.loads(find_manifest("small").read_text())
    find_manifest("small").write_text(json.dumps(content | {"frame": " ", "organs": {"0": "background", "1": "liver"}}))
    cohort = Cohort.load("small")
    assert (cohort.frame, cohort.organs) == (None, {1: "liver"})


def test_scans_of_one_name_with_two_letters_behind_it_are_one_patients() -> None:
    assert alike(["P7", "P7-b", "p7_b_c", "Q-b-c"]) == [("P7", "P7-b", "p7_b_c")]
