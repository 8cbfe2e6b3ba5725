"""How a viewer looks and what it does: what its page chooses, in groups."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Convention = Literal["radiological", "neurological"]
Plane = Literal["axial", "coronal", "sagittal"]
Layout = Literal["three", "grid"] | Plane
NEAR_MIDLINE_MM = 8.0  # nearer than this the body's middle is not known well enough to tell sides
PLANES = ("axial", "coronal", "sagittal")


@dataclass(frozen=True)
class Click:
    """A voxel the user chose.

    Attributes:
        voxel: (i, j, k) index into the volume.
        mm: its centre in scanner mm (R A S).
        count: rises with every click of this viewer.
    """

    voxel: tuple[int, int, int]
    mm: tuple[float, float, float]
    count: int


@dataclass(frozen=True)
class Drawn:
    """A measurement the user drew: two places of one plane in scanner mm (R A S).

    Attributes:
        kind: "distance", or "circle" around the first place through the second.
    """

    kind: Literal["distance", "circle"]
    plane: Plane
    ends_mm: tuple[tuple[float, float, float], tuple[float, float, float]]


@dataclass(frozen=True)
class Field:
    """What fills a picture: so many mm around a place in scanner mm (R A S)."""

    centre_mm: tuple[float, float, float]
    edge_mm: float


@dataclass(frozen=True)
class PaneHeader:
    """The line above a viewer's planes: whose scan, words about it, and what its button is called (if any)."""

    title: str
    note: str = ""
    action: str = ""


@dataclass(frozen=True)
class Appearance:
    """How a viewer looks.

    Attributes:
        window: (level, width), or a preset's name such as "Lung"; by default soft tissue for CT, else the 1st to
            99th percentile.
        chosen_window: (level, width) that the user chose before; Reset goes back to ``window``.
        convention: "radiological" has the patient's right on the viewer's left. The user can switch.
        layout: all three planes side by side; as a grid of two by two, with the read-out and the buttons in the
            fourth field; or one plane.
        field: what fills the picture at first; by default the whole body, a grid leaves out what makes it wider than
            tall.
        height: of the planes, in pixels; by default what the width asks for. A grid uses at most this.
        grows: share of what a window is taller than 900 pixels that is added to the height.
        compact: a small still picture of one plane that can be clicked; no crosshair, controls or wheel.
        controls: whether to show the row of buttons.
        readout: whether to show voxel, millimetres and value.
        crosshair: whether to mark the cursor; not where a place is not in the scan.
        midline_mm: the body's middle from left to right, scanner mm; the read-out then says the distance from it,
            or that a place is near it.
        header: a line above the planes, with a button.
        corner: whose scan it is and which, in a corner of every plane.
    """

    window: str | tuple[float, float] | None = None
    chosen_window: tuple[float, float] | None = None
    convention: Convention = "radiological"
    layout: Layout = "three"
    field: Field | None = None
    height: int | None = None
    grows: float = 0.0
    compact: bool = False
    controls: bool = True
    readout: bool = True
    crosshair: bool = True
    midline_mm: float | None = None
    header: PaneHeader | None = None
    corner: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.layout not in ("three", "grid", *PLANES):
            raise ValueError(f"layout must be three, grid, {', '.join(PLANES)}; got {self.layout!r}")


@dataclass(frozen=True)
class Behaviour:
    """What a viewer does.

    Attributes:
        link: viewers of one name move their crosshairs together, by equal millimetres from where Python put them.
        on_click: called with the click before the page runs again.
        on_action: called with the crosshair's voxel when the header's button is pressed.
        on_measure: called with what was measured before the page runs again; without it nothing can be measured.
        on_window: called with (level, width) in the scan's values when the user chose another window.
        on_room: called with ``wide``, whether the window has 1700 pixels or more, where ``has_room`` is another.
        has_room: whether the page knows the window to be wide.
        reports_clicks: False: a click moves the crosshair and stays in the browser.
    """

    link: str | None = None
    on_click: Callable[[Click], None] | None = None
    on_action: Callable[[Click], None] | None = None
    on_measure: Callable[[Drawn], None] | None = None
    on_window: Callable[[tuple[float, float]], None] | None = None
    on_room: Callable[..., None] | None = None
    has_room: bool = False
    reports_clicks: bool = True
