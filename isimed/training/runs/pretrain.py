"""Pretraining from Python: a cohort and the options by name, as the command line takes them."""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from isimed.core.errors import InputError
from isimed.data.cohorts.cohort import Cohort
from isimed.training.optimise.config import TrainConfig

if TYPE_CHECKING:
    from isimed.training.runs.folder import Run


def train(cohort: Cohort | str | Path, **options: Any) -> "Run":
    """Train a network in this process, until it is finished or told to stop.

    Args:
        cohort: a cohort, its name, or the path of its ``dataset.json``.
        options: those of ``isimed train --help``, with underscores: ``method="isimed"``, ``epochs=50``. A method may be
            one of your own, decorated with `isimed.method`, by its name ``package.module:NAME``.

    Returns:
        The run: ``run.id`` is a checkpoint's name wherever one is asked for, ``run.best`` its folder, and
        ``run.metrics()`` what was measured at each step.

    Raises:
        InputError: an option or the cohort does not fit; nothing is left behind.

    An option that counts for nothing in this training is warned of.
    """
    from isimed.training.runs import worker
    from isimed.training.runs.preflight import passed_over

    where = str(cohort.root / "dataset.json") if isinstance(cohort, Cohort) else str(cohort)
    try:
        config = TrainConfig.model_validate({"cohort": where} | options)
    except ValidationError as error:
        raise InputError(refusal(error, option="{}")) from None
    modality = (cohort if isinstance(cohort, Cohort) else Cohort.load(cohort)).modality
    for name, why in passed_over(config, options, modality=modality).items():
        warnings.warn(f"{name} counts for nothing: {why}.", stacklevel=2)
    return worker.train(config)


def refusal(error: ValidationError, *, option: str) -> str:
    """The first wrong option as a sentence; ``option`` is how its name is written, as ``--{}``."""
    first = error.errors()[0]
    name = option.format("_".join(str(part) for part in first["loc"]))
    return f"{name.replace('_', '-') if name.startswith('--') else name} {first.get('input')}: {first['msg']}."
