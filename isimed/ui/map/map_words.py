"""What must be said beside a map."""

import numpy as np

from isimed.explore.maps.map_points import Points, UmapPoints
from isimed.explore.maps.map_quality import MapQuality
from isimed.explore.maps.pca import Map
from isimed.explore.tables.store import AXES, Table


def said_of(
    kind: str, table: Table, fitted: Map, points: Points, umap: UmapPoints | None, *, rows: int, shown: int
) -> list[str]:
    """What must be known about a map, in short sentences: what it is of, its quality, what is not drawn.

    Args:
        kind: of map, as in ``map_view.MAPS``.
        rows: how many pass the filter.
        shown: how many of them are drawn.
    """
    info = fitted.info
    width = len(fitted.mean)
    vectors = f"codes ({width} numbers whose distances are mm)" if table.info.in_mm else "codes"
    vectors = vectors if info.source == "code" else f"embeddings ({width} numbers)"
    said = [f"{len(table):,} crops of {len(table.subjects)} patients, from their {vectors}."]
    if len(info.reference_volumes) < len(table.volumes):
        said.append(f"Fitted on {len(info.reference_subjects)} patients; the others are placed into their map.")
    if kind == "umap" and umap:
        said += ["UMAP keeps neighbours; its distances are not millimetres.", _quality(umap.quality, "the layout")]
        if umap.reference_rows < info.rows:
            said.append(f"Laid out from {umap.reference_rows:,} crops, the others are placed among them.")
    elif kind == "turned":
        r2 = ", ".join(f"{axis} {value:.2f}" for axis, value in zip(AXES, points.axes.r2, strict=True))
        angles = ", ".join(f"{angle:.0f}°" for angle in points.axes.angles)
        known = np.isfinite(points.axes.r2).all()
        said.append(f"R² on patients left out: {r2}." if known else "R² needs at least two patients.")
        said.append(f"Angles between the latent axes (sagittal-coronal, sagittal-axial, coronal-axial): {angles}.")
        said.append(_quality(points.quality["turned"], "the three axes together"))
    else:
        dimensions = 3 if kind == "pca3" else 2
        first = ", ".join(f"PC{n + 1} {share:.0%}" for n, share in enumerate(info.explained[:3]))
        said += [f"Variance: {first}.", _quality(points.quality[f"pca{dimensions}"], f"PC1-{dimensions}")]
    if kind == "pca3":
        said.append("Drag to turn; to choose crops use a flat map.")
    if shown < rows:
        said.append(
            f"Drawn: {shown:,} of {rows:,}, every scan with its share and all that are lit; all figures use all crops."
        )
    return said


def _quality(quality: MapQuality, of: str) -> str:
    return (
        f"Trustworthiness of {of}: {quality.trustworthiness:.3f}, continuity {quality.continuity:.3f} "
        f"({quality.neighbours} neighbours, 1 is perfect)."
    )
