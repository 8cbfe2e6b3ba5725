"""Options of the engine, each alone, on one constant batch in memory: which of them help pretraining on this machine.

A turn is one step of `isimed` with the defaults (128 crops of 32³): forward, backward, clipped gradient, optimiser.
`torch.compile` (inductor) is tried where a C++ compiler is there; the time it takes to compile is in the facts.
"""

import shutil
import sys
import time
from collections.abc import Callable

import torch

from benchmarks.lib.pretraining import constant_steps, make_trainer
from benchmarks.lib.race import Measured, Ratio, Setting, race
from isimed.models.encoder import Encoder, end_transitions_with

TITLE = "Pretraining, options"
AGAINST = "the same step without the option"


def measure(setting: Setting) -> Measured:
    trainer = make_trainer(setting)
    ways: dict[str, Callable[[], float]] = {
        "plain": constant_steps(trainer, 1),
        "fused AdamW": constant_steps(trainer, 1, fused=True),
        "channels-last": constant_steps(trainer, 1, change=channels_last),
        "transitions average after their 1×1×1 convolution": constant_steps(trainer, 1, change=average_last),
    }
    facts = {}
    if not setting.quick:
        facts["torch.compile"] = _add_compiled(ways, lambda: constant_steps(trainer, 1, change=compiled))
    rates = race(ways, repeats=2 if setting.quick else 5)
    ratios = [Ratio(name, rates[name], rates["plain"], "crops/s") for name in list(ways)[1:]]
    return Measured(ratios, facts)


def channels_last(encoder: Encoder) -> None:
    encoder.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]


def average_last(encoder: Encoder) -> None:
    end_transitions_with(encoder.backbone, "pool")


def compiled(encoder: Encoder) -> None:
    encoder.backbone.compile()


def _add_compiled(ways: dict[str, Callable[[], float]], make: Callable[[], Callable[[], float]]) -> str:
    if not shutil.which("c++"):
        return "not tried: no C++ compiler here"
    start = time.perf_counter()
    try:
        way = make()
        way()
    except Exception as error:  # whatever inductor makes of this network and compiler
        print(error, file=sys.stderr)
        return f"did not compile ({type(error).__name__})"
    ways["torch.compile"] = way
    return f"{time.perf_counter() - start:.0f} s for the first step"
