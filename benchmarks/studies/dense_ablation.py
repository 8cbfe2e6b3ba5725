"""What a dense network reads its places off: the training of `isimed-dense` with one thing changed a row.

python -m benchmarks.studies.dense_ablation PATH/TO/headneck-ct --json docs/dense/ablation.json

At a scale that a CPU carries: voxels of 8 mm, windows of 16 to 32 of them along each axis, a third of the product's
features, two patients a step, as many steps for each row. So rows compare with each other, not with the
product's network. Judged by the organ centres of the validation patients, carried from one to another by codes of
every 8 mm, into whole scans and into halves. Each row is one training but for the three seeds of the first; the
interval of a difference from it is paired over patients, and says nothing of other seeds.

Rows that are done are kept, a stopped one goes on (in ISIMED_HOME/studies): the JSON has a line of
figures a row, and is written again after each.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks.studies.carried import WAYS, carry, figures
from isimed import losses
from isimed.core import paths
from isimed.core.files import write_file, write_json
from isimed.data.cohorts.cohort import Cohort
from isimed.data.prepared.cache import prepare_cohort
from isimed.data.prepared.preprocess import Prepared
from isimed.evaluation.statistics.bootstrap import Figure, difference
from isimed.models.card import Card
from isimed.models.checkpoint import Checkpoint
from isimed.models.dense import CT_WINDOWS_HU, DenseBackbone, Edges, in_prepared_values
from isimed.models.encoder import Encoder
from isimed.training.optimise.config import TrainConfig
from isimed.training.optimise.loop import Trainer
from isimed.training.optimise.methods import METHODS, Method, Outputs, Terms
from isimed.training.optimise.recipe import preparation_for
from isimed.training.optimise.validation import validation_figures
from isimed.training.optimise.windows.window_batches import Recipe, WindowBatches
from isimed.training.optimise.windows.window_look import Looks
from isimed.training.runs.resume import restore, save_state

WIDTHS = (16, 32, 48, 48)
SPACING_MM = 8.0
DENSE = METHODS["isimed-dense"]
NOTHING_HIDDEN = Looks(cut=0, block=0, repeated=(0, 0, 0))
SAVE_EVERY_S = 60.0


@dataclass(frozen=True)
class Row:
    """One training: what differs from the full recipe.

    Attributes:
        says: in words.
        pairs: of places in one window, in the two, or both.
        edges: what lies beyond a window at every convolution.
        recipe: how windows are made.
        largest: longest edge of a window, voxels.
    """

    says: str
    pairs: tuple[str, ...] = ("across",)
    edges: Edges = "repeated"
    recipe: Recipe = field(default_factory=lambda: Recipe(smallest=16, places=256))
    largest: int = 32
    seed: int = 0

    def windows(self, smallest: int, largest: int) -> "Row":
        return replace(self, recipe=replace(self.recipe, smallest=smallest), largest=largest)

    def looks(self, **changes: Any) -> "Row":
        return replace(self, recipe=replace(self.recipe, looks=replace(self.recipe.looks, **changes)))


FULL = Row("the full recipe")
UNCOVERED = replace(FULL, recipe=replace(FULL.recipe, looks=NOTHING_HIDDEN))
ROWS = {
    "full": FULL,
    "within": replace(FULL, says="pairs within a window, not across the two", pairs=("within",)),
    "noughts": replace(FULL, says="noughts at the edges", edges="noughts"),
    "nothing-hidden": replace(UNCOVERED, says="no cuts, no blocks, air beyond a scan's ends"),
    "all-told": replace(UNCOVERED, says="these three together", pairs=("within",), edges="noughts"),
    "seed-1": replace(FULL, says="the full recipe, seed 1", seed=1),
    "seed-2": replace(FULL, says="the full recipe, seed 2", seed=2),
    "small": replace(FULL.windows(16, 16), says="windows of one size, 16 voxels"),
    "large": replace(FULL.windows(32, 32), says="windows of one size, 32 voxels"),
    "both": replace(FULL, says="pairs within and across windows", pairs=("within", "across")),
    "no-cuts": replace(FULL.looks(cut=0), says="no cuts"),
    "no-blocks": replace(FULL.looks(block=0), says="no blocks"),
    "air": replace(FULL.looks(repeated=(0, 0, 0)), says="air beyond a scan's ends, never its end repeated"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cohort")
    parser.add_argument("--split", default="docs/splits/headneck-ct.json")
    parser.add_argument("--epochs", type=int, default=20, help="of 60 steps each")
    parser.add_argument("--rows", nargs="+", default=list(ROWS), choices=list(ROWS))
    parser.add_argument("--json", type=Path, required=True)
    options = parser.parse_args()
    cohort = Cohort.load(options.cohort)
    config = TrainConfig(
        cohort=str(options.cohort), method="isimed-dense", spacing_mm=SPACING_MM, epochs=options.epochs,
        volumes_per_step=2, learning_rate=2e-3, weight_decay=0.02, clip_norm=1.0, threads=1, device="cpu",
    )  # fmt: skip
    parts = json.loads(Path(options.split).read_text("utf-8"))
    entries = {part: cohort.subset(parts[part]) for part in ("train", "validation")}
    preparation = preparation_for(config, cohort.modality)
    volumes = {part: prepare_cohort(cohort, preparation, entries=those) for part, those in entries.items()}
    card = Card(name="dense-ablation", method="isimed-dense", architecture="dense", preparation=preparation)
    folder = paths.home() / "studies" / f"dense-ablation-{config.volumes_per_step}-{options.epochs}"
    for name in options.rows:
        done = folder / f"{name}.json"
        if not done.is_file():
            trained = train(ROWS[name], config, volumes["train"], card, folder / name)
            subjects = [entry.subject for entry in entries["validation"]]
            judged = judge(trained, card, subjects, volumes["validation"], cohort.organs)
            write_json(done, {"row": name, "steps": trained.step, **judged})
        write(options.json, folder, config)


def train(row: Row, config: TrainConfig, volumes: Sequence[Prepared], card: Card, folder: Path) -> Trainer:
    """The product's training of a row, from where an earlier call left it."""
    config = config.model_copy(update={"largest_window": row.largest, "seed": row.seed})
    trainer = Trainer(config, volumes, method=method_of(row))
    if folder.is_dir():
        restore(folder, trainer)
    saved = said = time.monotonic()
    while trainer.step < trainer.total_steps:
        for step in trainer.run_epoch():
            if (now := time.monotonic()) - saved > SAVE_EVERY_S or step.number == trainer.total_steps:
                save_state(folder, trainer, card, best={})
                saved = now
            if now - said > 10:
                say(f"{row.says}: step {step.number} of {trainer.total_steps}, {step.terms}")
                said = now
    return trainer


def method_of(row: Row) -> Method:
    """`isimed-dense` with what the row changes."""

    def network(method: Method, config: TrainConfig, volumes: Sequence[Prepared]) -> Encoder:
        windows = in_prepared_values(CT_WINDOWS_HU, (config.window_low_hu, config.window_high_hu))
        backbone = DenseBackbone(windows, widths=WIDTHS, edges=row.edges)
        return Encoder(method.heads, mm_per_unit=config.mm_per_unit, backbone=backbone)

    def batches(method: Method, *arguments: Any, **options: Any) -> WindowBatches:
        return WindowBatches(*arguments, **options, recipe=row.recipe)

    return replace(DENSE, loss=partial(loss, row.pairs), network=network, batches=batches)


def loss(pairs: Sequence[str], outputs: Outputs, config: TrainConfig) -> Terms:
    """The product's, with the pairs that a row asks for."""
    first, second = outputs.of("distance")
    assert outputs.shown is not None
    here, there = outputs.shown.unbind(1)
    kinds = {
        "across": [(first, second, (here, there))],
        "within": [(first, first, (here, here)), (second, second, (there, there))],
    }
    places = outputs.centres_mm
    each = [losses.across_windows_loss(a, b, places, shown) for kind in pairs for a, b, shown in kinds[kind]]
    weights = [1 / len(kinds[kind]) / len(pairs) for kind in pairs for _ in kinds[kind]]
    terms = {
        "distance": torch.stack([weight * one for weight, one in zip(weights, each, strict=True)]).sum(),
        "same_place": losses.same_place_loss(first, second, (here, there)),
    }
    return terms | {"loss": terms["distance"] + config.same_place_weight * terms["same_place"]}


@torch.inference_mode()
def judge(
    trainer: Trainer, card: Card, subjects: Sequence[str], volumes: Sequence[Prepared], names: dict[int, str]
) -> dict[str, Any]:
    """Landmarks between patients, whole and half, beside the distances within them."""
    within = validation_figures(trainer.encoder, volumes, trainer.config)
    checkpoint = Checkpoint(card, "", lambda: trainer.encoder)
    rows = carry(
        checkpoint, subjects, volumes, names, step_mm=SPACING_MM, match_mm=16.0, targets=len(subjects), say=say
    )
    return {"within": within, "figures": {name: figure.pack() for name, figure in figures(rows).items()}}


def write(file: Path, folder: Path, config: TrainConfig) -> None:
    """All rows that are done, each beside the full recipe on the same patients."""
    done = {
        name: json.loads((folder / f"{name}.json").read_text("utf-8"))
        for name in ROWS
        if (folder / f"{name}.json").is_file()
    }
    found = {name: {key: Figure.unpack(packed) for key, packed in row["figures"].items()} for name, row in done.items()}
    rows = []
    for name, row in done.items():
        beside = found.get("full", {}) if name != "full" else {}
        rows.append({
            "row": name, "says": ROWS[name].says, "steps": row["steps"], "within": row["within"],
            "figures": {key: figure.to_json() for key, figure in found[name].items()},
            "half_less_whole": {
                way: difference(found[name][f"{way}_half_mm"], found[name][f"{way}_whole_mm"]).to_json() for way in WAYS
            },
            "beside_full": {key: difference(found[name][key], figure).to_json() for key, figure in beside.items()},
        })  # fmt: skip
    options = config.model_dump(mode="json", exclude={"cohort"}, exclude_defaults=True)
    lines = ",\n".join(json.dumps(row) for row in rows)
    write_file(file, f'{{"options": {json.dumps(options)}, "widths": {list(WIDTHS)}, "rows": [\n{lines}\n]}}\n')


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
