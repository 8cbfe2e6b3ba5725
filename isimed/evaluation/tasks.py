"""The table of tasks: what each needs, how it measures a checkpoint, and what stands beside it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from isimed.data.preprocess import Preparation
from isimed.errors import InputError
from isimed.evaluation import measure_landmarks, measure_organs, measure_space, measure_tumour
from isimed.evaluation.bench import Bench
from isimed.evaluation.outcome import Outcome
from isimed.models.checkpoint import Checkpoint

Measure = Callable[[Bench, Checkpoint], Outcome]
Control = Callable[[Bench, Preparation, int], Outcome]


@dataclass(frozen=True)
class Task:
    """One kind of measurement.

    Attributes:
        question: what it answers, for a person.
        measure: a checkpoint's figures. controls: the same without any network, by name.
        lacks: why a cohort cannot be measured, or an empty string.
        version: raise it when figures change; kept results of the old version are then not used.
    """

    name: str
    question: str
    measure: Measure
    controls: Mapping[str, Control] = field(default_factory=dict)
    lacks: Callable[[Bench], str] = lambda bench: ""
    version: int = 1


def find_tasks(names: str | list[str]) -> list[Task]:
    """Tasks by name; ``all`` means all of them, in the order of the table.

    Raises:
        InputError: there is no such task.
    """
    wanted = [names] if isinstance(names, str) else list(names)
    if "all" in wanted:
        return list(TASKS.values())
    for name in wanted:
        if name not in TASKS:
            raise InputError(f"There is no task {name}: choose all or one of {', '.join(TASKS)}.")
    return [TASKS[name] for name in dict.fromkeys(wanted)]


TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        Task(
            "distance",
            "Does the latent distance of two crops equal their distance in the body?",
            measure_space.distance,
        ),
        Task(
            "position",
            "Can a linear map read off where a crop of an unseen patient lies?",
            measure_space.position,
            {
                "mean_position": measure_space.mean_position,
                "intensity_histogram": measure_space.position_from_histogram,
            },
            version=2,
        ),
        Task(
            "landmarks",
            "Does the code at an organ's centre find that organ in another patient?",
            measure_landmarks.landmarks,
            {"body_box": measure_landmarks.body_box, "affine_registration": measure_landmarks.affine_registration},
            measure_landmarks.lacks_landmarks,
        ),
        Task(
            "probe",
            "Can a linear map tell crops with tumour from crops without?",
            measure_tumour.probe,
            {
                "position_only": measure_tumour.probe_from_position,
                "intensity_histogram": measure_tumour.probe_from_histogram,
            },
            measure_tumour.lacks_tumours,
        ),
        Task(
            "organs",
            "Can a linear map tell which organ is at the crop's centre?",
            measure_organs.organs,
            {
                "position_only": measure_organs.organs_from_position,
                "intensity_histogram": measure_organs.organs_from_histogram,
            },
            measure_organs.lacks_organs,
        ),
        Task("collapse", "How many of its dimensions does the embedding use?", measure_space.collapse),
        Task("robustness", "Does a crop still say where it is when the image changes?", measure_space.robustness),
        Task(
            "anomaly",
            "Do tumour crops stand out without any tumour label?",
            measure_tumour.anomaly,
            {},
            measure_tumour.lacks_tumours,
        ),
        Task(
            "segmentation",
            "Do one, three or five labelled patients label the others?",
            measure_organs.segmentation,
            {},
            measure_organs.lacks_organs,
        ),
    )
}
