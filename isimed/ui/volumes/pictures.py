"""Pictures of a volume's three planes with their letters, as PNG for the page."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from isimed.data.quality.thumbnails import LETTERS

GAP = 4
MARGIN = 12
INK = (150, 200, 255)


def three_planes(arrays: dict[str, NDArray]) -> bytes:
    """Axial, coronal and sagittal side by side, radiological: R stands on the left.

    Args:
        arrays: ``axial``, ``coronal``, ``sagittal``, (rows, columns) uint8.
    """
    height = max(arrays[name].shape[0] for name in LETTERS) + 2 * MARGIN
    width = sum(arrays[name].shape[1] + 2 * MARGIN for name in LETTERS) + GAP * (len(LETTERS) - 1)
    sheet = Image.new("RGB", (width, height))
    draw = ImageDraw.Draw(sheet)
    left = 0
    for name, (west, east, north, south) in LETTERS.items():
        rows, columns = arrays[name].shape
        top = (height - rows) // 2
        sheet.paste(Image.fromarray(np.ascontiguousarray(arrays[name])).convert("RGB"), (left + MARGIN, top))
        middle, centre = left + MARGIN + columns // 2, height // 2
        draw.text((left + 1, centre), west, fill=INK, anchor="lm")
        draw.text((left + 2 * MARGIN + columns - 1, centre), east, fill=INK, anchor="rm")
        draw.text((middle, top - 1), north, fill=INK, anchor="mb")
        draw.text((middle, top + rows + 1), south, fill=INK, anchor="mt")
        left += columns + 2 * MARGIN + GAP
    file = io.BytesIO()
    sheet.save(file, "PNG")
    return file.getvalue()
