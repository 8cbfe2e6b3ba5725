"""Pretraining against what the network itself can do: the same network, loss and optimiser on one constant batch.

One turn is an epoch of a few patients, cut and augmented as in any training; the other is as many steps on the
first of these batches, kept in memory.
"""

from benchmarks.lib.pretraining import constant_steps, epoch_of, make_trainer
from benchmarks.lib.race import Measured, Ratio, Setting, race

TITLE = "Pretraining"
AGAINST = "compute limit: same network, loss and optimiser on one constant batch in memory"


def measure(setting: Setting) -> Measured:
    trainer = make_trainer(setting)
    ways = {"ours": epoch_of(trainer), "limit": constant_steps(trainer, trainer.steps_per_epoch)}
    rates = race(ways, repeats=2 if setting.quick else 5)
    return Measured(
        [Ratio("isimed, crops/s", rates["ours"], rates["limit"], "crops/s", target=setting.target(cpu=0.95, gpu=0.9))]
    )
