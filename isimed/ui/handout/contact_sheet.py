"""One place in one patient and in the others, as one picture: for a slide, a message or the notes of a case."""

import io
import textwrap
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from isimed.core import paths
from isimed.explore.search.query import Query
from isimed.ui.viewer import matches, words
from isimed.ui.viewer.field_of_view import widest_mm
from isimed.ui.viewer.search import Found

MOST = 23  # others on a sheet; with the clicked one four rows of six
ACROSS, WIDTH, GAP, LINE = 6, 240, 12, 19  # pictures a row, and pixels
GROUND, INK, QUIET = "#0f1318", "#e4e8ed", "#aab3be"


def contact_sheet(query: Query, found: Sequence[Found], *, plane: str, organ: str = "") -> bytes:
    """A PNG: the clicked place first, then where it was found, best first, each with its name and how well it fits.

    All pictures are of one scale, with their letters and the crop's box.

    Args:
        query: the clicked place.
        found: where it was found; at most 23 are shown, and the others are counted.
        plane: axial, coronal or sagittal.
        organ: what the labelled patients say of the place.
    """
    tiles = [(query.volume, query.mm, "clicked here")]
    tiles += [(one.volume, one.mm, words.match_line(one.location, one.error_mm)) for one in found[:MOST]]
    field_mm = widest_mm(query, found[:MOST])
    pictures = [
        matches.picture_of(query, volume, mm, plane=plane, field_mm=field_mm, width=WIDTH, letters=True)
        for volume, mm, _ in tiles
    ]
    across = min(ACROSS, len(tiles))
    tall = max(picture.height for picture in pictures) + 2 * LINE + GAP
    width = across * (WIDTH + GAP) + GAP
    foot = textwrap.wrap(" ".join(_foot(query, found, plane, field_mm)), width // 8)
    head = 2 * LINE + GAP
    size = (width, head + -(-len(tiles) // across) * tall + len(foot) * LINE + 2 * GAP)
    sheet = Image.new("RGB", size, GROUND)
    draw = ImageDraw.Draw(sheet)
    big, small = ImageFont.load_default(17), ImageFont.load_default(14)
    draw.text(
        (GAP, GAP), _cut(draw, f"One place in {len(tiles)} scans of {query.cohort.name}, {plane}", big, width), INK, big
    )
    draw.text((GAP, GAP + LINE + 3), _cut(draw, organ, small, width), QUIET, small)
    for number, ((volume, _, note), picture) in enumerate(zip(tiles, pictures, strict=True)):
        x, y = GAP + number % across * (WIDTH + GAP), head + GAP + number // across * tall
        sheet.paste(picture, (x, y))
        draw.text((x, y + picture.height + 2), _cut(draw, volume, big, WIDTH), INK, big)
        draw.text((x, y + picture.height + 2 + LINE), _cut(draw, note, small, WIDTH), QUIET, small)
    for number, line in enumerate(foot):
        draw.text((GAP, size[1] - GAP - (len(foot) - number) * LINE), line, QUIET, small)
    file = io.BytesIO()
    sheet.save(file, "PNG")
    return file.getvalue()


def _foot(query: Query, found: Sequence[Found], plane: str, field_mm: float) -> list[str]:
    sides = "A: the patient's front" if plane == "sagittal" else "R: the patient's right"
    said = [paths.RESEARCH_ONLY, f"Each picture is {field_mm / 10:g} cm wide; {sides}."]
    if query.cohort.synthetic:
        said.append("These patients are synthetic.")
    if len(found) > MOST:
        said.append(f"{len(found) - MOST} more scans are not shown.")
    if credit := (query.reference or query.cohort).credit:
        said.append(f"Scans: {credit}.")
    return said


def _cut(draw: ImageDraw.ImageDraw, text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, most: int) -> str:
    """As much of a text as a width in pixels takes."""
    if draw.textlength(text, font) <= most - GAP:
        return text
    while text and draw.textlength(f"{text}…", font) > most - GAP:
        text = text[:-1]
    return f"{text}…"
