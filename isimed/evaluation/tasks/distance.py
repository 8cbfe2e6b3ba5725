"""Task `distance`: does the latent distance of two crops equal their distance in the body?"""

from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots
from scipy.spatial.distance import cdist, pdist

from isimed.evaluation.context.common_frame import common_places
from isimed.evaluation.context.context import Context
from isimed.evaluation.context.outcome import Outcome
from isimed.evaluation.results.charts import chart_label, colour, sized
from isimed.evaluation.results.controls import GREY
from isimed.evaluation.results.numbers import number
from isimed.evaluation.results.result import Result
from isimed.evaluation.statistics.bootstrap import Figure, bootstrap_means
from isimed.evaluation.statistics.metrics import pair_figures, within_volume_figures
from isimed.evaluation.tasks.task import BODY, Group, Task
from isimed.models.checkpoint import Checkpoint

SCATTER_PAIRS = 2000
PANELS = 4
BIN_MM = 20.0
EQUAL = {"color": GREY, "dash": "dot", "width": 1}


def distance(context: Context, checkpoint: Checkpoint) -> Outcome:
    crops, (_, codes) = context.crops_for("body", checkpoint), context.features(checkpoint, "body")
    common_mm, how = common_places(context, checkpoint.card.preparation, crops)
    outcome = distance_outcome(
        codes, crops.centre_mm, crops.volume, crops.subject, common_mm=common_mm, seed=context.seed
    )
    outcome.details["notes"] = [how] if how else []
    return outcome


def distance_outcome(
    codes: NDArray,
    centres_mm: NDArray,
    volume: NDArray,
    subject: NDArray,
    *,
    common_mm: NDArray | None = None,
    seed: int = 0,
) -> Outcome:
    """Pearson, Spearman, Kruskal's stress-1 and RMSE of latent against physical distance.

    Within each volume over all pairs of its crops, then the mean over patients. Where crops have places in a
    frame that patients share, also between patients (group ``distance_between``).

    Args:
        codes: (N, D) in mm.
        centres_mm: (N, 3) scanner mm.
        volume, subject: (N,) whose crop it is.
        common_mm: (N, 3) places in a common frame, NaN where a crop has none.
    """
    volumes = [v for v in np.unique(volume) if (volume == v).sum() >= 3]
    rows = [within_volume_figures(codes[volume == v], centres_mm[volume == v]) for v in volumes]
    owners = [str(subject[volume == v][0]) for v in volumes]
    figures = {"distance": bootstrap_means(owners, rows, seed=seed)}
    details = {
        "scatter": scatter_pairs(codes, centres_mm, volume, seed=seed),
        "bins": binned(codes, centres_mm, volume),
        "by_patient": [
            {"subject": s, **{k: round(x, 4) for k, x in r.items()}} for s, r in zip(owners, rows, strict=True)
        ],
    }
    if common_mm is not None:
        figures["distance_between"] = between_patients(codes, common_mm, subject, seed=seed)
    return Outcome(figures, details)


def between_patients(codes: NDArray, common_mm: NDArray, subject: NDArray, *, seed: int = 0) -> dict[str, Figure]:
    """The same over pairs of crops of two patients, each patient against the next in a seeded order."""
    names = np.unique(subject)
    order = np.random.default_rng(seed).permutation(names)
    owners, rows = [], []
    for name, other in zip(order, np.roll(order, -1), strict=True):
        a, b = subject == name, subject == other
        latent, physical = cdist(codes[a], codes[b]).ravel(), cdist(common_mm[a], common_mm[b]).ravel()
        known = np.isfinite(physical)
        if name == other or known.sum() < 3:
            continue
        owners.append(str(name))
        rows.append(pair_figures(latent[known], physical[known]))
    return bootstrap_means(owners, rows, seed=seed) if rows else {}


def scatter_pairs(codes: NDArray, centres_mm: NDArray, volume: NDArray, *, seed: int = 0) -> dict[str, list[float]]:
    """A seeded draw of within-volume pairs, to be drawn as points."""
    latent, physical = _pairs(codes, centres_mm, volume)
    chosen = np.random.default_rng(seed).permutation(len(latent))[:SCATTER_PAIRS]
    return {"physical_mm": _rounded(physical[chosen]), "latent": _rounded(latent[chosen])}


def binned(codes: NDArray, centres_mm: NDArray, volume: NDArray) -> list[dict[str, Any]]:
    """Median, 10th and 90th percentile of latent distance by true distance, in bins of 20 mm."""
    latent, physical = _pairs(codes, centres_mm, volume)
    bins, found = np.floor(physical / BIN_MM).astype(int), []
    for b in np.unique(bins):
        inside = latent[bins == b]
        low, middle, high = np.percentile(inside, (10, 50, 90))
        rmse = float(np.sqrt(np.square(inside - physical[bins == b]).mean()))
        found.append(
            {
                "from_mm": float(b * BIN_MM),
                "to_mm": float((b + 1) * BIN_MM),
                "pairs": len(inside),
                "low": round(float(low), 2),
                "median": round(float(middle), 2),
                "high": round(float(high), 2),
                "rmse_mm": round(rmse, 2),
            }
        )
    return found


def _pairs(codes: NDArray, centres_mm: NDArray, volume: NDArray) -> tuple[NDArray, NDArray]:
    latent = [pdist(np.asarray(codes[volume == v], dtype=np.float64)) for v in np.unique(volume)]
    physical = [pdist(centres_mm[volume == v]) for v in np.unique(volume)]
    return np.concatenate(latent), np.concatenate(physical)


def _rounded(values: NDArray) -> list[float]:
    return [round(float(x), 2) for x in values]


def scatter_chart(result: Result) -> list[go.Figure]:
    """Latent against physical distance, one panel a network; the line is where both are equal."""
    pairs = {name: found for name in result.columns if (found := result.detail(name, "distance", "scatter"))}
    names = list(pairs)[:PANELS]
    if not names:
        return []
    spearman = {name: result.of(name)["distance"]["spearman"].value for name in names}
    titles = [f"{chart_label(name)}<br>Spearman {number(value)}" for name, value in spearman.items()]
    chart = make_subplots(1, len(names), subplot_titles=titles, horizontal_spacing=0.07)
    for column, name in enumerate(names, start=1):
        x, y, place = pairs[name]["physical_mm"], pairs[name]["latent"], {"row": 1, "col": column}
        marker = {"size": 3, "opacity": 0.35 if len(y) > 500 else 0.9, "color": colour(result, name)}
        hover = "body %{x:.0f} mm, latent %{y:.0f}<extra></extra>"
        chart.add_scatter(x=x, y=y, mode="markers", marker=marker, showlegend=False, hovertemplate=hover, **place)
        chart.add_scatter(x=[0, max(x)], y=[0, max(x)], mode="lines", line=EQUAL, showlegend=False, **place)
        chart.update_xaxes(title_text="distance in the body, mm", **place)
    chart.update_yaxes(title_text="latent distance", row=1, col=1)
    chart.update_annotations(font_size=13)
    return [sized(chart, height=400, top=70)]


def bins_chart(result: Result) -> list[go.Figure]:
    """Median latent distance by true distance, with 10th to 90th percentile."""
    chart = go.Figure()
    top = 0.0
    for name in result.columns:
        if bins := result.detail(name, "distance", "bins"):
            middle = [(b["from_mm"] + b["to_mm"]) / 2 for b in bins]
            top = max(top, middle[-1])
            spread = {
                "type": "data",
                "symmetric": False,
                "array": [b["high"] - b["median"] for b in bins],
                "arrayminus": [b["median"] - b["low"] for b in bins],
                "thickness": 1,
            }
            line, median = {"color": colour(result, name)}, [b["median"] for b in bins]
            chart.add_scatter(
                x=middle, y=median, name=chart_label(name), mode="lines+markers", line=line, error_y=spread
            )
    if not top:
        return []
    chart.add_scatter(x=[0, top], y=[0, top], mode="lines", name="equal", line=EQUAL)
    chart.update_layout(
        title="Latent by true distance<br><sup>median, 10th to 90th percentile</sup>",
        xaxis_title="distance in the body, mm",
        yaxis_title="latent distance",
    )
    return [sized(chart)]


TASK = Task(
    "distance",
    "Does the latent distance of two crops equal their distance in the body?",
    measure=distance,
    samples=(BODY,),
    version=2,
    groups={
        "distance": Group(
            "Distance, within patients",
            unit="correlation",
            bars=("pearson", "spearman"),
            rows=(scatter_chart,),
            beside=(bins_chart,),
        ),
        "distance_between": Group("Distance, between patients", unit="correlation", bars=("pearson", "spearman")),
    },
    figures={"pearson": "Pearson r", "spearman": "Spearman r", "stress": "Kruskal stress", "rmse_mm": "RMSE, mm"},
    headlines=(("distance", "spearman"), ("distance", "rmse_mm")),
)
