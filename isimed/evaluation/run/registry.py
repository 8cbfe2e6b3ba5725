"""The table of tasks, in the order in which they are measured and shown.

A task is a file of ``evaluation/tasks`` that ends in ``TASK = Task(...)``: to have such a file is to be in the table.
"""

import pkgutil
from collections.abc import Sequence
from importlib import import_module

from isimed.core.errors import InputError
from isimed.evaluation import tasks
from isimed.evaluation.tasks.task import Group, Task

ALL = "all"
ORDER = (  # new ones come after these
    "distance",
    "position",
    "landmarks",
    "probe",
    "organs",
    "collapse",
    "robustness",
    "anomaly",
    "segmentation",
    "compare",
    "fields",
    "retrieval",
)


def _place(task: Task) -> int:
    return ORDER.index(task.name) if task.name in ORDER else len(ORDER)


_modules = [import_module(f"{tasks.__name__}.{file.name}") for file in pkgutil.iter_modules(tasks.__path__)]
_found = [module.TASK for module in _modules if hasattr(module, "TASK")]
TASKS: dict[str, Task] = {task.name: task for task in sorted(_found, key=_place)}
GROUPS: dict[str, Group] = {name: group for task in TASKS.values() for name, group in task.groups.items()}
FIGURES: dict[str, str] = {name: label for task in TASKS.values() for name, label in task.figures.items()}
HEADLINES = tuple(headline for task in TASKS.values() for headline in task.headlines)


def find_tasks(names: str | Sequence[str]) -> list[Task]:
    """Tasks by name; ``all`` means all but those that must be asked for, in the order of the table.

    Raises:
        InputError: there is no such task.
    """
    wanted = [names] if isinstance(names, str) else list(names)
    if ALL in wanted:
        asked = [name for name in wanted if name in TASKS]
        return [task for task in TASKS.values() if not task.on_request or task.name in asked]
    for name in wanted:
        if name not in TASKS:
            raise InputError(f"There is no task {name}: choose all or one of {', '.join(TASKS)}.")
    return [TASKS[name] for name in dict.fromkeys(wanted)]
