"""Losses: tensors in, a scalar out. What a method of one's own is made of; torch is imported with the first of them."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from isimed.losses.barlow_twins import barlow_twins_loss as barlow_twins_loss
    from isimed.losses.dino import dino_loss as dino_loss
    from isimed.losses.distance import distance_loss as distance_loss
    from isimed.losses.distance import invariance_loss as invariance_loss
    from isimed.losses.distance import pairs_across as pairs_across
    from isimed.losses.distance import pairs_within as pairs_within
    from isimed.losses.distance import pairwise_distances as pairwise_distances
    from isimed.losses.distance import regression_loss as regression_loss
    from isimed.losses.ntxent import ntxent_loss as ntxent_loss
    from isimed.losses.vicreg import vicreg_loss as vicreg_loss
    from isimed.losses.vicreg import vicreg_terms as vicreg_terms
    from isimed.losses.windows import across_windows_loss as across_windows_loss
    from isimed.losses.windows import same_place_loss as same_place_loss

_MODULES = {
    "barlow_twins": ("barlow_twins_loss",),
    "dino": ("dino_loss",),
    "distance": (
        "distance_loss",
        "invariance_loss",
        "pairs_across",
        "pairs_within",
        "pairwise_distances",
        "regression_loss",
    ),
    "ntxent": ("ntxent_loss",),
    "vicreg": ("vicreg_loss", "vicreg_terms"),
    "windows": ("across_windows_loss", "same_place_loss"),
}
__all__ = [
    "across_windows_loss",
    "barlow_twins_loss",
    "dino_loss",
    "distance_loss",
    "invariance_loss",
    "ntxent_loss",
    "pairs_across",
    "pairs_within",
    "pairwise_distances",
    "regression_loss",
    "same_place_loss",
    "vicreg_loss",
    "vicreg_terms",
]


def __getattr__(name: str) -> Any:
    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module(f"isimed.losses.{module}"), name)
    raise AttributeError(f"module 'isimed.losses' has no attribute {name!r}")
