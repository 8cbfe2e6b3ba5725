"""Task `position`: can a linear map read off where in the body a crop of an unseen patient lies?"""

from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from isimed.data.prepared.preprocess import Preparation
from isimed.evaluation.context.context import Context
from isimed.evaluation.context.outcome import Outcome
from isimed.evaluation.results.charts import chart_label, lines, sized
from isimed.evaluation.results.result import Result
from isimed.evaluation.statistics.bootstrap import Figure, bootstrap, bootstrap_means
from isimed.evaluation.statistics.protocol import Protocol
from isimed.evaluation.statistics.ridge import out_of_fold
from isimed.evaluation.tasks.task import BODY, Group, Task
from isimed.evaluation.tasks.worst import add_places, worst_rows
from isimed.explore.maps.axes import axis_correlation, match_axes
from isimed.explore.tables.components import leading_scores
from isimed.explore.tables.store import AXES
from isimed.models.checkpoint import Checkpoint

COMPONENTS = 3
FEWEST = 3  # crops of a patient that a correlation needs


def position(context: Context, checkpoint: Checkpoint) -> Outcome:
    crops, (embeddings, codes) = context.crops_for("body", checkpoint), context.features(checkpoint, "body")
    outcome = position_outcome(
        embeddings, crops.position, crops.subject, context.protocol, codes=codes, seed=context.seed
    )
    add_places(outcome.details["worst"]["position"], [e.id for e in context.entries], crops.volume, crops.centre_mm)
    return outcome


def mean_position(context: Context, preparation: Preparation, crop_size: int) -> Outcome:
    crops = context.crops("body", preparation, crop_size)
    nothing = np.zeros((len(crops), 1))
    return position_outcome(nothing, crops.position, crops.subject, context.protocol, seed=context.seed)


def components_of_position(context: Context, preparation: Preparation, crop_size: int) -> Outcome:
    """The principal components of the true positions: what a code that is the position itself would have."""
    crops = context.crops("body", preparation, crop_size)
    figures, matrix = component_figures(crops.position, crops.position, crops.subject, seed=context.seed)
    single = {name: figure for name, figure in figures.items() if name.startswith("pc_r")}
    return Outcome({"position": single}, {"pc_matrix": matrix})


def position_from_histogram(context: Context, preparation: Preparation, crop_size: int) -> Outcome:
    crops = context.crops("body", preparation, crop_size)
    histograms = context.histograms("body", preparation, crop_size)
    return position_outcome(histograms, crops.position, crops.subject, context.protocol, seed=context.seed)


def position_outcome(
    features: NDArray,
    position: NDArray,
    subject: NDArray,
    protocol: Protocol,
    *,
    codes: NDArray | None = None,
    seed: int = 0,
) -> Outcome:
    """Cross-patient ridge regression of position, and the principal components against the axes.

    Args:
        features: (N, D) embeddings (or what a control has instead).
        position: (N, 3) mm from the centre of the body's box: sagittal, coronal, axial.
        subject: (N,) patient.
        codes: (N, K) for the principal components; None leaves them out.
    """
    predicted = out_of_fold(features, position, subject, protocol, seed=seed)
    figures = position_figures(predicted, position, subject, seed=seed)
    error = np.linalg.norm(predicted - position, axis=1)
    details: dict[str, Any] = {"error_mm": [round(float(e), 2) for e in np.sort(error)[:: max(1, len(error) // 200)]]}
    details["worst"] = {
        "position": worst_rows(error, subject, extra={"predicted_mm": predicted, "position_mm": position})
    }
    if codes is not None:
        found, matrix = component_figures(codes, position, subject, seed=seed)
        figures |= found
        details["pc_matrix"] = matrix
    return Outcome({"position": figures}, details)


def position_figures(predicted: NDArray, position: NDArray, subject: NDArray, *, seed: int = 0) -> dict[str, Figure]:
    """R^2 per axis (against the mean position) and median, mean and 95th percentile of the error in mm."""
    error = np.linalg.norm(predicted - position, axis=1)
    residual = np.square(predicted - position)

    def statistic(rows: NDArray) -> dict[str, float]:
        true = position[rows]
        total = np.square(true - true.mean(axis=0)).sum(axis=0)
        r2 = 1 - residual[rows].sum(axis=0) / np.where(total > 0, total, np.nan)
        here = error[rows]
        return {
            **{f"r2_{axis}": float(value) for axis, value in zip(AXES, r2, strict=True)},
            "median_mm": float(np.median(here)),
            "mean_mm": float(here.mean()),
            "p95_mm": float(np.percentile(here, 95)),
        }

    return bootstrap(subject, statistic, seed=seed)


def component_figures(
    codes: NDArray, position: NDArray, subject: NDArray, *, seed: int = 0
) -> tuple[dict[str, Figure], dict[str, Any]]:
    """|r| of each axis with a principal component of the codes, components matched to axes one to one.

    ``pc_r_*``: over all crops. Where axes go together in the body (the head stands before the shoulders), components
    of the true positions are turned themselves: read it beside the same figure of the control ``position_only``.
    ``pc_r_within_*``: the same component and axis in each patient alone, mean over patients; it does not mind that
    fields of view, and with them the centres of the body boxes, differ. ``pcs_r_*``: multiple correlation with the
    three leading components together, which does not depend on how they are turned.
    The components are those of the crops that are measured; they and the weights stay fixed in draws.

    Returns:
        ``pc_r_*``, ``pc_r_within_*`` and ``pcs_r_*`` figures, and the matrix of |r| (components x axes) with the
        shares of variance.
    """
    scores, share = leading_scores(codes, COMPONENTS)
    matrix = np.abs(axis_correlation(scores, position))
    matched = list(enumerate(match_axes(matrix).tolist()))

    around = np.column_stack([scores, np.ones(len(scores))])
    together = around @ np.linalg.lstsq(around, position, rcond=None)[0]

    def single(rows: NDArray, name: str) -> dict[str, float]:
        here = np.abs(axis_correlation(scores[rows], position[rows]))
        return {f"{name}_{AXES[a]}": float(here[c, a]) for a, c in matched}

    def statistic(rows: NDArray) -> dict[str, float]:
        all_three = np.abs(axis_correlation(together[rows], position[rows]))
        return single(rows, "pc_r") | {f"pcs_r_{name}": float(all_three[i, i]) for i, name in enumerate(AXES)}

    details = {
        "abs_r": np.round(matrix, 3).tolist(),
        "axes": list(AXES),
        "variance": [round(float(s), 4) for s in share],
        "matched": {AXES[a]: c + 1 for a, c in matched},
    }
    names = [name for name in np.unique(subject) if (subject == name).sum() >= FEWEST]
    alone = [single(np.flatnonzero(subject == name), "pc_r_within") for name in names]
    found = bootstrap(subject, statistic, seed=seed)
    within = bootstrap_means([str(name) for name in names], alone, seed=seed) if alone else {}
    ordered = {name: figure for name, figure in found.items() if name.startswith("pc_r")}
    return ordered | within | {name: figure for name, figure in found.items() if name not in ordered}, details


def error_curve(result: Result) -> list[go.Figure]:
    """How many crops are placed within how many mm."""

    def curve(name: str) -> tuple[list[float], list[float]] | None:
        values = result.detail(name, "position", "error_mm")
        return (values, [100 * (i + 1) / len(values) for i in range(len(values))]) if values else None

    return [lines(result, curve, title="Crops placed within a distance", x="error, mm", y="% of crops")]


def component_matrices(result: Result) -> list[go.Figure]:
    """|r| of the first three principal components with the three axes, a chart a column."""
    return [
        component_matrix(name, matrix)
        for name in result.columns
        if (matrix := result.detail(name, "position", "pc_matrix"))
    ]


def component_matrix(name: str, matrix: dict[str, Any]) -> go.Figure:
    heat = go.Heatmap(
        z=matrix["abs_r"],
        x=matrix["axes"],
        y=[f"PC {i + 1} ({100 * v:.0f} %)" for i, v in enumerate(matrix["variance"])],
        zmin=0,
        zmax=1,
        text=[[f"{value:.2f}" for value in row] for row in matrix["abs_r"]],
        texttemplate="%{text}",
        colorscale=[[0, "#1d2631"], [1, "#3b9fd6"]],
        showscale=False,
    )
    chart = go.Figure(heat).update_layout(title=f"{chart_label(name)}<br><sup>|r| of components with axes</sup>")
    return sized(chart.update_yaxes(autorange="reversed"), height=280, top=60)


TASK = Task(
    "position",
    "Can a linear map read off where a crop of an unseen patient lies?",
    measure=position,
    samples=(BODY,),
    controls={
        "mean_position": mean_position,
        "intensity_histogram": position_from_histogram,
        "position_only": components_of_position,
    },
    patients=2,
    version=3,
    groups={
        "position": Group(
            "Position from a linear map",
            unit="R²",
            bars=tuple(f"r2_{axis}" for axis in AXES),
            rows=(component_matrices,),
            beside=(error_curve,),
        )
    },
    figures={
        **{f"r2_{axis}": f"R² {axis}" for axis in AXES},
        "median_mm": "median, mm",
        "mean_mm": "mean, mm",
        "p95_mm": "95th percentile, mm",
        **{f"pc_r_{axis}": f"|r| of one PC, {axis}" for axis in AXES},
        **{f"pc_r_within_{axis}": f"|r| of one PC within patients, {axis}" for axis in AXES},
        **{f"pcs_r_{axis}": f"r of three PCs together, {axis}" for axis in AXES},
    },
    headlines=(("position", "median_mm"),),
)
