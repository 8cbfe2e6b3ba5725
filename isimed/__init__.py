"""isimed: where in the body a piece of a scan comes from, learned without labels."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from isimed.data.formats.volume import read_volume as read_volume
    from isimed.explore.tables.embed import embed as embed
    from isimed.models.checkpoint import load_checkpoint as load_checkpoint
    from isimed.training.optimise.methods import method as method

__version__ = "0.1.0"
__all__ = ["embed", "load_checkpoint", "method", "read_volume"]

_WHERE = {
    "read_volume": "isimed.data.formats.volume",
    "load_checkpoint": "isimed.models.checkpoint",
    "embed": "isimed.explore.tables.embed",
    "method": "isimed.training.optimise.methods",
}


def __getattr__(name: str) -> Any:
    """Import the few public functions when they are first used: ``import isimed`` stays instant."""
    if name in _WHERE:
        return getattr(import_module(_WHERE[name]), name)
    raise AttributeError(f"module 'isimed' has no attribute {name!r}")
