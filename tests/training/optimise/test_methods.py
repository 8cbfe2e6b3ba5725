"""The table of methods: every one learns, and the form knows what counts for it."""

from typing import get_args

import lightning_fabric as lf
import pytest
import torch
from lightning_fabric.plugins.environments import LightningEnvironment
from torch import nn

from isimed.data.cohorts.cohort import Cohort
from isimed.data.prepared.cache import prepare_cohort
from isimed.data.prepared.preprocess import Preparation
from isimed.models.card import DISTANCE_HEAD
from isimed.training.optimise.config import MethodName, TrainConfig, options
from isimed.training.optimise.loop import Trainer
from isimed.training.optimise.methods import METHODS


def test_the_table_and_the_config_name_the_same_methods() -> None:
    assert set(METHODS) == set(get_args(MethodName))
    for option in options():
        assert option.description
        assert option.group
        assert set(option.methods) <= set(METHODS)


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
    assert (DISTANCE_HEAD in heads) == (method in ("isimed", "isimed-bt", "isimed-bt-shared", "regression"))
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
    next(trainer.run_epoch())
    assert computed == [torch.bfloat16] * len(networks)
