"""A table whose answers are known: the code is the position, turned into many dimensions."""

import numpy as np

from isimed.explore.tables.store import Table, TableInfo

STEP = 16.0
SHIFTS = {"A": (0, 0, 0), "B": (5, -3, 4), "C": (100, 50, -20), "C2": (0, 7, 0)}
SUBJECTS = {"A": "A", "B": "B", "C": "C", "C2": "C"}
TURN = np.linalg.qr(np.random.default_rng(0).normal(size=(512, 512)))[0][:3]


def code(position: np.ndarray) -> np.ndarray:
    """An isometry of mm into 512 dimensions."""
    return np.asarray(position, dtype=np.float64) @ TURN


def known_table() -> Table:
    """Four volumes of three patients, each a grid from -64 to 64 mm, moved in its scanner by its shift."""
    axis = np.arange(-64, 65, STEP)
    grid = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3)
    info = TableInfo(
        cohort="known", cohort_fingerprint="", checkpoint="isometry", checkpoint_fingerprint="", step_mm=STEP,
        crop_size=32, spacing_mm=2, in_mm=True,
    )  # fmt: skip
    n, names = len(grid), list(SHIFTS)
    return Table(
        info,
        {
            "subject": np.repeat([SUBJECTS[name] for name in names], n),
            "volume": np.repeat(names, n),
            "centre_mm": np.concatenate([grid + np.array(SHIFTS[name]) for name in names]).astype(np.float32),
            "position": np.tile(grid, (len(names), 1)).astype(np.float32),
            "organ": np.tile((grid[:, 0] > 30).astype(np.int32), len(names)),
            "tumour": np.tile((grid[:, 2] > 50) * 0.5, len(names)).astype(np.float32),
            "code": np.tile(code(grid), (len(names), 1)).astype(np.float16),
        },
    )
