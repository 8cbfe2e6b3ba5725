"""What a training needs to go on: weights, optimiser moments and the step, without pickle."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors.torch import load_file, save_file

from isimed.errors import InputError
from isimed.models.checkpoint import Card, load_checkpoint, save_checkpoint

if TYPE_CHECKING:
    from isimed.training.loop import Trainer

OPTIMISER, PROGRESS = "optimiser.safetensors", "progress.json"


def save_state(folder: Path, trainer: "Trainer", card: Card, *, best: dict[str, float]) -> None:
    """Write a checkpoint that can also be resumed; whole or not at all."""
    moments = {
        f"{index}.{key}": value.detach().cpu().contiguous()
        for index, state in trainer.optimiser.state_dict()["state"].items()
        for key, value in state.items()
    }

    def add(temporary: Path) -> None:
        save_file(moments, temporary / OPTIMISER)
        (temporary / PROGRESS).write_text(json.dumps({"step": trainer.step, "best": best}))

    save_checkpoint(folder, trainer.encoder, card, add=add)


def restore(folder: Path, trainer: "Trainer") -> dict[str, float]:
    """Put a trainer where the saved one stood.

    Returns:
        The best validation figures so far.
    """
    try:
        progress = json.loads((folder / PROGRESS).read_bytes())
        moments = load_file(folder / OPTIMISER)
    except (OSError, ValueError) as error:
        raise InputError(f"{folder} cannot be resumed ({error}): start a new training.") from None
    trainer.encoder.load_state_dict(load_checkpoint(folder).encoder.state_dict())
    state: dict[int, dict[str, torch.Tensor]] = {}
    for name, value in moments.items():
        index, key = name.split(".", 1)
        state.setdefault(int(index), {})[key] = value
    groups = trainer.optimiser.state_dict()["param_groups"]
    trainer.optimiser.load_state_dict({"state": state, "param_groups": groups})
    trainer.step = progress["step"]
    return progress["best"]
