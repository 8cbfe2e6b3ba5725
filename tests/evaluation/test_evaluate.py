"""The whole measurement on a small cohort, with a network whose embedding is known instead of a real one."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from torch import nn

from isimed.data.cohort import Cohort
from isimed.data.preprocess import Preparation, Prepared
from isimed.errors import InputError
from isimed.evaluation import bench, bootstrap, compare, evaluate, report, words
from isimed.models.checkpoint import Card, Checkpoint
from isimed.patches import crop_centre_mm
from tests.small import write_cohort

PREPARATION = Preparation(spacing_mm=8.0)
TASKS = ["distance", "position", "collapse"]


class Known(nn.Module):
    """Embeds a crop as its position in mm, turned into 16 dimensions and multiplied by a scale."""

    has_distance_head = True

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale
        self.unused = nn.Parameter()


def known(name: str, scale: float = 1.0, cohort: dict | None = None) -> Checkpoint:
    card = Card(name=name, method="known", preparation=PREPARATION, crop_size=8, cohort=cohort or {})
    return Checkpoint(encoder=Known(scale), card=card, fingerprint=f"fingerprint-{name}")  # type: ignore[arg-type]


@pytest.fixture
def embedded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Replace the network; returns the number of crops of every call."""
    calls: list[int] = []
    basis, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(16, 16)))

    def embed(
        checkpoint: Checkpoint, volume: Prepared, centres: NDArray, perturbation: object, *, seed: int
    ) -> tuple[NDArray, NDArray]:
        calls.append(len(centres))
        position = volume.position(crop_centre_mm(volume, centres, checkpoint.card.crop_size))
        code = (getattr(checkpoint.encoder, "scale", 0.0) * position @ basis[:3]).astype(np.float32)
        return code, code

    monkeypatch.setattr(bench, "_embed", embed)
    monkeypatch.setattr(bootstrap, "DRAWS", 40)
    return calls


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, Checkpoint]], None]:
    def use(checkpoints: dict[str, Checkpoint]) -> None:
        for module in (evaluate, compare):
            monkeypatch.setattr(module, "load_all", lambda cohort, names: {n: checkpoints[n] for n in names})

    return use


@pytest.fixture
def five(tmp_path: Path) -> Cohort:
    return Cohort.load(write_cohort(tmp_path / "five", patients=5, size=32))


def test_the_result_is_the_contract(five: Cohort, embedded: list[int], load: Callable) -> None:
    load({"good": known("good"), "half": known("half", 0.5)})
    told: list[tuple[int, int]] = []
    result = evaluate.evaluate(five, ["good", "half"], tasks=TASKS, progress=lambda *now: told.append(now))
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
    json.dumps(result, allow_nan=False)


def test_position_only_stands_beside_every_auc(five: Cohort, embedded: list[int], load: Callable) -> None:
    load({"a": known("a")})
    result = evaluate.evaluate(five, ["a"], tasks=["probe", "anomaly"])
    found = {group for group, figures in result["checkpoints"]["a"].items() if "auc" in figures}
    assert found
    assert found == set(result["controls"]["position_only"]) == set(result["controls"]["intensity_histogram"])
    assert all("auc" in result["controls"]["position_only"][group] for group in found)


def test_twenty_checkpoints_again_compute_nothing(five: Cohort, embedded: list[int], load: Callable) -> None:
    many = {f"c{i}": known(f"c{i}", 1 + i / 10) for i in range(20)}
    load(many)
    first = evaluate.evaluate(five, list(many), tasks=["distance", "collapse"])
    assert embedded
    embedded.clear()
    again = evaluate.evaluate(five, list(many), tasks=["distance", "collapse"])
    assert embedded == []
    assert {k: v for k, v in again.items() if k != "created"} == {k: v for k, v in first.items() if k != "created"}
    evaluate.evaluate(five, list(many), tasks=["position"])
    assert embedded == []  # another task, the same crops
    evaluate.evaluate(five, ["c0"], tasks=["distance"], seed=1)
    assert embedded  # other crops


def test_trained_patients_are_left_out(five: Cohort, embedded: list[int], load: Callable) -> None:
    seen = {"name": "small", "train": ["S0", "S1"], "validation": ["S2"]}
    load({"a": known("a", cohort=seen), "other": known("other", cohort={**seen, "name": "x", "fingerprint": "y"})})
    result = evaluate.evaluate(five, ["a", "other"], tasks=["distance"])
    assert result["subjects"] == {"used": ["S3", "S4"], "left_out": ["S0", "S1", "S2"], "seen": []}
    assert len(evaluate.evaluate(five, ["other"], tasks=["distance"])["subjects"]["used"]) == 5
    forced = evaluate.evaluate(five, ["a"], tasks=["distance"], subjects=["S0", "S3"])
    assert forced["subjects"]["seen"] == ["S0"]
    assert any("too good" in note for note in forced["notes"])


def test_clear_errors(five: Cohort, embedded: list[int], load: Callable, tmp_path: Path) -> None:
    everybody = {"fingerprint": five.fingerprint, "train": five.subjects, "validation": []}
    load({"a": known("a", cohort=everybody), "b": known("b")})
    with pytest.raises(InputError, match="Every patient"):
        evaluate.evaluate(five, ["a"], tasks=["distance"])
    with pytest.raises(InputError, match="no task nothing"):
        evaluate.evaluate(five, ["b"], tasks=["nothing"])
    with pytest.raises(InputError, match="no protocol"):
        evaluate.evaluate(five, ["b"], protocol="loose")
    with pytest.raises(InputError, match="no patient Z"):
        evaluate.evaluate(five, ["b"], subjects=["Z"])
    with pytest.raises(InputError, match="not a split"):
        evaluate.evaluate(five, ["b"], split=tmp_path / "none.json")


def test_a_task_that_the_cohort_cannot_serve_is_noted(five: Cohort, embedded: list[int], load: Callable) -> None:
    load({"a": known("a")})
    result = evaluate.evaluate(five, ["a"], tasks=["distance", "organs", "landmarks"])
    assert "organs" not in result["checkpoints"]["a"]
    assert any(note.startswith("organs:") for note in result["notes"])


def test_a_damaged_kept_result_is_made_again(five: Cohort, embedded: list[int], load: Callable, home: Path) -> None:
    load({"a": known("a")})
    first = evaluate.evaluate(five, ["a"], tasks=["distance"])
    for file in (home / "evaluations" / "results").glob("*.json"):
        file.write_text("{")
    for file in (home / "evaluations" / "crops").glob("*.npz"):
        file.write_bytes(b"PK")
    assert evaluate.evaluate(five, ["a"], tasks=["distance"])["checkpoints"] == first["checkpoints"]


def test_report_and_csv(five: Cohort, embedded: list[int], load: Callable, tmp_path: Path) -> None:
    load({"<good>": known("<good>")})
    result = evaluate.evaluate(five, ["<good>"], tasks=["distance", "position", "collapse"])
    html = report.write_html(result, tmp_path / "report.html").read_text(encoding="utf-8")
    outside = html[: html.index("<script>")] + html[html.index("</script>") :]
    assert "<good>" not in outside.replace("\\u003cgood\\u003e", "")
    for word in ("strict", "seed 0", "Research use only", five.fingerprint, "scikit-learn", "S0, S1"):
        assert word in outside
    assert "http" not in outside
    lines = words.to_csv(result).splitlines()
    assert lines[0] == "name,role,group,figure,value,low,high,n"
    assert any(line.startswith("<good>,checkpoint,distance,spearman,") for line in lines)


def test_compare_equal_and_scaled_spaces(five: Cohort, embedded: list[int], load: Callable) -> None:
    load({"a": known("a"), "b": known("b", 2.0)})
    found = compare.compare(five, ["a", "b"])
    pair = found["pairs"]["a | b"]
    assert pair["cka"]["value"] == pytest.approx(1, abs=1e-5)
    assert pair["neighbour_overlap"]["value"] == pytest.approx(1)
    assert pair["procrustes"]["value"] == pytest.approx(0, abs=1e-6)
    np.testing.assert_allclose(found["maps"]["a"], found["maps"]["b"], atol=0.05)
    assert len(found["position"]) == len(found["maps"]["a"])
    with pytest.raises(InputError, match="two or more"):
        compare.compare(five, ["a"])
