"""Give checkpoint cards the digests of the volumes they were trained and selected on, from the cohorts they name.

    python -m docs.scripts.add_digests --data PATH/TO/DATA   # a folder of cohorts: headneck-ct/dataset.json, …

For checkpoints from before cards kept digests: with them an evaluation knows the training's patients again, whatever
they and their cohort are called. Synthetic cohorts are made; only the card changes, the weights stay as they are.
"""

import argparse
from pathlib import Path

from docs.scripts.check_cards import SHIPPED, cohort_of
from isimed.models.card import CARD, read_card
from isimed.models.checkpoint import open_checkpoint
from isimed.models.sharing.export import voxels_of


def main() -> None:
    names = sorted(file.parent.name for file in SHIPPED.glob(f"*/{CARD}"))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", nargs="*", default=names, help=f"of {', '.join(names)}; all by default")
    parser.add_argument("--data", type=Path, help="a folder of cohorts, each with its dataset.json")
    options = parser.parse_args()
    for name in options.checkpoint:
        folder = SHIPPED / name
        cohort = cohort_of(open_checkpoint(folder), options.data)
        card = read_card(folder)
        card.cohort["voxels"] = voxels_of(card, str(cohort.root / "dataset.json"))
        (folder / CARD).write_text(card.model_dump_json(indent=1) + "\n", encoding="utf-8")
        print(name, {part: len(found) for part, found in card.cohort["voxels"].items()})


if __name__ == "__main__":
    main()
