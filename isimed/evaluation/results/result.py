"""What ``evaluate`` and ``compare`` return, as Python objects; their JSON is the file that ``--json`` writes."""

import json
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from isimed.evaluation.results.controls import rank


class Stored(BaseModel):
    """Reads JSON of older and newer versions: keys that it does not know are kept."""

    model_config = ConfigDict(extra="allow")

    def to_json(self, *, indent: int | None = 1) -> str:
        return json.dumps(self.model_dump(mode="json"), indent=indent, allow_nan=False)


class Measured(Stored):
    """One figure with its 95 % interval over ``n`` patients; None where a number makes no sense."""

    value: float | None
    low: float | None = None
    high: float | None = None
    n: int = 0

    @property
    def clear(self) -> bool:
        """Whether the interval of a difference leaves out 0."""
        return self.low is not None and self.high is not None and self.low * self.high > 0


Figures = dict[str, Measured]
Groups = dict[str, Figures]


class MeasuredCohort(Stored):
    """Whose volumes were measured; ``subjects`` is the number of patients."""

    name: str
    fingerprint: str
    subjects: int


class Split(Stored):
    """The file that a split came from, and which of its parts were measured."""

    file: str
    parts: list[str]


class Patients(Stored):
    """Who was measured, and who was left out.

    Attributes:
        used: the measured patients.
        left_out: those that a checkpoint was trained or selected on.
        seen, chosen_on, namesakes: measured although a checkpoint may know them, see ``context.subjects``.
    """

    used: list[str]
    left_out: list[str]
    seen: list[str] = Field(default_factory=list)
    chosen_on: list[str] = Field(default_factory=list)
    namesakes: list[str] = Field(default_factory=list)


class Network(Stored):
    """What a result says of a checkpoint."""

    fingerprint: str
    method: str
    description: str = ""
    preparation: dict[str, Any]
    crop_size: int
    training: dict[str, Any] = Field(default_factory=dict)
    trained_on: str = ""

    def __str__(self) -> str:
        trained = f"trained on {self.trained_on}" if self.trained_on else "not trained"
        return f"{self.method}, {trained}, {self.preparation['spacing_mm']:g} mm, crops of {self.crop_size}³ voxels"


class Result(Stored):
    """Every figure of one evaluation.

    Attributes:
        checkpoints, controls: name -> group -> figure; a control that was not measured is empty.
        differences: ``"a - b"`` -> group -> figure, paired over the same patients.
        likeness: ``"a | b"`` -> figure: how alike the spaces of two checkpoints are.
        intervals: ``t``, or ``percentiles`` in results of version 0.1.0, too narrow where patients are few.
        notes: what a reader must know.
        details: name -> task -> what charts need.
        seconds: name -> task -> seconds.
    """

    cohort: MeasuredCohort
    split: Split | None = None
    protocol: str
    seed: int
    crops: int = 32
    intervals: str = "percentiles"
    versions: dict[str, str] = Field(default_factory=dict)
    checkpoints: dict[str, Groups]
    controls: dict[str, Groups]
    differences: dict[str, Groups] = Field(default_factory=dict)
    likeness: dict[str, Figures] = Field(default_factory=dict)
    subjects: Patients
    cards: dict[str, Network] = Field(default_factory=dict)
    synthetic: bool = False
    notes: list[str] = Field(default_factory=list)
    details: dict[str, dict[str, Any]] = Field(default_factory=dict)
    seconds: dict[str, dict[str, float]] = Field(default_factory=dict)
    created: str
    limits: str

    def without_details(self) -> "Result":
        """The same without what is large: details and differences, which only charts and comparisons read."""
        return self.model_copy(update={"details": {}, "differences": {}})

    def only_details(self) -> "Details":
        """What ``without_details`` leaves out, and of which result it is."""
        return Details(cohort=self.cohort, created=self.created, details=self.details, differences=self.differences)

    @property
    def columns(self) -> list[str]:
        """Checkpoints, then the controls that hold figures, the most telling ones first."""
        controls = [name for name, found in self.controls.items() if found and name not in self.checkpoints]
        return [*self.checkpoints, *sorted(controls, key=rank)]

    @property
    def who(self) -> str:
        """``"50 patients of mine, test of split.json"``."""
        part = f", {' and '.join(self.split.parts)} of {self.split.file}" if self.split else ""
        return f"{self.cohort.subjects} patients of {self.cohort.name}{part}"

    def of(self, name: str) -> Groups:
        """The figures of a checkpoint or control."""
        return self.checkpoints.get(name) or self.controls.get(name) or {}

    def figure(self, name: str, group: str, figure: str) -> Measured | None:
        """One figure of a checkpoint or control; None where it was not measured."""
        return self.of(name).get(group, {}).get(figure)

    def columns_with(self, group: str) -> list[str]:
        return [name for name in self.columns if group in self.of(name)]

    def figures_in(self, group: str) -> list[str]:
        """The names of a group's figures, of whatever column has them."""
        return list(dict.fromkeys(figure for name in self.columns_with(group) for figure in self.of(name)[group]))

    def detail(self, name: str, task: str, key: str) -> Any:
        """What a chart needs of a column, or None."""
        return self.details.get(name, {}).get(task, {}).get(key)

    def measured_differences(self) -> Iterator[tuple[str, str, str, Measured]]:
        """(pair, group, figure, difference) of every difference that has a value."""
        for pair, groups in self.differences.items():
            for group, figures in groups.items():
                for name, found in figures.items():
                    if found.value is not None:
                        yield pair, group, name, found


class Details(Stored):
    """The large part of a result, in a file of its own: ``evaluate --details``."""

    cohort: MeasuredCohort
    created: str
    details: dict[str, dict[str, Any]]
    differences: dict[str, Groups]


class Comparison(Stored):
    """Two or more checkpoints on the same crops.

    Attributes:
        left_out: patients that a checkpoint was trained or selected on.
        pairs: ``"a | b"`` -> figure.
        maps: name -> (N, 2), each turned onto the first.
        position: (N, 3) mm.
        subject: (N,).
        options: a row an option that differs, a column a checkpoint.
    """

    cohort: MeasuredCohort
    seed: int
    created: str
    left_out: list[str]
    pairs: dict[str, Figures]
    maps: dict[str, list[list[float]]]
    position: list[list[float]]
    subject: list[str]
    options: list[dict[str, str]]
