"""Cohorts that come with isimed: real scans, few and small, whose licence lets them be passed on."""

import shutil
from pathlib import Path

from isimed.core import paths
from isimed.core.errors import InputError
from isimed.core.files import new_folder, remove_unfinished

TABLES = "tables"  # beside the scans: what checkpoints that come with isimed make of them


def shipped_names() -> list[str]:
    """Names of the cohorts that came with isimed."""
    return sorted(path.parent.name for path in paths.shipped_cohorts_dir().glob("*/dataset.json"))


def shipped_folder(name: str) -> Path:
    """Where a cohort lies that came with isimed.

    Raises:
        InputError: none of that name did.
    """
    if name not in shipped_names():
        known = ", ".join(shipped_names()) or "none"
        raise InputError(f"No cohort {name} came with isimed: choose one of: {known}.")
    return paths.shipped_cohorts_dir() / name


def bring(name: str) -> Path:
    """Put a cohort that came with isimed into ISIMED_HOME; one that stands there under its name is left alone.

    Returns:
        The path of its ``dataset.json`` there.

    Raises:
        InputError: no such cohort came with isimed, or the disk is full.
    """
    source, folder = shipped_folder(name), paths.cohorts_dir() / name
    manifest = folder / "dataset.json"
    if not manifest.is_file():
        remove_unfinished(folder.parent)
        with new_folder(folder) as unfinished:
            shutil.copytree(source, unfinished, dirs_exist_ok=True, ignore=shutil.ignore_patterns(TABLES))
    return manifest
