"""Measure the shipped checkpoints again, on the validation patients that their cards name, and compare.

    python -m docs.scripts.check_cards --data PATH/TO/DATA  # a folder of cohorts: headneck-ct/dataset.json, …
    python -m docs.scripts.check_cards demo-brain           # some of them; synthetic cohorts are made, no data needed

Each figure has to come out within `TOLERANCE` of the card's (weights are kept in half precision, and another machine
adds up in another order). The command ends with 1 if one does not, or if nothing could be measured.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from isimed.core import paths
from isimed.core.errors import InputError
from isimed.data.cohorts.cohort import Cohort
from isimed.data.demo.virtual_patients import make_demo
from isimed.data.prepared.cache import prepare_cohort
from isimed.models.card import CARD
from isimed.models.checkpoint import Checkpoint, load_checkpoint
from isimed.training.optimise.config import TrainConfig
from isimed.training.optimise.validation import validation_figures

SHIPPED = Path(__file__).resolve().parents[2] / "checkpoints"
TOLERANCE = 0.01  # relative
MADE: dict[str, dict[str, Any]] = {  # synthetic cohorts by name: what makes them
    "demo-train": {"kind": "demo-brain", "patients": 48, "seed": 1000},
    "demo-ct-train": {"kind": "demo-ct", "patients": 48, "seed": 1000},
}


def main() -> None:
    names = sorted(file.parent.name for file in SHIPPED.glob(f"*/{CARD}"))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", nargs="*", default=names, help=f"of {', '.join(names)}; all by default")
    parser.add_argument("--data", type=Path, help="a folder of cohorts, each with its dataset.json")
    options = parser.parse_args()
    agree = []
    for name in options.checkpoint:
        try:
            checkpoint = load_checkpoint(SHIPPED / name)
            figures = measure(checkpoint, cohort_of(checkpoint, options.data))
        except InputError as error:
            print(f"{name}: not measured. {error}")
            continue
        for figure, stated in checkpoint.card.results["validation"].items():
            agree.append(abs(figures[figure] - stated) <= TOLERANCE * abs(stated))
            print(f"{name}: {figure} {figures[figure]:.4f}, card {stated:.4f}{'' if agree[-1] else ': DIFFERS'}")
    sys.exit(0 if agree and all(agree) else 1)


def cohort_of(checkpoint: Checkpoint, data: Path | None) -> Cohort:
    """The cohort a card names: made if it is synthetic, otherwise one of the data.

    Raises:
        InputError: it is not there, or is another than the card's.
    """
    name = checkpoint.card.cohort["name"]
    if name in MADE:
        return Cohort.load(str(make_demo(paths.cohorts_dir() / name, **MADE[name])))
    if data is None:
        raise InputError(f"It was trained on {name}: say with --data where that is.")
    cohort = Cohort.load(str(data / name / "dataset.json"))
    if cohort.fingerprint != checkpoint.card.cohort["fingerprint"]:
        raise InputError(f"{data / name} is another version of the cohort than the card's: its files or labels differ.")
    return cohort


def measure(checkpoint: Checkpoint, cohort: Cohort) -> dict[str, float]:
    """The figures a training writes, of its validation patients, in its order."""
    card = checkpoint.card
    config = TrainConfig.model_validate(card.training | {"cohort": cohort.name})
    volumes = prepare_cohort(cohort, card.preparation, entries=cohort.subset(card.cohort["validation"]))
    return validation_figures(checkpoint.encoder, volumes, config)


if __name__ == "__main__":
    main()
