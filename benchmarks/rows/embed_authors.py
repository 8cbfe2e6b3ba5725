"""Embedding a volume against the authors' way: MONAI reads the file and PatchIterd walks over it, crop after crop.

PatchIterd lays its crops side by side, over air too. A turn of ours embeds as many crops, from the prepared volume, all
of them inside the body. Two ratios: of all crops, and of those whose middle is not air, which a table is made for.
"""

import torch
from monai.data import DataLoader, Dataset, GridPatchDataset, PatchIterd
from monai.transforms import Compose

from benchmarks.lib import monai_way
from benchmarks.lib.embedding import grid_of, our_way, volume_of
from benchmarks.lib.race import Measured, Ratio, Setting, race
from isimed.explore.tables.embed import BATCH, checkpoint_for

TITLE = "Embedding a grid"
AGAINST = "the authors' way: PatchIterd over the volume"
WHY = """All crops counted, air too, the target is missed: both compute the same network, and their reading and
walking costs little beside it on a CPU. What is left is row `embed_limit`: the network computed faster."""
SIZE = monai_way.SIZE


def measure(setting: Setting) -> Measured:
    cohort, checkpoint = setting.cohort, checkpoint_for(setting.checkpoint, setting.cohort)
    preparation = checkpoint.card.preparation
    steps = Compose([*monai_way.reading(), *monai_way.scaling(preparation)])
    volumes = Dataset([{"image": str(cohort.path(cohort.volumes[0].image))}], steps)
    walk = PatchIterd(keys=["image"], patch_size=(SIZE,) * 3, mode="constant")
    encoder = monai_way.as_monai_builds_it(checkpoint.encoder)

    def patches() -> DataLoader:
        return DataLoader(GridPatchDataset(volumes, walk, with_coordinates=False), batch_size=BATCH)

    @torch.inference_mode()
    def authors() -> float:
        crops = 0
        for batch in patches():
            images = batch["image"].as_tensor().float()
            encoder.code(encoder(images))
            crops += len(images)
        return crops

    crops = torch.cat([batch["image"].as_tensor() for batch in patches()])
    middle = slice(SIZE // 2 - 2, SIZE // 2 + 2)
    in_body = float((crops[:, 0, middle, middle, middle].mean((1, 2, 3)) > -1 + 1e-3).float().mean())
    volume = volume_of(setting, checkpoint)
    ours = our_way(checkpoint, volume, grid_of(volume, checkpoint, count=len(crops)))
    rates = race({"ours": ours, "authors": authors}, repeats=2 if setting.quick else 7)
    facts = {"crops a turn": len(crops), "share of PatchIterd's crops whose middle is not air": round(in_body, 2)}
    useful = [rate * in_body for rate in rates["authors"]]
    return Measured(
        [
            Ratio("all crops", rates["ours"], rates["authors"], "crops/s", target=2.0),
            Ratio("crops in the body", rates["ours"], useful, "crops/s", target=2.0),
        ],
        facts,
    )
