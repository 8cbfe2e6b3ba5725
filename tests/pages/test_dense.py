"""The pages with a dense network: table, map, search, likeness, figures and training are those of any other."""

from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from isimed.data.cohorts.cohort import Cohort, register
from isimed.data.prepared.cache import prepared
from isimed.evaluation.run.evaluate import evaluate
from isimed.explore.one_scan.where import organ_at, reference_table
from isimed.explore.search.locate import locate_everywhere
from isimed.explore.search.retrieve import code_at
from isimed.explore.search.similarity import similarity_map
from isimed.explore.tables.embed import embed_cohort
from isimed.explore.tables.store import Table
from isimed.models.checkpoint import Checkpoint, load_checkpoint
from isimed.training.runs import jobs
from isimed.training.runs.folder import Run
from isimed.ui import state
from isimed.ui.annotations import on_disk
from isimed.ui.evaluate import evaluation_job
from tests.dense import NAME, write_dense
from tests.evaluation.network import write_scattered
from tests.eventually import LONG

PAGES = Path(__file__).resolve().parents[2] / "pages"


@pytest.fixture
def cohort(tmp_path: Path, home: Path) -> Cohort:
    register(write_scattered(tmp_path / "eight", size=24).root / "dataset.json", name="eight")
    return Cohort.load("eight")


@pytest.fixture
def network(home: Path, monkeypatch: pytest.MonkeyPatch) -> Checkpoint:
    monkeypatch.setattr(state, "checkpoint_choices", lambda cohort: [NAME])
    return write_dense()


@pytest.fixture
def table(cohort: Cohort, network: Checkpoint) -> Table:
    return embed_cohort(cohort, network)


def opened(name: str) -> AppTest:
    page = AppTest.from_file(str(PAGES / f"{name}.py"), default_timeout=90).run()
    assert not page.exception
    return page


def test_a_click_finds_what_the_library_finds_and_every_overlay_is_drawn(
    cohort: Cohort, network: Checkpoint, table: Table
) -> None:
    page = opened("viewer")
    page.text_input(key="point_name").set_value("here")
    next(button for button in page.button if button.label.startswith("Keep")).click().run()
    ((kept),) = (one.thing for one in on_disk.read(cohort)[0])
    preparation = network.card.preparation
    volumes = {entry.id: prepared(cohort, entry, preparation) for entry in cohort.volumes}
    code = code_at(network, volumes["P0"], kept.clicked.mm)
    true: dict[str, list] = {}
    for refine in (True, False):  # the page refines those that it shows large
        for one in locate_everywhere(table, volumes.__getitem__, code, "P0", kept.clicked.mm, refine=refine):
            true.setdefault(one.volume, []).append(one.mm)
    assert len(kept.found) > 3
    for point in kept.found:
        assert min(np.linalg.norm(np.array(point.mm) - mm) for mm in true[point.volume]) < 0.2
    likeness = similarity_map(table, code, "P0", volumes["P0"], cohort.read(cohort.volumes[0]))
    assert np.nanmin(likeness) < 0.2 * np.nanmedian(likeness)
    for layer in page.selectbox(key="layer").options:
        page.selectbox(key="layer").set_value(layer).run()
        assert not page.exception


def test_the_map_shows_the_places_of_the_table(table: Table) -> None:
    said = " ".join(caption.value for caption in opened("embeddings").caption)
    assert f"{len(table):,} crops of 8 patients" in said


def test_an_evaluation_is_measured_and_shown(cohort: Cohort, network: Checkpoint) -> None:
    result = evaluate(cohort, [NAME], tasks=["distance", "collapse"], crops=8, limit=4)
    assert result.of(NAME)["collapse"]["rankme"].value <= network.encoder.backbone.width
    evaluation_job.keep(cohort, "evaluate", result)
    page = opened("evaluate")
    assert [tab.label for tab in page.tabs][::2] == ["Distance", "Collapse"]
    assert NAME in page.dataframe[0].value.columns


def test_organs_of_a_place_are_voted_for(cohort: Cohort, network: Checkpoint, table: Table) -> None:
    volume = prepared(cohort, cohort.volumes[0], network.card.preparation)
    inside = volume.to_mm(np.argwhere(np.asarray(volume.labels["organs"]) == 3).mean(axis=0))
    found = organ_at("scan", volume, inside, network, cohort, reference_table(network, cohort))
    assert found is None or found.of <= len(cohort.volumes)


def test_the_form_trains_one_to_a_checkpoint_that_opens(cohort: Cohort) -> None:
    page = opened("train")
    page.selectbox(key="train.method").set_value("isimed-dense").run()
    keys = {widget.key for widget in page.number_input}
    assert {"train.largest_window", "train.same_place_weight"} <= keys
    assert not {"train.crops_per_volume", "train.noise", "train.penalty"} & keys
    for option, value in (("epochs", 1), ("volumes_per_step", 8), ("largest_window", 32)):
        page.number_input(key=f"train.{option}").set_value(value)
    page.number_input(key="train.spacing_mm").set_value(5.0).run()
    page.button[0].click().run()
    assert not page.exception
    run = Run.all()[0]
    assert jobs.wait(run, "finished", seconds=LONG).step == 1
    assert set(run.metrics()[0]["terms"]) == {"distance", "same_place", "loss"}
    assert run.metrics()[-1]["validation"]["rmse_mm"] > 0
    trained = load_checkpoint(run.id)
    assert trained.card.architecture == "dense"
    assert trained.encoder.is_dense
