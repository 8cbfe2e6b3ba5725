"""A checkpoint folder is old or new, never half of each and never missing."""

from pathlib import Path

import torch

from isimed.models.card import Card
from isimed.models.checkpoint import load_checkpoint, save_checkpoint
from isimed.models.encoder import Encoder


def test_checkpoints_with_other_heads_come_back_as_they_were(tmp_path: Path) -> None:
    torch.manual_seed(0)
    encoder = Encoder({"distance": 3, "barlow_twins": 2048}, mm_per_unit=7.0).eval()
    card = Card(name="x", method="isimed-bt", heads={"distance": 3, "barlow_twins": 2048}, mm_per_unit=7.0)
    found = load_checkpoint(save_checkpoint(tmp_path / "x", encoder, card))
    crops = torch.randn(2, 1, 32, 32, 32)
    with torch.inference_mode():
        before, after = encoder.outputs(crops), found.encoder.outputs(crops)
        assert set(before) == {"embedding", "distance", "barlow_twins"}
        for name, rows in before.items():
            assert torch.equal(rows, after[name])
        assert torch.equal(after["distance"], found.encoder.code(after["embedding"]))
