"""Pretraining against MONAI's CacheDataset: read, turned, resampled, cut and scaled once, cropped each epoch."""

from benchmarks.lib import monai_way
from benchmarks.lib.pretraining import epoch_of, make_trainer
from benchmarks.lib.race import Measured, Ratio, Setting, race

TITLE = "Pretraining"
AGAINST = "MONAI CacheDataset with the same crops (32³ at 3 mm, 16 a volume)"


def measure(setting: Setting) -> Measured:
    trainer = make_trainer(setting)
    data = monai_way.loader(setting.cohort, trainer.config, count=len(trainer.volumes), cached=True)
    ways = {"ours": epoch_of(trainer), "cached": monai_way.epoch_of(data, trainer.config, device=setting.device)}
    rates = race(ways, repeats=2 if setting.quick else 5)
    target = setting.target(cpu=1.0, gpu=2.0)
    return Measured([Ratio("MONAI CacheDataset", rates["ours"], rates["cached"], "crops/s", target=target)])
