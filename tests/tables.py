"""Embedding tables with a known geometry, written through the store, without a network."""

import numpy as np

from isimed.data.cohorts.cohort import Cohort
from isimed.explore.tables.store import Table, TableInfo, open_table, table_info, write_volume
from isimed.ui import state

TURN = np.linalg.qr(np.random.default_rng(7).normal(size=(512, 512)))[0][:3]  # three orthonormal directions
SPREAD = np.array([30.0, 40.0, 60.0])


def info(cohort: str = "made", *, fingerprint: str = "1", in_mm: bool = True, checkpoint: str = "c") -> TableInfo:
    return TableInfo(
        cohort=cohort,
        cohort_fingerprint=fingerprint,
        checkpoint=checkpoint,
        checkpoint_fingerprint=checkpoint,
        step_mm=16,
        crop_size=32,
        spacing_mm=3,
        in_mm=in_mm,
    )


def columns(patient: int, rows: int, *, noise: float = 1.0, cohort: str = "made", names: tuple | None = None) -> dict:
    """Crops of one patient: the code is the position in mm, turned into 512 numbers, plus noise."""
    rng = np.random.default_rng(patient)
    position = rng.normal(0, SPREAD, (rows, 3))
    subject, volume = names or (f"S{patient}", f"P{patient}")
    code = position @ TURN + rng.normal(0, noise, (rows, 512))
    return {
        "cohort": np.full(rows, cohort),
        "subject": np.full(rows, subject),
        "volume": np.full(rows, volume),
        "centre_mm": position + np.array([10, -5, 3]) * patient,
        "position": position,
        "organ": (position[:, 0] > 0).astype(np.int32),
        "tumour": np.where(position[:, 2] > 60, 0.5, 0.0).astype(np.float32),
        "embedding": np.concatenate([code, np.tanh(code)], axis=1) / 10,
        "code": code,
    }


def made_table(about: TableInfo, patients: int = 4, *, rows: int = 150, noise: float = 1.0, first: int = 0) -> Table:
    names = [f"P{patient}" for patient in range(first, first + patients)]
    for patient, name in enumerate(names, start=first):
        write_volume(about, name, columns(patient, rows, noise=noise, cohort=about.cohort))
    return open_table(about, names)


def table_in_memory(about: TableInfo, patients: int = 3, *, rows: int = 60) -> Table:
    parts = [columns(patient, rows, cohort=about.cohort) for patient in range(patients)]
    return Table(about, {name: np.concatenate([part[name] for part in parts]) for name in parts[0]})


def written_for(cohort: Cohort, *, rows: int = 200) -> Table:
    """The table that the app would make of a cohort (as of ``tests.small``) with its default checkpoint, made up."""
    checkpoint = state.checkpoint(cohort, state.checkpoint_choices(cohort)[0])
    about = table_info(cohort, checkpoint)
    for patient, entry in enumerate(cohort.volumes):
        made = columns(patient, rows, cohort=cohort.name, names=(entry.subject, entry.id))
        made["position"] = made["position"].clip(-60, 60)
        made["centre_mm"] = made["position"] + np.array([10, -5, 3]) * patient
        write_volume(about, entry.id, made)
    return open_table(about, [entry.id for entry in cohort.volumes])
