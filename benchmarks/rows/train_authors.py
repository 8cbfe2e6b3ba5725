"""Pretraining against the authors' way: every NIfTI file is read, cut to the body, scaled and cropped each epoch.

A turn is an epoch of the same patients with the same number of crops. MONAI's loader works in this process
(0 workers), or in two others that take part of the two cores.
"""

from benchmarks.lib import monai_way
from benchmarks.lib.pretraining import epoch_of, make_trainer
from benchmarks.lib.race import Measured, Ratio, Setting, race

TITLE = "Pretraining"
AGAINST = "the authors' way: MONAI Dataset, files read and cropped again each epoch, loss on the CPU"


def measure(setting: Setting) -> Measured:
    trainer = make_trainer(setting)
    count, config = len(trainer.volumes), trainer.config
    ways = {"ours": epoch_of(trainer)}
    for workers in (0, 2):
        data = monai_way.loader(setting.cohort, config, count=count, workers=workers)
        ways[f"{workers} workers"] = monai_way.epoch_of(data, config, device=setting.device)
    rates = race(ways, repeats=2 if setting.quick else 3)
    target = setting.target(cpu=1.1, gpu=3.0)
    ratios = [
        Ratio(f"MONAI Dataset, {name}", rates["ours"], rates[name], "crops/s", target=target) for name in list(ways)[1:]
    ]
    return Measured(ratios)
