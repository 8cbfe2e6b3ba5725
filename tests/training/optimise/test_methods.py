"""The table of methods: every one learns, and the form knows what counts for it."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import lightning_fabric as lf
import pytest
import torch
from lightning_fabric.plugins.environments import LightningEnvironment
from torch import nn

from isimed.__main__ import main
from isimed.core.errors import InputError
from isimed.data.cohorts.cohort import Cohort
from isimed.data.prepared.cache import prepare_cohort
from isimed.data.prepared.preprocess import Preparation
from isimed.models.checkpoint import load_checkpoint
from isimed.models.heads import DISTANCE_HEAD
from isimed.training.optimise.config import TrainConfig, options
from isimed.training.optimise.loop import Trainer
from isimed.training.optimise.methods import CROP_OPTIONS, METHODS, find_method, method

OWN = """
import isimed
from isimed.losses import distance_loss, pairs_within

@isimed.method(heads={"distance": 32}, options=["penalty"])
def nearby(outputs, config):
    'Only distances below 60 mm count.'
    first, second = pairs_within(outputs.groups)
    near = (outputs.centres_mm[first] - outputs.centres_mm[second]).norm(dim=1) < 60
    (codes,) = outputs.of("distance")
    return distance_loss(codes, outputs.centres_mm, (first[near], second[near]), penalty=config.penalty)
"""


def test_every_option_is_said_and_each_that_is_some_methods_own_is_an_option() -> None:
    names = {option.name for option in options()}
    assert all(option.description and option.group for option in options())
    own = {name for row in METHODS.values() for name in row.options}
    assert own <= names
    for row in METHODS.values():
        crops = set(CROP_OPTIONS) if not row.crops else set()
        assert {name for name in names if row.uses(name)} == (names - own - crops) | set(row.options)


def test_a_method_of_ones_own_in_ten_lines_trains_from_the_command_line(
    cohort: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    assert len(OWN.strip().splitlines()) <= 10
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "losses.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    command = ["train", str(cohort.root), "--method", "mine.losses:nearby", "--epochs", "1", "--spacing-mm", "5"]
    assert main([*command, "--crops-per-volume", "4", "--threads", "1"]) == 0
    checkpoint = load_checkpoint(json.loads(capsys.readouterr().out)["run"])
    assert checkpoint.card.method == "mine.losses:nearby"
    assert checkpoint.card.heads == {"distance": 32}
    assert checkpoint.encoder.code(torch.zeros(2, 1024)).shape == (2, 32)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("magic", "no method magic: choose --method isimed, isimed-bt"),
        ("no.such.module:loss", "cannot be imported (ModuleNotFoundError"),
        ("no.such.module:loss", "start where no.such.module lies, or put that folder on PYTHONPATH"),
        ("json:nothing", "cannot be imported (AttributeError"),
        ("json:dumps", "put @isimed.method(heads=...) above"),
        (":x", "no method :x"),
        ("../x:y", "no method ../x:y"),
    ],
)
def test_what_is_no_method_is_one_sentence(name: str, said: str) -> None:
    with pytest.raises(InputError) as error:
        find_method(name)
    assert said in str(error.value)


def test_a_module_that_breaks_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "breaks_at_once.py").write_text("1 / 0\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="ZeroDivisionError"):
        find_method("breaks_at_once:loss")


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"heads": {}}, "sizes of at least 1"),
        ({"heads": {"distance": 0}}, "sizes of at least 1"),
        ({"heads": {"a": 2}, "teacher": "b"}, "the teacher is a head"),
        ({"heads": {"a": 2}, "views": 2, "whole_views": 3}, "whole_views are 0 to 2"),
        ({"heads": {"a": 2}, "options": ["pennalty"]}, "pennalty is not an option"),
    ],
)
def test_a_row_that_cannot_work_is_refused_where_it_is_written(row: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        method(**row)(lambda outputs, config: None)


@pytest.mark.parametrize("given", [torch.zeros(3), {"distance": torch.tensor(1.0)}, {"loss": 1.0}, None])
def test_a_loss_that_gives_no_scalar_is_said(given: Any) -> None:
    row = method(heads={"distance": 8})(lambda outputs, config: given)
    with pytest.raises(InputError, match="has to give a scalar"):
        row.terms(None, TrainConfig(cohort="any", method="mine:own"))


@pytest.mark.parametrize("method", METHODS)
def test_every_method_takes_a_step(method: str, cohort: Cohort) -> None:
    volumes = prepare_cohort(cohort, Preparation(spacing_mm=5.0))
    config = TrainConfig(cohort="any", method=method, crops_per_volume=2, volumes_per_step=3, epochs=1, local_views=1)
    trainer = Trainer(config, volumes)
    before = {name: weight.detach().clone() for name, weight in trainer.encoder.named_parameters()}
    (step,) = trainer.run_epoch()
    assert step.number == 1
    assert all(torch.isfinite(torch.tensor(value)) for value in step.terms.values())
    heads = METHODS[method].heads
    assert (DISTANCE_HEAD in heads) == (
        method in ("isimed", "isimed-bt", "isimed-bt-whole", "isimed-bt-shared", "regression", "isimed-dense")
    )
    moved = [name for name, weight in trainer.encoder.named_parameters() if not torch.equal(weight, before[name])]
    assert {name.split(".")[1] for name in moved if name.startswith("heads.")} == set(heads)


def test_invariance_adds_a_view_and_a_term(cohort: Cohort) -> None:
    volumes = prepare_cohort(cohort, Preparation(spacing_mm=5.0))
    config = TrainConfig(
        cohort="any", crops_per_volume=2, volumes_per_step=3, epochs=1, invariance_weight=0.5, pairs="across"
    )
    (step,) = Trainer(config, volumes).run_epoch()
    assert step.terms["loss"] == pytest.approx(step.terms["distance"] + 0.5 * step.terms["invariance"], rel=1e-5)


@pytest.mark.parametrize("method", ["isimed", "dino"])
def test_convolutions_compute_in_the_precision_of_the_fabric(method: str, cohort: Cohort) -> None:
    volumes = prepare_cohort(cohort, Preparation(spacing_mm=5.0))
    config = TrainConfig(cohort="any", method=method, crops_per_volume=2, volumes_per_step=1, epochs=1, local_views=0)
    fabric = lf.Fabric(accelerator="cpu", devices=1, precision="bf16-mixed", plugins=LightningEnvironment())
    trainer = Trainer(config, volumes, fabric=fabric)
    networks = [trainer.encoder] + ([trainer.teacher.encoder] if trainer.teacher else [])
    computed = []
    for network in networks:
        last = [layer for layer in network.modules() if isinstance(layer, nn.Conv3d)][-1]
        last.register_forward_hook(lambda layer, given, made: computed.append(made.dtype))
    with suppress(InputError):  # on some CPUs the backward pass in bfloat16 is not finite, which is said
        next(trainer.run_epoch())
    assert computed == [torch.bfloat16] * len(networks)
