"""The table of methods: which heads, which loss, whether a momentum teacher takes part."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from isimed.losses.barlow_twins import barlow_twins_loss
from isimed.losses.dino import dino_loss
from isimed.losses.distance import distance_loss, invariance_loss, pairs_across, pairs_within, regression_loss
from isimed.losses.ntxent import ntxent_loss
from isimed.losses.vicreg import vicreg_loss, vicreg_terms
from isimed.models.card import CODE_SIZE, DISTANCE_HEAD
from isimed.models.encoder import PROTOTYPES_HEAD
from isimed.training.optimise.config import TrainConfig

BARLOW_TWINS_HEAD, PROJECTION_HEAD = "barlow_twins", "projection"


@dataclass(frozen=True)
class Outputs:
    """What the networks said about the global batch of a step.

    Attributes:
        views: for each view, name of a head -> (N, D); row i of every view is crop i.
        centres_mm: (N, 3) scanner mm.
        positions_mm: (N, 3) mm from the centre of the body's box.
        groups: (N,) which volume each crop comes from.
        teacher: for each full-size view the teacher's (N, K) logits.
        centre: (K,) running mean of the teacher's logits.
    """

    views: Sequence[Mapping[str, Tensor]]
    centres_mm: Tensor
    positions_mm: Tensor
    groups: Tensor
    teacher: Sequence[Tensor] = ()
    centre: Tensor | None = None

    def of(self, head: str) -> list[Tensor]:
        """(N, D) of each view."""
        return [view[head] for view in self.views]


Terms = dict[str, Tensor]


@dataclass(frozen=True)
class Method:
    """One row of the table. ``loss`` gives named terms; ``loss`` among them is what is minimised."""

    heads: Mapping[str, int]
    loss: Callable[[Outputs, TrainConfig], Terms]
    description: str
    teacher: str | None = None  # the head that a momentum teacher answers with


def _distance_terms(codes: Sequence[Tensor], outputs: Outputs, config: TrainConfig) -> Terms:
    """Mean of the views' distance losses, and how far the views of a crop are apart where that counts."""
    pairs = (pairs_across if config.pairs == "across" else pairs_within)(outputs.groups)
    losses = [distance_loss(code, outputs.centres_mm, pairs, penalty=config.penalty) for code in codes]
    terms = {"distance": torch.stack(losses).mean()}
    terms["loss"] = terms["distance"]
    if config.invariance_weight:
        terms["invariance"] = invariance_loss(*outputs.of(DISTANCE_HEAD)[:2])
        terms["loss"] = terms["loss"] + config.invariance_weight * terms["invariance"]
    return terms


def _isimed(outputs: Outputs, config: TrainConfig) -> Terms:
    return _distance_terms(outputs.of(DISTANCE_HEAD), outputs, config)


def _isimed_bt(outputs: Outputs, config: TrainConfig) -> Terms:
    terms = _distance_terms(outputs.of(DISTANCE_HEAD), outputs, config)
    terms["barlow_twins"] = barlow_twins_loss(*outputs.of(BARLOW_TWINS_HEAD), off_diagonal=config.off_diagonal)
    return terms | {"loss": terms["loss"] + config.barlow_twins_weight * terms["barlow_twins"]}


def _isimed_bt_shared(outputs: Outputs, config: TrainConfig) -> Terms:
    first, second = outputs.of(DISTANCE_HEAD)
    terms = _distance_terms([(first + second) / 2], outputs, config)
    terms["barlow_twins"] = barlow_twins_loss(first, second, off_diagonal=config.off_diagonal)
    return terms | {"loss": terms["loss"] + config.barlow_twins_weight * terms["barlow_twins"]}


def _barlow_twins(outputs: Outputs, config: TrainConfig) -> Terms:
    return {"loss": barlow_twins_loss(*outputs.of(BARLOW_TWINS_HEAD), off_diagonal=config.off_diagonal)}


def _simclr(outputs: Outputs, config: TrainConfig) -> Terms:
    return {"loss": ntxent_loss(*outputs.of(PROJECTION_HEAD), temperature=config.temperature)}


def _vicreg(outputs: Outputs, config: TrainConfig) -> Terms:
    terms = vicreg_terms(*outputs.of(PROJECTION_HEAD))
    return terms | {"loss": vicreg_loss(terms)}


def _dino(outputs: Outputs, config: TrainConfig) -> Terms:
    logits = outputs.of(PROTOTYPES_HEAD)
    centre = torch.zeros_like(logits[0][0]) if outputs.centre is None else outputs.centre
    return {"loss": dino_loss(logits, outputs.teacher, centre)}


def _regression(outputs: Outputs, config: TrainConfig) -> Terms:
    (codes,) = outputs.of(DISTANCE_HEAD)
    return {"loss": regression_loss(codes, outputs.positions_mm, penalty=config.penalty)}


METHODS: dict[str, Method] = {
    "isimed": Method(
        heads={DISTANCE_HEAD: CODE_SIZE},
        loss=_isimed,
        description="The paper's: the distance between two crops' codes becomes their distance in the body, in mm.",
    ),
    "isimed-bt": Method(
        heads={DISTANCE_HEAD: CODE_SIZE, BARLOW_TWINS_HEAD: 2048},
        loss=_isimed_bt,
        description="The same as isimed, and Barlow Twins on a second head, which keeps more dimensions alive.",
    ),
    "isimed-bt-shared": Method(
        heads={DISTANCE_HEAD: CODE_SIZE},
        loss=_isimed_bt_shared,
        description="The distance loss of isimed and Barlow Twins, both on one code.",
    ),
    "barlow-twins": Method(
        heads={BARLOW_TWINS_HEAD: 2048},
        loss=_barlow_twins,
        description="Two views of a crop agree feature by feature, features do not repeat each other.",
    ),
    "simclr": Method(
        heads={PROJECTION_HEAD: 512},
        loss=_simclr,
        description="A view finds the other view of its crop among all crops of the batch.",
    ),
    "vicreg": Method(
        heads={PROJECTION_HEAD: 2048},
        loss=_vicreg,
        description="Two views agree, each feature keeps its spread, features are uncorrelated.",
    ),
    "dino": Method(
        heads={PROTOTYPES_HEAD: 2048},
        loss=_dino,
        description="A student predicts what its own slow average (the teacher) makes of another view.",
        teacher=PROTOTYPES_HEAD,
    ),
    "regression": Method(
        heads={DISTANCE_HEAD: 3},
        loss=_regression,
        description="The code is the crop's position in mm from the body's centre, three numbers.",
    ),
}
