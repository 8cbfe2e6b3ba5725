"""Where the body is: what stands out from the background, in one piece, with its cavities.

CT and most MRI say by their values what background is. Scans that were shifted, normalised or padded do not: there the
value that fills the borders is the background. What had to be guessed is said in a note, for the quality report.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from isimed.data.formats.reading import Note
from isimed.data.formats.volume import Volume

KIND = "body"
WITHIN_A_SLICE = ndimage.generate_binary_structure(3, 1) * np.array([0, 1, 0])  # neighbours, of an axial slice only
SAME = 1e-3  # of the range of values: what interpolation and storing change of a constant
MUCH_BORDER = 0.3  # share of the border that one value has to fill to be the background
NEGATIVE = 0.02  # share of voxels below 0 that noise does not explain
APART = 0.5  # of the range of all other values: how far padding lies from them
AIR_TO_TISSUE_HU = 500.0
FEW = 64  # voxels along an axis, to know the range of values


def unpadded(volume: Volume, *, above: float, notes: list[str]) -> Volume:
    """A scan whose padding is set to its lowest other value, before resampling mixes the two.

    Padding is what fills the borders far above all other values, or, where the background is about 0, far below them.
    CT's usual padding of -1000 to -3024 is as much air as air is, and stays.

    Args:
        volume: the scan as it was read, finite.
        above: what is body has values above this one, by the scan's modality.
        notes: receives what a person should know.
    """
    voxels = volume.voxels
    filler = _filler(voxels)
    if filler is None:
        return volume
    some = voxels[tuple(slice(None, None, max(1, size // FEW)) for size in voxels.shape)]
    others = some[some != filler]
    if not others.size:
        return volume
    low, high = (float(edge) for edge in np.percentile(others, (1, 99)))
    far = APART * (high - low)
    below = above >= 0 > filler and filler < low - far and float(others.min()) <= 0.02 * (high - low)
    if not below and not filler > high + far:
        return volume
    padded = voxels == filler
    notes.append(Note(f"Padded with {filler:g}: taken as background.", KIND))
    return replace(volume, voxels=np.where(padded, voxels[~padded].min(), voxels))


def find_body(image: NDArray[np.float32], *, above: float, notes: list[str]) -> tuple[NDArray, NDArray[np.bool_]]:
    """The body of a scan, also where its values were shifted or normalised.

    Args:
        image: (X, Y, Z), axes R A S, finite.
        above: what is body has values above this one, by the scan's modality.
        notes: receives what a person should know.

    Returns:
        The image, its background set to the lowest value where it lay among the body's; and the body, (X, Y, Z) bool,
        empty where nothing stands out.
    """
    lowest, highest = float(image.min()), float(image.max())
    negative = above >= 0 and (image < SAME * min(lowest, 0)).mean() > NEGATIVE
    if constant(lowest, highest) or not (negative or lowest > above):
        return image, body_mask(image, above=above)
    if above >= 0 and (filler := _filler(image)) is not None:
        notes.append(Note(f"Values from {lowest:g}: the background is {filler:g}, which fills the borders.", KIND))
        ground = np.abs(image - filler) <= SAME * (highest - lowest)
        return np.where(ground, np.float32(lowest), image), _largest(~ground)
    level, step = _otsu(image)
    if negative or step > AIR_TO_TISSUE_HU:
        notes.append(Note(f"Values from {lowest:g} do not say what is background: body is above {level:g}.", KIND))
        return image, body_mask(image, above=level)
    notes.append(Note("Nothing tells the body from the background: all of the scan was taken for it.", "no background"))
    return image, np.ones(image.shape, dtype=bool)


def constant(low: float, high: float) -> bool:
    """Whether two values of an image are the same but for rounding."""
    return not high - low > 1e-5 * max(1.0, abs(low), abs(high))


def body_mask(image: NDArray, *, above: float) -> NDArray[np.bool_]:
    """The largest connected piece of voxels above a value, with its cavities filled slice by slice.

    Filling in axial slices keeps lungs and sinuses (open to the outside only in 3D) inside the body.
    """
    return _largest(image > above)  # NaN is above nothing


def _filler(image: NDArray) -> float | None:
    """The value that fills much of the six faces, or None."""
    faces = [np.moveaxis(image, axis, 0)[end] for axis in range(3) for end in (0, -1)]  # `take` copies the whole scan
    border = np.concatenate([face.ravel() for face in faces])
    within = SAME * (float(border.max()) - float(border.min()))
    for candidate in (float(np.median(border)), float(border.min()), float(border.max())):
        if (np.abs(border - candidate) <= within).mean() >= MUCH_BORDER:
            return candidate
    return None


def _otsu(image: NDArray[np.float32]) -> tuple[float, float]:
    """The level that parts values into two classes of the least variance (Otsu 1979), and how far their means lie."""
    counts, edges = np.histogram(image, bins=256)
    centres = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)[:-1]
    above = counts.sum() - below
    sums = np.cumsum(counts * centres)
    apart = (sums[-1] - sums[:-1]) / np.maximum(above, 1) - sums[:-1] / np.maximum(below, 1)
    best = int(np.argmax(below * above * apart**2))
    return float(edges[1 + best]), float(apart[best])


def _largest(bright: NDArray[np.bool_]) -> NDArray[np.bool_]:
    parts, count = ndimage.label(bright)
    if count == 0:
        return np.zeros(bright.shape, dtype=bool)
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    mask = parts == sizes.argmax()
    del parts  # four times the mask, and another of its size is to come
    return _fill_slices(mask)


def _fill_slices(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Holes of each axial slice filled: what is no body and does not reach the slice's edge.

    All slices are labelled at once, by a neighbourhood that stays within them.
    """
    ground = np.pad(~mask, ((1, 1), (1, 1), (0, 0)), constant_values=True)
    parts, _ = ndimage.label(ground, WITHIN_A_SLICE)
    return (parts != parts[0, 0])[1:-1, 1:-1]
