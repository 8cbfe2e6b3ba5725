"""Make cohorts/demo-flair: the patients of brain-flair that its checkpoint was not trained on, and their table.

    python -m docs.scripts.make_flair PATH/TO/brain-flair   # the folder with its dataset.json

Scans and tumour maps are the source's own files, byte by byte: nothing is cropped, rounded or moved. The table is the
one that `isimed embed` writes, packed without loss.
"""

import argparse
import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import pyarrow.parquet as pq

from isimed.core import paths
from isimed.core.errors import InputError
from isimed.core.files import new_folder, write_json
from isimed.data.cohorts.cohort import Cohort
from isimed.data.cohorts.shipped import TABLES
from isimed.data.prepared.source import digests_of
from isimed.explore.tables.embed import embed_cohort
from isimed.explore.tables.store import ABOUT
from isimed.models.card import trained_on
from isimed.models.checkpoint import load_checkpoint

NAME, CHECKPOINT = "demo-flair", "brain-flair"
SPLIT = Path(__file__).resolve().parents[1] / "splits" / "brain-flair.json"
# Of all crops near the ventricles outside the tumours, one of those that search finds again best: in the four likest
# patients it comes back to within 2.5 mm, and it lies at a landmark, the lateral wall of the right lateral ventricle.
START = {"volume": "BRATS_484", "mm": [133.0625, 127.0625, 85.89453125], "overlay": "tumour"}
LICENCE = "CC BY-SA 4.0"
CREDIT = "Medical Segmentation Decathlon, Task01 BrainTumour (BraTS 2016 and 2017), CC BY-SA 4.0"
DESCRIPTION = (
    "REAL patients: FLAIR MRI of {count} people with a glioma, the skull removed, and outlines of the tumour. From the "
    "Medical Segmentation Decathlon, resampled to 128³ voxels by a third party, not changed since. The weights of the "
    "checkpoint brain-flair were fitted to none of them; its best epoch was chosen on {validation}; it has never seen "
    "{test}. Where the true corresponding points lie is not known."
)
NOTICE = """# Whose scans these are

The scans in `images` and the outlines in `tumour` are from the Medical Segmentation Decathlon, Task01 BrainTumour,
which took them from BraTS 2016 and 2017. They are under the
[Creative Commons Attribution-ShareAlike 4.0 International licence](https://creativecommons.org/licenses/by-sa/4.0/),
and stay under it wherever they go; so do pictures of them. A third party resampled them to 128³ voxels; isimed
changed nothing. The rest of isimed is under Apache-2.0.

- M. Antonelli et al., The Medical Segmentation Decathlon, Nature Communications 13, 4128 (2022), medicaldecathlon.com
- B. H. Menze et al., The Multimodal Brain Tumor Image Segmentation Benchmark (BRATS), IEEE Transactions on Medical
  Imaging 34, 1993 (2015)
- S. Bakas et al., Advancing The Cancer Genome Atlas glioma MRI collections with expert segmentation labels and radiomic
  features, Scientific Data 4, 170117 (2017)

Research use only. Not for diagnosis.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, help="the folder of brain-flair")
    options = parser.parse_args()
    with new_folder(paths.shipped_cohorts_dir() / NAME) as folder:
        write_scans(options.source, folder)
        with home_of_its_own():
            write_table(folder)
    size = sum(file.stat().st_size for file in (paths.shipped_cohorts_dir() / NAME).rglob("*") if file.is_file())
    print(f"{NAME}: {size / 1e6:.1f} MB")


def write_scans(source: Path, folder: Path) -> None:
    """Copy the scans and tumour maps, and write the manifest and the credit.

    Raises:
        InputError: the checkpoint was trained on one of the patients, or the source is not brain-flair.
    """
    cohort, split = Cohort.load(source / "dataset.json"), json.loads(SPLIT.read_text(encoding="utf-8"))
    entries = cohort.subset([*split["validation"], *split["test"]])
    seen = trained_on(load_checkpoint(CHECKPOINT).card, digests_of(cohort, entries).values(), parts=["train"])
    if seen:
        raise InputError(f"{CHECKPOINT} was trained on {len(seen)} of these scans: ship others.")
    for entry in entries:
        for file in filter(None, (entry.image, entry.tumour)):
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(cohort.path(file), folder / file)
    about = DESCRIPTION.format(
        count=len(entries), validation=", ".join(split["validation"]), test=", ".join(split["test"])
    )
    manifest = {
        "name": NAME,
        "description": about,
        "modality": "MRI FLAIR",
        "licence": LICENCE,
        "credit": CREDIT,
        "tumour": cohort.tumour,
        "start": START,
        "volumes": [entry.model_dump(exclude_none=True) for entry in entries],
    }
    write_json(folder / "dataset.json", manifest, indent=1)
    (folder / "LICENSE.md").write_text(NOTICE, encoding="utf-8")


def write_table(folder: Path) -> None:
    """Embed the cohort in a folder, and put its table beside it."""
    table = embed_cohort(Cohort.load(folder), load_checkpoint(CHECKPOINT))
    packed = folder / TABLES / CHECKPOINT
    packed.mkdir(parents=True)
    shutil.copyfile(table.folder / ABOUT, packed / ABOUT)
    for file in table.files:
        vectors = [f"{name}.list.element" for name in ("embedding", "code")]
        pq.write_table(
            pq.read_table(file), packed / file.name,
            compression="zstd", compression_level=19, use_dictionary=False, use_byte_stream_split=vectors,
        )  # fmt: skip


@contextmanager
def home_of_its_own() -> Iterator[None]:
    """Nothing that was prepared or embedded before counts."""
    with tempfile.TemporaryDirectory() as home, patch.dict("os.environ", ISIMED_HOME=home):
        yield


if __name__ == "__main__":
    main()
