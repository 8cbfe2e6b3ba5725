"""What a task returns: figures, and details to draw."""

from dataclasses import dataclass, field
from typing import Any

from isimed.core.json_values import without_nan
from isimed.evaluation.results.result import Figures, Groups, Measured
from isimed.evaluation.statistics.bootstrap import Figure


@dataclass(eq=False)
class Outcome:
    """Figures by name, in groups.

    Attributes:
        figures: group (usually the task's name) -> figure name -> Figure.
        details: what plots and tables need, as JSON can hold it.
    """

    figures: dict[str, dict[str, Figure]] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)

    def measured(self) -> Groups:
        """The figures with their intervals, as a result holds them."""
        return {group: with_intervals(figures) for group, figures in self.figures.items()}

    def pack(self) -> dict[str, Any]:
        figures = {g: {name: figure.pack() for name, figure in found.items()} for g, found in self.figures.items()}
        return {"figures": figures, "details": without_nan(self.details)}

    @classmethod
    def unpack(cls, packed: dict[str, Any]) -> "Outcome":
        figures = {
            group: {name: Figure.unpack(figure) for name, figure in found.items()}
            for group, found in packed["figures"].items()
        }
        return cls(figures, packed["details"])


def with_intervals(figures: dict[str, Figure]) -> Figures:
    return {name: Measured(**figure.to_json()) for name, figure in figures.items()}
