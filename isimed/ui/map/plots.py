"""Figures of maps: coordinates and colours in, a plotly figure out. Nothing here knows Streamlit."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from isimed.core.text import plain_html
from isimed.explore.tables.store import AXES
from isimed.ui.map.colours import ENDS, Colour

POINTS = 50_000  # drawn at most in flat maps
POINTS_3D = 15_000
NAMED_POINTS = 20_000  # up to here the hover also names the patient
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif"
HOVER = "sagittal %{customdata[0]}, coronal %{customdata[1]}, axial %{customdata[2]} mm<extra></extra>"
CONFIG = {
    "displaylogo": False,
    "displayModeBar": True,
    "doubleClick": "reset",
    "modeBarButtonsToRemove": ["autoScale2d", "hoverClosestCartesian", "hoverCompareCartesian", "toggleSpikelines"],
    "toImageButtonOptions": {"format": "png", "scale": 2, "filename": "isimed-map"},
}
Format = Literal["png", "svg", "html"]
FORMATS: tuple[Format, ...] = ("png", "svg", "html")


@dataclass(frozen=True)
class Look:
    """The colours of a theme: behind all, behind points, of lines, of words, of unlit points, behind the hover."""

    ground: str
    panel: str
    grid: str
    text: str
    grey: str
    hover: str


DARK = Look("#0f1318", "#141a21", "#303845", "#e4e8ed", "#3c4653", "#202833")
LIGHT = Look("#ffffff", "#f3f6f9", "#cdd5de", "#1c2530", "#c3cad3", "#e8edf2")


@dataclass(frozen=True, eq=False)
class Panel:
    """One map of the same crops.

    Attributes:
        places: (N, 2) coordinates.
        labels: of the horizontal and the vertical axis, with the unit.
        colour: of the N points.
        title: over the panel.
    """

    places: NDArray
    labels: tuple[str, str]
    colour: Colour
    title: str = ""


def map_figure(
    panels: Sequence[Panel],
    *,
    names: NDArray,
    position: NDArray,
    selected: NDArray | None = None,
    same_scale: bool = True,
    height: int = 490,
    look: Look = DARK,
) -> go.Figure:
    """One map, or several side by side; point i is the same crop in each, so a lasso works in any.

    Args:
        names: (N,) patients, for the hover.
        position: (N, 3) mm, for the hover.
        selected: indices of the points that are lit; the others turn grey. None lights all.
        same_scale: 1 mm is as long across as up.
    """
    titles = [plain_html(panel.title) for panel in panels]
    figure = make_subplots(1, len(panels), subplot_titles=titles if any(titles) else None, horizontal_spacing=0.06)
    hover = _hover(names, position)
    for number, panel in enumerate(panels, start=1):
        marker = _marker(panel.colour, len(names), domain=figure.get_subplot(1, number).xaxis.domain)
        figure.add_trace(
            go.Scattergl(
                x=_small(panel.places[:, 0]),
                y=_small(panel.places[:, 1]),
                mode="markers",
                marker=marker,
                showlegend=False,
                selectedpoints=None if selected is None else np.asarray(selected, dtype=np.int32),
                selected={"marker": {"opacity": 1}},
                unselected={"marker": {"color": look.grey, "opacity": 0.35}},
                **hover,
            ),
            row=1,
            col=number,
        )
        figure.update_xaxes(title_text=plain_html(panel.labels[0]), title_standoff=2, row=1, col=number)
        anchor = {"scaleanchor": "x" if number == 1 else f"x{number}", "constrain": "domain"} if same_scale else {}
        figure.update_yaxes(title_text=plain_html(panel.labels[1]), title_standoff=4, row=1, col=number, **anchor)
        figure.update_xaxes(constrain="domain", row=1, col=number)
    _legend(figure, panels[0].colour)
    figure.update_layout(
        dragmode="pan", **_layout(height, look)
    )  # Streamlit lets a point be clicked only while not drawing
    continuous = not all(panel.colour.legend for panel in panels)
    figure.update_layout(margin={"l": 10, "r": 10, "t": 54 if any(titles) else 32, "b": 92 if continuous else 44})
    return figure


def cloud_figure(
    places: NDArray,
    labels: tuple[str, str, str],
    colour: Colour,
    *,
    names: NDArray,
    position: NDArray,
    selected: NDArray | None = None,
    height: int = 560,
    look: Look = DARK,
) -> go.Figure:
    """A map in 3D: (N, 3) places. Selected points keep their colour, the others turn grey."""
    lit = np.arange(len(places)) if selected is None else np.asarray(selected, dtype=np.int64)
    figure = go.Figure()
    if len(lit) < len(places):
        rest = np.setdiff1d(np.arange(len(places)), lit)
        grey = {"color": look.grey, "size": 2, "opacity": 0.3}
        figure.add_trace(_cloud(places[rest], grey, hoverinfo="skip"))
    marker = _marker(colour, len(names), rows=lit, domain=(0, 1))
    marker |= {"size": 2.6, "opacity": 0.9}
    figure.add_trace(_cloud(places[lit], marker, **_hover(names[lit], position[lit])))
    _legend(figure, colour, go.Scatter3d)
    axis = {"backgroundcolor": look.panel, "gridcolor": look.grid, "color": look.text, "showspikes": False}
    scene = {f"{a}axis": axis | {"title": {"text": plain_html(text)}} for a, text in zip("xyz", labels, strict=True)}
    figure.update_layout(scene=scene | {"aspectmode": "data"}, **_layout(height, look))
    margin = {"l": 0, "r": 0, "t": 10, "b": 10 if colour.legend else 80}
    return figure.update_layout(margin=margin, legend={"y": 0.93})  # the legend below the buttons


def axes_figure(
    components: NDArray,
    position: NDArray,
    r: NDArray,
    matched: NDArray,
    *,
    unit: str = "",
    height: int = 620,
    look: Look = DARK,
) -> go.Figure:
    """PC1-3 against the three positions with r, as in the paper's Fig. 2b (arXiv 2410.16947); matched pairs stand out.

    Args:
        components: (N, 3).
        position: (N, 3) mm.
        r: (3, 3) over all rows.
        matched: (3,) component of each axis.
        unit: of the components, as ", mm".
    """
    titles = [f"r = {r[pc, axis]:+.2f}" for pc in range(3) for axis in range(3)]
    figure = make_subplots(3, 3, shared_xaxes=True, shared_yaxes=True, subplot_titles=titles,
                           horizontal_spacing=0.02, vertical_spacing=0.05)  # fmt: skip
    for pc in range(3):
        for axis in range(3):
            mine = matched[axis] == pc
            marker = {"size": 3, "opacity": 0.5, "color": "#5cc8e0" if mine else "#6b7686"}
            figure.add_trace(
                go.Scattergl(
                    x=_small(position[:, axis]), y=_small(components[:, pc]), mode="markers", marker=marker,
                    showlegend=False, hovertemplate="%{x:.0f} mm, PC %{y:.1f}<extra></extra>",
                ),
                row=pc + 1,
                col=axis + 1,
            )  # fmt: skip
            figure.layout.annotations[3 * pc + axis].font = {"size": 13, "color": "#5cc8e0" if mine else "#9aa5b3"}
    for n, name in enumerate(AXES, start=1):
        low, high = ENDS[name]
        figure.update_xaxes(title_text=f"{name}, mm<br>({low} ← → {high})", row=3, col=n)
        figure.update_yaxes(title_text=f"PC{n}{unit}", row=n, col=1)
    figure.update_layout(**_layout(height, look))
    return figure.update_layout(margin={"l": 10, "r": 10, "t": 54, "b": 66})  # the buttons stand over the titles


def matrix_figure(r: NDArray, matched: NDArray, *, height: int = 260, look: Look = DARK) -> go.Figure:
    """The 3×3 matrix of correlations, PCs in rows; matched pairs are framed."""
    figure = go.Figure(
        go.Heatmap(
            z=np.abs(r), text=[[f"{v:+.2f}" for v in row] for row in r], texttemplate="%{text}", zmin=0, zmax=1,
            x=list(AXES), y=["PC1", "PC2", "PC3"], colorscale=[[0, look.panel], [1, "#2f86ad"]], showscale=False,
            hovertemplate="%{y}, %{x}: r = %{text}<extra></extra>",
        )
    )  # fmt: skip
    for axis, pc in enumerate(matched):
        figure.add_shape(type="rect", x0=axis - 0.5, x1=axis + 0.5, y0=pc - 0.5, y1=pc + 0.5,
                         line={"color": "#f2b84b", "width": 2})  # fmt: skip
    figure.update_yaxes(autorange="reversed", showgrid=False)
    figure.update_xaxes(side="top", showgrid=False)
    figure.update_layout(**_layout(height, look))
    return figure.update_layout(margin={"l": 10, "r": 10, "t": 30, "b": 10})


def figure_file(figure: go.Figure, kind: Format, *, width: int = 1400) -> bytes:
    """The figure as a file: HTML that needs no network, or PNG (2x) and SVG, which need Chromium on the server.

    Raises:
        RuntimeError: there is no Chromium; the camera above the figure saves a PNG without.
    """
    if kind == "html":
        buffer = io.StringIO()
        figure.write_html(buffer, include_plotlyjs=True, config=CONFIG)
        return buffer.getvalue().encode()
    plain = figure.to_dict()
    for trace in plain["data"]:  # drawn without WebGL, so that SVG holds shapes
        trace["type"] = "scatter" if trace["type"] == "scattergl" else trace["type"]
    return go.Figure(plain).to_image(format=kind, width=width, scale=2 if kind == "png" else 1)


def _cloud(places: NDArray, marker: dict, **hover: object) -> go.Scatter3d:
    x, y, z = (_small(places[:, axis]) for axis in range(3))
    return go.Scatter3d(x=x, y=y, z=z, mode="markers", marker=marker, showlegend=False, **hover)


def _marker(colour: Colour, count: int, *, domain: Sequence[float], rows: NDArray | None = None) -> dict:
    values = colour.values if rows is None else colour.values[rows]
    size = 6 if count < 3_000 else 4 if count < 15_000 else 3
    scale = {"colorscale": colour.scale, "cmin": colour.low, "cmax": colour.high}
    marker = {"size": size, "opacity": 0.85, "color": _small(values)} | scale
    if colour.legend:
        return marker
    low, high = colour.ends
    title = plain_html(f"{low}  ←  {colour.title}  →  {high}" if low else colour.title)
    bar = {
        "orientation": "h", "thickness": 10, "len": min((domain[1] - domain[0]) * 0.92, 0.42), "x": sum(domain) / 2,
        "y": 0, "yref": "container", "yanchor": "bottom", "ypad": 4, "outlinewidth": 0, "nticks": 6,
        "title": {"text": title, "side": "bottom", "font": {"size": 12}},
    }  # fmt: skip
    return marker | {"colorbar": bar, "showscale": True}


def _hover(names: NDArray, position: NDArray) -> dict:
    """What stands beside the pointer; whole mm as int16 are a tenth of the bytes of text."""
    whole = np.clip(np.rint(position), -32000, 32000).astype(np.int16)
    if len(names) > NAMED_POINTS:
        return {"customdata": whole, "hovertemplate": HOVER}
    return {"customdata": whole, "text": [plain_html(name) for name in names], "hovertemplate": "%{text}: " + HOVER}


def _legend(figure: go.Figure, colour: Colour, trace: type[go.Scatter] | type[go.Scatter3d] = go.Scatter) -> None:
    """Names and shades as traces without a point, of the figure's own kind: another brings axes of its own."""
    nowhere: dict = {axis: [None] for axis in ("xyz" if trace is go.Scatter3d else "xy")}
    for name, shade in colour.legend:
        marker = {"color": shade, "size": 9}
        figure.add_trace(trace(**nowhere, mode="markers", marker=marker, name=plain_html(name), hoverinfo="skip"))


def _small(values: NDArray) -> NDArray[np.float32]:
    return np.ascontiguousarray(values, dtype=np.float32)


def _layout(height: int, look: Look) -> dict:
    axis = {"gridcolor": look.grid, "zerolinecolor": look.grid, "linecolor": look.grid, "automargin": True}
    layout = go.Layout(
        paper_bgcolor=look.ground, plot_bgcolor=look.panel, font={"color": look.text, "family": FONT, "size": 12},
        xaxis=axis, yaxis=axis, legend={"itemclick": False, "itemdoubleclick": False, "title": {"text": ""}},
        hoverlabel={"bgcolor": look.hover, "font": {"color": look.text}},
        modebar={"bgcolor": "rgba(0,0,0,0)", "color": "#8b97a6", "activecolor": look.text},
    )  # fmt: skip
    return {"template": go.layout.Template(layout=layout), "height": height, "uirevision": "map"}
