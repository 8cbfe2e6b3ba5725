"""Options as the paper has them, and as its authors' code has them: ISImed, arXiv 2410.16947."""

from typing import Any

AUTHORS_WEIGHT = 10_000.0  # their λ of Barlow Twins, beside squared distances in voxels
LOSS_UNIT_MM = 100.0  # ours stands beside squared distances in this unit

PAPER: dict[str, Any] = {
    "method": "isimed",
    "scaling": "percentiles",
    "percentile_low": 5.0,
    "percentile_high": 95.0,
    "foreground_above": 0.0,
    "crop_size": 32,
    "crops_per_volume": 16,
    "volumes_per_step": 64,
    "epochs": 50,
    "penalty": "l2",
    "invariance_weight": 0.0,
    "noise": 0.0,
    "intensity": 0.0,
    "spacing_change": 0.0,
    "blur": 0.0,
    "flips": 0.0,
    "coarse_dropout": 1.0,
    "coarse_shuffle": 0.8,
    "learning_rate": 1e-3,
    "schedule": "exponential",
    "weight_decay": 0.01,
    "clip_norm": 2.0,
}
PRESETS: dict[str, dict[str, Any]] = {
    "paper": PAPER,
    "paper-bt": PAPER | {"method": "isimed-bt", "off_diagonal": 0.0051},
    "authors-code": PAPER | {"method": "isimed-bt-shared", "off_diagonal": 0.0051, "temperature": 0.005},
}


def preset_options(name: str, *, common_frame: bool, spacing_mm: float) -> dict[str, Any]:
    """The options of a preset for a cohort.

    Args:
        name: of `PRESETS`.
        common_frame: whether the cohort declares one: the paper's pairs are all of a batch, which are millimetres
            only there; elsewhere pairs lie within a volume.
        spacing_mm: edge of a voxel, in which the authors measure distances: it converts their λ.

    >>> preset_options("paper-bt", common_frame=False, spacing_mm=2.0)["barlow_twins_weight"]
    4.0
    """
    pairs = "across" if common_frame else "within"
    return PRESETS[name] | {"pairs": pairs, "barlow_twins_weight": our_weight(AUTHORS_WEIGHT, spacing_mm)}


def our_weight(authors: float, spacing_mm: float) -> float:
    """The authors' λ, which stands beside squared distances in voxels, as it stands beside ours in (100 mm)²."""
    return authors * (spacing_mm / LOSS_UNIT_MM) ** 2
