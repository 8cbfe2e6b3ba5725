"""The Train page without a browser: the form is the config, runs are shown as their folders say."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from isimed.core.files import write_json
from isimed.data.cohorts.cohort import Cohort, register
from isimed.data.cohorts.splits import write_split
from isimed.models.gpu import Gpu
from isimed.training.optimise.config import TrainConfig, options
from isimed.training.optimise.methods import METHODS
from isimed.training.runs import jobs, slurm
from isimed.training.runs.estimate import BASE_BYTES, estimate, in_words
from isimed.training.runs.folder import Run
from isimed.training.runs.status import Status
from isimed.ui import state
from isimed.ui.train import panels
from isimed.ui.train.curves import PANELS, curves, series
from isimed.ui.train.panels import NEW, RUNS
from tests.eventually import LONG

PAGE = Path(__file__).resolve().parents[2] / "pages" / "train.py"


@pytest.fixture
def page(cohort: Cohort) -> AppTest:
    register(cohort.root, name="small")
    return AppTest.from_file(str(PAGE), default_timeout=120)


def test_a_newcomer_finds_the_cohort_that_came_along() -> None:
    page = AppTest.from_file(str(PAGE), default_timeout=120).run()
    assert not page.exception
    assert not page.error
    assert page.selectbox(key="train.cohort").value == "demo-flair"


def past_run(**changes: Any) -> Run:
    """A finished run of ten steps."""
    run = Run.create(TrainConfig(**({"cohort": "small", "epochs": 5, "name": "past"} | changes)))
    lines = [
        {
            "number": number,
            "epoch": number // 2,
            "terms": {"distance": 1 / number, "loss": 2 / number},
            "learning_rate": 1e-3,
            "crops_per_second": 20.0,
        }
        for number in range(1, 11)
    ]
    lines.append({"number": 10, "epoch": 5, "validation": {"spearman": 0.9, "rankme": 5.0, "rmse_mm": 20.0}})
    (run.folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    run.write_status(Status(state="finished", step=10, total_steps=10, best={"spearman": 0.9}, device="cpu: x"))
    run.best.mkdir(parents=True)
    write_json(run.best / "checkpoint.json", {})
    return run


def texts(page: AppTest) -> str:
    return " ".join(
        str(part.value) for kind in (page.markdown, page.error, page.success, page.caption) for part in kind
    )


def test_form_is_the_config_and_start_gives_it_away(page: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    submitted: list[TrainConfig] = []

    def submit(config: TrainConfig) -> Run:
        submitted.append(config)
        return Run.create(config)

    monkeypatch.setattr(jobs, "submit", submit)
    monkeypatch.setattr(slurm, "available", lambda: True)
    page.run()
    assert not page.exception
    said = texts(page)
    assert "3 volumes of 3 patients" in said
    assert "2 patients to train on, 1 held out" in said
    assert "cpu (no GPU was found)" in said or "cuda" in said or "mps" in said
    assert "a rough guess" in said
    page.selectbox(key="train.on").set_value("slurm").run()
    keys = {widget.key for kind in (page.selectbox, page.number_input, page.text_input) for widget in kind}
    for option in options():
        assert (f"train.{option.name}" in keys) == METHODS["isimed"].uses(option.name), option.name
    page.selectbox(key="train.on").set_value("here").run()
    page.number_input(key="train.epochs").set_value(7)
    page.selectbox(key="train.method").set_value("simclr").run()
    assert "train.temperature" in {widget.key for widget in page.number_input}
    page.button[0].click().run()
    assert not page.exception
    (config,) = submitted
    assert (config.method, config.epochs, config.cohort) == ("simclr", 7, "small")
    assert page.session_state["train_view"] == RUNS
    assert page.selectbox(key="train_run").value == Run.all()[0].id


def test_a_preset_fills_the_form_and_what_is_changed_after_it_counts(
    page: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    submitted: list[TrainConfig] = []
    monkeypatch.setattr(jobs, "submit", lambda config: submitted.append(config) or Run.create(config))
    page.run()
    page.number_input(key="train.spacing_mm").set_value(2.0).run()
    page.selectbox(key="train_preset").set_value("paper-bt").run()
    assert page.number_input(key="train.volumes_per_step").value == 64
    assert page.selectbox(key="train.scaling").value == "percentiles"
    page.number_input(key="train.epochs").set_value(3).run()
    page.button[0].click().run()
    assert not page.exception
    (config,) = submitted
    assert (config.method, config.schedule, config.epochs) == ("isimed-bt", "exponential", 3)
    assert config.barlow_twins_weight == 4.0  # the authors' 10,000 beside voxels of 2 mm


def test_a_method_of_ones_own_is_typed_in_checked_and_started(
    page: AppTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = """import isimed
@isimed.method(heads={"distance": 8}, options=["temperature"])
def mine(outputs, config):
    'Codes near the origin.'
    return outputs.of("distance")[0].square().mean() / config.temperature
"""
    (tmp_path / "typed_in.py").write_text(own)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    wrong = AppTest.from_file(str(PAGE), default_timeout=120)
    wrong.session_state["train_draft"] = {"method": "typed_in:other"}  # AppTest itself cannot type a new option
    wrong.run()
    assert "typed_in\\:other cannot be imported" in texts(wrong)
    assert wrong.button[0].disabled
    page.session_state["train_draft"] = {"method": "typed_in:mine"}
    page.run()
    assert "Codes near the origin." in texts(page)
    assert {"train.temperature"} == {widget.key for widget in page.number_input} & {"train.temperature", "train.pairs"}
    page.number_input(key="train.epochs").set_value(1)
    page.number_input(key="train.spacing_mm").set_value(5.0)
    page.number_input(key="train.crops_per_volume").set_value(2).run()
    page.button[0].click().run()
    assert not page.exception
    done = jobs.wait(Run.all()[0], "finished", seconds=LONG)
    assert done.step == 1


def test_slurm_is_offered_where_it_is(page: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slurm, "available", lambda: False)
    page.run()
    assert "train.on" not in {widget.key for widget in page.selectbox}
    monkeypatch.setattr(slurm, "available", lambda: True)
    page.run()
    assert "train.gpus" not in {widget.key for widget in page.number_input}
    page.selectbox(key="train.on").set_value("slurm").run()
    page.number_input(key="train.gpus").set_value(4).run()
    assert not page.exception
    assert "cuda (SLURM: 1 node, 4 GPUs each, at most 24 h at a time)" in texts(page)
    assert not page.button[0].disabled


def test_options_of_a_slurm_run_work_where_there_is_no_slurm(page: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    past_run(on="slurm", gpus=4)
    monkeypatch.setattr(slurm, "available", lambda: False)
    page.run()
    next(button for button in page.button if button.label == "Duplicate with changes").click().run()
    assert "SLURM" not in texts(page)
    assert page.session_state["train_draft"]["on"] == "here"


def test_the_split_of_the_volumes_page_is_used(page: AppTest, cohort: Cohort) -> None:
    path = write_split(Cohort.load("small"), {"S0": "train", "S1": "validation", "S2": "test"})
    page.run()
    assert f"1 patients to train on, 1 held out, by {path.name}" in texts(page)
    page.text_input(key="train.split").set_value("").run()
    assert "2 patients to train on, 1 held out, drawn with seed 0" in texts(page)
    time.sleep(0.01)
    write_split(Cohort.load("small"), {"S0": "validation", "S1": "train", "S2": "train"})
    page.run()
    assert f"2 patients to train on, 1 held out, by {path.name}" in texts(page)


def test_what_cannot_work_is_said_before_the_start(page: AppTest) -> None:
    page.run()
    page.selectbox(key="train.pairs").set_value("across").run()
    assert "declares no common frame" in texts(page)
    assert page.button[0].disabled
    page.selectbox(key="train.pairs").set_value("within").run()
    page.number_input(key="train.learning_rate").set_value(0.0).run()
    assert "Learning rate" in texts(page)
    assert not page.exception


def test_on_a_gpu_it_says_what_it_does_and_how_many_volumes_fit(
    page: AppTest, cohort: Cohort, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(panels, "choose_device", lambda wanted: ("cuda", "a fake one is there"))
    monkeypatch.setattr(panels, "read_gpus", lambda: [Gpu("Fake 8", 54.0, 7.9e9, 8e9)])
    config = TrainConfig(cohort=cohort.name)
    guess = estimate(config, training_volumes=len(cohort.subjects), device="cuda")
    monkeypatch.setattr(panels, "free_memory", lambda device: BASE_BYTES + 1.5 * guess.volume_memory)
    page.run()
    assert not page.exception
    assert any("Fake 8: 54 % busy, 7.9 of 8 GB in use" in element.value for element in page.caption)
    assert any("take at most 1 volume a step" in element.value for element in page.warning)
    assert any("crops a second" in element.value for element in page.markdown)
    assert guess.volumes_within(1e9) == 0


def test_runs_are_shown_duplicated_and_used(page: AppTest) -> None:
    run = past_run(method="vicreg", epochs=3)
    page.run()
    assert not page.exception
    assert page.session_state["train_view"] == RUNS
    assert "finished" in texts(page)
    buttons = {button.label: button for button in page.button}
    assert buttons["Stop"].disabled
    assert buttons["Resume"].disabled
    page.session_state["cohort"] = "other"
    page.session_state[state.CURSOR] = {"volume": "P0", "mm": (9.0, 9.0, 9.0)}  # as its own scan may be called, too
    buttons["Use this checkpoint"].click().run()
    assert page.session_state["checkpoint"] == run.id
    assert page.session_state["cohort"] == "small"
    assert page.session_state[state.CURSOR]["mm"] is None  # no place of the other cohort
    page.session_state[state.CURSOR] = clicked = {"volume": "P1", "mm": (1.0, 2.0, 3.0)}
    next(button for button in page.button if button.label == "Use this checkpoint").click().run()
    assert page.session_state[state.CURSOR] == clicked  # the same cohort: the place stays
    assert "The other pages use this checkpoint." in texts(page)
    next(button for button in page.button if button.label == "Duplicate with changes").click().run()
    assert not page.exception
    assert page.session_state["train_view"] == NEW
    assert page.selectbox(key="train.method").value == "vicreg"
    assert page.number_input(key="train.epochs").value == 3


def test_curves_of_one_run_and_of_several() -> None:
    metrics = past_run().metrics()
    one = curves({"a": metrics})
    assert {trace.name for trace in one.data} == {"a", "distance"}
    several = curves({"a": metrics, "b": metrics})
    assert {trace.name for trace in several.data} == {"a", "b"}
    assert len(several.data) == 2 * len(PANELS)
    assert series(metrics, "spearman") == {"spearman": [(10, 0.9)]}
    assert len(series(metrics * 1, "loss")["loss"]) == 10


def test_estimate_uses_the_last_run_like_it(home: Path) -> None:
    config = TrainConfig(cohort="small", crops_per_volume=16, volumes_per_step=8, epochs=10)
    guess = estimate(config, training_volumes=40, device="cpu")
    assert (guess.steps, guess.crops) == (50, 128)
    assert "rough" in guess.source
    run = past_run()
    measured = estimate(config, training_volumes=40, device="cpu")
    assert run.id in measured.source
    assert measured.seconds == pytest.approx(40 * 16 * 10 / 20)
    assert "rough" in estimate(config, training_volumes=40, device="cuda").source
    assert [in_words(s) for s in (50, 720, 12000, 190000)] == ["50 s", "12 min", "3 h 20 min", "2 days 4 h"]
