"""The whole measurement on a small cohort, with a network whose embedding is known instead of a real one."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from isimed.core.errors import InputError
from isimed.data.cohorts.cohort import Cohort
from isimed.data.prepared.preprocess import Preparation
from isimed.data.prepared.source import digests_of
from isimed.evaluation.context import context
from isimed.evaluation.reporting import labels, report
from isimed.evaluation.results.controls import CONTROLS
from isimed.evaluation.results.result import Result
from isimed.evaluation.run import compare, evaluate, plan, registry
from isimed.evaluation.statistics.protocol import STRICT
from isimed.models.checkpoint import Checkpoint
from tests.evaluation.network import known, replace_network, write_scattered
from tests.small import write_cohort

TASKS = ["distance", "position", "collapse"]


@pytest.fixture
def embedded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Replace the network; returns the number of crops of every call."""
    return replace_network(monkeypatch)


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, Checkpoint]], None]:
    def use(checkpoints: dict[str, Checkpoint]) -> None:
        for module in (evaluate, compare):
            monkeypatch.setattr(module, "load_all", lambda cohort, names: {n: checkpoints[n] for n in names})

    return use


def evaluated(*cohort_and_names: Any, **options: Any) -> dict[str, Any]:
    """The result as scripts read it: what ``--json`` writes."""
    return json.loads(evaluate.evaluate(*cohort_and_names, **options).to_json())


@pytest.fixture
def five(tmp_path: Path) -> Cohort:
    return Cohort.load(write_cohort(tmp_path / "five", patients=5, size=32))


def test_the_result_is_the_contract(five: Cohort, embedded: list[int], load: Callable) -> None:
    load({"good": known("good"), "half": known("half", 0.5)})
    told: list[tuple[int, int]] = []
    result = evaluated(five, ["good", "half"], tasks=TASKS, progress=lambda *now: told.append(now))
    assert result["cohort"] == {"name": "small", "fingerprint": five.fingerprint, "subjects": 5}
    assert {"protocol", "seed", "versions", "checkpoints", "controls"} <= set(result)
    good = result["checkpoints"]["good"]
    assert good["distance"]["spearman"]["value"] == pytest.approx(1, abs=1e-3)
    assert good["distance"]["rmse_mm"]["value"] < 1
    assert set(good["distance"]["spearman"]) == {"value", "low", "high", "n"}
    assert good["distance"]["spearman"]["n"] == 5
    assert good["position"]["r2_axial"]["value"] > 0.99
    assert result["checkpoints"]["half"]["distance"]["stress"]["value"] == pytest.approx(0.5, abs=1e-4)
    for control in ("untrained", "mean_position", "intensity_histogram"):
        assert result["controls"][control]["position"]["median_mm"]["value"] > good["position"]["median_mm"]["value"]
    gap = result["differences"]["good - half"]["distance"]["stress"]
    assert gap["value"] == pytest.approx(-0.5, abs=1e-4)
    assert gap["high"] < 0
    assert told[-1] == (100, 100)
    assert [a for a, _ in told] == sorted(a for a, _ in told)
    assert result["controls"]["body_box"] == {}  # not asked for
    json.dumps(result, allow_nan=False)


CONTRACT = {  # names and nesting that scripts read
    "distance": ("pearson", "spearman", "stress", "rmse_mm"),
    "position": (
        *("r2_sagittal", "r2_coronal", "r2_axial", "median_mm", "pc_r_sagittal", "pc_r_coronal", "pc_r_axial"),
    ),
    "landmarks": (*("median_mm", "mean_mm", "within_10mm", "within_20mm", "left_right_confusion", "coarse_median_mm"),),
    "probe": ("auc", "average_precision", "sensitivity_at_90"),
    "organs": ("accuracy", "macro_f1"),
    "collapse": ("rankme", "participation_ratio"),
}


@pytest.fixture
def scattered(tmp_path: Path) -> Cohort:
    return write_scattered(tmp_path / "scattered")


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """All tasks, measured once for all tests that only look at the result."""
    folder = tmp_path_factory.mktemp("everything")
    networks = {"a": known("a"), "b": known("b", 2.0)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ISIMED_HOME", str(folder / "home"))
        replace_network(patch)
        patch.setattr(evaluate, "load_all", lambda cohort, names: networks)
        return evaluated(write_scattered(folder / "scattered"), list(networks))


def test_every_task_has_figures_with_intervals_and_what_stands_beside(everything: dict[str, Any]) -> None:
    result = everything
    ours, controls = result["checkpoints"]["a"], result["controls"]
    beside = {
        "distance": (),
        "position": ("mean_position", "intensity_histogram"),
        "landmarks": ("body_box", "affine_registration"),
        "landmarks_by_organ": ("body_box", "affine_registration"),
        "left_right_by_organ": ("body_box", "affine_registration"),
        "probe": ("position_only", "intensity_histogram"),
        "probe_near": ("position_only", "intensity_histogram"),
        "probe_matched": ("position_only", "intensity_histogram"),
        "organs": ("position_only", "intensity_histogram"),
        "collapse": (),
        "robustness": (),
        "anomaly": ("position_only", "intensity_histogram"),
        "anomaly_matched": ("position_only", "intensity_histogram"),
        "segmentation": ("position_only",),
        "segmentation_by_organ": ("position_only",),
    }
    for group, names in beside.items():
        assert all(f["value"] is not None for f in ours[group].values()), group
        assert any(f["low"] is not None for f in ours[group].values()), group
        for name in ("untrained", *names):
            assert controls[name][group], f"{name} does not stand beside {group}"
    assert set(ours["segmentation"]) == {"dice_1_shot", "dice_3_shot", "dice_5_shot"}
    assert {"none", "synthetic mass", "turned 15 degrees", "cut field"} <= set(ours["robustness"])
    assert ours["landmarks"]["median_mm"]["value"] < controls["untrained"]["landmarks"]["median_mm"]["value"]
    matched = controls["position_only"]["probe_matched"]["auc"]
    assert matched["value"] == pytest.approx(0.5, abs=0.15)
    assert result["likeness"]["a | b"]["cka"]["value"] == pytest.approx(1, abs=1e-4)
    json.dumps(result, allow_nan=False)
    assert set(result["cohort"]) == {"name", "fingerprint", "subjects"}
    for name, found in (*result["checkpoints"].items(), ("untrained", controls["untrained"])):
        for group, figures in CONTRACT.items():
            for figure in figures:
                assert set(found[group][figure]) == {"value", "low", "high", "n"}, f"{name} {group}.{figure}"
    for control, group in (("position_only", "probe"), ("body_box", "landmarks"), ("affine_registration", "landmarks")):
        figures = [f for f in CONTRACT[group] if f in controls[control][group]]
        assert figures == list(CONTRACT[group]), control
    for axis in ("sagittal", "coronal", "axial"):
        for kind in ("pc_r", "pc_r_within"):
            truth, code = (found["position"][f"{kind}_{axis}"]["value"] for found in (controls["position_only"], ours))
            assert code == pytest.approx(truth, abs=1e-3)  # this network's code is the position
    # patients lie differently in the scanner; their organs say how
    assert ours["distance_between"]["rmse_mm"]["value"] < 8
    assert any(note.startswith("Between patients: 8 volumes") for note in result["notes"])


def test_checkpoints_of_other_preparations_are_measured_at_the_same_places(
    scattered: Cohort, embedded: list[int], load: Callable
) -> None:
    coarse, fine = known("coarse"), known("fine")
    finer = fine.card.model_copy(update={"preparation": Preparation(spacing_mm=5.0)})
    fine = replace(fine, card=finer)
    one = context.Context(scattered, scattered.volumes, STRICT, 0)
    for name in ("body", "tumour", "matched", "organ"):
        here, there = (one.crops_for(name, checkpoint) for checkpoint in (coarse, fine))
        gap = np.linalg.norm(here.centre_mm - there.centre_mm, axis=1)
        assert gap.max() <= np.sqrt(3) * (8 + 5), name  # each within a voxel of the place, and a crop's half voxel
        assert (here.subject == there.subject).all()
    load({"coarse": coarse, "fine": fine})
    found = evaluated(scattered, ["coarse", "fine"], tasks=["distance", "compare"])
    assert found["likeness"]["coarse | fine"]["code_cka"]["value"] > 0.98
    assert found["differences"]["coarse - fine"]["distance"]["spearman"]["low"] is not None


def test_position_only_stands_beside_every_auc(everything: dict[str, Any]) -> None:
    ours, controls = everything["checkpoints"]["a"], everything["controls"]
    asked = {g: f for g, f in ours.items() if g != "landmarks"}  # of a search: beside it stands the untrained network
    shown = {(g, f) for g, figures in asked.items() for f in figures if "auc" in f and "with_position" not in f}
    assert {g for g, _ in shown} >= {"probe", "anomaly", "anomaly_matched"}
    for control in ("untrained", "position_only", "intensity_histogram"):
        lacking = [(g, f) for g, f in shown if controls[control].get(g, {}).get(f, {}).get("value") is None]
        assert not lacking, f"{control} does not stand beside {lacking}"
    assert all("with_position_auc" in ours[group] for group, _ in shown)
    assert "probe" in everything["differences"]["a - position_only"]


def test_twenty_checkpoints_again_compute_nothing(five: Cohort, embedded: list[int], load: Callable) -> None:
    many = {f"c{i}": known(f"c{i}", 1 + i / 10) for i in range(20)}
    load(many)
    tasks = ["distance", "collapse", "compare"]
    evaluated(five, ["c0"], tasks=tasks[:2])
    each = sum(embedded) / 2  # of c0 and of the untrained network
    assert 5 * 25 < each <= 5 * (32 + 4)  # 5 patients; crops, of which a few are drawn twice, and noisy crops
    embedded.clear()
    first = evaluated(five, list(many), tasks=tasks)
    assert sum(embedded) == 19 * each
    assert len(first["likeness"]) == 19  # too many to show every two
    embedded.clear()
    again = evaluated(five, list(many), tasks=tasks)
    assert embedded == []
    assert {k: v for k, v in again.items() if k != "created"} == {k: v for k, v in first.items() if k != "created"}
    evaluated(five, list(many), tasks=["position"])
    assert embedded == []  # another task, the same crops
    evaluated(five, ["c0", "c7"], tasks=["distance"], crops=16)
    assert embedded == []  # fewer crops are the first of these
    evaluated(five, ["c0"], tasks=["distance"], limit=3)
    assert embedded == []  # fewer patients too
    many["new"] = known("new", 4.0)
    evaluated(five, list(many), tasks=["distance"])
    assert 0 < sum(embedded) < each  # only the network that is new, and no noisy crops
    evaluated(five, ["c0"], tasks=["distance"], seed=1)
    assert sum(embedded) > each  # other crops


def test_tasks_share_crops(five: Cohort, embedded: list[int], load: Callable) -> None:
    load({"a": known("a")})
    evaluated(five, ["a"], tasks=["distance", "position"])
    body = sum(embedded)
    assert body <= 2 * 5 * 32
    evaluated(five, ["a"], tasks=["distance"], crops=32, limit=4)
    assert sum(embedded) == body
    embedded.clear()
    evaluated(five, ["a"], tasks=["probe", "anomaly"])
    assert sum(embedded) <= 2 * 5 * (12 + 24)  # crops in tumour, and matched ones; those elsewhere are embedded


def test_the_plan_says_what_it_takes(five: Cohort, embedded: list[int], load: Callable, monkeypatch) -> None:
    monkeypatch.setattr(plan, "crops_a_second", lambda checkpoint: 12.0)
    networks = {"a": known("a")}
    load(networks)
    made = plan.make_plan(five, networks, tasks=["distance", "position", "collapse"])
    assert made.crops == 2 * 5 * (32 + 4)
    sentence = made.sentence()
    assert sentence.startswith("5 patients, at most about 360 crops to embed: 0 min at 12 a second")
    assert embedded == []
    said: list[str] = []
    evaluated(five, ["a"], tasks=["distance", "position", "collapse"], say=said.append)
    assert said[0] == sentence
    assert said[1:3] == ["distance: a", "position: a"]
    assert 0.75 * made.crops < sum(embedded) <= made.crops  # a few crops are drawn twice
    again = plan.make_plan(five, networks, tasks=["distance", "position", "collapse"])
    assert again.crops == 0
    assert "no crop to embed. 9 of 9 parts are kept" in again.sentence()


def test_parts_of_a_split(five: Cohort, embedded: list[int], load: Callable, tmp_path: Path) -> None:
    load({"a": known("a", cohort={"name": "small", "train": ["S0", "S1"], "validation": ["S2"]})})
    split = tmp_path / "split.json"
    split.write_text(json.dumps({"train": ["S0", "S1"], "validation": ["S2"], "test": ["S3", "S4"]}))
    only = evaluated(five, ["a"], tasks=["collapse"], split=split)["subjects"]
    assert only["used"] == ["S3", "S4"]
    both = evaluated(five, ["a"], tasks=["collapse"], split=split, parts=["validation", "test"])
    assert both["subjects"]["used"] == ["S2", "S3", "S4"]
    assert both["subjects"]["chosen_on"] == ["S2"]
    assert both["split"] == {"file": "split.json", "parts": ["validation", "test"]}
    assert "3 patients of small, validation and test of split.json" in report.to_html(Result.model_validate(both))
    assert any("1 of the 3 measured patients were the training's validation" in note for note in both["notes"])
    trained = evaluated(five, ["a"], tasks=["collapse"], split=split, parts=["train", "test"])
    assert trained["subjects"]["used"] == ["S3", "S4"]  # never those that it was fitted to
    with pytest.raises(InputError, match=r"under `holdout`"):
        evaluated(five, ["a"], split=split, parts=["holdout"])
    with pytest.raises(InputError, match="one of the two"):
        evaluated(five, ["a"], split=split, subjects=["S3"])


def test_what_a_split_and_the_cohort_do_not_share_is_said(
    five: Cohort, embedded: list[int], load: Callable, tmp_path: Path
) -> None:
    load({"a": known("a")})
    split = tmp_path / "split.json"
    split.write_text(json.dumps({"train": ["S0"], "validation": [], "test": ["S3", "S4", "S9", "s2"]}))
    result = evaluated(five, ["a"], tasks=["collapse"], split=split)
    assert result["subjects"]["used"] == ["S3", "S4"]
    assert "2 patients of the split are not in this cohort (S9, s2)." in result["notes"]
    with pytest.raises(InputError, match=r"split.json names nobody under validation: give at least one"):
        evaluated(five, ["a"], split=split, parts=["validation"])


def test_a_result_is_not_kept_beyond_what_a_person_said_of_the_cohort(
    five: Cohort, embedded: list[int], load: Callable
) -> None:
    load({"a": known("a")})
    assert "distance_between" not in evaluated(five, ["a"], tasks=["distance"])["checkpoints"]["a"]
    manifest = five.root / "dataset.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"frame": "atlas"}))
    framed = Cohort.load(manifest)
    assert framed.fingerprint == five.fingerprint
    assert "distance_between" in evaluated(framed, ["a"], tasks=["distance"])["checkpoints"]["a"]
    assert sum(embedded) == 5 * 32 * 2, "and no crop is embedded again"


def test_several_checkpoints_are_compared(five: Cohort, embedded: list[int], load: Callable) -> None:
    load({"a": known("a"), "b": known("b", 2.0), "c": known("c", 3.0)})
    result = evaluated(five, ["a", "b", "c"], tasks=["compare"])
    assert set(result["likeness"]) == {"a | b", "a | c", "b | c"}
    assert result["likeness"]["a | b"]["cka"]["value"] == pytest.approx(1, abs=1e-5)
    assert "pair,compare,cka" in labels.to_csv(Result.model_validate(result))
    assert "CKA of codes" in report.to_html(Result.model_validate(result))
    load({"a": known("a")})
    with pytest.raises(InputError, match="two or more"):
        evaluated(five, ["a"], tasks=["compare"])


def test_trained_patients_are_left_out(five: Cohort, embedded: list[int], load: Callable) -> None:
    seen = {"name": "small", "train": ["S0", "S1"], "validation": ["S2"]}
    load({"a": known("a", cohort=seen), "other": known("other", cohort={**seen, "name": "x", "fingerprint": "y"})})
    result = evaluated(five, ["a", "other"], tasks=["distance"])
    left_out = ["S0", "S1", "S2"]
    found = {"used": ["S3", "S4"], "left_out": left_out, "seen": [], "chosen_on": [], "namesakes": []}
    assert result["subjects"] == found
    assert len(evaluated(five, ["other"], tasks=["distance"])["subjects"]["used"]) == 5
    forced = evaluated(five, ["a"], tasks=["distance"], subjects=["S0", "S3"])
    assert forced["subjects"]["seen"] == ["S0"]
    assert any("too good" in note for note in forced["notes"])


def test_scans_that_were_trained_on_are_known_under_any_name(
    five: Cohort, embedded: list[int], load: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same scans under another cohort's and other patients' names: their voxels tell."""
    monkeypatch.setattr(plan, "crops_a_second", lambda checkpoint: 12.0)
    digests = digests_of(five, five.volumes)
    voxels = {"train": [digests["P0"], digests["P1"]], "validation": [digests["P2"]]}
    networks = {"a": known("a", cohort={"name": "whole", "fingerprint": "y", "voxels": voxels})}
    said = json.loads((five.root / "dataset.json").read_text())
    said["name"] = "renamed"
    for number, volume in enumerate(said["volumes"]):
        volume |= {"subject": f"patient {number}", "image": str(five.path(volume["image"]))}
        volume["tumour"] = str(five.path(volume["tumour"]))
    (tmp_path / "renamed").mkdir()
    (tmp_path / "renamed" / "dataset.json").write_text(json.dumps(said))
    renamed = Cohort.load(tmp_path / "renamed" / "dataset.json")
    load(networks)
    found = evaluated(renamed, ["a"], tasks=["distance"])["subjects"]
    assert found["used"] == ["patient 3", "patient 4"]
    assert found["left_out"] == ["patient 0", "patient 1", "patient 2"]
    dry = plan.make_plan(renamed, networks, tasks=["distance"]).sentence()
    assert "3 patients are left out: a checkpoint was trained or selected on them" in dry
    only_seen = plan.make_plan(renamed, networks, tasks=["distance"], subjects=["patient 0", "patient 3"])
    assert "1 measured patients were seen in training: these figures are too good." in only_seen.sentence()


def test_patients_that_another_cohort_calls_by_the_same_name_are_told(
    five: Cohort, embedded: list[int], load: Callable
) -> None:
    """The same people under another cohort's name would leak without a word."""
    elsewhere = {"name": "whole", "fingerprint": "y", "train": ["S0", "S1"], "validation": ["S2"]}
    load({"a": known("a", cohort=elsewhere), "made": known("made", cohort={**elsewhere, "synthetic": True})})
    told = evaluated(five, ["a"], tasks=["collapse"])
    assert told["subjects"]["namesakes"] == ["S0", "S1", "S2"]
    assert any("3 measured patients have the ids of patients of whole" in note for note in told["notes"])
    assert evaluated(five, ["made"], tasks=["collapse"])["subjects"]["namesakes"] == []  # made, all alike


def test_clear_errors(five: Cohort, embedded: list[int], load: Callable, tmp_path: Path) -> None:
    everybody = {"fingerprint": five.fingerprint, "train": five.subjects, "validation": []}
    load({"a": known("a", cohort=everybody), "b": known("b")})
    with pytest.raises(InputError, match="Every patient"):
        evaluated(five, ["a"], tasks=["distance"])
    with pytest.raises(InputError, match="no task nothing"):
        evaluated(five, ["b"], tasks=["nothing"])
    with pytest.raises(InputError, match="no protocol"):
        evaluated(five, ["b"], protocol="loose")
    with pytest.raises(InputError, match="no patient Z"):
        evaluated(five, ["b"], subjects=["Z"])
    with pytest.raises(InputError, match="not a split"):
        evaluated(five, ["b"], split=tmp_path / "none.json")


def test_a_task_that_the_cohort_cannot_serve_is_noted(five: Cohort, embedded: list[int], load: Callable) -> None:
    load({"a": known("a")})
    result = evaluated(five, ["a"], tasks=["distance", "organs", "landmarks"])
    assert "organs" not in result["checkpoints"]["a"]
    assert any(note.startswith("organs:") for note in result["notes"])


def test_one_patient_ends_no_evaluation(five: Cohort, embedded: list[int], load: Callable) -> None:
    load({"a": known("a")})
    result = evaluated(five, ["a"], tasks=["distance", "position", "collapse", "robustness"], subjects=["S1"])
    assert set(result["checkpoints"]["a"]) == {"distance", "collapse"}
    why = "it needs 2 patients, to be fitted to some and measured on others; here is 1."
    assert {f"position: {why}", f"robustness: {why}"} <= set(result["notes"])


def test_landmarks_that_one_patient_alone_has_are_noted(
    scattered: Cohort, embedded: list[int], load: Callable, tmp_path: Path
) -> None:
    said = json.loads((scattered.root / "dataset.json").read_text())
    for volume in said["volumes"]:
        volume["image"], volume["tumour"] = (str(scattered.root / volume[key]) for key in ("image", "tumour"))
        organs = volume.pop("organs")
        if volume["subject"] == scattered.subjects[0]:
            volume["organs"] = str(scattered.root / organs)
    (tmp_path / "dataset.json").write_text(json.dumps(said))
    load({"a": known("a")})
    tasks = ["landmarks", "segmentation", "fields"]
    result = evaluated(Cohort.load(tmp_path), ["a"], tasks=tasks)
    assert result["checkpoints"]["a"] == result["controls"]["affine_registration"] == {}
    for task in tasks:
        assert [note for note in result["notes"] if note.startswith(f"{task}: left out")]


def test_a_damaged_kept_result_is_made_again(five: Cohort, embedded: list[int], load: Callable, home: Path) -> None:
    load({"a": known("a")})
    first = evaluated(five, ["a"], tasks=["distance"])
    for file in (home / "evaluations" / "results").glob("*.json"):
        file.write_text("{")
    for file in (home / "evaluations" / "crops").glob("*.npz"):
        file.write_bytes(b"PK")
    assert evaluated(five, ["a"], tasks=["distance"])["checkpoints"] == first["checkpoints"]


def test_a_patient_without_a_tumour_map_is_no_healthy_patient(
    scattered: Cohort, embedded: list[int], load: Callable, tmp_path: Path
) -> None:
    said = json.loads((scattered.root / "dataset.json").read_text())
    for volume in said["volumes"][:2]:
        del volume["tumour"]
    empty = said["volumes"][2]["tumour"]  # drawn, and there is none: known
    drawn = nib.Nifti1Image.from_filename(scattered.root / empty)
    nib.Nifti1Image(np.zeros(drawn.shape, np.uint8), drawn.affine).to_filename(scattered.root / empty)
    (scattered.root / "dataset.json").write_text(json.dumps(said))
    partly = Cohort.load(scattered.root)
    load({"a": known("a")})
    result = evaluated(partly, ["a"], tasks=["probe", "anomaly"])
    for name in ("a", "untrained", "position_only"):
        found = (result["checkpoints"] | result["controls"])[name]
        assert {figure["n"] for group in found.values() for figure in group.values()} == {6}, name
    told = "probe: 2 of 8 patients have no tumour map and are left out: what they have is not known (S0, S1)."
    assert told in result["notes"]
    assert told in plan.make_plan(partly, {"a": known("a")}, tasks=["probe"]).sentence()
    assert told in report.to_html(Result.model_validate(result)).replace("&#39;", "'")
    alone = evaluated(partly, ["a"], tasks=["probe"], subjects=partly.subjects[2:])
    assert alone["checkpoints"]["a"]["probe"] == result["checkpoints"]["a"]["probe"]  # as if they were not there


def test_report_and_csv(five: Cohort, embedded: list[int], load: Callable, tmp_path: Path) -> None:
    load({"<good>": known("<good>")})
    result = evaluate.evaluate(five, ["<good>"], tasks=["distance", "position", "collapse"])
    html = report.write_html(result, tmp_path / "report.html").read_text(encoding="utf-8")
    outside = html[: html.index("<script>")] + html[html.index("</script>") :]
    assert "<good>" not in outside.replace("\\u003cgood\\u003e", "")
    for word in ("strict", "seed 0", "Research use only", five.fingerprint, "scikit-learn", "S0, S1"):
        assert word in outside
    assert "://" not in outside
    text = labels.to_text(result).splitlines()
    assert text[0].startswith("5 patients of small, protocol strict, seed 0")
    columns = text.index("Distance, within patients") + 1
    spearman = next(line for line in text[columns:] if line.startswith("Spearman r  "))
    assert spearman.index("1.000 (") == text[columns].index("<good>")
    lines = labels.to_csv(result).splitlines()
    assert lines[0] == "name,role,group,figure,value,low,high,n"
    assert any(line.startswith("<good>,checkpoint,distance,spearman,") for line in lines)


def test_compare_equal_and_scaled_spaces(five: Cohort, embedded: list[int], load: Callable) -> None:
    load({"a": known("a"), "b": known("b", 2.0)})
    found = json.loads(compare.compare(five, ["a", "b"]).to_json())
    pair = found["pairs"]["a | b"]
    assert pair["cka"]["value"] == pytest.approx(1, abs=1e-5)
    assert pair["neighbour_overlap"]["value"] == pytest.approx(1)
    assert pair["procrustes"]["value"] == pytest.approx(0, abs=1e-6)
    np.testing.assert_allclose(found["maps"]["a"], found["maps"]["b"], atol=0.05)
    assert len(found["position"]) == len(found["maps"]["a"])
    with pytest.raises(InputError, match="two or more"):
        compare.compare(five, ["a"])


def test_every_control_has_a_name_that_people_read() -> None:
    assert {control for task in registry.TASKS.values() for control in task.controls} <= set(CONTROLS)
