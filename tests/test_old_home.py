"""An ISIMED_HOME that version 0.1.0 wrote is listed, opened, read and worked on by this one; see tests/old_home."""

import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from isimed.__main__ import main
from isimed.data.cohorts.cohort import Cohort, cohort_names
from isimed.data.cohorts.splits import read_split
from isimed.data.prepared.cache import cache_key, prepared
from isimed.data.prepared.preprocess import prepare
from isimed.data.quality.report import QualityReport, check_cohort
from isimed.evaluation.reporting.report import to_html
from isimed.evaluation.results.result import Result
from isimed.explore.search.index import Index
from isimed.explore.tables.embed import checkpoint_for, embed_cohort
from isimed.explore.tables.selection import kept
from isimed.explore.tables.store import Table, open_table, tables_of
from isimed.models.card import Card
from isimed.models.checkpoint import Checkpoint, open_checkpoint
from isimed.training.runs import jobs
from isimed.training.runs.folder import Run
from isimed.training.runs.worker import execute
from isimed.ui.evaluate import evaluation_job

PACKED = Path(__file__).parent / "old_home" / "0.1.0.zip"


@pytest.fixture
def old(home: Path) -> Path:
    """The home, without the 140 MB of a training's state."""
    with zipfile.ZipFile(PACKED) as archive:
        archive.extractall(home, [name for name in archive.namelist() if not name.endswith(".safetensors")])
    return home


@pytest.fixture
def cohort(old: Path) -> Cohort:
    return Cohort.load("old")


@pytest.fixture
def table(cohort: Cohort) -> Table:
    (info,) = tables_of("old")
    return open_table(info, [entry.id for entry in cohort.volumes])


def test_its_cohort_is_listed_and_means_the_same_volumes(old: Path, cohort: Cohort) -> None:
    assert cohort_names() == ["old"]
    assert cohort.subjects == ["S0", "S1", "S2"]
    stored = json.loads(next((old / "tables").rglob("table.json")).read_bytes())
    assert cohort.fingerprint == stored["cohort_fingerprint"]
    assert read_split(cohort) == {"S0": "train", "S1": "validation", "S2": "test"}


def test_its_prepared_volumes_are_opened_and_are_what_is_prepared_now(old: Path, cohort: Cohort) -> None:
    entry, preparation = cohort.volumes[0], open_checkpoint("demo-brain").card.preparation
    fresh = prepare(cohort.read(entry), preparation, labels=cohort.read_labels(entry))
    of_that_grid = [
        meta.parent
        for meta in (old / "prepared").glob("*/meta.json")
        if np.allclose(np.diag(json.loads(meta.read_bytes())["affine"])[:3], preparation.spacing_mm)
    ]
    (folder,) = of_that_grid
    moved = folder.rename(folder.with_name(cache_key(cohort, entry, preparation)))  # its name holds the home's path
    written = (moved / "arrays.bin").stat().st_mtime_ns
    volume = prepared(cohort, entry, preparation)
    assert (moved / "arrays.bin").stat().st_mtime_ns == written
    np.testing.assert_allclose(volume.affine, fresh.affine)
    np.testing.assert_allclose(volume.image, fresh.image, atol=2e-3)
    np.testing.assert_array_equal(volume.body, fresh.body)
    assert set(volume.labels) == {"organs", "tumour"}


def test_its_table_is_used_again_without_the_network(
    cohort: Cohort, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(self: Checkpoint) -> None:
        raise AssertionError("embedded again")

    monkeypatch.setattr(Checkpoint, "encoder", property(never))
    again = embed_cohort(cohort, checkpoint_for("demo-brain", cohort, lazily=True), step_mm=table.info.step_mm)
    assert again.fingerprint == table.fingerprint
    np.testing.assert_array_equal(again.code, table.code)
    assert set(table.volumes) == {entry.id for entry in cohort.volumes}
    row = table.rows(table.volumes[1]).start
    codes = table.code.astype(np.float32)
    assert Index(codes).nearest(codes[row], 1)[1].tolist() == [row]


def test_its_kept_selection_means_the_same_crops(table: Table) -> None:
    chosen = kept(table)["upper left"]
    assert chosen.rows.tolist() == [0, 3, len(table) - 1]


def test_its_quality_report_says_what_is_found_now(old: Path, cohort: Cohort) -> None:
    (stored,) = (old / "quality" / "reports").glob("*.json")
    before, now = QualityReport.model_validate_json(stored.read_bytes()), check_cohort(cohort)
    assert [one.shape for one in before.volumes] == [one.shape for one in now.volumes]
    assert {one.kind for one in before.findings} <= {one.kind for one in now.findings}


def test_its_evaluation_is_shown_and_reported(old: Path, cohort: Cohort) -> None:
    stored = json.loads((old / "result.json").read_bytes())
    result = Result.model_validate(stored)
    again = json.loads(result.to_json())
    assert {key: again[key] for key in stored} == stored  # newer versions may say more
    latest = evaluation_job.latest(cohort, "evaluate", Result)
    assert latest is not None
    assert latest.cohort.fingerprint == cohort.fingerprint
    median = stored["checkpoints"]["demo-brain"]["position"]["median_mm"]["value"]
    assert f"{median:.1f}" in to_html(result)


def test_its_training_is_listed(cohort: Cohort, capsys: pytest.CaptureFixture[str]) -> None:
    (run,) = Run.all()
    assert jobs.status(run).state == "stopped"
    assert jobs.status(run).resumable
    assert run.config.method == "isimed"
    assert [line["number"] for line in run.metrics() if "terms" in line] == [1, 2]
    card = run.folder / "checkpoints" / "last" / "checkpoint.json"
    assert Card.model_validate_json(card.read_bytes()).method == "isimed"
    assert main(["runs"]) == 0
    assert f"{run.id}  stopped  step 2/5" in capsys.readouterr().out


@pytest.mark.slow
def test_its_training_goes_on_where_it_was_stopped(cohort: Cohort, home: Path) -> None:
    with zipfile.ZipFile(PACKED) as archive:
        archive.extractall(home, [name for name in archive.namelist() if name.endswith(".safetensors")])
    (run,) = Run.all()
    before = run.metrics()
    assert execute(run).state == "finished"
    assert run.metrics()[: len(before)] == before
    assert [line["number"] for line in run.metrics() if "terms" in line] == [1, 2, 3, 4, 5]
    shutil.rmtree(run.folder)  # 200 MB
