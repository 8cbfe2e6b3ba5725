"""Every way to break off ends in a status of one sentence."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import torch

from isimed.core.errors import InputError
from isimed.training.runs.device_queue import Cancelled
from isimed.training.runs.run_log import RunLog

# What a RuntimeError says when there is none left: the CPU's allocator, Apple's GPU, cuDNN and cuBLAS.
NO_MEMORY = ("can't allocate memory", "out of memory", "ALLOC_FAILED")


@contextmanager
def failures_in_words(log: RunLog) -> Iterator[None]:
    """Every way to break off ends in a status of one sentence; the last checkpoint stays."""
    try:
        yield
    except (InputError, Cancelled, SystemExit) as error:  # SystemExit: SLURM's time is over, the job waits again
        if isinstance(error, InputError):
            _fail(log, str(error))
        raise
    except BaseException as error:
        kept = "no checkpoint was saved yet, resume begins anew"
        if log.run.last.is_dir():
            kept = "the last checkpoint is kept, resume goes on from it"
        if _out_of_memory(error):
            text = f"Out of memory: use fewer --volumes-per-step or --crops-per-volume; {kept}."
        elif isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            text = f"The disk of {log.run.folder} is full: free space; {kept}."
        else:
            _fail(log, f"The training broke off unexpectedly; train.log says where; {kept}.")
            raise
        _fail(log, text)
        raise InputError(text) from error


def _fail(log: RunLog, text: str) -> None:
    with suppress(InputError):  # on a full disk not even this may be written: the error itself still says it
        log.say(state="failed", message=text)


def _out_of_memory(error: BaseException) -> bool:
    said = str(error) if isinstance(error, RuntimeError) else ""
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or any(words in said for words in NO_MEMORY)
