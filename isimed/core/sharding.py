"""Which part of the volumes is this process's: one of torchrun's ranks, of srun's tasks, of a SLURM array's jobs.

Each process writes one file or folder a volume, so that any number of them, on any number of machines, fill the same
place; what a lost one left out, the next call does.
"""

import os
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def launched() -> tuple[int, int, int]:
    """This process among those that were started together, by torchrun or srun.

    Returns:
        Its rank, how many there are, and how many of them on each machine; (0, 1, 1) where it is alone.
    """
    said = os.environ
    if "TORCHELASTIC_RUN_ID" in said:
        world = int(said["WORLD_SIZE"])
        return int(said["RANK"]), world, int(said.get("LOCAL_WORLD_SIZE", world))
    if "SLURM_STEP_NUM_TASKS" in said:
        world = int(said["SLURM_STEP_NUM_TASKS"])
        return int(said["SLURM_PROCID"]), world, world // int(said["SLURM_STEP_NUM_NODES"])
    return 0, 1, 1


def place() -> tuple[int, int]:
    """This process's number and how many share the work: `launched`, times the jobs of a SLURM array."""
    rank, world, _ = launched()
    said = os.environ
    jobs = int(said.get("SLURM_ARRAY_TASK_COUNT", "1"))
    if jobs > 1:
        step = int(said.get("SLURM_ARRAY_TASK_STEP", "1"))
        number = (int(said["SLURM_ARRAY_TASK_ID"]) - int(said["SLURM_ARRAY_TASK_MIN"])) // step
        rank, world = number * world + rank, jobs * world
    return rank, world


def share(items: Sequence[T]) -> list[T]:
    """This process's part of some items, dealt out in turn; all of them where it is alone."""
    rank, world = place()
    return list(items[rank::world])
