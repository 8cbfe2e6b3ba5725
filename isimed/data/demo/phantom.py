"""One virtual patient's scan: where its voxels lie, and what they show."""

from dataclasses import dataclass
from typing import Protocol

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from isimed.data.demo import appearance_ct, appearance_mri
from isimed.data.demo.template import Template
from isimed.data.demo.warp import Warp, random_warp, rotation
from isimed.data.formats.volume import apply_affine

ORIENTATIONS = ("RAS", "LPS", "LAS", "PIR", "LPI", "ASR", "SAL")
# Seven orientations, five tilts, three cuts and two contrasts: no two properties always come together.
TILTED_EVERY, CUTS = 5, (None, "top", "bottom")
SLAB = 24


class AppearanceModel(Protocol):
    """How a body looks in a modality: one module each."""

    CONTRASTS: tuple[str, str]
    AIR: int
    COARSER: float

    def paint(self, template: Template, contrast: str, rng: np.random.Generator, /) -> NDArray[np.float32]: ...

    def lesion_sites(self, template: Template, /) -> NDArray[np.float64]: ...

    def add_lesion(
        self, rng: np.random.Generator, values: NDArray[np.float32], depth_mm: NDArray[np.float32], contrast: str, /
    ) -> NDArray[np.float32]: ...

    def scan(
        self, rng: np.random.Generator, values: NDArray[np.float32], points_mm: NDArray, /
    ) -> NDArray[np.int16]: ...


LOOKS: dict[str, AppearanceModel] = {"MRI": appearance_mri, "CT": appearance_ct}


@dataclass(frozen=True, eq=False)
class VirtualScan:
    """What one virtual patient leaves.

    Attributes:
        image: (I, J, K) int16, background exactly 0 (MRI) or -1000 HU (CT).
        organs: (I, J, K) uint8.
        tumour: (I, J, K) uint8, or None without a lesion.
        affine: (4, 4) voxel index -> scanner mm, axes in the stored order.
        warp: scanner mm -> template mm.
        contrast: which kind of image it resembles.
    """

    image: NDArray[np.int16]
    organs: NDArray[np.uint8]
    tumour: NDArray[np.uint8] | None
    affine: NDArray[np.float64]
    warp: Warp
    contrast: str


def make_patient(template: Template, *, seed: int, index: int) -> VirtualScan:
    """Draw patient ``index`` (from 0) of cohort ``seed``; it does not depend on how many others there are."""
    for_anatomy, for_scanner, for_image, for_lesion = (
        np.random.default_rng(child) for child in np.random.SeedSequence([seed, index]).spawn(4)
    )
    look = LOOKS[template.modality]
    contrast = look.CONTRASTS[index % 2]
    occupied = np.argwhere(template.body[::4, ::4, ::4]) * 4
    corners = apply_affine(template.affine, np.stack([occupied.min(axis=0), occupied.max(axis=0)]))
    warp = random_warp(for_anatomy, low_mm=corners[0], high_mm=corners[1])
    body_mm = warp.from_template(apply_affine(template.affine, occupied))
    shape, affine = scan_grid(for_scanner, body_mm, index=index, coarser=look.COARSER)

    body, image, organs = sample(template, look.paint(template, contrast, for_image), warp, shape, affine)
    voxels = np.argwhere(body)
    values, points_mm = image[body], apply_affine(affine, voxels)
    tumour = None
    if index % 4 < 2:
        depth_mm = place_lesion(for_lesion, warp.from_template(look.lesion_sites(template)), points_mm)
        values = look.add_lesion(for_lesion, values, depth_mm, contrast)
        tumour = np.zeros(shape, dtype=np.uint8)
        tumour[body] = depth_mm > 0
    scanned = np.full(shape, look.AIR, dtype=np.int16)
    scanned[body] = look.scan(for_image, values, points_mm)
    return VirtualScan(scanned, organs, tumour, affine, warp, contrast)


def scan_grid(
    rng: np.random.Generator, body_mm: NDArray, *, index: int, coarser: float = 1.0
) -> tuple[tuple[int, int, int], NDArray[np.float64]]:
    """Choose spacing, field of view, tilt and stored orientation.

    Args:
        body_mm: (N, 3) points of the body in scanner mm.
        index: the patient's number; cycles through orientations, tilts and cuts.
        coarser: factor of the spacing of a head scan.

    Returns:
        Shape, and (4, 4) affine from voxel index to scanner mm, both in the stored axis order.
    """
    spacing = np.full(3, rng.uniform(1.2, 1.9))
    if rng.uniform() < 0.5:
        spacing[rng.integers(3)] = rng.uniform(1.7, 2.4)
    spacing = np.round(spacing * coarser, 3)
    turn = rotation(np.deg2rad(rng.uniform(-7, 7, size=3))) if index % TILTED_EVERY == 3 else np.eye(3)

    along_axes = body_mm @ turn
    low = along_axes.min(axis=0) - rng.uniform(5, 12, size=3)
    high = along_axes.max(axis=0) + rng.uniform(5, 12, size=3)
    cut_mm = rng.uniform(5, 12)
    match CUTS[index % len(CUTS)]:
        case "top":
            high[2] = along_axes[:, 2].max() - cut_mm
        case "bottom":
            low[2] = along_axes[:, 2].min() + cut_mm
    shape = np.floor((high - low) / spacing).astype(int) + 1
    affine = np.eye(4)
    affine[:3, :3] = turn * spacing
    affine[:3, 3] = turn @ low

    stored = nib.orientations.axcodes2ornt(ORIENTATIONS[index % len(ORIENTATIONS)])
    change = nib.orientations.ornt_transform(nib.orientations.axcodes2ornt("RAS"), stored)
    affine = affine @ nib.orientations.inv_ornt_aff(change, shape)
    i, j, k = (int(shape[axis]) for axis in np.argsort(change[:, 0]))
    return (i, j, k), affine


def sample(
    template: Template, picture: NDArray[np.float32], warp: Warp, shape: tuple[int, int, int], affine: NDArray
) -> tuple[NDArray[np.bool_], NDArray[np.float32], NDArray[np.uint8]]:
    """Look up every voxel of a scan in the template, through the warp.

    Args:
        picture: (X, Y, Z) what the template shows in this scan's contrast.
        shape, affine: the scan's grid.

    Returns:
        Body mask, image and organ labels, each of ``shape``.
    """
    body, image, organs = np.zeros(shape, bool), np.zeros(shape, np.float32), np.zeros(shape, np.uint8)
    to_index = np.linalg.inv(template.affine)
    solid = template.body.astype(np.float32)
    for start in range(0, shape[0], SLAB):
        slab = slice(start, min(start + SLAB, shape[0]))
        index = np.moveaxis(np.indices((slab.stop - start, *shape[1:]), dtype=np.float64), 0, -1)
        index[..., 0] += start
        where = apply_affine(to_index, warp.to_template(apply_affine(affine, index)))
        inside = ndimage.map_coordinates(solid, np.moveaxis(where, -1, 0), order=1) > 0.5
        at = where[inside].T
        body[slab] = inside
        image[slab][inside] = ndimage.map_coordinates(picture, at, order=1)
        organs[slab][inside] = ndimage.map_coordinates(template.organs, at, order=0)
    return body, image, organs


def place_lesion(rng: np.random.Generator, sites_mm: NDArray, points_mm: NDArray) -> NDArray[np.float32]:
    """(N,) mm below the surface of an irregular blob of 8 to 20 mm radius, negative outside it.

    Its centre is one of ``sites_mm``, (M, 3) scanner mm, away from the scan's ends. Its surface is at
    ``radius (1 + noise(direction))`` from the centre, so that it is one piece.
    """
    low, high = points_mm[:, 2].min() + 22, points_mm[:, 2].max() - 22
    candidates = sites_mm[(sites_mm[:, 2] > low) & (sites_mm[:, 2] < high)]
    centre, radius = candidates[rng.integers(len(candidates))], rng.uniform(10, 18)

    near = np.flatnonzero((np.abs(points_mm - centre) < 2 * radius).all(axis=1))
    offset = points_mm[near] - centre
    distance = np.linalg.norm(offset, axis=1)
    direction = offset / np.maximum(distance, 1e-6)[:, None]
    waves, phases = rng.normal(0, 2.5, size=(3, 12)), rng.uniform(0, 2 * np.pi, 12)
    noise = np.clip(np.cos(direction @ waves + phases).sum(axis=1) / np.sqrt(6), -1.5, 1.5)
    depth_mm = np.full(len(points_mm), -radius, dtype=np.float32)
    depth_mm[near] = radius * (1 + 0.25 * noise) - distance
    return depth_mm
