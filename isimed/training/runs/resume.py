"""What a training needs to go on: weights, optimiser moments, teacher and the step, without pickle."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from isimed.core.errors import InputError
from isimed.core.files import write_json
from isimed.models.card import Card
from isimed.models.checkpoint import WEIGHTS, save_checkpoint
from isimed.models.weights import write_tensors

if TYPE_CHECKING:
    from isimed.training.optimise.loop import Trainer

OPTIMISER, TEACHER, PROGRESS = "optimiser.safetensors", "teacher.safetensors", "progress.json"


def save_state(folder: Path, trainer: "Trainer", card: Card, *, best: dict[str, float]) -> None:
    """Write a checkpoint that can also be resumed; whole or not at all.

    May be called from another thread while a step is computed (under ``trainer.between_steps``): weights do not
    change then, and the running statistics that do are taken from before the step.
    """
    moments = {
        f"{index}.{key}": value
        for index, state in trainer.optimiser.state_dict()["state"].items()
        for key, value in state.items()
    }
    step = trainer.step

    def add(temporary: Path) -> None:
        write_tensors(temporary / OPTIMISER, moments)
        if trainer.teacher:
            write_tensors(temporary / TEACHER, trainer.teacher.state())
        write_json(temporary / PROGRESS, {"step": step, "best": best})

    save_checkpoint(folder, trainer.encoder, card, statistics=trainer.statistics_before, add=add)


def restore(folder: Path, trainer: "Trainer") -> dict[str, float]:
    """Put a trainer where the saved one stood.

    Returns:
        The best validation figures so far.

    Raises:
        InputError: the folder is damaged.
    """
    try:
        progress = json.loads((folder / PROGRESS).read_bytes())
        step, best = int(progress["step"]), dict(progress["best"])
        moments = load_file(folder / OPTIMISER)
        trainer.encoder.load_state_dict(load_file(folder / WEIGHTS))
        if trainer.teacher:
            trainer.teacher.load(load_file(folder / TEACHER))
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        raise InputError(f"{folder} cannot be resumed ({error}): start a new training.") from None
    trainer.statistics_before = {name: value.clone() for name, value in trainer.encoder.named_buffers()}
    state: dict[int, dict[str, torch.Tensor]] = {}
    for name, value in moments.items():
        index, key = name.split(".", 1)
        state.setdefault(int(index), {})[key] = value
    groups = trainer.optimiser.state_dict()["param_groups"]
    trainer.optimiser.load_state_dict({"state": state, "param_groups": groups})
    trainer.step = step
    return best
