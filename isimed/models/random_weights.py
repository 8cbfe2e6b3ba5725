"""Random weights from a seed: torch has one generator for all threads, so one thread at a time draws from it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

DRAWING = threading.RLock()  # held while a network is made


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Networks made inside have the weights of this seed, whatever other threads make meanwhile."""
    with DRAWING, torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield
