"""The MNI152 brain that virtual patients are made from: tissues, texture, and approximate structures."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

# Name, centre in MNI mm (R A S), half axes in mm, and the tissue that the ellipsoid is cut to.
# Structures in pairs are given for the right side, x > 0. Earlier ones win where two overlap.
PAIRED = (
    ("lateral_ventricle", (10, -6, 16), (9, 36, 14), "fluid"),
    ("thalamus", (11, -18, 8), (8, 12, 8), None),
    ("putamen", (26, 2, 1), (6, 15, 9), None),
    ("caudate_head", (13, 15, 7), (6, 9, 9), None),
    ("hippocampus", (27, -22, -15), (7, 15, 7), None),
    ("cerebellum", (25, -63, -38), (18, 18, 14), None),
    ("occipital_pole", (14, -97, 0), (12, 10, 13), None),
    ("frontal_pole", (20, 63, 4), (13, 10, 14), None),
)
MIDLINE = (
    ("pons", (0, -27, -33), (13, 10, 12), None),
    ("genu_of_corpus_callosum", (0, 27, 6), (11, 8, 11), "white"),
    ("splenium_of_corpus_callosum", (0, -38, 13), (12, 8, 11), "white"),
)


@dataclass(frozen=True, eq=False)
class Template:
    """One body that all virtual patients share, on one grid.

    Attributes:
        affine: (4, 4) voxel index -> template mm (R A S).
        body: (X, Y, Z) bool, everything that is not background.
        tissues: name -> (X, Y, Z) float32 share of each voxel, 0 to 1.
        texture: (X, Y, Z) float32, what the image shows beyond the mean of each tissue; in CT its Hounsfield units.
        organs: (X, Y, Z) uint8 labels, 0 for none.
        organ_names: label -> name.
        modality: ``MRI`` or ``CT``.
    """

    affine: NDArray[np.float64]
    body: NDArray[np.bool_]
    tissues: dict[str, NDArray[np.float32]]
    texture: NDArray[np.float32]
    organs: NDArray[np.uint8]
    organ_names: dict[int, str]
    modality: str = "MRI"


def load_template() -> Template:
    """The ICBM 2009a symmetric brain at 1 mm from nilearn's wheel: no download."""
    from nilearn.datasets import load_mni152_gm_template, load_mni152_template, load_mni152_wm_template

    images = [load(resolution=1) for load in (load_mni152_template, load_mni152_gm_template, load_mni152_wm_template)]
    t1, grey, white = (image.get_fdata(dtype=np.float32) for image in images)
    box = tuple(slice(max(0, s.start - 2), s.stop + 2) for s in ndimage.find_objects((t1 > 0).astype(np.uint8))[0])
    affine = np.array(images[0].affine, dtype=np.float64)
    affine[:3, 3] += affine[:3, :3] @ [s.start for s in box]
    t1, grey, white = (np.ascontiguousarray(array[box]) for array in (t1, grey, white))

    body = t1 > 0
    grey, white = grey * body, white * body
    fluid = np.clip(1 - grey - white, 0, 1) * body
    tissues = {"grey": grey, "white": white, "fluid": fluid}
    shares = np.stack([tissue[body] for tissue in tissues.values()], axis=1).astype(np.float64)
    means = np.linalg.solve(shares.T @ shares, shares.T @ t1[body]).round(6)  # the same on every machine
    texture = np.zeros_like(t1)
    texture[body] = t1[body] - shares @ means
    organs, names = place_structures(affine, body, tissues)
    return Template(affine, body, tissues, texture, organs, names)


def place_structures(
    affine: NDArray, body: NDArray[np.bool_], tissues: dict[str, NDArray]
) -> tuple[NDArray[np.uint8], dict[int, str]]:
    """Label map of well-known structures as ellipsoids: approximate, no segmentation.

    Returns:
        (X, Y, Z) uint8 labels, and label -> name.
    """
    structures = []
    for name, (x, y, z), half_axes, tissue in PAIRED:
        structures.append((f"left_{name}", (-x, y, z), half_axes, tissue))
        structures.append((f"right_{name}", (x, y, z), half_axes, tissue))
    structures.extend(MIDLINE)
    organs = np.zeros(body.shape, dtype=np.uint8)
    x, y, z = (affine[a, a] * np.arange(body.shape[a]) + affine[a, 3] for a in range(3))
    for label, (_, centre, half_axes, tissue) in enumerate(structures, start=1):
        squares = [((c - centre[a]) / half_axes[a]) ** 2 for a, c in enumerate((x, y, z))]
        inside = squares[0][:, None, None] + squares[1][:, None] + squares[2] <= 1
        inside &= body if tissue is None else tissues[tissue] > 0.5
        organs[inside & (organs == 0)] = label
    return organs, {label: name for label, (name, *_) in enumerate(structures, start=1)}
