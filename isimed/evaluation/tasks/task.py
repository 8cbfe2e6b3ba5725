"""What a task is: all that an evaluation, a report and a page need to know of it stands in the task's own file."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import plotly.graph_objects as go

from isimed.core.text import first_names
from isimed.data.prepared.preprocess import Preparation
from isimed.evaluation.context.context import Context
from isimed.evaluation.context.outcome import Outcome
from isimed.evaluation.results.result import Result
from isimed.models.checkpoint import Checkpoint

Measure = Callable[[Context, Checkpoint], Outcome]
Control = Callable[[Context, Preparation, int], Outcome]
MeasurePair = Callable[[Context, Checkpoint, Checkpoint], Outcome]
MAPS = {"organs": "organ", "tumour": "tumour"}
Chart = Callable[[Result], Sequence[go.Figure]]


@dataclass(frozen=True)
class Sample:
    """Crops that a task embeds.

    Attributes:
        crops: about how many, by the mm between the crops of a grid (where the sample is one).
    """

    name: str
    crops: Callable[[Context, float], int]


@dataclass(frozen=True)
class Group:
    """One table of figures.

    Attributes:
        unit: of the figures in the bar chart.
        bars: figures that share the bar chart, those of one unit; all of them where there are none.
        parent: the group that this table stands folded under, or empty.
        rows: charts that have a row of their own, above the bars.
        beside: charts beside the bars.
    """

    label: str
    unit: str = "0 to 1"
    bars: tuple[str, ...] = ()
    parent: str = ""
    rows: tuple[Chart, ...] = ()
    beside: tuple[Chart, ...] = ()


@dataclass(frozen=True)
class Task:
    """One kind of measurement.

    Attributes:
        question: what it answers, for a person.
        measure: a checkpoint's figures; None where the task measures pairs of checkpoints.
        measure_pair: the figures of two checkpoints together.
        samples: which crops it embeds.
        controls: the same without any network, by name.
        on_request: measured when it is asked for by name, no part of ``all``.
        needs: the label map that it asks, ``organs`` or ``tumour``; patients without one are left out.
        patients: how many of them it needs, since it is fitted to some and measured on others.
        lacks: why a cohort cannot be measured, or an empty string; by default, that no patient has the map.
        version: raise it when figures change; outcomes kept by the old version are then not used.
        groups: its tables, by the name that they have in the result.
        figures: name of a figure -> what people read.
        headlines: (group, figure) that stand large above everything.
    """

    name: str
    question: str
    measure: Measure | None = None
    measure_pair: MeasurePair | None = None
    samples: tuple[Sample, ...] = ()
    controls: Mapping[str, Control] = field(default_factory=dict)
    on_request: bool = False
    needs: str = ""
    patients: int = 1
    lacks: Callable[[Context], str] | None = None
    version: int = 1
    groups: Mapping[str, Group] = field(default_factory=dict)
    figures: Mapping[str, str] = field(default_factory=dict)
    headlines: tuple[tuple[str, str], ...] = ()

    def cannot(self, context: Context) -> str:
        """Why these patients cannot be measured at all, or an empty string."""
        if self.lacks:
            return self.lacks(context)
        if self.needs and not context.has(self.needs):
            return f"this cohort has no {MAPS[self.needs]} maps."
        known = len(context.subjects) - (len(context.without(self.needs)) if self.needs else 0)
        if known >= self.patients:
            return ""
        which = f" with {MAPS[self.needs]} maps" if self.needs else ""
        return (
            f"it needs {self.patients} patients{which}, to be fitted to some and measured on others; here is {known}."
        )

    def leaves_out(self, context: Context) -> str:
        """Which patients are left out, since nobody knows what they have, or an empty string."""
        unknown = context.without(self.needs) if self.needs and context.has(self.needs) else []
        if not unknown:
            return ""
        return (
            f"{len(unknown)} of {len(context.subjects)} patients have no {MAPS[self.needs]} map and are left out: "
            f"what they have is not known ({first_names(unknown)})."
        )


def _body(context: Context) -> int:
    return context.crops_a_volume * len(context.entries)


BODY = Sample("body", lambda context, step_mm: _body(context))
TUMOUR = Sample("tumour", lambda context, step_mm: round(0.39 * _body(context)))  # `body` has the crops outside already
MATCHED = Sample("matched", lambda context, step_mm: round(0.75 * _body(context)))
ORGAN = Sample(
    "organ",
    lambda context, step_mm: context.crops_a_volume // 8 * max(len(context.cohort.organs), 1) * len(context.entries),
)
