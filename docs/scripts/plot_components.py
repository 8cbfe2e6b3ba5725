"""The paper's Fig. 2 for our data: principal components of the codes, and what they follow.

python -m docs.scripts.plot_components PATH/TO/headneck-ct --checkpoint headneck-ct

Twelve test patients of the split; the components are fitted on their own crops, as in the paper. Above: the first
component and the one that follows an axis best (or the second), coloured by where along that axis a crop lies. Below:
for each axis the component that follows it best against the position.
"""

import argparse

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from benchmarks.studies.part import add_patients, listed_patients
from docs.scripts.make_results import DOCS
from isimed.data.cohorts.cohort import Cohort
from isimed.explore.tables.components import components_of
from isimed.explore.tables.embed import checkpoint_for, embed_cohort
from isimed.explore.tables.store import AXES, Table

PATIENTS, SHOWN = 12, 4000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_patients(parser)
    options = parser.parse_args()
    cohort = Cohort.load(options.cohort)
    checkpoint = checkpoint_for(options.checkpoint, cohort)
    table = embed_cohort(cohort, checkpoint, entries=cohort.subset(listed_patients(options)[:PATIENTS]))
    picture = DOCS / "results" / f"{options.checkpoint}-components.png"
    plot(table).write_image(picture, scale=1)
    print(f"{picture}: {min(SHOWN, len(table.code))} of {len(table.code)} crops are drawn")


def plot(table: Table) -> go.Figure:
    """Two rows of three: components coloured by position, and the best component of each axis against it."""
    places, scores = from_the_middle(table), components_of(table).scores[:, :3]
    chosen = np.random.default_rng(0).permutation(len(scores))[:SHOWN]
    titles = [f"coloured by {axis} position" for axis in AXES]
    figure = make_subplots(2, 3, subplot_titles=titles, vertical_spacing=0.16)
    for column, axis in enumerate(AXES):
        position = places[:, column]
        r = np.array([np.corrcoef(score, position)[0, 1] for score in scores.T])
        best = int(np.abs(r).argmax())
        colours = {"color": position[chosen], "colorscale": "Viridis", "size": 3}
        beside = best or 1
        figure.add_trace(_dots(scores[chosen, 0], scores[chosen, beside], colours), row=1, col=column + 1)
        figure.add_trace(_dots(position[chosen], scores[chosen, best], colours), row=2, col=column + 1)
        figure.update_xaxes(title_text="PC1, mm", row=1, col=column + 1)
        figure.update_yaxes(title_text=f"PC{beside + 1}, mm", row=1, col=column + 1)
        figure.update_xaxes(title_text=f"{axis} position, mm from the middle of the crops", row=2, col=column + 1)
        figure.update_yaxes(title_text=f"PC{best + 1}, mm (|r| = {abs(r[best]):.3f})", row=2, col=column + 1)
    figure.update_layout(template="plotly_white", showlegend=False, width=1200, height=760, margin={"t": 40, "r": 20})
    return figure


def from_the_middle(table: Table) -> NDArray[np.float64]:
    """(N, 3) mm of each crop from the middle of its scan's crops: scans have no common origin."""
    places = np.array(table.centre_mm, dtype=np.float64)
    for volume in table.volumes:
        places[table.rows(volume)] -= places[table.rows(volume)].mean(axis=0)
    return places


def _dots(x: NDArray, y: NDArray, marker: dict) -> go.Scatter:
    return go.Scatter(x=x, y=y, mode="markers", marker=marker)


if __name__ == "__main__":
    main()
