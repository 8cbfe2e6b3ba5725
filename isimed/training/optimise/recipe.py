"""How a training prepares its volumes: the cohort's default, with what the options change of it."""

from isimed.data.prepared.preprocess import Preparation
from isimed.training.optimise.config import TrainConfig


def preparation_for(config: TrainConfig, modality: str) -> Preparation:
    """The preparation that a training's options ask for.

    >>> paper = TrainConfig(cohort="any", scaling="percentiles", foreground_above=0.0)
    >>> preparation_for(paper, "CT").intensity, preparation_for(TrainConfig(cohort="any"), "CT").intensity
    ('percentile', 'window')
    """
    usual = Preparation.for_modality(modality, spacing_mm=config.spacing_mm)
    changes: dict[str, object] = {
        "percentiles": (config.percentile_low, config.percentile_high),
        "window_hu": (config.window_low_hu, config.window_high_hu),
    }
    if config.scaling != "auto":
        changes["intensity"] = config.scaling.removesuffix("s")
    if config.foreground_above is not None:
        changes["foreground_above"] = config.foreground_above
    return usual.model_copy(update=changes)
