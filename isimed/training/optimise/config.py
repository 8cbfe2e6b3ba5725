"""What a training is told: one model, shown in the form, in ``--help``, in the run folder and in the checkpoint."""

import math
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

Penalty = Literal["l2", "huber", "smooth-l1"]
Pairs = Literal["within", "across"]
Scaling = Literal["auto", "window", "percentiles"]


def _option(
    default: Any,
    description: str,
    *,
    group: str,
    unit: str = "",
    advanced: bool = False,
    **limits: Any,
) -> Any:
    """A field that also says where in a form it stands, and in which unit."""
    about: dict[str, Any] = {"group": group, "unit": unit, "advanced": advanced}
    return Field(default, description=description, json_schema_extra=about, **limits)


class TrainConfig(BaseModel):
    """Options of a training."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    cohort: str = _option(..., "Name in ISIMED_HOME, or the path of a dataset.json.", group="What")
    method: str = _option("isimed", "What is learned; `package.module:NAME` is a method of your own.", group="What")
    name: str | None = _option(None, "What to call the run; by default cohort and method.", group="What")

    split: str | None = _option(
        None,
        "JSON file with lists `train` and `validation` of patients; by default a seeded split.",
        group="Data",
        advanced=True,
    )
    validation: float = _option(
        0.2, "Share of patients held out where no split is given.", group="Data", unit="share", ge=0, lt=1
    )
    limit: int | None = _option(None, "Only the first N patients of the cohort.", group="Data", unit="patients", gt=1)
    spacing_mm: float = _option(3.0, "Edge of a voxel after resampling, mm.", group="Data", unit="mm", gt=0, le=20)
    crop_size: int = _option(
        32, "Edge of a crop, voxels.", group="Data", unit="voxels", advanced=True, ge=32, le=128, multiple_of=8
    )

    scaling: Scaling = _option(
        "auto",
        "What becomes -1 to 1: a window of Hounsfield units, percentiles of each scan (the paper's, on CT too), or "
        "auto: the window for CT, percentiles for all else.",
        group="Data",
        advanced=True,
    )
    window_low_hu: float = _option(
        -1000.0, "Hounsfield units that become -1, where scaling is a window.", group="Data", unit="HU", advanced=True
    )
    window_high_hu: float = _option(
        1500.0, "Hounsfield units that become 1, where scaling is a window.", group="Data", unit="HU", advanced=True
    )
    percentile_low: float = _option(
        5.0, "Percentile of a scan that becomes -1.", group="Data", unit="%", advanced=True, ge=0, lt=100
    )
    percentile_high: float = _option(
        95.0, "Percentile of a scan that becomes 1.", group="Data", unit="%", advanced=True, gt=0, le=100
    )
    foreground_above: float | None = _option(
        None,
        "Voxels above this value are body; by default -500 HU for CT, 0 for all else.",
        group="Data",
        advanced=True,
    )

    epochs: int = _option(50, "Passes over the training patients.", group="Batches", unit="epochs", gt=0)
    crops_per_volume: int = _option(16, "Crops drawn from a volume in a step.", group="Batches", unit="crops", ge=2)
    volumes_per_step: int = _option(
        8, "Volumes in a step, at most: an epoch's are dealt out evenly.", group="Batches", unit="volumes", ge=1
    )

    penalty: Penalty = _option(
        "l2",
        "Squared differences of distances (l2), or linear beyond 100 mm (huber) or 10 mm (smooth-l1).",
        group="Loss",
    )
    pairs: Pairs = _option(
        "within",
        "Pairs of crops in one volume, or across patients too (only where the cohort declares a common frame).",
        group="Loss",
    )
    barlow_twins_weight: float = _option(
        0.001,
        "λ, weight of the Barlow Twins loss beside the distance loss in (100 mm)².",
        group="Loss",
        ge=0,
    )
    invariance_weight: float = _option(
        0.0,
        "Weight of the squared distance between codes of two views of a crop, in (100 mm)²; 0 leaves it out. The "
        "views are made with coarse dropout and shuffle.",
        group="Loss",
        advanced=True,
        ge=0,
    )
    largest_window: int = _option(
        96,
        "Longest edge of a dense network's windows; each edge is drawn between 32 and it.",
        group="Data",
        unit="voxels",
        advanced=True,
        ge=32,
        le=256,
        multiple_of=16,
    )
    same_place_weight: float = _option(
        0.5,
        "Weight of the distance between the codes that two windows give one place, beside the distance loss.",
        group="Loss",
        advanced=True,
        ge=0,
    )
    mm_per_unit: float = _option(
        20.0,
        "mm that one unit of the distance head stands for.",
        group="Loss",
        unit="mm",
        advanced=True,
        gt=0,
    )
    off_diagonal: float = _option(
        0.0051,
        "Barlow Twins' weight of what two different features share.",
        group="Loss",
        advanced=True,
        ge=0,
    )
    temperature: float = _option(
        0.1,
        "Temperature of SimCLR's softmax (the paper's authors used 0.005).",
        group="Loss",
        gt=0,
    )
    local_views: int = _option(
        2,
        "Views of half a crop's edge, enlarged, that only DINO's student sees.",
        group="Loss",
        unit="views",
        advanced=True,
        ge=0,
        le=8,
    )
    teacher_momentum: float = _option(
        0.99,
        "How much of itself DINO's teacher keeps in the first step; it rises to 1.",
        group="Loss",
        advanced=True,
        ge=0,
        le=1,
    )

    noise: float = _option(
        0.05,
        "Standard deviation of the noise added to crops, where -1 to 1 is the scan's range.",
        group="Augmentation",
        ge=0,
    )
    intensity: float = _option(
        0.0, "Largest random change of contrast (factor) and brightness, per crop.", group="Augmentation", ge=0, lt=1
    )
    spacing_change: float = _option(
        0.0,
        "Largest random change of a crop's spacing, per crop: 0.25 is voxels between 1 / 1.25 and 1.25 as large.",
        group="Augmentation",
        advanced=True,
        ge=0,
        le=1,
    )
    blur: float = _option(
        0.0,
        "Largest standard deviation of a random Gaussian blur.",
        group="Augmentation",
        unit="voxels",
        advanced=True,
        ge=0,
        le=4,
    )
    coarse_dropout: float = _option(
        1.0,
        "Probability of 6 random boxes: either they are replaced by noise, or everything outside them.",
        group="Augmentation",
        advanced=True,
        ge=0,
        le=1,
    )
    coarse_shuffle: float = _option(
        0.8,
        "Probability that the voxels inside each of two boxes of 6³ are shuffled.",
        group="Augmentation",
        advanced=True,
        ge=0,
        le=1,
    )
    flips: float = _option(
        0.0,
        "Probability of a mirror image along each axis. Off: a mirrored body has its left on the right.",
        group="Augmentation",
        advanced=True,
        ge=0,
        le=1,
    )

    learning_rate: float = _option(1e-3, "Peak learning rate of AdamW.", group="Optimiser", gt=0)
    schedule: Literal["one-cycle", "exponential"] = _option(
        "one-cycle",
        "One cycle over the whole training, or the paper's × 0.9 each epoch.",
        group="Optimiser",
        advanced=True,
    )
    weight_decay: float = _option(0.01, "Weight decay of AdamW.", group="Optimiser", advanced=True, ge=0)
    clip_norm: float = _option(2.0, "Largest norm of the gradient.", group="Optimiser", advanced=True, gt=0)

    seed: int = _option(0, "Same seed, same CPU, same result; on a GPU it varies from run to run.", group="Run", ge=0)
    device: Literal["auto", "cpu", "cuda", "mps"] = _option("auto", "Where to compute.", group="Run")
    threads: int | None = _option(
        None, "CPU threads; by default all.", group="Run", unit="threads", advanced=True, ge=1
    )
    validate_every: int = _option(
        5, "Epochs between validations on the held-out patients.", group="Run", unit="epochs", ge=1
    )

    on: Literal["here", "slurm"] = _option(
        "here", "Where to work: a process of this machine, or a job of the cluster's SLURM.", group="Cluster"
    )
    partition: str | None = _option(
        None, "SLURM's partition; by default its own default.", group="Cluster", advanced=True
    )
    nodes: int = _option(1, "Machines of a SLURM job.", group="Cluster", unit="nodes", advanced=True, ge=1)
    gpus: int = _option(
        0, "GPUs on each node of a SLURM job, a process each.", group="Cluster", unit="GPUs", advanced=True, ge=0
    )
    hours: float = _option(
        24.0,
        "Time limit of a SLURM job; a training that needs longer is queued again and goes on.",
        group="Cluster",
        unit="h",
        advanced=True,
        ge=0.1,
    )

    @field_validator("window_high_hu", "percentile_high")
    @classmethod
    def _above_the_low_end(cls, high: float, info: ValidationInfo) -> float:
        low = info.data.get(str(info.field_name).replace("high", "low"))
        if low is not None and high <= low:
            raise PydanticCustomError("range", "has to be above {low}", {"low": f"{low:g}"})
        return high

    def steps_per_epoch(self, volumes: int) -> int:
        """As few steps as show every training volume once, none with more than ``volumes_per_step`` of them."""
        return max(1, math.ceil(volumes / self.volumes_per_step))


@dataclass(frozen=True)
class Option:
    """A field of the config as a form and ``--help`` need it."""

    name: str
    description: str
    group: str
    unit: str
    advanced: bool
    default: Any
    choices: tuple[str, ...]


def options() -> list[Option]:
    """Every option of `TrainConfig`, in order. Which of them count for a method the method itself says."""
    found = []
    for name, field in TrainConfig.model_fields.items():
        about: Any = field.json_schema_extra
        default = None if field.is_required() else field.default
        choices = get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
        found.append(Option(name, field.description or "", default=default, choices=choices, **about))
    return found
