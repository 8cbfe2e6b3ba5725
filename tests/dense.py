"""A dense network that was never trained, put where checkpoints lie: what the app does with it is that of any other."""

import torch

from isimed.core import paths
from isimed.data.prepared.preprocess import Preparation
from isimed.models.card import Card
from isimed.models.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from isimed.models.weights import network_of

NAME = "all-places"


def write_dense(modality: str = "MRI") -> Checkpoint:
    """In ISIMED_HOME, for scans of a modality at 4 mm."""
    card = Card(
        name=NAME, method="isimed-dense", modality=modality, architecture="dense", heads={"distance": 16},
        preparation=Preparation.for_modality(modality, spacing_mm=4.0),
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = network_of(card).eval()
    return load_checkpoint(save_checkpoint(paths.home() / "checkpoints" / NAME, network, card))
