"""The table of tasks, in the order in which they are measured and shown."""

from collections.abc import Sequence

from isimed.core.errors import InputError
from isimed.evaluation.tasks import (
    anomaly,
    collapse,
    compare,
    distance,
    landmarks,
    organs,
    position,
    probe,
    robustness,
    segmentation,
)
from isimed.evaluation.tasks.task import Group, Task

ALL = "all"
TASKS: dict[str, Task] = {
    module.TASK.name: module.TASK
    for module in (
        distance,
        position,
        landmarks,
        probe,
        organs,
        collapse,
        robustness,
        anomaly,
        segmentation,
        compare,
    )
}
GROUPS: dict[str, Group] = {name: group for task in TASKS.values() for name, group in task.groups.items()}
FIGURES: dict[str, str] = {name: label for task in TASKS.values() for name, label in task.figures.items()}
HEADLINES = tuple(headline for task in TASKS.values() for headline in task.headlines)


def find_tasks(names: str | Sequence[str]) -> list[Task]:
    """Tasks by name; ``all`` means all of them, in the order of the table.

    Raises:
        InputError: there is no such task.
    """
    wanted = [names] if isinstance(names, str) else list(names)
    if ALL in wanted:
        return list(TASKS.values())
    for name in wanted:
        if name not in TASKS:
            raise InputError(f"There is no task {name}: choose all or one of {', '.join(TASKS)}.")
    return [TASKS[name] for name in dict.fromkeys(wanted)]
