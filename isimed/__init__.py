"""isimed: where in the body a piece of a scan comes from, learned without labels."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from isimed.data.cohorts.cohort import Cohort as Cohort
    from isimed.data.cohorts.from_memory import cohort_of as cohort_of
    from isimed.data.cohorts.importing import import_cohort as import_cohort
    from isimed.data.formats.volume import read_volume as read_volume
    from isimed.data.prepared.preprocess import prepare as prepare
    from isimed.evaluation.run.evaluate import evaluate as evaluate
    from isimed.explore.one_scan.label import label_scan as label_scan
    from isimed.explore.one_scan.where import where as where
    from isimed.explore.search.everywhere import locate as locate
    from isimed.explore.tables.embed import embed as embed
    from isimed.explore.tables.embed import embed_cohort as embed_cohort
    from isimed.explore.tables.store import Table as Table
    from isimed.models.checkpoint import load_checkpoint as load_checkpoint
    from isimed.models.preprocessing import Preprocessing as Preprocessing
    from isimed.models.sharing.elsewhere import export as export
    from isimed.training.optimise.methods import method as method
    from isimed.training.runs.pretrain import train as train

__version__ = "0.1.0"

_WHERE = {
    "Cohort": "isimed.data.cohorts.cohort",
    "Preprocessing": "isimed.models.preprocessing",
    "Table": "isimed.explore.tables.store",
    "cohort_of": "isimed.data.cohorts.from_memory",
    "embed": "isimed.explore.tables.embed",
    "embed_cohort": "isimed.explore.tables.embed",
    "evaluate": "isimed.evaluation.run.evaluate",
    "export": "isimed.models.sharing.elsewhere",
    "import_cohort": "isimed.data.cohorts.importing",
    "label_scan": "isimed.explore.one_scan.label",
    "load_checkpoint": "isimed.models.checkpoint",
    "locate": "isimed.explore.search.everywhere",
    "method": "isimed.training.optimise.methods",
    "prepare": "isimed.data.prepared.preprocess",
    "read_volume": "isimed.data.formats.volume",
    "train": "isimed.training.runs.pretrain",
    "where": "isimed.explore.one_scan.where",
}
__all__ = [*_WHERE]


def __getattr__(name: str) -> Any:
    """Import the public functions when they are first used: ``import isimed`` stays instant."""
    if name in _WHERE:
        return getattr(import_module(_WHERE[name]), name)
    raise AttributeError(f"module 'isimed' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*_WHERE, "__version__"]
