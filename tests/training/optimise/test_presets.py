"""The preset is the paper: field by field, and it trains; preparation is what the options say."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from isimed.__main__ import main
from isimed.data.cohorts.cohort import Cohort
from isimed.data.cohorts.shipped import shipped_folder
from isimed.models.checkpoint import open_checkpoint
from isimed.training.optimise.config import TrainConfig
from isimed.training.optimise.presets import PRESETS, our_weight, preset_options
from isimed.training.optimise.recipe import preparation_for

# ISImed, arXiv 2410.16947: the recipe, in the words of our options.
RECIPE: dict[str, Any] = {
    "crop_size": 32,  # 32³ voxels
    "crops_per_volume": 16,
    "volumes_per_step": 64,  # 1024 crops a step
    "epochs": 50,
    "scaling": "percentiles",
    "percentile_low": 5,
    "percentile_high": 95,
    "foreground_above": 0,  # x > 0
    "penalty": "l2",  # mean squared difference of distances
    "learning_rate": 1e-3,  # AdamW
    "schedule": "exponential",  # × 0.9 each epoch
    "clip_norm": 2,
    "noise": 0,
    "intensity": 0,
    "spacing_change": 0,
    "blur": 0,
    "flips": 0,
    "invariance_weight": 0,
    "coarse_dropout": 1,
    "coarse_shuffle": 0.8,
}
OF_EACH: dict[str, dict[str, Any]] = {
    "paper": {"method": "isimed"},
    "paper-bt": {"method": "isimed-bt", "off_diagonal": 0.0051},
    "authors-code": {"method": "isimed-bt-shared", "off_diagonal": 0.0051, "temperature": 0.005},
}


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_the_paper_field_by_field(name: str) -> None:
    options = preset_options(name, common_frame=True, spacing_mm=1.0)
    config = TrainConfig(cohort="any", spacing_mm=1.0, **options)
    wanted = RECIPE | OF_EACH[name] | {"pairs": "across", "barlow_twins_weight": 1.0, "weight_decay": 0.01}
    assert {field: getattr(config, field) for field in options} == wanted
    assert preset_options(name, common_frame=False, spacing_mm=1.0)["pairs"] == "within"


def test_the_authors_weight_means_the_same_beside_our_unit() -> None:
    spacing_mm, voxels = 2.5, 30.0  # a distance that is wrong by 30 voxels
    theirs = voxels**2 + 10_000 * 0.4
    ours = (voxels * spacing_mm / 100) ** 2 + our_weight(10_000, spacing_mm) * 0.4
    assert ours / theirs == pytest.approx((spacing_mm / 100) ** 2)


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_trains_on_the_demo_and_the_card_says_what_it_was_field_by_field(
    name: str, capsys: pytest.CaptureFixture
) -> None:
    command = [
        "train",
        str(shipped_folder("demo-flair")),
        "--preset",
        name,
        "--epochs",
        "1",
        "--spacing-mm",
        "5",
        "--threads",
        "1",
    ]
    assert main([*command, "--crops-per-volume", "4"]) == 0  # options of one's own win
    card = open_checkpoint(json.loads(capsys.readouterr().out)["run"]).card
    wanted = RECIPE | OF_EACH[name] | {"epochs": 1, "crops_per_volume": 4}
    assert {field: card.training[field] for field in wanted} == wanted
    assert (card.preparation.intensity, card.preparation.percentiles) == ("percentile", (5, 95))
    assert card.preparation.foreground_above == 0
    assert card.training["barlow_twins_weight"] == pytest.approx(25.0)  # 10,000 × (5 mm / 100 mm)²


def test_a_preset_with_what_is_no_number_is_one_line(cohort: Cohort, capsys: pytest.CaptureFixture) -> None:
    assert main(["train", str(cohort.root), "--preset", "paper", "--spacing-mm", "wide"]) == 2
    assert capsys.readouterr().err.startswith("isimed: --spacing-mm wide:")


def test_preparation_is_what_the_options_say() -> None:
    usual = preparation_for(TrainConfig(cohort="any"), "CT")
    assert (usual.intensity, usual.window_hu, usual.foreground_above) == ("window", (-1000, 1500), -500)
    options = {"scaling": "window", "window_low_hu": -160.0, "window_high_hu": 240.0, "foreground_above": -300.0}
    soft = preparation_for(TrainConfig(cohort="any", spacing_mm=2.0, **options), "CT")
    assert (soft.spacing_mm, soft.window_hu, soft.foreground_above) == (2.0, (-160, 240), -300)
    paper = preparation_for(TrainConfig(cohort="any", scaling="percentiles", percentile_high=99.0), "CT")
    assert (paper.intensity, paper.percentiles) == ("percentile", (5, 99))
    assert preparation_for(TrainConfig(cohort="any"), "MRI").intensity == "percentile"


@pytest.mark.parametrize(
    ("options", "where"),
    [
        ({"window_low_hu": 300, "window_high_hu": 300}, "window_high_hu"),
        ({"percentile_low": 50, "percentile_high": 40}, "percentile_high"),
        ({"learning_rate": float("inf")}, "learning_rate"),
        ({"noise": float("nan")}, "noise"),
        ({"percentile_low": -1}, "percentile_low"),
    ],
)
def test_what_no_training_can_use_is_refused_by_its_option(options: dict[str, Any], where: str) -> None:
    with pytest.raises(ValidationError) as error:
        TrainConfig(cohort="any", **options)
    assert error.value.errors()[0]["loc"] == (where,)
