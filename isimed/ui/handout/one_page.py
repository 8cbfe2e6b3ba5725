"""One place in one patient and in the others, as a page to print or to save: pictures, sides, distances, limits.

It is a file of its own: pictures are inside, nothing is loaded from anywhere.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from isimed.core import paths
from isimed.explore.search.query import Point, Query
from isimed.ui.viewer import matches, words
from isimed.ui.viewer.field_of_view import widest_mm
from isimed.ui.viewer.search import Found
from isimed.ui.viewer.slices import PLANE_AXES, jpeg

PATIENTS = 60  # more pictures nobody looks at, and a browser prints them slowly
WIDTH = 240  # of a picture, in pixels
LIMITS = (
    "A place is found by a network's likeness alone. The millimetres beside it are how far apart the places lie that "
    "fit about equally well; on real patients they follow the true error only weakly. Look at the pictures."
)
REGISTERED = (
    "No network knows this part of the body: the place was found by registration with labelled scans, which is rough. "
    "Look at the pictures."
)


@dataclass(frozen=True)
class Tile:
    """A picture and what is said of it."""

    picture: str
    title: str
    note: str = ""


def one_page(
    query: Query,
    found: Sequence[Found],
    *,
    plane: str,
    organ: str = "",
    in_mm: bool = True,
    registered: bool = False,
) -> str:
    """The page as HTML.

    Args:
        query: the clicked place.
        found: where it was found, best first; at most 60 are shown.
        plane: axial, coronal or sagittal, of the others' pictures.
        organ: what the labelled patients say of the place.
        in_mm: whether latent distances are millimetres.
        registered: whether the place was found by registration, without a network.
    """
    shown = found[:PATIENTS]
    field_mm = widest_mm(query, shown)
    pages = Environment(loader=PackageLoader("isimed.ui.handout", "."), autoescape=True, undefined=StrictUndefined)
    return pages.get_template("one_page.html").render(
        query=query,
        clicked=[Tile(_picture(query, query.volume, query.mm, one, field_mm), one.capitalize()) for one in PLANE_AXES],
        tiles=[Tile(_picture(query, one.volume, one.mm, plane, field_mm), one.volume, _line(one)) for one in shown],
        rows=[_row(query, one, in_mm=in_mm, registered=registered) for one in shown],
        left_out=len(found) - len(shown),
        place=_place(query.mm),
        side=_side(query, query.volume, query.mm),
        organ=organ,
        plane=plane,
        field_cm=field_mm / 10,
        edge_mm=query.checkpoint.card.crop_mm,
        credit=(query.reference or query.cohort).credit,
        limits=REGISTERED if registered else LIMITS,
        network=None if registered else query.checkpoint,
        research_only=paths.RESEARCH_ONLY,
        day=date.today().isoformat(),
    )


def _row(query: Query, one: Found, *, in_mm: bool, registered: bool) -> list[str]:
    absent = bool(one.location.note)
    details = "" if absent or registered else words.match_details(one.location, in_mm=in_mm, error_mm=one.error_mm)
    where = ("", "") if absent else (_place(one.mm), _side(query, one.volume, one.mm))
    return [one.volume, _line(one), *where, details]


def _line(one: Found) -> str:
    return words.match_line(one.location, one.error_mm)


def _place(mm: Point) -> str:
    """Scanner millimetres with their letters: "R 12.0, P 4.5, S 100.0"."""
    letters = (("L", "R"), ("P", "A"), ("I", "S"))
    return ", ".join(f"{pair[int(value >= 0)]} {abs(value):.1f}" for value, pair in zip(mm, letters, strict=True))


def _side(query: Query, volume: str, mm: Point) -> str:
    return words.midline_line(float(query.prepared(volume).position(np.asarray(mm))[0]))


def _picture(query: Query, volume: str, mm: Point, plane: str, field_mm: float) -> str:
    """A slice with its letters and the crop's box, as a data URI."""
    picture = matches.picture_of(query, volume, mm, plane=plane, field_mm=field_mm, width=WIDTH, letters=True)
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg(picture, quality=88)).decode()}"
