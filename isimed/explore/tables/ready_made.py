"""Cohorts that come with isimed together with their tables: looked into at once."""

from collections.abc import Iterator
from pathlib import Path

from isimed.core.files import write_file
from isimed.data.cohorts.cohort import Cohort
from isimed.data.cohorts.shipped import TABLES, bring, shipped_folder
from isimed.explore.tables.store import ABOUT, TableInfo, read_info, table_folder, table_info
from isimed.models.card import checkpoint_names
from isimed.models.checkpoint import open_checkpoint


def bring_embedded(name: str) -> Cohort:
    """Put a cohort that came with isimed into ISIMED_HOME, with those of its tables that fit it and their checkpoint.

    A table is taken only where cohort, checkpoint and grid are the ones it was made of, by their fingerprints. What
    stands there already, under the same names, is left alone.

    Raises:
        InputError: no such cohort came with isimed, or the disk is full.
    """
    cohort = Cohort.load(bring(name))
    for shipped, info in _tables(name):
        if info.checkpoint not in checkpoint_names() or info != table_info(cohort, open_checkpoint(info.checkpoint)):
            continue
        folder = table_folder(info)
        for file in sorted(shipped.iterdir(), key=lambda file: file.name != ABOUT):
            if not (folder / file.name).exists():
                write_file(folder / file.name, file.read_bytes())
    return cohort


def _tables(name: str) -> Iterator[tuple[Path, TableInfo]]:
    for about in sorted((shipped_folder(name) / TABLES).glob(f"*/{ABOUT}")):
        yield about.parent, read_info(about.parent)
