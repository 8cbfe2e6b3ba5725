"""Where things live on this machine."""

import os
import re
from pathlib import Path

from isimed.core.errors import InputError

PACKAGE = Path(__file__).resolve().parents[1]
# Where app.py, pages/, checkpoints/ and cohorts/ lie: inside an installed package, beside the package in a checkout.
ROOT = PACKAGE / "installed" if (PACKAGE / "installed").is_dir() else PACKAGE.parent
BEGUN = re.compile(r"\d{8}-\d{6}")  # what a run's id puts before its name
RESEARCH_ONLY = "Research use only. Not for diagnosis."


def home() -> Path:
    """The folder of everything isimed writes: ``$ISIMED_HOME``, by default ``~/.isimed``."""
    return Path(os.environ.get("ISIMED_HOME") or Path.home() / ".isimed").expanduser()


def cohorts_dir() -> Path:
    return home() / "cohorts"


def shipped_cohorts_dir() -> Path:
    """The cohorts that come with isimed, in the repository or the installed package."""
    return ROOT / "cohorts"


def prepared_dir() -> Path:
    return home() / "prepared"


def tables_dir() -> Path:
    return home() / "tables"


def runs_dir() -> Path:
    return home() / "runs"


def run_folder(name: str) -> Path:
    """The folder of the run with an id, or of the only one that was begun under a name; it need not exist.

    Raises:
        InputError: several runs have the name.
    """
    folder = runs_dir() / name
    if folder.exists() or not re.fullmatch(r"[\w.-]+", name):
        return folder
    stems = [found for found in runs_dir().glob(f"*-{name}") if BEGUN.fullmatch(found.name.removesuffix(f"-{name}"))]
    namesakes = sorted({run for stem in stems for run in (stem, *stem.parent.glob(f"{stem.name}-[0-9]*"))})
    if len(namesakes) > 1:
        ids = ", ".join(run.name for run in namesakes)
        raise InputError(f"{len(namesakes)} runs are called {name}: give the id of one, {ids}.")
    return namesakes[0] if namesakes else folder


def checkpoint_dirs() -> list[Path]:
    """Folders that hold named checkpoints: the repository's (or the installed package's), then the user's."""
    candidates = [ROOT / "checkpoints", home() / "checkpoints"]
    return [folder for folder in candidates if folder.is_dir()]
