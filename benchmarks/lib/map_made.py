"""A cohort of synthetic brains with an embedding table of any size: low-rank, smooth in position, as a network's is.

The scans are real files, so that pages can show crops; the vectors are made up. Everything lies in one ISIMED_HOME.
"""

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from isimed.core import paths
from isimed.data.cohorts.cohort import Cohort
from isimed.data.demo.virtual_patients import make_demo
from isimed.data.prepared.cache import prepare_cohort
from isimed.data.prepared.preprocess import Preparation, Prepared
from isimed.explore.tables.embed import checkpoint_for
from isimed.explore.tables.store import TableInfo, table_info, volume_file, write_volume
from isimed.models.card import Card
from isimed.models.checkpoint import save_checkpoint
from isimed.models.encoder import EMBEDDING_SIZE, Encoder

COHORT, CHECKPOINT = "map-scale", "map-scale"
PATIENTS = 8
FEATURES = 32  # smooth functions of the position that the vectors are made of
PERSONAL = 8  # directions in which patients differ
BLOCK = 20_000


def make(rows: int) -> TableInfo:
    """Write (or find) the cohort, a checkpoint without a distance head, and a table of so many rows."""
    folder = paths.cohorts_dir() / COHORT
    cohort = Cohort.load(str(make_demo(folder, patients=PATIENTS)))
    preparation = Preparation.for_modality(cohort.modality)
    home = paths.home() / "checkpoints" / CHECKPOINT
    if not home.is_dir():
        card = Card(name=CHECKPOINT, method="made", modality=cohort.modality, heads={}, preparation=preparation)
        card = card.model_copy(update={"cohort": {"name": cohort.name, "synthetic": True}})
        save_checkpoint(home, Encoder(heads={}), card)
    info = table_info(cohort, checkpoint_for(str(home), cohort))
    for number, volume in enumerate(prepare_cohort(cohort, preparation)):
        entry = cohort.volumes[number]
        count = rows // PATIENTS + (number < rows % PATIENTS)
        file = volume_file(info, entry.id)
        if not file.is_file() or pq.read_metadata(file).num_rows != count:
            write_volume(info, entry.id, columns(volume, number, count, subject=entry.subject, name=entry.id))
    return info


def columns(volume: Prepared, number: int, rows: int, *, subject: str, name: str) -> dict[str, NDArray]:
    """Rows of one patient: crops anywhere in the body, and (N, 1024) float16 vectors."""
    rng = np.random.default_rng(number)
    inside = np.argwhere(np.asarray(volume.image) > 0)
    voxels = inside[rng.integers(len(inside), size=rows)] + rng.uniform(-0.5, 0.5, (rows, 3))
    centre = np.asarray(voxels @ volume.affine[:3, :3].T + volume.affine[:3, 3], dtype=np.float32)
    position = np.asarray(volume.position(centre), dtype=np.float32)
    vectors = made_vectors(position, number)
    return {
        "cohort": np.full(rows, COHORT),
        "subject": np.full(rows, subject),
        "volume": np.full(rows, name),
        "centre_mm": centre,
        "position": position,
        "organ": np.digitize(position[:, 2], (-40, 0, 40)).astype(np.int32),
        "tumour": np.clip(1 - np.linalg.norm(position - [30, 10, 20], axis=1) / 20, 0, 1).astype(np.float32),
        "embedding": vectors,
        "code": vectors,
    }


def made_vectors(position: NDArray, number: int) -> NDArray[np.float16]:
    """(N, 3) mm -> (N, 1024): the same smooth functions for all patients, a step per patient, and noise."""
    common, own = np.random.default_rng(2024), np.random.default_rng(1000 + number)
    waves = common.normal(0, 1 / 80, (3, FEATURES))
    phase = common.uniform(0, 2 * np.pi, FEATURES)
    mix = common.normal(0, 1, (FEATURES + 3, EMBEDDING_SIZE)).astype(np.float32)
    personal = common.normal(0, 1, (PERSONAL, EMBEDDING_SIZE))
    step = (own.normal(0, 0.3, PERSONAL) @ personal).astype(np.float32)
    vectors = np.empty((len(position), EMBEDDING_SIZE), dtype=np.float16)
    for start in range(0, len(position), BLOCK):
        part = position[start : start + BLOCK]
        smooth = np.concatenate([part / [30, 15, 20], np.sin(part @ waves + phase)], axis=1).astype(np.float32)
        noise = own.standard_normal((len(part), EMBEDDING_SIZE), dtype=np.float32)
        vectors[start : start + BLOCK] = 0.1 * (smooth @ mix + step + noise)
    return vectors
