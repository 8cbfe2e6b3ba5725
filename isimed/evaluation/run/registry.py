"""The table of tasks: what each needs, how it measures a checkpoint, and what stands beside it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from isimed.core.errors import InputError
from isimed.data.prepared.preprocess import Preparation
from isimed.evaluation.context.context import Bench
from isimed.evaluation.context.outcome import Outcome
from isimed.evaluation.sampling.perturb import PERTURBATIONS
from isimed.evaluation.tasks import measure_landmarks, measure_organs, measure_space, measure_tumour
from isimed.evaluation.tasks.landmarks import VOLUMES
from isimed.evaluation.tasks.measure_space import ALIGNED_CROPS, ROBUST_CROPS, ROBUST_VOLUMES
from isimed.models.checkpoint import Checkpoint

ALL, COMPARE = "all", "compare"
Measure = Callable[[Bench, Checkpoint], Outcome]
Control = Callable[[Bench, Preparation, int], Outcome]
GRID_CROPS, GRID_STEP_MM = 700, 24.0  # 680 a volume were counted on 40 patients of headneck-ct


@dataclass(frozen=True)
class Task:
    """One kind of measurement.

    Attributes:
        question: what it answers, for a person.
        measure: a checkpoint's figures. controls: the same without any network, by name.
        samples: which crops it embeds, keys of ``SAMPLES``.
        lacks: why a cohort cannot be measured, or an empty string.
        version: raise it when figures change; kept results of the old version are then not used.
    """

    name: str
    question: str
    measure: Measure
    samples: tuple[str, ...]
    controls: Mapping[str, Control] = field(default_factory=dict)
    lacks: Callable[[Bench], str] = lambda bench: ""
    version: int = 1


def find_tasks(names: str | Sequence[str]) -> list[Task]:
    """Tasks by name; ``all`` means all of them, in the order of the table.

    Raises:
        InputError: there is no such task.
    """
    wanted = _names(names)
    if ALL in wanted:
        return list(TASKS.values())
    for name in wanted:
        if name not in (*TASKS, COMPARE):
            raise InputError(f"There is no task {name}: choose all or one of {', '.join(TASKS)}, {COMPARE}.")
    return [TASKS[name] for name in dict.fromkeys(wanted) if name != COMPARE]


def compares(names: str | Sequence[str], checkpoints: int) -> bool:
    """Whether the spaces of the checkpoints are to be compared with each other.

    Raises:
        InputError: this is all that was asked, of one checkpoint.
    """
    wanted = _names(names)
    if wanted == [COMPARE] and checkpoints < 2:
        raise InputError("One checkpoint cannot be compared: choose two or more.")
    return checkpoints > 1 and bool({ALL, COMPARE} & set(wanted))


def _names(names: str | Sequence[str]) -> list[str]:
    return [names] if isinstance(names, str) else list(names)


TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        Task(
            "distance",
            "Does the latent distance of two crops equal their distance in the body?",
            measure_space.distance,
            ("body",),
            version=2,
        ),
        Task(
            "position",
            "Can a linear map read off where a crop of an unseen patient lies?",
            measure_space.position,
            ("body",),
            {
                "mean_position": measure_space.mean_position,
                "intensity_histogram": measure_space.position_from_histogram,
                "position_only": measure_space.components_of_position,
            },
            version=3,
        ),
        Task(
            "landmarks",
            "Does the code at an organ's centre find that organ in another patient?",
            measure_landmarks.landmarks,
            ("landmarks",),
            {"body_box": measure_landmarks.body_box, "affine_registration": measure_landmarks.affine_registration},
            measure_landmarks.lacks_landmarks,
            version=3,
        ),
        Task(
            "probe",
            "Can a linear map tell crops with tumour from crops without?",
            measure_tumour.probe,
            ("tumour", "matched"),
            {
                "position_only": measure_tumour.probe_from_position,
                "intensity_histogram": measure_tumour.probe_from_histogram,
            },
            measure_tumour.lacks_tumours,
            version=3,
        ),
        Task(
            "organs",
            "Can a linear map tell which organ is at the crop's centre?",
            measure_organs.organs,
            ("organ",),
            {
                "position_only": measure_organs.organs_from_position,
                "intensity_histogram": measure_organs.organs_from_histogram,
            },
            measure_organs.lacks_organs,
            version=3,
        ),
        Task(
            "collapse",
            "How many of its dimensions does the embedding use?",
            measure_space.collapse,
            ("body", "aligned"),
            version=3,
        ),
        Task(
            "robustness",
            "Does a crop still say where it is when the image changes?",
            measure_space.robustness,
            ("body", "robust"),
            version=2,
        ),
        Task(
            "anomaly",
            "Do tumour crops stand out without any tumour label?",
            measure_tumour.anomaly,
            ("tumour", "matched"),
            {
                "position_only": measure_tumour.anomaly_from_position,
                "intensity_histogram": measure_tumour.anomaly_from_histogram,
            },
            measure_tumour.lacks_tumours,
            version=2,
        ),
        Task(
            "segmentation",
            "Do one, three or five labelled patients label the others?",
            measure_organs.segmentation,
            (),
            {"position_only": measure_organs.segmentation_from_position},
            measure_organs.lacks_organs,
            version=3,
        ),
    )
}


def _body(bench: Bench) -> int:
    return bench.crops_a_volume * len(bench.entries)


# About how many crops each sample embeds, also by the mm between the crops of a grid. `tumour`: `body` has the crops
# outside already.
SAMPLES: dict[str, Callable[[Bench, float], int]] = {
    "body": lambda bench, step_mm: _body(bench),
    "tumour": lambda bench, step_mm: round(0.39 * _body(bench)),
    "matched": lambda bench, step_mm: round(0.75 * _body(bench)),
    "organ": lambda bench, step_mm: bench.crops_a_volume // 8 * max(len(bench.cohort.organs), 1) * len(bench.entries),
    "aligned": lambda bench, step_mm: ALIGNED_CROPS * len(bench.entries),
    "robust": lambda bench, step_mm: len(PERTURBATIONS) * ROBUST_CROPS * min(ROBUST_VOLUMES, len(bench.entries)),
    "landmarks": lambda bench, step_mm: round(
        GRID_CROPS * (GRID_STEP_MM / step_mm) ** 3 * min(VOLUMES, len(bench.entries))
    ),
}
