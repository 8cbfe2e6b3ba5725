"""A slice through a point as a small picture with its crop's box: for strips and galleries of many volumes.

Radiological convention: the patient's right is on the viewer's left.
"""

import io
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw, ImageFont

from isimed.data.formats.volume import Volume
from isimed.ui.slice_viewer.options import Field

PLANE_AXES = {"axial": (0, 1), "coronal": (0, 2), "sagittal": (1, 2)}  # R A S axes shown across and up
BILINEAR = Image.Resampling.BILINEAR
BOX_COLOUR = (255, 176, 32)


def slice_picture(
    volume: Volume,
    centre_mm: ArrayLike,
    *,
    edge_mm: float,
    plane: str = "axial",
    modality: str = "unknown",
    window: tuple[float, float] | None = None,
    width: int = 200,
    field: Field | None = None,
    letters: bool = True,
) -> Image.Image:
    """The slice through a point, letters at its sides, with the crop's box at its true size.

    Args:
        volume: R A S voxels.
        centre_mm: (3,) the crop's centre in scanner mm; outside the volume the nearest slice is shown.
        edge_mm: the crop's edge.
        plane: axial, coronal or sagittal.
        modality: CT gets the soft-tissue window (40/400 HU), everything else percentiles 1-99.
        window: the values drawn black and white, instead of the modality's.
        width: of the picture in pixels; the height follows from the spacing.
        field: show only this square, so that pictures are of one scale.
        letters: whether the picture says which side is which; if not, whoever shows it must.
    """
    across, up = PLANE_AXES[plane]
    through = 3 - across - up
    voxel = volume.to_voxel(centre_mm)
    index = int(np.clip(np.rint(voxel[through]), 0, volume.shape[through] - 1))
    low, high = window or _window(volume, modality)
    cut = volume.voxels[tuple(index if axis == through else slice(None) for axis in range(3))]
    grey = np.clip((np.asarray(cut, dtype=np.float32) - low) / (high - low), 0, 1)
    picture = np.flip((grey * 255).astype(np.uint8).T, axis=(0, 1))  # up and the patient's right to the left
    spacing = volume.spacing
    mm = np.array([volume.shape[across] * spacing[across], volume.shape[up] * spacing[up]])

    def place_of(at: NDArray) -> NDArray:  # from the slice's upper left
        return mm - (at[[across, up]] + 0.5) * spacing[[across, up]]

    size_mm = np.full(2, field.edge_mm) if field else mm
    low_mm = place_of(volume.to_voxel(field.centre_mm)) - size_mm / 2 if field else np.zeros(2)
    height = max(1, round(width * size_mm[1] / size_mm[0]))
    shown = np.concatenate([low_mm, low_mm + size_mm]) / np.tile(spacing[[across, up]], 2)
    extent = tuple(map(float, shown))
    image = Image.fromarray(picture).transform(
        (width, height), Image.Transform.EXTENT, extent, BILINEAR, fillcolor=int(picture.min())
    )
    image = image.convert("RGB")
    scale = width / size_mm[0]
    x, y = (place_of(voxel) - low_mm) * scale
    half = edge_mm * scale / 2
    draw = ImageDraw.Draw(image)
    draw.rectangle([x - half, y - half, x + half, y + half], outline=BOX_COLOUR, width=2)
    if letters:
        left, right = ("A", "P") if plane == "sagittal" else ("R", "L")
        font = ImageFont.load_default(max(10, width // 14))
        draw.text((4, height / 2), left, fill=(230, 230, 230), font=font, anchor="lm")
        draw.text((width - 4, height / 2), right, fill=(230, 230, 230), font=font, anchor="rm")
    return image


def jpeg(picture: Image.Image, quality: int = 85) -> bytes:
    """A picture as a page takes it."""
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def _window(volume: Volume, modality: str) -> tuple[float, float]:
    return (-160.0, 240.0) if modality.upper().startswith("CT") else _percentiles(volume)


@lru_cache(maxsize=256)
def _percentiles(volume: Volume) -> tuple[float, float]:
    some: NDArray = volume.voxels[::3, ::3, ::3]
    low, high = np.percentile(some, (1, 99))
    return float(low), float(max(high, low + 1e-6))
