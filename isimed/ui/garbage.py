"""Streamlit's garbage collection after every run of a page, kept to what can be garbage."""

import gc
import sys

MANY = 50  # modules imported since, that make it worth it
_known = 0


def collect_seldom() -> None:
    """Fewer collections while modules are imported: a tenth of the start. After every run of a page there is one."""
    gc.set_threshold(100_000, 50, 100)


def settle() -> None:
    """Leave out what was imported so far: it stays for as long as the server runs.

    With torch, pandas and the rest a full collection looks through 400,000 objects, 0.2 s in which no page of any
    session moves, after every run of every page and fragment.
    """
    global _known
    if len(sys.modules) > _known + MANY:
        _known = len(sys.modules)
        gc.freeze()
