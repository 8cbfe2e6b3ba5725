"""One virtual patient's scan: where its voxels lie, and what they show."""

from dataclasses import dataclass
from typing import Literal

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from isimed.data.template import Template
from isimed.data.volume import apply_affine
from isimed.data.warp import Warp, random_warp, rotation

ORIENTATIONS = ("RAS", "LPS", "LAS", "PIR", "LPI", "ASR", "SAL")
# Seven orientations, five tilts, three cuts and two contrasts: no two properties always come together.
TILTED_EVERY, CUTS = 5, (None, "top", "bottom")
SLAB = 24

Contrast = Literal["T1", "FLAIR"]


@dataclass(frozen=True, eq=False)
class Scan:
    """What one virtual patient leaves.

    Attributes:
        image: (I, J, K) int16, background exactly 0.
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
    contrast: Contrast


def make_patient(template: Template, *, seed: int, index: int) -> Scan:
    """Draw patient ``index`` (from 0) of cohort ``seed``; it does not depend on how many others there are."""
    for_anatomy, for_scanner, for_image, for_lesion = (
        np.random.default_rng(child) for child in np.random.SeedSequence([seed, index]).spawn(4)
    )
    contrast: Contrast = "FLAIR" if index % 2 else "T1"
    occupied = np.argwhere(template.body[::4, ::4, ::4]) * 4
    corners = apply_affine(template.affine, np.stack([occupied.min(axis=0), occupied.max(axis=0)]))
    warp = random_warp(for_anatomy, low_mm=corners[0], high_mm=corners[1])
    shape, affine = scan_grid(for_scanner, warp.from_template(apply_affine(template.affine, occupied)), index=index)

    body, image, organs = sample(template, paint(template, contrast, for_image), warp, shape, affine)
    voxels = np.argwhere(body)
    values, points_mm = image[body], apply_affine(affine, voxels)
    tumour = None
    if index % 4 < 2:
        depth_mm = place_lesion(for_lesion, template, warp, points_mm)
        values = add_lesion(for_lesion, values, depth_mm, contrast)
        tumour = np.zeros(shape, dtype=np.uint8)
        tumour[body] = depth_mm > 0
    values = values * bias_field(for_image, points_mm)
    values += for_image.uniform(0.015, 0.035) * for_image.standard_normal(len(values), dtype=np.float32)
    scanned = np.zeros(shape, dtype=np.int16)
    scanned[body] = np.clip(np.rint(values * for_image.uniform(300, 1500)), 1, 32000).astype(np.int16)
    return Scan(scanned, organs, tumour, affine, warp, contrast)


def scan_grid(
    rng: np.random.Generator, body_mm: NDArray, *, index: int
) -> tuple[tuple[int, int, int], NDArray[np.float64]]:
    """Choose spacing, field of view, tilt and stored orientation.

    Args:
        body_mm: (N, 3) points of the body in scanner mm.
        index: the patient's number; cycles through orientations, tilts and cuts.

    Returns:
        Shape, and (4, 4) affine from voxel index to scanner mm, both in the stored axis order.
    """
    spacing = np.full(3, rng.uniform(1.2, 1.9))
    if rng.uniform() < 0.5:
        spacing[rng.integers(3)] = rng.uniform(1.7, 2.4)
    spacing = np.round(spacing, 3)
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


def paint(template: Template, contrast: Contrast, rng: np.random.Generator) -> NDArray[np.float32]:
    """(X, Y, Z) the template in one scanner's contrast, about 0 to 1.

    A weighted sum of the tissue shares and the template's own texture.
    """
    if contrast == "T1":
        levels = {"fluid": rng.uniform(0.12, 0.25), "grey": rng.uniform(0.55, 0.68), "white": rng.uniform(0.88, 0.98)}
        texture = rng.uniform(1.0, 1.6)
    else:
        levels = {"fluid": rng.uniform(0.06, 0.14), "grey": rng.uniform(0.68, 0.78), "white": rng.uniform(0.48, 0.58)}
        texture = rng.uniform(0.6, 1.0)
    picture = template.texture * np.float32(texture)
    for name, level in levels.items():
        picture += template.tissues[name] * np.float32(level)
    return picture


def bias_field(rng: np.random.Generator, points_mm: NDArray) -> NDArray[np.float32]:
    """(N,) the receive coil's shading: exp of a random quadratic, 4 to 10 % standard deviation."""
    x, y, z = ((points_mm - points_mm.mean(axis=0)) / 80).T
    terms = (x, y, z, x * x, y * y, z * z, x * y, y * z, x * z)
    log_bias = sum(weight * term for weight, term in zip(rng.standard_normal(9), terms, strict=True))
    log_bias -= log_bias.mean()
    return np.exp(log_bias * rng.uniform(0.04, 0.10) / log_bias.std()).astype(np.float32)


def place_lesion(rng: np.random.Generator, template: Template, warp: Warp, points_mm: NDArray) -> NDArray[np.float32]:
    """(N,) mm below the surface of an irregular blob of 8 to 20 mm radius, negative outside it.

    Its centre lies in the white matter, away from the borders of body and scan. Its surface is at
    ``radius (1 + noise(direction))`` from the centre, so that it is one piece.
    """
    depth = ndimage.distance_transform_edt(template.body[::3, ::3, ::3]) * 3
    white = template.tissues["white"][::3, ::3, ::3]
    candidates = apply_affine(template.affine, np.argwhere((depth > 14) & (white > 0.5)) * 3)
    candidates = warp.from_template(candidates[candidates[:, 2] > -10])
    low, high = points_mm[:, 2].min() + 22, points_mm[:, 2].max() - 22
    candidates = candidates[(candidates[:, 2] > low) & (candidates[:, 2] < high)]
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


def add_lesion(
    rng: np.random.Generator, values: NDArray[np.float32], depth_mm: NDArray[np.float32], contrast: Contrast
) -> NDArray[np.float32]:
    """(N,) values with the lesion mixed in: dark on T1, bright on FLAIR, with a darker core and a faint margin."""
    level = rng.uniform(0.30, 0.42) if contrast == "T1" else rng.uniform(0.88, 1.02)
    core = np.clip((depth_mm - rng.uniform(4, 9)) / 4, 0, 1) * rng.uniform(0.0, 0.5)
    share = 0.85 * np.clip(0.5 + depth_mm / 3, 0, 1) + 0.2 * np.clip(1 + depth_mm / 6, 0, 1) * (depth_mm < 1.5)
    return (values + np.minimum(share, 0.85) * (level * (1 - core) - values)).astype(np.float32)
